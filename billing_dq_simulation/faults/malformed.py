"""Documents that are not sound: each is quarantined, and the rest is unaffected.

See docs/domain.md, "Malformed documents".
"""

from collections.abc import Callable
from datetime import timedelta

from bson import Decimal128, Int64

from billing_dq_simulation.clock import week_key, week_start
from billing_dq_simulation.faults.cases import WEEKS_BACK, Case, Documents
from billing_dq_simulation.labels import Document, SimulatedOrganization

Outcome = SimulatedOrganization | None
Spoil = Callable[[Case, Document], None]
_SECONDS_AHEAD = 86400 * 30


def _usage(case: Case, spoil: Spoil) -> Outcome:
    """Spoil a usage document of a closed week of the night."""
    weeks = [week_key(start) for start in case.night_weeks if start in case.story.application.usage]
    if not weeks:
        return None
    key = case.random.choice(weeks)
    document = next(week.document for week in case.story.application.usage.values() if week.document["weekKey"] == key)
    return _spoiled(case, "billingusages", document, spoil)


def _balance(case: Case, spoil: Spoil) -> Outcome:
    balance = case.story.application.balance
    return None if balance is None else _spoiled(case, "billingextrabalances", balance, spoil)


def _subscription(case: Case, spoil: Spoil) -> Outcome:
    subscription = case.story.application.subscription
    return None if subscription is None else _spoiled(case, "subscriptions", subscription, spoil)


def _spoiled(case: Case, collection: str, document: Document, spoil: Spoil) -> Outcome:
    subject = str(document["_id"])

    def edit(documents: Documents) -> None:
        spoil(case, next(one for one in documents[collection] if str(one["_id"]) == subject))

    return case.end(case.story, [case.label("quarantined_documents", subject, 0.0)], edit)


def _set(field: str, value: object) -> Spoil:
    def spoil(case: Case, document: Document) -> None:
        document[field] = value

    return spoil


def _set_entry(field: str, value: object) -> Spoil:
    def spoil(case: Case, document: Document) -> None:
        case.random.choice(document["ledger"])[field] = value  # type: ignore[arg-type]

    return spoil


def _as_text(field: str) -> Spoil:
    def spoil(case: Case, document: Document) -> None:
        document[field] = str(document[field])

    return spoil


def _add_entry(value: object) -> Spoil:
    def spoil(case: Case, document: Document) -> None:
        document["ledger"] = [*document["ledger"], value]  # type: ignore[misc]

    return spoil


def _drop(field: str) -> Spoil:
    def spoil(case: Case, document: Document) -> None:
        del document[field]

    return spoil


def _marker_ahead(case: Case, document: Document) -> None:
    seconds = int(case.config.as_of.timestamp()) + _SECONDS_AHEAD
    document["lastSubscriptionEventCreatedAt"] = Int64(seconds)


def _make(where: Callable[[Case, Spoil], Outcome], spoil: Spoil) -> Callable[[Case], Outcome]:
    return lambda case: where(case, spoil)


def duplicate_document(case: Case) -> Outcome:
    """Two usage documents for one week: the older one is put aside and darkens nothing."""
    current = week_start(case.story.end)
    weeks = [start for start in case.story.application.usage if current - WEEKS_BACK * 7 * 86400_000 <= start < current]
    if not weeks:
        return None
    document = case.story.application.usage[case.random.choice(weeks)].document
    updated = document["updatedAt"]
    older = dict(document, _id=case.story.ids.object_id(case.story.born), meterUsed=0, meterBreakdown={})
    older.update(updatedAt=updated - timedelta(hours=5), counters={})  # type: ignore[operator]
    label = case.label("quarantined_documents", str(older["_id"]), 0.0)
    return case.end(case.story, [label], lambda documents: documents["billingusages"].append(older))


#: Every way a document can be malformed, by the name of its fault.
MALFORMED: dict[str, Callable[[Case], Outcome]] = {
    "malformed_duplicate_document": duplicate_document,
    "malformed_used_as_text": _make(_usage, _as_text("meterUsed")),
    "malformed_used_nan": _make(_usage, _set("meterUsed", float("nan"))),
    "malformed_used_infinite": _make(_usage, _set("meterUsed", float("inf"))),
    "malformed_used_decimal": _make(_usage, _set("meterUsed", Decimal128("12.5"))),
    "malformed_used_negative": _make(_usage, _set("meterUsed", -7)),
    "malformed_used_missing": _make(_usage, _drop("meterUsed")),
    "malformed_quota_negative": _make(_usage, _set("meterQuota", -500)),
    "malformed_quota_null": _make(_usage, _set("meterQuota", None)),
    "malformed_week_impossible": _make(_usage, _set("weekKey", "2026-W54")),
    "malformed_week_number": _make(_usage, _set("weekKey", 202646)),
    "malformed_organization_as_text": _make(_usage, _as_text("organizationId")),
    "malformed_keys_not_list": _make(_usage, _set("consumedAttributionKeys", "none")),
    "malformed_ledger_null": _make(_balance, _set("ledger", None)),
    "malformed_balance_text": _make(_balance, _as_text("cachedBalance")),
    "malformed_balance_nan": _make(_balance, _set("cachedBalance", float("nan"))),
    "malformed_balance_organization_as_text": _make(_balance, _as_text("organization")),
    "malformed_entry_no_object": _make(_balance, _add_entry("topup")),
    "malformed_entry_amount_text": _make(_balance, _set_entry("amount", "12")),
    "malformed_entry_amount_nan": _make(_balance, _set_entry("amount", float("nan"))),
    "malformed_entry_at_text": _make(_balance, _set_entry("at", "2026-11-11T00:00:00Z")),
    "malformed_entry_kind_null": _make(_balance, _set_entry("kind", None)),
    "malformed_status_unknown": _make(_subscription, _set("status", "frozen")),
    "malformed_plan_unknown": _make(_subscription, _set("plan", "gold")),
    "malformed_marker_ahead": _make(_subscription, _marker_ahead),
    "malformed_marker_text": _make(_subscription, _set("lastInvoiceEventCreatedAt", "1794842436")),
}
