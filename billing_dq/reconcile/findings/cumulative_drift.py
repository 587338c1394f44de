"""Cumulative drift: an organization whose weeks are all within the tolerance, and all wrong in the same direction.

CAUSES.md, "Match by key first, by time second": on a closed week with a stable quota, no settlement and nothing dropped
expected equals actual exactly, so what stays below the tolerance every week is no noise.
"""

import pandas as pd

from billing_dq.reconcile.meter.quota_path import EPSILON
from billing_dq.reconcile.meter.sentences import number
from billing_dq.units import Tolerance

#: Fewer weeks of one sign are no drift.
LEAST_WEEKS = 3


def cumulative_drift(history: pd.DataFrame, tolerance: Tolerance) -> pd.DataFrame:
    """Organizations that drift.

    Only what the application's design does not explain counts: a settlement of 40 units in each week is no drift.

    Args:
        history: METER_EXTRAS_DELTAS rows of the closed weeks of stored nights, one for an organization and week.
        tolerance: whose absolute part a drift has to exceed.

    Returns:
        ``organization_id``, ``units`` (signed sum), ``weeks`` (how many have that sign), ``explanation``; in order of
        the organizations.
    """
    closed = history[(history["week_state"] == "closed") & (history["grade"] != "unreadable")]
    units = closed["unexplained_units"].where(closed["unexplained_units"].abs() > EPSILON)  # null: noise
    weeks = closed.assign(units=units, over=units > 0, under=units < 0)
    found = weeks.groupby("organization_id").agg(
        units=("units", "sum"), over=("over", "sum"), under=("under", "sum"), diverged=("diverged", "any")
    )
    of_one_sign = (found["over"] == 0) | (found["under"] == 0)
    enough = found[["over", "under"]].max(axis=1) >= LEAST_WEEKS
    large = found["units"].abs() > tolerance.absolute_units
    drifting = found[of_one_sign & enough & large & ~found["diverged"]].reset_index()
    drifting["weeks"] = drifting[["over", "under"]].max(axis=1).astype("int64")
    drifting["explanation"] = [
        f"{number(abs(units))} units too {'few' if units > 0 else 'many'} were debited over {weeks} closed weeks, "
        f"each week within the tolerance and all in the same direction."
        for units, weeks in zip(drifting["units"], drifting["weeks"], strict=True)
    ]
    return drifting[["organization_id", "units", "weeks", "explanation"]]
