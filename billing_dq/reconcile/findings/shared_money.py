"""Each unit of money belongs to one finding: where several tell the same units, one of them owns the money.

The others name the owner in `same_money_as`. Their `units` stay, as the size of what they tell, and they are worth no
cents, so that a sum over all findings counts each unit once (docs/tables.md, "Money of a finding").
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from billing_dq.reconcile.findings.standing import is_open
from billing_dq.reconcile.ledger.entry_rules import OF_NO_MONEY
from billing_dq.units import cents_of_units

#: Kinds of findings, and rules of ledger violations, that can tell the same money. An earlier group owns it, because it
#: is nearer to the entry that was wrong, or tells all of it; those of one group tell money of their own.
_OWNERS_FIRST = (
    ("dispute_credit_due", "dispute_parked", "dispute_clawed_back_twice", "dispute_credited_twice"),
    ("topup_in_another_ledger", "settlement_half_applied"),
    ("dispute_clawback_missing", "refund_clawback_missing", "dispute_credit_wrong_units"),
    ("expiry_before_purchase", "expiry_twice"),
    ("duplicate_session",),
    ("duplicate_ref",),
    ("sign", "expiry_too_much", "expiry_in_full", "expiry_not_swept"),
    ("meter_extras_drift",),
    ("meter_extras_divergence",),
    ("cached_balance",),
)
_PLACES = {name: place for place, group in enumerate(_OWNERS_FIRST) for name in group}
#: Compares a whole balance with its ledger: any one entry may be what it tells.
_OF_BALANCE = "cached_balance"


class Claimant(NamedTuple):
    """A finding and the money that it tells.

    Attributes:
        finding_id: the finding.
        organization_id: whose balance the units moved; None where no organization is concerned.
        name: its kind, or its rule where it is a ledger violation.
        units: signed units of the finding.
        money: names of its money, in which findings that tell the same agree; none: nothing else tells it.
    """

    finding_id: str
    organization_id: str | None
    name: str
    units: float
    money: Sequence[str] = ()


def owners(claimants: Iterable[Claimant]) -> dict[str, str]:
    """By finding that tells money of another one: the finding that owns it (docs/tables.md, "Money of a finding").

    Args:
        claimants: the findings of a night that tell money, each once.

    Returns:
        Only owners as values: a finding that tells the money of one that shares its own names the owner of both.
    """
    claimants = list(claimants)
    by_money: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for claimant in claimants:
        for money in claimant.money:
            by_money[money].append((_PLACES.get(claimant.name, len(_PLACES)), claimant.finding_id))
    shared: dict[str, str] = {}
    for claims in by_money.values():
        (first, owner), *later = sorted(claims)
        shared |= {finding: owner for place, finding in later if place > first}
    shared |= _of_balances([claimant for claimant in claimants if claimant.finding_id not in shared])
    return {finding: _owner_of(finding, shared) for finding in shared}


def _of_balances(claimants: Sequence[Claimant]) -> dict[str, str]:
    """Balances that are off by exactly what another finding of their ledger tells: its entry made them so."""
    balances = [claimant for claimant in claimants if claimant.name == _OF_BALANCE]
    by_size: dict[tuple[str | None, float], str] = {}
    for claimant in sorted(claimants, reverse=True):
        if claimant.name != _OF_BALANCE and claimant.units:
            by_size[_size(claimant)] = claimant.finding_id
    return {balance.finding_id: by_size[_size(balance)] for balance in balances if _size(balance) in by_size}


def _size(claimant: Claimant) -> tuple[str | None, float]:
    """Amounts are doubles; whole units are exact, and parts of units differ by rounding only."""
    return claimant.organization_id, round(abs(claimant.units), 6)


def _owner_of(finding: str, shared: dict[str, str]) -> str:
    """The end of the chain; it has one, because each link leads to an earlier group of `_OWNERS_FIRST`."""
    while finding in shared:
        finding = shared[finding]
    return finding


def owning_again(findings: pd.DataFrame, dollars_to_units: float) -> pd.DataFrame:
    """`FINDINGS` in which a finding whose owner is not open any more owns its money again.

    This is of findings that a night could not examine: all others have tonight's owner.
    """
    open_ids = findings.loc[is_open(findings), "finding_id"]
    alone = is_open(findings) & findings["same_money_as"].notna() & ~findings["same_money_as"].isin(open_ids)
    again = findings.assign(same_money_as=findings["same_money_as"].mask(alone))
    cents = [cents_of_units(units, dollars_to_units) for units in owed_units(again.loc[alone])]
    owned = pd.Series(cents, findings.index[alone], dtype="int64").reindex(findings.index, fill_value=0)
    return again.assign(usd_cents=findings["usd_cents"].mask(alone, owned))


def owed_units(findings: pd.DataFrame) -> "pd.Series[float]":
    """The units of each of `FINDINGS` that its own money is: 0 where another finding owns it, or nobody owes any.

    A balance that runs away is a state that other breaks have led to, and an entry whose form alone is wrong moved
    nothing that it should not.
    """
    of_form = (findings["kind"] == "ledger_violation") & findings["cause"].isin(OF_NO_MONEY)
    none = findings["same_money_as"].notna() | of_form | (findings["kind"] == "runaway_balance")
    return findings["units"].mask(none, 0.0)
