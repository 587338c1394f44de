"""Small sound companies in MongoDB, and a plain decoding of them, document by document, to compare the source with."""

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bson
import pandas as pd
from bson import Int64, ObjectId
from pandas.testing import assert_frame_equal
from pydantic import SecretStr
from pymongo.database import Database

from billing_dq import tables
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.facts import Snapshot
from billing_dq.sources.mongodb.snapshot import read_snapshot
from billing_dq.sources.progress import SilentProgress
from billing_dq.weeks import NightWeeks, Week

Document = dict[str, object]
World = dict[str, list[Document]]

AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
NIGHT = NightWeeks(AS_OF, 3, 6)
COLLECTIONS = ("organizations", "subscriptions", "billingusages", "billingextrabalances", "processedstripeevents")
KINDS = ("topup", "debit", "refund", "expiration", "adjustment", "gift")


def settings_for(database: Database[Document], uri: str, **more: object) -> Settings:
    """Settings that read this database."""
    return Settings(mongodb_uri=SecretStr(uri), mongodb_database=database.name, **more)  # pyright: ignore[reportArgumentType]


def fill(database: Database[Document], world: World) -> None:
    """Write the documents; a collection without any exists all the same."""
    for name, documents in world.items():
        database.create_collection(name)
        if documents:
            database[name].insert_many(documents)


def snapshot_of(
    database: Database[Document], uri: str, directory: Path, night: NightWeeks = NIGHT, **more: object
) -> Snapshot:
    """The snapshot of a database."""
    return read_snapshot(settings_for(database, uri, **more), night, directory, SilentProgress())


def frames_of(snapshot: Snapshot) -> dict[str, pd.DataFrame]:
    """Every table of a snapshot, held to its contract."""
    return {name: stored.table.conform(stored.frame()) for name, stored in snapshot.tables.items()}


def empty_world() -> World:
    """A company without a document."""
    return {name: [] for name in COLLECTIONS}


def random_world(seed: int, organizations: int) -> World:
    """Sound documents with everything that may differ: number types, missing and null fields, odd entries."""
    rng = random.Random(seed)
    world = empty_world()
    for _ in range(organizations):
        organization = _object_id(rng)
        if rng.random() < 0.9:
            world["organizations"].append(_some(rng, {"plan": rng.choice(("free", "pro"))}, _id=organization))
        if rng.random() < 0.8:
            world["subscriptions"].append(_subscription(rng, organization))
        for week in (*NIGHT.matching_keys, "2026-W30", None):
            if rng.random() < 0.6:
                world["billingusages"].append(_usage(rng, organization, week))
        if rng.random() < 0.8:
            world["billingextrabalances"].append(_balance(rng, organization))
    for number in range(rng.randrange(6)):
        world["processedstripeevents"].append(_event(rng, number))
    for documents in world.values():
        rng.shuffle(documents)
    return world


def plain_tables(world: World, night: NightWeeks = NIGHT) -> dict[str, pd.DataFrame]:
    """The tables of sound documents, decoded one value at a time."""
    as_of = night.as_of
    usages = [one for one in world["billingusages"] if one.get("weekKey") in night.matching_keys]
    usages.sort(key=lambda one: (str(one["organizationId"]), str(one["weekKey"])))
    ledgers = [_ledger(one) for one in _by(world["billingextrabalances"], "organization")]
    entries = [entry for ledger in ledgers for entry in ledger]
    rows: dict[tables.Table, list[dict[str, object]]] = {
        tables.ORGANIZATIONS: [
            {"organization_id": str(one["_id"]), "plan": one.get("plan")} for one in _by(world["organizations"], "_id")
        ],
        tables.SUBSCRIPTIONS: [_plain_subscription(one) for one in _by(world["subscriptions"], "organization")],
        tables.WEEKLY_USAGE: [_plain_usage(one) for one in usages],
        tables.EXTRAS_BALANCES: [
            {
                "organization_id": str(one["organization"]),
                "cached_balance": float(one["cachedBalance"]),  # pyright: ignore[reportArgumentType]
                "ledger_sum": sum(entry["amount"] for entry in _ledger(one)),
                "entry_count": len(_ledger(one)),
                "document_bytes": len(bson.encode(one)),
                "cached_balance_at": one.get("cachedBalanceAt"),
            }
            for one in _by(world["billingextrabalances"], "organization")
        ],
        tables.LEDGER_ENTRIES: [one for one in entries if night.entries_from <= one["at"] < night.entries_until],
        tables.FOLLOWED_WEEKS: [],
        tables.FOLLOWED_USAGE: [],
        tables.FOLLOWED_ENTRIES: [],
        tables.EXPIRING_LEDGERS: [one for ledger in ledgers if _expires(ledger, as_of) for one in ledger],
        tables.LEDGER_SUSPECTS: [suspect for ledger in ledgers for suspect in _suspects(ledger, as_of)],
        tables.DISPUTE_ENTRIES: [
            _cut(one, tables.DISPUTE_ENTRIES) for ledger in ledgers for one in ledger if _is_of_a_dispute(one, ledger)
        ],
        tables.PACK_PURCHASES: [
            _cut(one, tables.PACK_PURCHASES) for one in entries if one["kind"] == "topup" and one["stripe_session_id"]
        ],
        tables.REFUND_ENTRIES: [
            _cut(one, tables.REFUND_ENTRIES)
            for one in entries
            if one["kind"] == "refund" and re.match(r"refund-(?!dispute_)", str(one["ref_id"]))
        ],
        tables.DEAD_LETTERED_EVENTS: [
            {
                "event_id": one["eventId"],
                "type": one.get("type"),
                "last_error": one.get("lastError"),
                "attempts": one.get("attempts"),
                "at": one.get("processedAt"),
            }
            for one in _by(world["processedstripeevents"], "eventId")
            if one.get("deadLetter") is True
        ],
        tables.QUARANTINED_DOCUMENTS: [],
        tables.UNREADABLE_KEYS: [],
    }
    return {table.name: table.from_rows(content) for table, content in rows.items()}


#: What documents look like, and the seals of ledgers, have tests of their own.
_OF_THEIR_OWN = (tables.DOCUMENT_SHAPES.name, tables.LEDGER_SEALS.name)


def assert_same_tables(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    """The same rows of every table, in the same order."""
    found = {name: frame for name, frame in found.items() if name not in _OF_THEIR_OWN}
    assert found.keys() == expected.keys()
    for name, frame in expected.items():
        got = found[name]
        assert_frame_equal(got, frame, obj=name, rtol=1e-12)


def _by(documents: list[Document], key: str) -> list[Document]:
    return sorted(documents, key=lambda one: str(one[key]))


def _plain_subscription(one: Document) -> dict[str, object]:
    return {
        "organization_id": str(one["organization"]),
        "stripe_customer_id": one.get("stripeCustomerId"),
        "stripe_subscription_id": one.get("stripeSubscriptionId"),
        "plan": one.get("plan"),
        "status": one.get("status"),
        "current_period_start": one.get("currentPeriodStart"),
        "past_due_since": one.get("pastDueSince"),
        "last_invoice_event_at": _seconds(one.get("lastInvoiceEventCreatedAt")),
        "last_subscription_event_at": _seconds(one.get("lastSubscriptionEventCreatedAt")),
        "admin_updated_at": one.get("adminUpdatedAt"),
        "updated_at": one.get("updatedAt"),
    }


def _plain_usage(one: Document) -> dict[str, object]:
    keys = list(one.get("consumedAttributionKeys") or [])  # pyright: ignore[reportArgumentType, reportUnknownVariableType]
    older = [f"{history}:initial" for history in one.get("consumedHistoryIds") or []]  # pyright: ignore[reportGeneralTypeIssues]
    breakdown = one.get("meterBreakdown")
    settled = 0.0
    if f"settle:{one['weekKey']}" in keys:
        settled = None if breakdown is None else float(one["meterUsed"]) - float(sum(breakdown.values()))  # pyright: ignore
    return {
        "organization_id": str(one["organizationId"]),
        "week_key": one["weekKey"],
        "meter_used": float(one["meterUsed"]),  # pyright: ignore[reportArgumentType]
        "meter_quota": float(one["meterQuota"]),  # pyright: ignore[reportArgumentType]
        "plan_version": one.get("planVersion"),
        "settled_units": settled,
        "updated_at": one.get("updatedAt"),
        "attribution_keys": [key for key in older if key not in keys] + keys,
        "document_bytes": len(bson.encode(one)),
    }


def _ledger(balance: Document) -> list[dict]:  # pyright: ignore[reportMissingTypeArgument]
    return [
        {
            "organization_id": str(balance["organization"]),
            "position": position,
            "entry_id": str(entry["_id"]),
            "kind": entry["kind"],
            "amount": float(entry["amount"]),
            "ref_id": entry.get("refId"),
            "stripe_session_id": entry.get("stripeSessionId"),
            "source": entry.get("source"),
            "at": entry["at"],
            "expires_at": entry.get("expiresAt"),
        }
        for position, entry in enumerate(balance["ledger"])  # pyright: ignore[reportArgumentType]
    ]


def _expires(ledger: list[dict], as_of: datetime) -> bool:  # pyright: ignore[reportMissingTypeArgument]
    late = as_of - timedelta(hours=48)
    return any(
        one["kind"] == "expiration" or (one["kind"] == "topup" and one["expires_at"] and one["expires_at"] < late)
        for one in ledger
    )


def _is_of_a_dispute(one: dict, ledger: list[dict]) -> bool:  # pyright: ignore[reportMissingTypeArgument]
    ref = one["ref_id"] or ""
    if one["kind"] == "expiration":
        clawed = [other["ref_id"] or "" for other in ledger if other["kind"] == "refund"]
        topups = {name.rsplit("-", 1)[-1] for name in clawed if name.startswith("refund-dispute_")}
        return ref.removeprefix("expire-") in topups and ref.startswith("expire-")
    if one["kind"] == "adjustment":
        return not ref.startswith("settle:")
    if one["kind"] == "refund" and ref.startswith(("refund-dispute_", "dispute_")):
        return True
    return one["kind"] in ("refund", "topup") and ref.startswith(("correction-du_", "du_"))


def _suspects(ledger: list[dict], as_of: datetime) -> list[dict]:  # pyright: ignore[reportMissingTypeArgument]
    references = [one["ref_id"] for one in ledger if one["ref_id"]]
    sessions = [one["stripe_session_id"] for one in ledger if one["kind"] == "topup" and one["stripe_session_id"]]
    repeats = len(set(references)) < len(references) or len(set(sessions)) < len(sessions)
    found: list[dict] = []  # pyright: ignore[reportMissingTypeArgument]
    for one in ledger:
        kind, amount, ref = one["kind"], one["amount"], one["ref_id"]
        in_order = (kind in ("topup", "adjustment") and amount > 0) or (kind == "debit" and amount < 0)
        named = kind == "topup" or (bool(ref) and (kind == "debit" or ref.startswith("settle:")))
        is_ordinary = in_order and named and one["at"] <= as_of + timedelta(minutes=5)
        is_grant = kind == "topup" and str(ref).startswith(("signup_grant-", "referral:"))
        if not is_ordinary or is_grant or repeats:
            found.append(_cut(one, tables.LEDGER_SUSPECTS))
    return found


def _cut(row: dict, table: tables.Table) -> dict[str, object]:  # pyright: ignore[reportMissingTypeArgument]
    return {name: row[name] for name in table.column_names if name in row}


def _seconds(value: object) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(float(value), UTC)  # pyright: ignore[reportArgumentType]


def _object_id(rng: random.Random) -> ObjectId:
    return ObjectId(rng.randbytes(12))


def _number(rng: random.Random, low: int, high: int) -> object:
    value = rng.randint(low, high)
    return rng.choice((value, Int64(value), float(value), value + 0.25, value + 0.75))


def _time(rng: random.Random, days_back: int = 60, days_ahead: int = 0) -> datetime:
    earliest = AS_OF - timedelta(days=days_back)
    return earliest + timedelta(milliseconds=rng.randrange((days_back + days_ahead) * 86_400_000))


def _some(rng: random.Random, optional: Document, **required: object) -> Document:
    """A document in which each optional field is there, null or missing, in any order of fields."""
    fields = list(required.items())
    for name, value in optional.items():
        chance = rng.random()
        if chance < 0.8:
            fields.append((name, value if chance < 0.7 else None))
    rng.shuffle(fields)
    return dict(fields)


def _subscription(rng: random.Random, organization: ObjectId) -> Document:
    optional: Document = {
        "stripeCustomerId": f"cus_{rng.randrange(999)}",
        "stripeSubscriptionId": f"sub_{rng.randrange(999)}",
        "plan": rng.choice(("free", "starter", "pro", "enterprise")),
        "status": rng.choice(("active", "past_due", "canceled")),
        "planVersion": "v2",
        "currentPeriodStart": _time(rng),
        "pastDueSince": _time(rng),
        "lastSubscriptionEventCreatedAt": _number(rng, 1_789_000_000, 1_795_000_000),
        "lastInvoiceEventCreatedAt": _number(rng, 1_789_000_000, 1_795_000_000),
        "adminUpdatedAt": _time(rng),
        "updatedAt": _time(rng),
    }
    return _some(rng, optional, organization=organization)


def _usage(rng: random.Random, organization: ObjectId, week: str | None) -> Document:
    keys = [f"{_object_id(rng)}:{rng.choice(('initial', 'verify'))}" for _ in range(rng.randrange(5))]
    if rng.random() < 0.3:
        keys.insert(rng.randrange(len(keys) + 1), f"settle:{week or NIGHT.keys[0]}")
    history = [_object_id(rng) for _ in range(rng.randrange(3))]
    initial = [ObjectId(key.split(":")[0]) for key in keys if key.endswith(":initial")]
    optional: Document = {
        "consumedAttributionKeys": keys,
        "consumedHistoryIds": history + initial[:1],
        "meterBreakdown": {f"feature{n}": _number(rng, 0, 50) for n in range(rng.randrange(4))},
        "planVersion": "v1",
        "updatedAt": _time(rng),
    }
    required: Document = {"organizationId": organization, "meterUsed": _number(rng, 0, 900)}
    if week is not None or rng.random() < 0.5:
        required["weekKey"] = week
    return _some(rng, optional, **required, meterQuota=_number(rng, 0, 500))


def _balance(rng: random.Random, organization: ObjectId) -> Document:
    ledger = [_entry(rng) for _ in range(rng.choice((0, 1, 3, 30)))]
    return _some(
        rng,
        {"cachedBalanceAt": _time(rng), "updatedAt": _time(rng)},
        organization=organization,
        cachedBalance=_number(rng, -50, 50),
        ledger=ledger,
    )


def _entry(rng: random.Random) -> Document:
    kind = rng.choice(KINDS)
    monday = Week.of(AS_OF).start
    edges = (monday, NIGHT.entries_from, NIGHT.entries_until, AS_OF + timedelta(minutes=5))
    at = rng.choice(edges) + timedelta(milliseconds=rng.choice((-1, 0, 1))) if rng.random() < 0.2 else _time(rng, 60, 3)
    optional: Document = {
        "refId": rng.choice(
            ("", "k:initial", f"k{rng.randrange(20)}:verify", "refund-dispute_1-2", "dispute_7", "dispute_reinstate_7",
             "dispute-credit-3", "expire-4", "disputed", "xdispute_1", "correction-du_5", "foodu_5")
        ),
        "stripeSessionId": rng.choice(("", "cs_1", f"cs_{rng.randrange(9)}")),
        "source": rng.choice(("signup_grant", "referral")),
        "expiresAt": rng.choice((_time(rng, 60, 30), AS_OF - timedelta(hours=48, milliseconds=rng.choice((-1, 0, 1))))),
    }  # fmt: skip
    amount = rng.choice((0, -0.0, 0.5, _number(rng, -30, 30)))
    return _some(rng, optional, _id=_object_id(rng), kind=kind, amount=amount, at=at)


def _event(rng: random.Random, number: int) -> Document:
    optional: Document = {
        "type": "invoice.paid",
        "processedAt": _time(rng),
        "deadLetter": rng.random() < 0.5,
        "lastError": "no such customer",
        "attempts": _number(rng, 0, 9),
    }
    return _some(rng, optional, eventId=f"evt_{number}")
