"""Disputes and what the ledgers say about them, for tests: one of a pack, won and reinstated, by default."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pandas as pd

from billing_dq.reconcile.disputes.positions import PositionResult, dispute_positions
from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.tables import (
    DISPUTE_ENTRIES,
    EXTRAS_BALANCES,
    ORGANIZATIONS,
    PACK_PURCHASES,
    STRIPE_DISPUTES,
    SUBSCRIPTIONS,
    UNREADABLE_KEYS,
)
from billing_dq.weeks import NightWeeks
from tests.support.policy import policy

AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
OPENED = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)
REINSTATED = datetime(2026, 11, 10, 12, 0, tzinfo=UTC)
ORG = "6aba68021f1483412b0fa60e"
OTHER_ORG = "6ac2722b138284f9f1fffa73"
SESSION = "cs_live_1"


@dataclass(frozen=True)
class Pack:
    price_cents: int
    units: float


PACKS = {"pack_s": Pack(200, 2000.0), "pack_m": Pack(500, 6000.0), "pack_l": Pack(2000, 25000.0)}


def moved(
    amount: int, days: float = 0.0, currency: str = "usd", rate: float | None = None, at: datetime | None = None
) -> dict[str, object]:
    """A movement so many days after the dispute was opened; negative is withdrawn."""
    return {
        "amount_minor": amount,
        "currency": currency,
        "exchange_rate": rate,
        "reporting_category": "dispute" if amount < 0 else "dispute_reversal",
        "created": at or OPENED + timedelta(days=days),
    }


def dispute(dispute_id: str = "du_1", *movements: dict[str, object], **fields: object) -> dict[str, object]:
    """A dispute over a pack_m of 5 USD; withdrawn and reinstated where no movements are given."""
    return {
        "dispute_id": dispute_id,
        "charge_id": dispute_id.replace("du", "ch"),
        "status": "won",
        "amount_minor": 500,
        "currency": "usd",
        "organization_id": ORG,
        "stripe_session_id": SESSION,
        "pack_id": "pack_m",
        "created": OPENED,
        "movements": list(movements) or [moved(-500), moved(500, 21)],
        "livemode": True,
    } | fields


def entry(ref: str, amount: float, days: float, organization: str = ORG, kind: str | None = None) -> dict[str, object]:
    """A ledger entry so many days after the dispute was opened."""
    return {
        "organization_id": organization,
        "entry_id": f"{ref} {days}",
        "kind": kind or ("refund" if amount < 0 else "adjustment"),
        "ref_id": ref,
        "amount": amount,
        "at": OPENED + timedelta(days=days),
    }


def clawback(dispute_id: str = "du_1", units: float = 6000.0, days: float = 0.01, **more: str) -> dict[str, object]:
    return entry(f"refund-dispute_{dispute_id}-6ad8a43ef9c10e4a444e7a3d", -units, days, **more)


def own_credit(dispute_id: str = "du_1", units: float = 6000.0, days: float = 22.0, **more: str) -> dict[str, object]:
    return entry(f"dispute_reinstate_{dispute_id}", units, days, **more)


def by_hand(units: float, days: float = 22.0, request: str = "a", **more: str) -> dict[str, object]:
    return entry(f"dispute-credit-{request}", units, days, **more)


@dataclass
class World:
    """Everything that `dispute_positions` is given."""

    disputes: list[dict[str, object]]
    entries: list[dict[str, object]]
    #: organization, session and units of each bought pack
    purchases: list[tuple[str, str] | tuple[str, str, float]] = field(default_factory=lambda: [(ORG, SESSION)])
    organizations: tuple[str, ...] = (ORG, OTHER_ORG)
    subscribed: tuple[str, ...] = ()
    balances: tuple[str, ...] = (ORG, OTHER_ORG)
    unreadable: tuple[tuple[str, str | None], ...] = ()
    livemode: bool = True

    def judged(self) -> PositionResult:
        ours = {
            "dispute_entries": DISPUTE_ENTRIES.from_rows(self.entries),
            "pack_purchases": PACK_PURCHASES.from_rows(
                {
                    "organization_id": name,
                    "entry_id": f"e{n}",
                    "stripe_session_id": session,
                    "amount": units[0] if units else 6000,
                    "at": OPENED,
                }
                for n, (name, session, *units) in enumerate(self.purchases)
            ),
            "organizations": ORGANIZATIONS.from_rows(
                {"organization_id": name, "plan": "free"} for name in self.organizations
            ),
            "subscriptions": SUBSCRIPTIONS.from_rows({"organization_id": name} for name in self.subscribed),
            "extras_balances": EXTRAS_BALANCES.from_rows(_balance(name) for name in self.balances),
            "unreadable_keys": UNREADABLE_KEYS.from_rows(
                {"collection": collection, "document_id": f"d{n}", "organization_id": name}
                for n, (collection, name) in enumerate(self.unreadable)
            ),
        }
        return dispute_positions(
            ApplicationTables(NightWeeks(AS_OF, 3, 6), ours),
            StripeTables({"stripe_disputes": STRIPE_DISPUTES.from_rows(self.disputes)}, self.livemode),
            policy(packs=PACKS, dollars_to_units=1000.0),
        )

    def position(self, dispute_id: str = "du_1") -> pd.Series:
        positions = self.judged().positions
        return positions.set_index("dispute_id").loc[[dispute_id]].iloc[0]

    def decision(self, dispute_id: str = "du_1") -> tuple[str, str, float]:
        """Decision, reason, units due."""
        row = self.position(dispute_id)
        return str(row["decision"]), str(row["reason"]), float(str(row["due_units"]))

    def findings(self) -> list[tuple[str, float]]:
        """Kind and units of each finding."""
        frame = self.judged().findings
        return list(zip(frame["kind"], frame["units"], strict=True))

    def outcome(self) -> tuple[str, str, float, list[tuple[str, float]]]:
        """Decision, reason and units due of the first dispute, and the findings."""
        return (*self.decision(), self.findings())


def world(*entries: dict[str, object], disputes: Iterable[dict[str, object]] | None = None, **more: object) -> World:
    """A world with these ledger entries and (unless given) the one dispute."""
    plain = World(list(disputes) if disputes is not None else [dispute()], list(entries))
    return replace(plain, **more)


def _balance(name: str) -> dict[str, object]:
    return {
        "organization_id": name,
        "cached_balance": 0.0,
        "ledger_sum": 0.0,
        "entry_count": 3,
        "document_bytes": 500,
        "cached_balance_at": None,
    }
