"""`meter_extras_drift`: an organization whose newest weeks are all within the tolerance and all wrong in one direction.

docs/domain.md, "Meter against extras"; docs/causes.md, "Match by key first, by time second": on a closed week with a
stable quota, no settlement and nothing dropped expected equals actual exactly, so what stays below the tolerance every
week is no noise.
"""

import pandas as pd

from billing_dq.reconcile.meter.sentences import number
from billing_dq.units import EPSILON, Tolerance

#: Fewer weeks of one sign are no drift; as many weeks without a difference in a row end one.
LEAST_WEEKS = 3


def cumulative_drift(history: pd.DataFrame, tolerance: Tolerance) -> pd.DataFrame:
    """Organizations that drift.

    The rule looks back from the newest closed week. It passes over the weeks that tell nothing about a small and steady
    loss: those that diverged (each is a finding of its own) and those that could not be compared. It stops at a week of
    the other sign, and where `LEAST_WEEKS` weeks in a row show no difference: the cause is gone by then. What lies
    further back neither makes a drift nor hides one. Only what the application's design does not explain counts: a
    settlement of 40 units in each week is no drift.

    Args:
        history: METER_EXTRAS_DELTAS rows of the closed weeks of stored nights, one for an organization and week.
        tolerance: whose absolute part a drift has to exceed.

    Returns:
        ``organization_id``, ``units`` (signed sum), ``weeks`` (how many have that sign), ``first_week``,
        ``explanation``; in order of the organizations.
    """
    told_elsewhere = history["diverged"].fillna(False).astype("bool") | (history["grade"] == "unreadable")
    weeks = history.loc[(history["week_state"] == "closed") & ~told_elsewhere]
    weeks = weeks.sort_values(["organization_id", "week_key"], ascending=[True, False])
    counted = weeks.loc[_in_newest_run(weeks)]
    found = counted.groupby("organization_id").agg(
        units=("unexplained_units", "sum"), weeks=("week_key", "size"), first_week=("week_key", "min")
    )
    drifting = found[(found["weeks"] >= LEAST_WEEKS) & (found["units"].abs() > tolerance.absolute_units)].reset_index()
    drifting["explanation"] = [
        f"{number(abs(units))} units too {'few' if units > 0 else 'many'} were debited over {count} closed weeks, "
        f"each week within the tolerance and all in the same direction."
        for units, count in zip(drifting["units"], drifting["weeks"], strict=True)
    ]
    return drifting[["organization_id", "units", "weeks", "first_week", "explanation"]]


def _in_newest_run(weeks: pd.DataFrame) -> pd.Series:
    """Whether a week has a difference and belongs to its organization's newest run; `weeks` from the newest on."""
    units = weeks["unexplained_units"]
    over, under = units > EPSILON, units < -EPSILON  # null, and the noise of binary fractions, are no difference
    organization = weeks["organization_id"]
    sign = over.astype("int64") - under.astype("int64")
    newest = sign.mask(sign == 0).groupby(organization).transform("first")
    is_sound = sign == 0
    sound_in_a_row = is_sound.copy()
    for newer in range(1, LEAST_WEEKS):
        sound_in_a_row &= is_sound.groupby(organization).shift(newer, fill_value=False)
    ends = (sign == -newest) | sound_in_a_row
    return ~is_sound & (ends.astype("int64").groupby(organization).cummax() == 0)
