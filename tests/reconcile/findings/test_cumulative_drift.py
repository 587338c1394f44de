"""Drift below the tolerance, week after week."""

import pandas as pd
import pytest

from billing_dq.reconcile.findings.cumulative_drift import cumulative_drift
from billing_dq.units import Tolerance

ORG, OTHER, THIRD = (f"6a000000000000000000000{number}" for number in (1, 2, 3))


def history(
    *units: float,
    organization: str = ORG,
    diverged: bool = False,
    grade: str = "within_tolerance",
    state: str = "closed",
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "organization_id": organization,
            "week_key": [f"2026-W{week:02d}" for week in range(1, len(units) + 1)],
            "week_state": state,
            "unexplained_units": list(units),
            "diverged": pd.array([diverged] * len(units), dtype="boolean"),
            "grade": grade,
        }
    )


def test_three_weeks_of_one_sign_that_exceed_the_tolerance_together_are_a_drift() -> None:
    weeks = [
        history(-20, -20, 0, -10.5, -1, organization=THIRD),
        history(1000, 1000, organization=OTHER),
        history(20, 0, 20, 20),
    ]
    found = cumulative_drift(pd.concat(weeks), Tolerance())
    assert list(found.columns) == ["organization_id", "units", "weeks", "first_week", "explanation"]
    assert found["first_week"].tolist() == [weeks[0]["week_key"].min(), weeks[0]["week_key"].min()]
    assert found.drop(columns="first_week").to_numpy().tolist() == [
        [
            ORG,
            60,
            3,
            "60 units too few were debited over 3 closed weeks, each week within the tolerance and all in the same "
            "direction.",
        ],
        [
            THIRD,
            -51.5,
            4,
            "51.50 units too many were debited over 4 closed weeks, each week within the tolerance and all in the same "
            "direction.",
        ],
    ]


@pytest.mark.parametrize(
    "weeks",
    [
        history(30, 30),
        history(20, 20, 10),
        history(30, 30, 30, -1),
        history(30, 30, 30, -1, 30, 30),
        history(30, 30, 30, 0, 0, 0),
        history(30, 30, 0, 0, 0, 30, 30),
        history(30, 30, 30, diverged=True),
        history(30, 30, 30, grade="unreadable"),
        history(30, 30, 30, state="open"),
        history(),
    ],
)
def test_anything_less_is_none(weeks: pd.DataFrame) -> None:
    assert cumulative_drift(weeks, Tolerance()).empty


def later(weeks: pd.DataFrame, *others: pd.DataFrame) -> pd.DataFrame:
    """The weeks one after the other, oldest first, of one organization."""
    together = pd.concat([weeks, *others], ignore_index=True)
    return together.assign(week_key=[f"2026-W{week:02d}" for week in range(1, len(together) + 1)])


@pytest.mark.parametrize("grade", ["explained", "undecided", "unexplained"])
def test_a_week_that_diverged_is_told_by_itself_and_hides_no_drift(grade: str) -> None:
    odd = history(2000, diverged=True, grade=grade)
    for weeks in (
        later(odd, history(30, 30, 30, 30)),
        later(history(30, 30), odd, history(30, 30)),
        later(history(30, 30, 30, 30), odd),
    ):
        assert cumulative_drift(weeks, Tolerance())[["units", "weeks"]].to_numpy().tolist() == [[120, 4]]


def test_a_week_that_could_not_be_read_neither_counts_nor_ends_a_drift() -> None:
    weeks = later(history(30, 30), history(0, grade="unreadable"), history(30))
    assert cumulative_drift(weeks, Tolerance())["units"].tolist() == [90]


def test_what_is_older_than_a_week_of_the_other_sign_neither_counts_nor_hides() -> None:
    assert cumulative_drift(history(500, -1, 30, 30, 30), Tolerance())["units"].tolist() == [90]
    assert cumulative_drift(history(-30, -30, -30, 20, 20, 20), Tolerance())["units"].tolist() == [60]


def test_a_drift_is_over_when_three_weeks_in_a_row_show_no_difference() -> None:
    assert cumulative_drift(history(30, 30, 30, 0, 0), Tolerance())["units"].tolist() == [90]
    assert cumulative_drift(history(30, 0, 0, 30, 0, 0, 30), Tolerance())["units"].tolist() == [90]
    assert cumulative_drift(history(30, 30, 30, 0, 0, 0), Tolerance()).empty


def test_the_runs_of_organizations_are_apart_in_whatever_order_the_weeks_come() -> None:
    weeks = pd.concat([history(30, 30, 30), history(0, 0, 0, organization=OTHER), history(-1, organization=THIRD)])
    assert cumulative_drift(weeks.iloc[::-1], Tolerance())["organization_id"].tolist() == [ORG]


def test_an_overcharge_drifts_too() -> None:
    assert cumulative_drift(history(-20, -20, -11), Tolerance())["units"].tolist() == [-51]


def test_parts_of_units_drift_too_and_the_noise_of_binary_fractions_is_of_no_direction() -> None:
    found = cumulative_drift(history(0.25, 0.25, 0.25, 1e-7, -1e-7), Tolerance(absolute_units=0.5))
    assert found[["units", "weeks"]].to_numpy().tolist() == [[0.75, 3]]
    assert found["explanation"].iloc[0].startswith("0.75 units too few were debited over 3 closed weeks")
    overcharged = cumulative_drift(history(-0.25, -0.25, -0.25), Tolerance(absolute_units=0.5))
    assert overcharged["units"].tolist() == [-0.75]
