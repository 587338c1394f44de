"""The past of a ledger is proved: its first entries are those that an earlier night sealed.

Who changes an old entry and sets `cachedBalance` to fit breaks no sum. The seals show it: an entry that was deleted,
changed, or inserted before the end.
"""

from collections.abc import Hashable, Mapping

import pandas as pd

from billing_dq.reconcile.ledger.violation_rows import violations_of
from billing_dq.tables import LEDGER_SEALS

HISTORY_CHANGED = "history_changed"


def history_violations(seals: pd.DataFrame) -> pd.DataFrame:
    """Ledgers whose past was changed (docs/domain.md, "Ledger").

    A ledger that could not be read is neither sound nor broken: it keeps its earlier seal until a night reads it.

    Args:
        seals: LEDGER_SEALS of the night.

    Returns:
        LEDGER_VIOLATIONS, rule `history_changed`, a row an organization. Units are what the sealed entries add up to
        tonight, less what they added up to: positive where the organization has more.
    """
    changed = seals[_is_changed(seals)]
    gone, shorter = changed["reading"] == "gone", changed["entry_count"] < changed["earlier_count"]
    sum_tonight = changed["first_sum"].where(~shorter, changed["ledger_sum"]).where(~gone, 0.0)
    sentences = [_sentence(row) for row in changed.to_dict("records")]
    return violations_of(changed, HISTORY_CHANGED, sum_tonight - changed["earlier_sum"], sentences)


def seals_to_continue(seals: pd.DataFrame, accepted: set[str]) -> pd.DataFrame:
    """The seals that the next night holds the ledgers against (docs/domain.md, "Ledger").

    A changed ledger keeps the seal that it broke, so that the finding stays until the past is restored or a person
    accepts what it is now.

    Args:
        seals: LEDGER_SEALS of a night.
        accepted: organizations whose changed history a person accepted since.

    Returns:
        ``organization_id``, ``entry_count``, ``ledger_sum``, ``digest``; each organization once.
    """
    keeps = (seals["reading"] != "read") | (_is_changed(seals) & ~seals["organization_id"].isin(accepted))
    is_accepted_loss = (seals["reading"] == "gone") & seals["organization_id"].isin(accepted)
    columns = ["organization_id", "entry_count", "ledger_sum", "digest"]
    earlier = ["organization_id", "earlier_count", "earlier_sum", "earlier_digest"]
    earlier_seals = seals.loc[keeps & ~is_accepted_loss, earlier].set_axis(columns, axis="columns")
    return pd.concat([seals.loc[~keeps, columns], earlier_seals], ignore_index=True).astype(
        {name: LEDGER_SEALS.column(name).pandas_dtype for name in columns}
    )


def _is_changed(seals: pd.DataFrame) -> pd.Series:
    differs = (seals["first_digest"] != seals["earlier_digest"]).fillna(value=True).astype("bool")
    return seals["earlier_digest"].notna() & (seals["earlier_count"] > 0) & (seals["reading"] != "unread") & differs


def _sentence(seal: Mapping[Hashable, object]) -> str:
    first = seal["earlier_count"]
    sealed = f"{first:,} entries of {seal['earlier_sum']:,.10g} units were sealed ({seal['earlier_digest']})"
    if seal["reading"] == "gone":
        return f"{sealed}, and the ledger is gone"
    if not isinstance(seal["first_digest"], str):
        return f"{sealed}, and there are {seal['entry_count']:,} of {seal['ledger_sum']:,.10g} units ({seal['digest']})"
    return f"{sealed}, and the first {first:,} are now of {seal['first_sum']:,.10g} units ({seal['first_digest']})"
