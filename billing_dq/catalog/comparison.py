"""What changed in the findings between two nights."""

from typing import Final

import pandas as pd

from billing_dq.reconcile.findings.standing import is_open

#: The columns of a change: what it is (``came``, ``went`` or ``changed``), and the finding as each night has it.
CHANGE_COLUMNS: Final = [
    "change",
    "finding_id",
    "kind",
    "organization_id",
    "subject",
    "severity_before",
    "severity_after",
    "usd_cents_before",
    "usd_cents_after",
    "units_before",
    "units_after",
    "explanation",
]
_AMOUNTS: Final = ("severity", "usd_cents", "units")


def compare(earlier: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """The findings that are open on one of two nights only, or differ in severity or amount.

    Args:
        earlier: `FINDINGS` of a night.
        later: `FINDINGS` of another one.

    Returns:
        `CHANGE_COLUMNS`, those with the largest change of money first.
    """
    before, after = (frame[is_open(frame)].set_index("finding_id") for frame in (earlier, later))
    joined = before.merge(
        after, how="outer", left_index=True, right_index=True, suffixes=("_before", "_after")
    ).reset_index()
    came, went = joined["kind_before"].isna(), joined["kind_after"].isna()
    joined["change"] = pd.Series("changed", joined.index).mask(came, "came").mask(went, "went")
    for name in ("kind", "organization_id", "subject", "explanation"):
        joined[name] = joined[f"{name}_after"].fillna(joined[f"{name}_before"])
    differs = pd.concat([joined[f"{name}_before"] != joined[f"{name}_after"] for name in _AMOUNTS], axis=1).any(axis=1)
    money = (joined["usd_cents_after"].fillna(0) - joined["usd_cents_before"].fillna(0)).abs()
    order = joined.assign(money=money)[differs].sort_values(["money", "finding_id"], ascending=[False, True])
    return order[CHANGE_COLUMNS].reset_index(drop=True)
