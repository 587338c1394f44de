"""A slow and plain decoding of sound documents into the Mongo tables of `billing_dq.tables`, for tests and `score`.

It is written for the eye, document by document, and shares nothing with the source that a night reads through.
"""

# pandas-stubs leave the element types of frames open:
# pyright: reportUnknownMemberType=false

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import bson
import pandas as pd

from billing_dq import tables
from billing_dq.storage.followed import Followed
from billing_dq.weeks import NightWeeks
from billing_dq_simulation.labels import Document

Row = dict[str, object]

_SIGNS = {"topup": 1, "adjustment": 1, "debit": -1, "refund": -1, "expiration": -1}
_FUTURE = timedelta(minutes=5)


def plain_frames(
    documents: Mapping[str, Sequence[Document]], night: NightWeeks, as_of: datetime, followed: Followed | None = None
) -> dict[str, pd.DataFrame]:
    """Every Mongo table of a night, by name; `weekly_usage` keeps its list of attribution keys.

    Args:
        documents: sound documents by collection.
        night: the weeks.
        as_of: the instant of the snapshot, for what is in the future and what has expired.
        followed: the weeks behind the window that are looked at again; none without it.

    Raises:
        KeyError: a document misses a required field: it is not sound.
    """
    organizations = sorted(documents.get("organizations", ()), key=lambda document: str(document["_id"]))
    balances = sorted(documents.get("billingextrabalances", ()), key=lambda document: str(document["organization"]))
    subscriptions = sorted(documents.get("subscriptions", ()), key=lambda document: str(document["organization"]))
    followed = followed or Followed()
    begin = followed.entries_from()
    ledgers = [(str(balance["organization"]), _ledger(balance)) for balance in balances]
    rows: dict[tables.Table, Iterable[Row]] = {
        tables.ORGANIZATIONS: [{"organization_id": str(o["_id"]), "plan": o.get("plan")} for o in organizations],
        tables.SUBSCRIPTIONS: [_subscription(document) for document in subscriptions],
        tables.WEEKLY_USAGE: _usage(documents.get("billingusages", ()), night.matching_keys),
        tables.EXTRAS_BALANCES: [_balance(balance) for balance in balances],
        tables.LEDGER_ENTRIES: [
            row
            for _, ledger in ledgers
            for row in ledger
            if night.entries_from <= _time(row["at"]) < night.entries_until
        ],
        tables.FOLLOWED_WEEKS: [
            {"organization_id": organization, "week_key": week}
            for organization, week in followed.weeks.itertuples(index=False, name=None)
        ],
        tables.FOLLOWED_USAGE: [
            row
            for organizations, weeks in followed.usage_to_read(night, len(begin) or 1)
            for row in _usage(documents.get("billingusages", ()), weeks)
            if row["organization_id"] in organizations
        ],
        tables.FOLLOWED_ENTRIES: [
            row
            for organization, ledger in ledgers
            if organization in begin
            for row in ledger
            if begin[organization] <= _time(row["at"]) < night.entries_from
        ],
        tables.EXPIRING_LEDGERS: [row for _, ledger in ledgers if _has_expired(ledger, as_of) for row in ledger],
        tables.LEDGER_SUSPECTS: [row for _, ledger in ledgers for row in _suspects(ledger, as_of)],
        tables.DISPUTE_ENTRIES: [_part(row, tables.DISPUTE_ENTRIES) for _, e in ledgers for row in _about_disputes(e)],
        tables.PACK_PURCHASES: [
            _part(row, tables.PACK_PURCHASES)
            for _, ledger in ledgers
            for row in ledger
            if row["kind"] == "topup" and row["stripe_session_id"]
        ],
        tables.REFUND_ENTRIES: [_part(row, tables.REFUND_ENTRIES) for _, e in ledgers for row in e if _of_refund(row)],
        tables.DEAD_LETTERED_EVENTS: [
            _event(e) for e in documents.get("processedstripeevents", ()) if e.get("deadLetter")
        ],
        tables.QUARANTINED_DOCUMENTS: [],
        tables.UNREADABLE_KEYS: [],
    }
    return {table.name: table.from_rows(content) for table, content in rows.items()}


def _subscription(document: Document) -> Row:
    return {
        "organization_id": str(document["organization"]),
        "stripe_customer_id": document.get("stripeCustomerId"),
        "stripe_subscription_id": document.get("stripeSubscriptionId"),
        "plan": document.get("plan"),
        "status": document.get("status"),
        "current_period_start": _optional_time(document.get("currentPeriodStart")),
        "past_due_since": _optional_time(document.get("pastDueSince")),
        "last_invoice_event_at": _seconds(document.get("lastInvoiceEventCreatedAt")),
        "last_subscription_event_at": _seconds(document.get("lastSubscriptionEventCreatedAt")),
        "admin_updated_at": _optional_time(document.get("adminUpdatedAt")),
        "updated_at": _optional_time(document.get("updatedAt")),
    }


def _usage(documents: Sequence[Document], weeks: Sequence[str]) -> list[Row]:
    weekly = [document for document in documents if document.get("weekKey") in weeks]
    weekly.sort(key=lambda document: (str(document["organizationId"]), str(document["weekKey"])))
    return [_week(document) for document in weekly]


def _week(document: Document) -> Row:
    keys = [str(key) for key in _list(document.get("consumedAttributionKeys"))]
    keys += [f"{history}:initial" for history in _list(document.get("consumedHistoryIds"))]
    used = _number(document["meterUsed"])
    settled: float | None = 0.0
    if any(key.startswith("settle:") for key in keys):
        breakdown = document.get("meterBreakdown")
        settled = used - sum(_number(units) for units in breakdown.values()) if isinstance(breakdown, dict) else None
    return {
        "organization_id": str(document["organizationId"]),
        "week_key": document["weekKey"],
        "meter_used": used,
        "meter_quota": _number(document["meterQuota"]),
        "plan_version": document.get("planVersion"),
        "settled_units": settled,
        "updated_at": _optional_time(document.get("updatedAt")),
        "attribution_keys": keys,
        "document_bytes": len(bson.encode(document)),
    }


def _balance(document: Document) -> Row:
    ledger = _ledger(document)
    return {
        "organization_id": str(document["organization"]),
        "cached_balance": _number(document["cachedBalance"]),
        "ledger_sum": sum(_number(row["amount"]) for row in ledger),
        "entry_count": len(ledger),
        "document_bytes": len(bson.encode(document)),
        "cached_balance_at": _optional_time(document.get("cachedBalanceAt")),
    }


def _ledger(balance: Document) -> list[Row]:
    return [
        {
            "organization_id": str(balance["organization"]),
            "position": position,
            "entry_id": str(entry.get("_id")),
            "kind": entry["kind"],
            "amount": _number(entry["amount"]),
            "ref_id": entry.get("refId"),
            "stripe_session_id": entry.get("stripeSessionId"),
            "source": entry.get("source"),
            "at": _time(entry["at"]),
            "expires_at": _optional_time(entry.get("expiresAt")),
        }
        for position, entry in enumerate(_list(balance["ledger"]))
    ]


def _has_expired(ledger: list[Row], as_of: datetime) -> bool:
    return any(row["kind"] == "topup" and row["expires_at"] and _time(row["expires_at"]) < as_of for row in ledger)


def _suspects(ledger: list[Row], as_of: datetime) -> list[Row]:
    """Grants, entries that are not ordinary or may correct another one; all, where a reference or a session repeats."""
    references = [row["ref_id"] for row in ledger if row["ref_id"]]
    sessions = [row["stripe_session_id"] for row in ledger if row["kind"] == "topup" and row["stripe_session_id"]]
    repeats = len(set(references)) < len(references) or len(set(sessions)) < len(sessions)
    found: list[Row] = []
    for row in ledger:
        kind, amount, reference = str(row["kind"]), _number(row["amount"]), str(row["ref_id"] or "")
        odd = amount * _SIGNS.get(kind, 0) <= 0 or _time(row["at"]) > as_of + _FUTURE
        nameless = kind in ("debit", "adjustment") and not reference
        corrects = kind in ("refund", "expiration") or (kind == "adjustment" and not reference.startswith("settle:"))
        granted = kind == "topup" and reference.startswith(("signup_grant-", "referral:"))
        if odd or nameless or corrects or repeats or granted:
            found.append(_part(row, tables.LEDGER_SUSPECTS))
    return found


def _about_disputes(ledger: Sequence[Row]) -> list[Row]:
    """Clawbacks, adjustments but settlements, what names a dispute, and expirations of what was clawed back."""
    refs = [str(row["ref_id"] or "") for row in ledger]
    clawed = [ref for row, ref in zip(ledger, refs, strict=True) if row["kind"] == "refund"]
    expirations = {"expire-" + ref.rsplit("-", 1)[-1] for ref in clawed if ref.startswith("refund-dispute_")}
    return [
        row
        for row, ref in zip(ledger, refs, strict=True)
        if (row["kind"] == "expiration" and ref in expirations)
        or (row["kind"] == "adjustment" and not ref.startswith("settle:"))
        or (row["kind"] == "refund" and ref.startswith(("refund-dispute_", "dispute_")))
        or (row["kind"] in ("refund", "topup") and _names_a_dispute(ref))
    ]


def _names_a_dispute(ref: str) -> bool:
    return any(part.startswith(("du_", "dp_")) for part in ref.replace("_d", "-d").split("-"))


def _of_refund(row: Row) -> bool:
    ref = str(row["ref_id"] or "")
    return row["kind"] == "refund" and ref.startswith("refund-") and not ref.startswith("refund-dispute_")


def _event(document: Document) -> Row:
    attempts = document.get("attempts")
    return {
        "event_id": document["eventId"],
        "type": document.get("type"),
        "last_error": document.get("lastError"),
        "attempts": None if attempts is None else _number(attempts),
        "at": _optional_time(document.get("processedAt")),
    }


def _part(row: Row, table: tables.Table) -> Row:
    return {name: row[name] for name in table.column_names if name in row}


def _list(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else []


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise KeyError(f"{value!r} is no number: the document is not sound")
    return float(value)


def _time(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise KeyError(f"{value!r} is no date: the document is not sound")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _optional_time(value: object) -> datetime | None:
    return None if value is None else _time(value)


def _seconds(value: object) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(_number(value), UTC)
