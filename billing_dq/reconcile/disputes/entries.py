"""What the ledgers say about disputes: clawbacks, credits of this system, credits given by hand, corrections.

| entry | reference | says |
|---|---|---|
| `refund` below 0 | `refund-dispute_<dispute>-<topup entry>` (older: `dispute_<dispute>`) | a clawback |
| `adjustment` above 0 | `dispute_reinstate_<dispute>` | this system's credit |
| `adjustment` above 0 | `dispute-credit-<request>` | a credit given by hand, of a dispute unknown |
| `refund` or `adjustment` below 0 | any other that names a dispute, such as `correction-<dispute>` | a correction |
| `expiration` | `expire-<topup entry>` | what was left of a pack that was clawed back |

The application has no tool that takes units back, so a person writes a correction into the ledger (docs/domain.md,
"Tools of the application"). Only the dispute's id in its reference ties it to its dispute.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from billing_dq.reconcile.disputes.hand_credits import HandCredit
from billing_dq.vocabulary.references import EXPIRATION, TOOL_CREDIT, clawback_of, reinstated_dispute

_NAMED = re.compile(r"(?:^|[^A-Za-z0-9])(d[up]_\w+)")


@dataclass(frozen=True)
class DisputeEntry:
    """A ledger entry that names a dispute; ``units`` are above 0 whatever its sign.

    ``topup_id`` is the top-up that a clawback names, ``expired_before`` the units of it that had expired by then.
    """

    organization_id: str
    entry_id: str
    units: float
    at: datetime
    topup_id: str | None = None
    expired_before: float = 0.0


@dataclass
class Traces:
    """What all ledgers say about one dispute, oldest first."""

    clawbacks: list[DisputeEntry] = field(default_factory=list[DisputeEntry])
    credits: list[DisputeEntry] = field(default_factory=list[DisputeEntry])
    corrections: list[DisputeEntry] = field(default_factory=list[DisputeEntry])


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
    expired: dict[tuple[str, str | None], float] = {}
    # Row by row: a company has a few hundred of these, and each goes somewhere else.
    for row in entries.sort_values(["at", "entry_id", "amount"]).itertuples():
        organization, entry_id, ref = str(row.organization_id), str(row.entry_id), str(row.ref_id)
        amount, at = float(str(row.amount)), pd.Timestamp(str(row.at))
        clawback, credit, named = clawback_of(ref), reinstated_dispute(ref), _NAMED.search(ref)
        entry = DisputeEntry(organization, entry_id, abs(amount), at)
        if row.kind == "expiration" and ref.startswith(EXPIRATION):
            topup = (organization, ref.removeprefix(EXPIRATION))
            expired[topup] = expired.get(topup, 0.0) + abs(amount)
        elif row.kind == "refund" and amount < 0 and clawback:
            topup_id = clawback.topup_id
            before = expired.get((organization, topup_id), 0.0)
            entry = DisputeEntry(organization, entry_id, abs(amount), at, topup_id, before)
            ledgers.traces.setdefault(clawback.dispute_id, Traces()).clawbacks.append(entry)
        elif row.kind == "adjustment" and amount > 0 and credit:
            ledgers.traces.setdefault(credit, Traces()).credits.append(entry)
        elif row.kind == "adjustment" and amount > 0 and ref.startswith(TOOL_CREDIT):
            ledgers.by_hand.setdefault(organization, []).append(HandCredit(entry_id, amount, at))
        elif row.kind in ("refund", "adjustment") and amount < 0 and named and not (clawback or credit):
            ledgers.traces.setdefault(named[1], Traces()).corrections.append(entry)
    return ledgers
