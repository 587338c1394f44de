"""One organization with a disputed pack, an applier whose Stripe is a constant, and ways to die on the way."""

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from billing_dq.credits.apply import Applier
from billing_dq.credits.audit import AuditLog
from billing_dq.credits.ledger_writer import LedgerWriter, open_ledger_writer
from billing_dq.credits.parking import OnRecord
from billing_dq.credits.plan import CreditPlan, DisputeEntry, LedgerState, Limits, Position, entries_of, plan_credit
from billing_dq.credits.requests import CreditOutcome, CreditRequest, RunBudget
from billing_dq.settings import Credits, Settings
from billing_dq.sources.mongodb.organization_ledger import OrganizationReader

ORGANIZATION = "6aba68021f1483412b0fa60e"
DISPUTE = "du_1TILWEKGU1Y4hKjv9j5G2C5M"
REF = f"dispute_reinstate_{DISPUTE}"
CLAWBACK = 6000
Document = dict[str, object]


def entry(kind: str, amount: float, ref_id: str, at: datetime | None = None) -> Document:
    """A ledger entry in the application's field order."""
    return {
        "kind": kind,
        "amount": amount,
        "refId": ref_id,
        "at": at or datetime(2026, 11, 1, tzinfo=UTC),
        "_id": ObjectId(),
    }


def disputed_pack(database: Database[Document], organization: str = ORGANIZATION, dispute: str = DISPUTE) -> None:
    """An organization that bought a pack, used some of it and lost it to a dispute."""
    ledger = [
        {
            "kind": "topup",
            "amount": CLAWBACK,
            "stripeSessionId": "cs_1",
            "at": datetime(2026, 10, 1),
            "_id": ObjectId(),
        },
        entry("debit", -500, "65a000000000000000000001:initial"),
        entry("refund", -CLAWBACK, f"refund-dispute_{dispute}-{ObjectId()}"),
    ]
    database.organizations.insert_one({"_id": ObjectId(organization), "plan": "pro"})
    database.billingextrabalances.insert_one(
        {
            "organization": ObjectId(organization),
            "__v": 0,
            "cachedBalance": -500,
            "cachedBalanceAt": datetime(2026, 11, 1, tzinfo=UTC),
            "updatedAt": datetime(2026, 11, 1, tzinfo=UTC),
            "ledger": ledger,
        }
    )


def push(database: Database[Document], added: Document, organization: str = ORGANIZATION) -> None:
    """What the application does: one atomic update, guarded by the reference."""
    database.billingextrabalances.update_one(
        {"organization": ObjectId(organization), "ledger.refId": {"$ne": added["refId"]}},
        {"$push": {"ledger": added}, "$inc": {"cachedBalance": added["amount"]}},
    )


def settings_for(uri: str, database: str, home: Path, credits: Credits | None = None) -> Settings:
    """Settings in the mode apply."""
    return Settings(
        mongodb_uri=uri,  # pyright: ignore[reportArgumentType]
        mongodb_write_uri=uri,  # pyright: ignore[reportArgumentType]
        mongodb_database=database,
        mongodb_connect_seconds=60,
        stripe_api_key="rk_live_local",  # pyright: ignore[reportArgumentType]
        home=str(home),
        credits=credits or Credits(mode="apply"),
    )


def position_of(entries: tuple[DisputeEntry, ...], dispute: str = DISPUTE, fraction: float = 1.0) -> Position:
    """The position of the one dispute, all of whose credits are this system's or by hand at the right amount."""
    credited = sum(one.amount for one in entries if one.kind == "adjustment" and _is_credit(one.ref_id, dispute))
    due = max(0.0, CLAWBACK * fraction - credited)
    return Position(
        dispute_id=dispute,
        organization_id=ORGANIZATION,
        charge_id="ch_1",
        currency="usd",
        withdrawn_minor=500,
        reinstated_minor=int(500 * fraction),
        fraction=fraction,
        clawed_back_units=float(CLAWBACK),
        credited_units=float(credited),
        due_units=due,
        decision="due" if due else "nothing_due",
        reason="not_credited" if due else "credited",
    )


def planner(settings: Settings, reader: OrganizationReader) -> Callable[[str, OnRecord], CreditPlan]:
    """Plans the dispute from the ledger as it is now; Stripe always says that all of it came back."""

    def plan(dispute_id: str, on_record: OnRecord) -> CreditPlan:
        tables = reader.read(ORGANIZATION).tables
        balances, entries = tables["extras_balances"], entries_of(tables["dispute_entries"], ORGANIZATION)
        state = LedgerState(
            organization_known=len(tables["organizations"]) == 1,
            length=int(balances["entry_count"].iloc[0]) if len(balances) else None,
            parked=ORGANIZATION in on_record.parked,
            entries=entries,
            credited_on_record=dispute_id in on_record.credited,
        )
        limits = Limits(settings.credits.approve_above_units, settings.credits.max_units_per_credit)
        return plan_credit(position_of(entries, dispute_id), state, limits)

    return plan


def applier(
    settings: Settings, client: MongoClient[Document], writer: LedgerWriter, observer: Callable[[str], None]
) -> Applier:
    """An applier on the small world."""
    reader = OrganizationReader(settings, client[settings.mongodb_database])
    log = AuditLog(Path(settings.home) / "credits")
    return Applier(planner(settings, reader), writer, log, lambda: settings, observer)


def apply_once(
    settings: Settings,
    observer: Callable[[str], None] = lambda _step: None,
    request: CreditRequest | None = None,
    write_seconds: float = 60.0,
) -> CreditOutcome:
    """One request, on connections of its own."""
    assert settings.mongodb_uri is not None
    with (
        MongoClient[Document](
            settings.mongodb_uri.get_secret_value(),
            tz_aware=True,
            serverSelectionTimeoutMS=60_000,
            socketTimeoutMS=int(write_seconds * 1000),
        ) as client,
        open_ledger_writer(settings, write_seconds) as writer,
    ):
        asked = request or CreditRequest(DISPUTE, "anna", "the money came back")
        return applier(settings, client, writer, observer).apply(asked, RunBudget.of(settings))


def die_at(step: int, pid: int | None = None) -> Callable[[str], None]:
    """An observer that kills this process (after another one, where given) at the so-manieth step."""
    seen = 0

    def observe(_name: str) -> None:
        nonlocal seen
        if seen == step:
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    return observe


def apply_and_die(uri: str, database: str, home: str, step: int, server: int | None) -> None:
    """A child process: apply, and be killed on the way; ends in order where there are fewer steps."""
    apply_once(settings_for(uri, database, Path(home)), die_at(step, server))


def apply_in_child(uri: str, database: str, home: str) -> None:
    """A child process: apply, whatever comes of it (the ledger is what counts)."""
    apply_once(settings_for(uri, database, Path(home)))


def _is_credit(ref_id: str, dispute: str) -> bool:
    return ref_id == f"dispute_reinstate_{dispute}" or ref_id.startswith("dispute-credit-")


def credits_in(database: Database[Document], organization: str = ORGANIZATION) -> list[Document]:
    """The entries of ours in the ledger."""
    balance = database.billingextrabalances.find_one({"organization": ObjectId(organization)})
    assert balance is not None
    return [one for one in _list(balance["ledger"]) if str(one["refId" if "refId" in one else "kind"]) == REF]


def gap(database: Database[Document], organization: str = ORGANIZATION) -> float:
    """What the cached balance is off its ledger by."""
    balance = database.billingextrabalances.find_one({"organization": ObjectId(organization)})
    assert balance is not None
    return _number(balance["cachedBalance"]) - sum(_number(one["amount"]) for one in _list(balance["ledger"]))


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return value


def _list(value: object) -> list[Document]:
    assert isinstance(value, list)
    return value
