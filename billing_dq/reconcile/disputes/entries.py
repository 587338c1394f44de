"""What the ledgers say about disputes: clawbacks, credits of this system, credits given by hand, corrections.

| entry | reference | says |
|---|---|---|
| `refund` below 0 | `refund-dispute_<dispute>-<topup entry>` (older: `dispute_<dispute>`) | a clawback |
| `adjustment` above 0 | `dispute_reinstate_<dispute>` | this system's credit |
| `adjustment` above 0 | `dispute-credit-<request>` | a credit given by the tool, of a dispute unknown |
| any above 0 | any other that names a dispute, such as `goodwill for <dispute>` | a credit by hand in its name |
| `adjustment` above 0 | none, or any other but a settlement's or an archive's | a credit whose purpose nothing tells |
| `refund` or `adjustment` below 0 | any other that names a dispute, such as `correction-<dispute>` | a correction |
| `expiration` | `expire-<topup entry>` | what was left of a pack that was clawed back |

The application has no tool that takes units back, so a person writes a correction into the ledger (docs/domain.md,
"Tools of the application"). Only the dispute's id in its reference ties it to its dispute, and people write it in their
own way: `vocabulary/likeness.py` says what a reader takes for it.
"""

from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from billing_dq.reconcile.disputes.hand_credits import HandCredit
from billing_dq.vocabulary.likeness import comparable, dispute_key, disputes_named
from billing_dq.vocabulary.references import (
    CARRIED_OVER,
    EXPIRATION,
    SETTLEMENT,
    TOOL_CREDIT,
    clawback_of,
    reinstated_dispute,
)


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
    """What all ledgers say about one dispute, oldest first; ``by_hand`` are credits that name it and are not ours."""

    clawbacks: list[DisputeEntry] = field(default_factory=list[DisputeEntry])
    credits: list[DisputeEntry] = field(default_factory=list[DisputeEntry])
    by_hand: list[DisputeEntry] = field(default_factory=list[DisputeEntry])
    corrections: list[DisputeEntry] = field(default_factory=list[DisputeEntry])


@dataclass
class DisputeLedgers:
    """The entries about disputes: by dispute those that name one; by organization the credits of the application's tool
    and those whose purpose nothing tells.
    """

    traces: dict[str, Traces] = field(default_factory=dict[str, Traces])
    credits_by_key: dict[str, list[tuple[str | None, DisputeEntry]]] = field(
        default_factory=dict[str, list[tuple[str | None, DisputeEntry]]]
    )
    corrections_by_key: dict[str, list[DisputeEntry]] = field(default_factory=dict[str, list[DisputeEntry]])
    by_hand: dict[str, list[HandCredit]] = field(default_factory=dict[str, list[HandCredit]])
    unexplained: dict[str, list[HandCredit]] = field(default_factory=dict[str, list[HandCredit]])

    def of(self, dispute_id: str) -> Traces:
        """The traces of a dispute, empty where no ledger names it."""
        exact, key = self.traces.get(dispute_id, Traces()), dispute_key(dispute_id)
        # What is nearly our reference of this dispute is exactly our reference of another one, which may not exist.
        by_hand = [entry for credited, entry in self.credits_by_key.get(key, []) if credited != dispute_id]
        return Traces(exact.clawbacks, exact.credits, by_hand, self.corrections_by_key.get(key, []))


def read_dispute_entries(entries: pd.DataFrame) -> DisputeLedgers:
    """Sort DISPUTE_ENTRIES by what they do; what has one of our references and the wrong sign does nothing (the
    ledger's rules report it).

    Oldest first is by time, then by entry id (which grows with time), whatever the order of the rows.
    """
    ledgers = DisputeLedgers()
    expired: dict[tuple[str, str | None], float] = {}
    # Row by row: a company has a few hundred of these, and each goes somewhere else.
    for row in entries.sort_values(["at", "entry_id", "amount"]).itertuples():
        organization, entry_id = str(row.organization_id), str(row.entry_id)
        ref = row.ref_id if isinstance(row.ref_id, str) else ""
        amount, at = float(str(row.amount)), pd.Timestamp(str(row.at))
        clawback, credit = clawback_of(ref), reinstated_dispute(ref)
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
            _name(ledgers, disputes_named(ref), credit, entry)
        elif row.kind == "adjustment" and amount > 0 and ref.startswith(TOOL_CREDIT):
            credit_by_hand = HandCredit(entry_id, amount, at, disputes_named(ref))
            ledgers.by_hand.setdefault(organization, []).append(credit_by_hand)
        elif amount > 0 and not ref.startswith((SETTLEMENT, CARRIED_OVER)):
            _give(ledgers, str(row.kind), ref, entry)
        elif row.kind in ("refund", "adjustment") and amount < 0 and not (clawback or credit):
            for key in disputes_named(ref):
                ledgers.corrections_by_key.setdefault(key, []).append(entry)
    return ledgers


def _give(ledgers: DisputeLedgers, kind: str, ref: str, entry: DisputeEntry) -> None:
    """A credit under a reference that is nobody's: of the disputes that it names, and else of an unknown purpose."""
    names = disputes_named(ref)
    _name(ledgers, names, None, entry)
    if kind == "adjustment":
        credit = HandCredit(entry.entry_id, entry.units, entry.at, names, has_reference=bool(comparable(ref)))
        ledgers.unexplained.setdefault(entry.organization_id, []).append(credit)


def _name(ledgers: DisputeLedgers, keys: frozenset[str], credited: str | None, entry: DisputeEntry) -> None:
    for key in keys:
        ledgers.credits_by_key.setdefault(key, []).append((credited, entry))
