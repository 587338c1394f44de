"""What may be told: the open findings of a night, and nights that are missing or late."""

from datetime import UTC, date, datetime, time

import pandas as pd
import pytest

from billing_dq.alerts.current_alerts import of_findings, of_nights
from billing_dq.reconcile.findings.standing import verdicts
from tests.support.report_night import BEFORE, NIGHT, night, old
from tests.support.report_night import findings as findings_of

DUE = time(6)
FIRST = date(2026, 11, 1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_open_findings_of_a_night_are_its_matters_and_some_are_quiet() -> None:
    told = night()
    found = of_findings(told.findings, told.verdict, NIGHT).set_index("alert_id")
    quiet = {int(name, 16): reason for name, reason in found["silenced"].dropna().items()}
    assert quiet == {4: "undecided", 6: "accepted", 9: "not_examined"}
    assert f"{7:016x}" not in found.index  # resolved
    assert found["is_reopened"].sum() == 1
    assert found.loc[f"{2:016x}", "since"] == BEFORE
    assert pd.isna(found.loc[f"{1:016x}", "since"])  # tonight


def test_a_night_without_findings_has_no_matters() -> None:
    told = night(findings_of())
    assert of_findings(told.findings, told.verdict, NIGHT).empty
    accepted = findings_of(old(1, accepted_by="ann", accepted_why="written off"))
    assert of_findings(accepted, verdicts(accepted), NIGHT)["silenced"].tolist() == ["accepted"]


@pytest.mark.parametrize(
    ("now", "newest", "missing"),
    [
        ("2026-11-21T05:59", "2026-11-20", 0),
        ("2026-11-21T06:00", "2026-11-20", 1),
        ("2026-11-21T06:00", "2026-11-21", 0),
        ("2026-11-23T05:00", "2026-11-20", 2),
        ("2026-11-21T00:10", "2026-11-21", 0),
        ("2026-11-21T06:00", None, 1),
        ("2026-10-21T06:00", None, 0),
    ],
)
def test_a_night_is_missing_once_it_is_due_and_each_further_one_makes_it_worse(
    now: str, newest: str | None, missing: int
) -> None:
    found = of_nights(at(now), DUE, newest, None, FIRST)
    assert found["units"].tolist() == ([float(missing)] if missing else [])
    assert set(found["kind"]) <= {"missing_nights"}


def test_a_night_that_was_read_after_it_was_due_is_late() -> None:
    late = of_nights(at("2026-11-21T08:00"), DUE, NIGHT, at("2026-11-21T07:15"), FIRST)
    assert late["kind"].tolist() == ["late_night"]
    assert "was read at 07:15 UTC; it was due by 06:00" in late["sentence"].iloc[0]
    assert of_nights(at("2026-11-21T08:00"), DUE, NIGHT, at("2026-11-21T02:15"), FIRST).empty


def test_a_break_that_is_older_than_its_finding_says_since_when() -> None:
    rows = findings_of(old(1, broken_since=pd.Timestamp("2026-09-07", tz="UTC"), explanation="it broke"))
    assert of_findings(rows, verdicts(rows), NIGHT)["sentence"].tolist() == ["it broke (broken since 2026-09-07)"]
