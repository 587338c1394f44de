"""What one organization's ledger says in the newest night, and what was paid for its packs."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.findings.finding import number, text, text_or_none
from billing_dq.report.evidence.documents import dashboard
from billing_dq.report.evidence.frames import NightFrames, read_frames
from billing_dq.report.evidence.ledger import Entry, entries_of, ledger_of
from billing_dq.report.evidence.record import Ledger
from billing_dq.storage.lake import Lake
from billing_dq.tables import LEDGER_ENTRIES, STRIPE_CHARGES


@dataclass(frozen=True)
class Purchase:
    """A charge at Stripe beside the top-up that it bought; a side that is missing is None.

    Attributes:
        at: of the charge, else of the top-up.
        paid_minor: captured, in the charge's minor units.
    """

    at: object
    charge_id: str | None
    link: str | None
    pack: str | None
    status: str | None
    paid_minor: float | None
    refunded_minor: float | None
    currency: str
    units: float | None


@dataclass(frozen=True)
class Account:
    """A ledger and its purchases, of the newest night.

    Attributes:
        night: YYYY-MM-DD; None: no night is stored.
        entries: those that the night read, oldest first.
        ledger: the last of them.
    """

    night: str | None
    entries: Sequence[Entry]
    ledger: Ledger | None
    purchases: tuple[Purchase, ...]


def read_account(lake: Lake, organization: str) -> Account:
    """The ledger and the purchases of an organization; empty where no night holds ledgers."""
    nights = lake.nights(LEDGER_ENTRIES)
    if not nights:
        return Account(None, (), None, ())
    subjects = pd.DataFrame({"organization_id": [organization], "subject": [organization]}, dtype="str")
    frames = read_frames(lake, nights[-1], subjects)
    entries = entries_of(frames, organization)
    ledger = ledger_of(frames, organization, entries, [], [])
    return Account(nights[-1], entries, ledger, _purchases(frames, organization, entries))


def _purchases(frames: NightFrames, organization: str, entries: Sequence[Entry]) -> tuple[Purchase, ...]:
    topups = {entry.session: entry for entry in entries if entry.kind == "topup" and entry.session}
    purchases = []
    for row in frames.of(STRIPE_CHARGES, organization):
        topup = topups.pop(text_or_none(row, "stripe_session_id") or "", None)
        captured = row["captured_minor"]
        purchases.append(
            Purchase(
                at=row["created"],
                charge_id=text(row, "charge_id"),
                link=dashboard(text(row, "charge_id"), bool(row["livemode"])),
                pack=text_or_none(row, "pack_id"),
                status=text_or_none(row, "status"),
                paid_minor=float(captured) if isinstance(captured, int) else number(row, "amount_minor"),
                refunded_minor=number(row, "refunded_minor"),
                currency=text(row, "currency"),
                units=None if topup is None else topup.units,
            )
        )
    for entry in topups.values():
        purchases.append(Purchase(entry.at, None, None, None, None, None, None, "usd", entry.units))
    return tuple(sorted(purchases, key=lambda purchase: str(purchase.at), reverse=True))
