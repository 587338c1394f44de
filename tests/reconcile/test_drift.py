"""Drift below the tolerance, week after week."""

import pandas as pd
import pytest

from billing_dq.reconcile.drift import cumulative_drift
from billing_dq.units import Tolerance


def history(
    *units: float, diverged: bool = False, grade: str = "within_tolerance", state: str = "closed"
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "organization_id": "6a0000000000000000000001",
            "week_key": [f"2026-W{week:02d}" for week in range(1, len(units) + 1)],
            "week_state": state,
            "unexplained_units": list(units),
            "diverged": pd.array([diverged] * len(units), dtype="boolean"),
            "grade": grade,
        }
    )


def test_three_weeks_of_one_sign_that_exceed_the_tolerance_together_are_a_drift() -> None:
    found = cumulative_drift(history(20, 0, 20, 20), Tolerance())
    assert found[["units", "weeks"]].to_numpy().tolist() == [[60, 3]]
    assert "60 units too few were debited over 3 closed weeks" in found["explanation"].iloc[0]


@pytest.mark.parametrize(
    "weeks",
    [
        history(30, 30),
        history(20, 20, 10),
        history(30, 30, 30, -1),
        history(30, 30, 30, diverged=True),
        history(30, 30, 30, grade="unreadable"),
        history(30, 30, 30, state="open"),
        history(),
    ],
)
def test_anything_less_is_none(weeks: pd.DataFrame) -> None:
    assert cumulative_drift(weeks, Tolerance()).empty


def test_an_overcharge_drifts_too() -> None:
    assert cumulative_drift(history(-20, -20, -11), Tolerance())["units"].tolist() == [-51]
