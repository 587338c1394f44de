"""Weeks that are the mirror of another organization's: the keys are here, and the debits of these very keys are there.

A merge or a copy of organizations that moved half of the books leaves two debts of one size in opposite directions
(docs/causes.md, "Known incidents"). Nothing was lost and nothing is owed. The keys and references come from the
evidence, so only weeks that do not agree are looked at, and memory depends on these.
"""

from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.findings.finding import number, records, text
from billing_dq.reconcile.meter.causes import Cause
from billing_dq.reconcile.meter.sentences import number as units_in_words
from billing_dq.units import EPSILON

#: The cause of a finding about such a week.
MOVED = "moved_to_another_organization"
_WITHOUT_DEBIT = (Cause.MISSING_DEBIT, Cause.NO_BALANCE_DOCUMENT)
_WITHOUT_KEY = (Cause.DEBIT_WITHOUT_USAGE, Cause.NO_USAGE_DOCUMENT)
_WEEK = ["organization_id", "week_key"]
_THERE = ["organization_id_there", "week_key_there"]


@dataclass(frozen=True)
class Mirrors:
    """What is told of mirrored weeks.

    Attributes:
        sentences: by organization and week with the keys: what happened, naming the other organization.
        others: organizations and weeks with the debits, which the sentences tell of.
    """

    sentences: dict[tuple[str, str], str]
    others: frozenset[tuple[str, str]]


def mirrored_weeks(deltas: pd.DataFrame, evidence: pd.DataFrame | None) -> Mirrors:
    """The weeks whose lost debits are exactly the strange debits of one week of another organization.

    Args:
        deltas: METER_EXTRAS_DELTAS.
        evidence: METER_EXTRAS_EVIDENCE; None: no week has a mirror.
    """
    if evidence is None:
        return Mirrors({}, frozenset())
    named = evidence[evidence["ref_id"].notna()]
    keys = named.loc[named["cause"].isin(_WITHOUT_DEBIT), [*_WEEK, "ref_id"]].drop_duplicates()
    debits = named.loc[named["cause"].isin(_WITHOUT_KEY), [*_WEEK, "ref_id", "units"]]
    pairs = keys.merge(debits, on="ref_id", suffixes=("", "_there"))
    pairs = pairs[pairs["organization_id"] != pairs["organization_id_there"]]
    both = pairs.groupby([*_WEEK, *_THERE], as_index=False).agg(units=("units", "sum"), debits=("ref_id", "size"))
    size = deltas[[*_WEEK, "delta_units"]]
    both = both.merge(size, on=_WEEK)
    both = both.merge(size.rename(columns=dict(zip(_WEEK, _THERE, strict=True))), on=_THERE, suffixes=("", "_there"))
    undebited, debited = both["delta_units"] + both["units"], both["delta_units_there"] - both["units"]
    sentences: dict[tuple[str, str], str] = {}
    others: set[tuple[str, str]] = set()
    for row in records(both[(undebited.abs() <= EPSILON) & (debited.abs() <= EPSILON)]):
        other = (text(row, "organization_id_there"), text(row, "week_key_there"))
        others.add(other)
        sentences[text(row, "organization_id"), text(row, "week_key")] = (
            f"These {units_in_words(-number(row, 'units'))} units were debited to {other[0]} in {other[1]}: its "
            f"{row['debits']:,} debits carry the keys of this week. One side was moved without the other; nothing is "
            "owed."
        )
    return Mirrors(sentences, frozenset(others))
