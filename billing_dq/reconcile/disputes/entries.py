"""What the ledgers say about disputes: clawbacks, credits of this system, credits given by hand.

The references are DOMAIN.md's: `refund-dispute_<dispute>-<topup entry>` (older: `dispute_<dispute>`) claws back,
`dispute_reinstate_<dispute>` is this system's credit, `dispute-credit-<request>` one given by hand.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from billing_dq.reconcile.disputes.hand_credits import HandCredit

_CLAWBACK = re.compile(r"refund-dispute_(?P<new>.+)-[^-]+|dispute_(?P<old>.+)")
_CREDIT = re.compile(r"dispute_reinstate_(.+)")
_BY_HAND = "dispute-credit-"


@dataclass(frozen=True)
class DisputeEntry:
    """A ledger entry that names a dispute; ``units`` are above 0 whatever its sign."""

    organization_id: str
    entry_id: str
    units: float
    at: datetime


@dataclass
class Traces:
    """What all ledgers say about one dispute, oldest first."""

    clawbacks: list[DisputeEntry] = field(default_factory=list[DisputeEntry])
    credits: list[DisputeEntry] = field(default_factory=list[DisputeEntry])


@dataclass
class DisputeLedgers:
    """The entries about disputes: by dispute those that name one, by organization the credits given by hand."""

    traces: dict[str, Traces] = field(default_factory=dict[str, Traces])
    by_hand: dict[str, list[HandCredit]] = field(default_factory=dict[str, list[HandCredit]])

    def of(self, dispute_id: str) -> Traces:
        """The traces of a dispute, empty where no ledger names it."""
        return self.traces.get(dispute_id, Traces())


def read_dispute_entries(entries: pd.DataFrame) -> DisputeLedgers:
    """Sort DISPUTE_ENTRIES by what they do; one of the wrong kind or sign does nothing (the ledger's rules report it).

    Oldest first is by time, then by entry id (which grows with time), whatever the order of the rows.
    """
    ledgers = DisputeLedgers()
    # Row by row: a company has a few hundred of these, and each goes somewhere else.
    for row in entries.sort_values(["at", "entry_id", "amount"]).itertuples():
        organization, entry_id, ref = str(row.organization_id), str(row.entry_id), str(row.ref_id)
        amount, at = float(str(row.amount)), pd.Timestamp(str(row.at))
        clawback, credit = _CLAWBACK.fullmatch(ref), _CREDIT.fullmatch(ref)
        entry = DisputeEntry(organization, entry_id, abs(amount), at)
        if row.kind == "refund" and amount < 0 and clawback:
            name = clawback["new"] or clawback["old"]
            ledgers.traces.setdefault(name, Traces()).clawbacks.append(entry)
        elif row.kind == "adjustment" and amount > 0 and credit:
            ledgers.traces.setdefault(credit[1], Traces()).credits.append(entry)
        elif row.kind == "adjustment" and amount > 0 and ref.startswith(_BY_HAND):
            ledgers.by_hand.setdefault(organization, []).append(HandCredit(entry_id, amount, at))
    return ledgers
