"""Every organization-week that was read is in one bucket, and the buckets add up."""

import pandas as pd

from billing_dq.defs.checks.population import Population, judge_units, judge_weeks
from tests.support.finding_rows import deltas, week

A, B, C = ("a" * 24, "b" * 24, "c" * 24)


def read(*organizations: str) -> pd.DataFrame:
    week_key = str(deltas(week("exact"))["week_key"].iloc[0])
    return pd.DataFrame({"organization_id": organizations, "week_key": [week_key] * len(organizations)}, dtype="str")


COMPARED = deltas(
    week("exact", organization_id=A), week("undecided", organization_id=B), week("unreadable", organization_id=C)
)


def test_each_bucket_is_named_with_its_count_and_they_add_up() -> None:
    result = judge_weeks(read(A, B), COMPARED, quarantined=1)
    assert result.passed
    assert result.description == (
        "3 organization-weeks = 1 exact, 0 tolerated, 0 explained, 1 undecided, 0 unexplained, 1 unreadable; "
        "documents in quarantine: 1."
    )
    assert result.metadata["organization_weeks"].value == 3


def test_a_week_with_data_that_was_not_compared_is_named() -> None:
    result = judge_weeks(read(A, B, "d" * 24), COMPARED, quarantined=0)
    assert not result.passed
    assert f"1 organization-weeks have data and were not compared, such as {'d' * 24} " in str(result.description)


def test_a_week_without_data_is_compared_only_where_it_is_unreadable() -> None:
    result = judge_weeks(read(B), COMPARED, quarantined=0)
    assert not result.passed
    assert f"1 organization-weeks were compared without data, such as {A} " in str(result.description)


def test_a_night_without_a_week_is_accounted_for() -> None:
    assert judge_weeks(read(), deltas(), quarantined=0).passed


def test_units_that_were_lost_on_the_way_are_told() -> None:
    nothing = Population(used=10.0, debited=0.0, weeks=read())
    result = judge_units(nothing, deltas())
    assert not result.passed
    assert str(result.description).startswith("units were lost or counted twice: 10 used")
