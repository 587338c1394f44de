"""Faults planted by hand into the sample world's documents, each with the findings that it must give.

The simulator labels faults in worlds that it made itself. Here the world is the application's own, and only the fault
is ours: a proof that does not share the simulator's view of how the application works.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

Documents = dict[str, list[dict[str, Any]]]
Expected = tuple[str, str | None, str | None, str | None]  # kind, organization, subject (None: any), cause (None: any)

AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
# The documents hold UTC without a time zone, as pymongo reads them.
NOW = AS_OF.replace(tzinfo=None)
WEEK_46 = (datetime(2026, 11, 9), datetime(2026, 11, 16))


@dataclass
class World:
    """A copy of the world with faults of several organizations: what was done, and what must be found because of it."""

    documents: Documents
    stripe: Documents
    names: list[str] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)


Plant = Callable[[Documents, Documents], list[Expected]]
PLANTS: dict[str, Plant] = {}


def worlds(documents: Documents, stripe: Documents) -> Iterator[World]:
    """Worlds that have every fault once; no organization and no subject has two faults in one world.

    A night costs a second however few faults it has to find, so as many as can be are planted in one.
    """
    left = list(PLANTS)
    while left:
        world = World(deepcopy(documents), deepcopy(stripe))
        for name in tuple(left):
            tried = deepcopy((world.documents, world.stripe))
            try:
                expected = PLANTS[name](*tried)
            except (StopIteration, AssertionError):  # an earlier fault took the object that this one breaks
                continue
            if _broken(expected) & _broken(world.expected):
                continue
            world.documents, world.stripe = tried
            world.names.append(name)
            world.expected += expected
            left.remove(name)
        assert world.names, f"the sample has nothing that {left} could break"
        yield world


def _broken(expected: list[Expected]) -> set[str]:
    """The organizations and the subjects that findings are about."""
    return {
        name for _, organization, subject, _ in expected for name in (organization, subject or organization) if name
    }


def plant(function: Plant) -> Plant:
    """Register a fault under its function's name."""
    PLANTS[function.__name__] = function
    return function


def usage(documents: Documents, organization: ObjectId, week: str) -> dict[str, Any]:
    return next(
        d for d in documents["billingusages"] if d["organizationId"] == organization and d.get("weekKey") == week
    )


def balance(documents: Documents, organization: ObjectId) -> dict[str, Any]:
    return next(d for d in documents["billingextrabalances"] if d["organization"] == organization)


def subscription(documents: Documents, organization: ObjectId) -> dict[str, Any]:
    return next(d for d in documents["subscriptions"] if d["organization"] == organization)


def paying(documents: Documents) -> dict[str, Any]:
    """An active subscription with a Stripe id."""
    return next(d for d in documents["subscriptions"] if d.get("stripeSubscriptionId") and d["status"] == "active")


def quiet_debits(documents: Documents, *, quota: bool, least: float = 60) -> list[tuple[ObjectId, dict[str, Any]]]:
    """Debits of W46 large enough to diverge, of organizations without settlements and expirations."""
    found = []
    for doc in documents["billingextrabalances"]:
        kinds = {e["kind"] for e in doc["ledger"]}
        if kinds & {"adjustment", "expiration", "refund"}:
            continue
        for entry in doc["ledger"]:
            if entry["kind"] == "debit" and entry["amount"] <= -least and WEEK_46[0] <= entry["at"] < WEEK_46[1]:
                week = usage(documents, doc["organization"], "2026-W46")
                in_week = entry["refId"] in week.get("consumedAttributionKeys", [])
                if in_week and (week["meterQuota"] > 0) == quota:
                    found.append((doc["organization"], entry))
    assert found, "the sample has no such debit"
    return found


def append(documents: Documents, organization: ObjectId, entry: dict[str, Any], *, cached: bool = True) -> str:
    """Push an entry as the application does; returns its id."""
    doc = balance(documents, organization)
    entry = {"_id": ObjectId(), "at": NOW - timedelta(days=3), **entry}
    doc["ledger"].append(entry)
    if cached:
        doc["cachedBalance"] += entry["amount"]
    return str(entry["_id"])


def plain_balance(documents: Documents) -> dict[str, Any]:
    """A balance with top-ups and debits only."""
    return next(
        d
        for d in documents["billingextrabalances"]
        if {e["kind"] for e in d["ledger"]} == {"topup", "debit"} and d["cachedBalance"] > 0
    )


@plant
def dropped_debit_of_a_free_organization(documents: Documents, stripe: Documents) -> list[Expected]:
    organization, entry = quiet_debits(documents, quota=False)[0]
    doc = balance(documents, organization)
    doc["ledger"].remove(entry)
    doc["cachedBalance"] -= entry["amount"]
    return [("meter_extras_divergence", str(organization), "2026-W46", "missing_debit")]


@plant
def dropped_debit_above_a_quota(documents: Documents, stripe: Documents) -> list[Expected]:
    organization, entry = quiet_debits(documents, quota=True)[0]
    doc = balance(documents, organization)
    doc["ledger"].remove(entry)
    doc["cachedBalance"] -= entry["amount"]
    return [("meter_extras_divergence", str(organization), "2026-W46", "missing_debit")]


@plant
def duplicate_debit(documents: Documents, stripe: Documents) -> list[Expected]:
    organization, entry = quiet_debits(documents, quota=False)[-1]
    copy = append(documents, organization, {**entry, "_id": ObjectId(), "at": entry["at"] + timedelta(seconds=2)})
    return [
        ("meter_extras_divergence", str(organization), "2026-W46", "duplicate_debit"),
        ("ledger_violation", str(organization), copy, "duplicate_ref"),
    ]


@plant
def debit_without_usage(documents: Documents, stripe: Documents) -> list[Expected]:
    organization, entry = quiet_debits(documents, quota=False)[0]
    append(
        documents,
        organization,
        {"kind": "debit", "amount": -500, "refId": f"{ObjectId()}:initial", "at": entry["at"] + timedelta(hours=1)},
    )
    return [("meter_extras_divergence", str(organization), "2026-W46", "debit_without_usage")]


@plant
def altered_debit(documents: Documents, stripe: Documents) -> list[Expected]:
    organization, entry = quiet_debits(documents, quota=False)[0]
    entry["amount"] -= 700
    return [
        ("meter_extras_divergence", str(organization), "2026-W46", "debit_altered"),
        ("ledger_violation", str(organization), str(organization), "cached_balance"),
    ]


@plant
def usage_document_lost(documents: Documents, stripe: Documents) -> list[Expected]:
    organization, _ = quiet_debits(documents, quota=False)[0]
    documents["billingusages"].remove(usage(documents, organization, "2026-W46"))
    return [("meter_extras_divergence", str(organization), "2026-W46", "no_usage_document")]


@plant
def usage_reset_without_cancellation(documents: Documents, stripe: Documents) -> list[Expected]:
    organization, _ = next(
        (org, entry)
        for org, entry in quiet_debits(documents, quota=True)
        if subscription(documents, org)["status"] == "active"
    )
    usage(documents, organization, "2026-W46")["meterUsed"] = 0
    return [("meter_extras_divergence", str(organization), "2026-W46", "usage_reset")]


@plant
def cached_balance_drifts(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = plain_balance(documents)
    doc["cachedBalance"] += 123
    return [("ledger_violation", str(doc["organization"]), str(doc["organization"]), "cached_balance")]


@plant
def runaway(documents: Documents, stripe: Documents) -> list[Expected]:
    for doc in documents["billingusages"]:
        balances = [b for b in documents["billingextrabalances"] if b["organization"] == doc["organizationId"]]
        if doc.get("weekKey") == "2026-W47" and doc["meterQuota"] > 0 and balances:
            organization = doc["organizationId"]
            owed = -10 * doc["meterQuota"] - 1 - balances[0]["cachedBalance"]
            append(documents, organization, {"kind": "refund", "amount": owed, "refId": "refund-re_x-y"})
            return [
                ("runaway_balance", str(organization), None, None),
                ("refund_unknown_at_stripe", str(organization), "re_x", None),
            ]
    raise AssertionError


@plant
def orphan_balance(documents: Documents, stripe: Documents) -> list[Expected]:
    organization = ObjectId()
    at = NOW - timedelta(days=2)
    documents["billingextrabalances"].append(
        {
            "_id": ObjectId(),
            "organization": organization,
            "cachedBalance": 2000,
            "cachedBalanceAt": at,
            "ledger": [{"kind": "topup", "amount": 2000, "stripeSessionId": "cs_orphan", "at": at, "_id": ObjectId()}],
        }
    )
    return [
        ("orphan_balance", str(organization), str(organization), None),
        ("topup_payment_unknown", str(organization), "cs_orphan", None),
    ]


@plant
def topup_twice_for_one_session(documents: Documents, stripe: Documents) -> list[Expected]:
    for doc in documents["billingextrabalances"]:
        for entry in doc["ledger"]:
            if entry["kind"] == "topup" and entry.get("stripeSessionId") and "expiresAt" not in entry:
                organization = doc["organization"]
                copy = append(documents, organization, {**entry, "_id": ObjectId(), "at": NOW - timedelta(days=1)})
                return [("ledger_violation", str(organization), copy, "duplicate_session")]
    raise AssertionError


@plant
def debit_with_the_wrong_sign(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = plain_balance(documents)
    entry = append(documents, doc["organization"], {"kind": "refund", "amount": 40, "refId": "refund-re_a-b"})
    return [("ledger_violation", str(doc["organization"]), entry, "sign")]


@plant
def zero_amount(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = plain_balance(documents)
    entry = append(documents, doc["organization"], {"kind": "topup", "amount": 0, "refId": "g1", "source": "referral"})
    return [("ledger_violation", str(doc["organization"]), entry, "zero_amount")]


@plant
def entry_of_the_future(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = plain_balance(documents)
    entry = append(
        documents,
        doc["organization"],
        {"kind": "topup", "amount": 10, "refId": "g2", "source": "referral", "at": NOW + timedelta(minutes=6)},
    )
    return [("ledger_violation", str(doc["organization"]), entry, "future_entry")]


@plant
def adjustment_without_reference(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = plain_balance(documents)
    entry = append(documents, doc["organization"], {"kind": "adjustment", "amount": 10})
    return [("ledger_violation", str(doc["organization"]), entry, "missing_ref")]


@plant
def unknown_kind_of_entry(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = plain_balance(documents)
    entry = append(documents, doc["organization"], {"kind": "gift", "amount": 10, "refId": "gift-1"})
    return [("ledger_violation", str(doc["organization"]), entry, "unknown_kind")]


@plant
def expiry_not_swept(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = plain_balance(documents)
    entry = append(
        documents,
        doc["organization"],
        {
            "kind": "topup",
            "amount": 900,
            "refId": "promo",
            "source": "adjustment",
            "at": NOW - timedelta(days=9),
            "expiresAt": NOW - timedelta(hours=49),
        },
    )
    return [("ledger_violation", str(doc["organization"]), entry, "expiry_not_swept")]


@plant
def expiry_twice(documents: Documents, stripe: Documents) -> list[Expected]:
    for doc in documents["billingextrabalances"]:
        swept = [e for e in doc["ledger"] if e["kind"] == "expiration" and e["amount"] < 0]
        if swept and doc["cachedBalance"] > 0:
            append(documents, doc["organization"], {**swept[0], "_id": ObjectId(), "at": NOW - timedelta(days=1)})
            return [("ledger_violation", str(doc["organization"]), None, None)]
    raise AssertionError


@plant
def settlement_in_the_ledger_only(documents: Documents, stripe: Documents) -> list[Expected]:
    for doc in documents["billingusages"]:
        keys = doc.get("consumedAttributionKeys", [])
        if doc.get("weekKey") == "2026-W46" and "settle:2026-W46" in keys and doc["meterUsed"] < doc["meterQuota"]:
            entry = next(
                e for e in balance(documents, doc["organizationId"])["ledger"] if e.get("refId") == "settle:2026-W46"
            )
            keys.remove("settle:2026-W46")
            doc["meterUsed"] -= entry["amount"]
            return [("ledger_violation", str(doc["organizationId"]), None, "settlement_half_applied")]
    raise AssertionError


@plant
def status_differs(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = paying(documents)
    doc["status"] = "canceled"
    return [("subscription_status", str(doc["organization"]), doc["stripeSubscriptionId"], None)]


@plant
def plan_differs(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = next(d for d in documents["subscriptions"] if d.get("stripeSubscriptionId") and d["plan"] == "starter")
    doc["plan"] = "enterprise"
    organization, subject = str(doc["organization"]), doc["stripeSubscriptionId"]
    return [("subscription_plan", organization, subject, None), ("organization_plan", organization, subject, None)]


@plant
def subscription_unknown_to_stripe(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = paying(documents)
    stripe["subscriptions"] = [s for s in stripe["subscriptions"] if s["id"] != doc["stripeSubscriptionId"]]
    return [("subscription_missing_in_stripe", str(doc["organization"]), doc["stripeSubscriptionId"], None)]


@plant
def subscription_unknown_here(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = paying(documents)
    gone = doc["stripeSubscriptionId"]
    doc.update(stripeSubscriptionId=None, stripeCustomerId=None, plan="free", status="canceled")
    organization = str(doc["organization"])
    return [
        ("subscription_unknown_here", None, gone, None),
        ("organization_plan", organization, organization, None),
    ]


@plant
def price_that_names_no_plan(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = paying(documents)
    found = next(s for s in stripe["subscriptions"] if s["id"] == doc["stripeSubscriptionId"])
    price = next(p for p in stripe["prices"] if p["id"] == "price_gold_meta_unknown")
    found["items"]["data"][0]["price"] = deepcopy(price)
    return [("subscription_unresolved_plan", str(doc["organization"]), doc["stripeSubscriptionId"], None)]


@plant
def late_invoice_marker(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = paying(documents)
    doc["lastInvoiceEventCreatedAt"] = None
    return [("invoice_marker_lag", str(doc["organization"]), doc["stripeSubscriptionId"], None)]


@plant
def past_due_flag_of_an_active_subscription(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = paying(documents)
    doc["pastDueSince"] = NOW - timedelta(days=20)
    return [("stale_past_due", str(doc["organization"]), None, None)]


@plant
def dead_lettered_event(documents: Documents, stripe: Documents) -> list[Expected]:
    doc = documents["processedstripeevents"][5]
    doc.update(deadLetter=True, attempts=5, lastError="boom")
    return [("dead_lettered_event", None, doc["eventId"], None)]


REINSTATED = "du_1TILWEKGU1Y4hKjv9j5G2C5M"  # credited by the system: 6000 units of pack_m
BY_HAND = "du_1TPzEHTS26pvSJMtQHdQvUX4"  # credited by hand: 2000 units of pack_s
LOST = "du_1ToYFU5Bj34rzXoeDH2TJDit"


def credited(documents: Documents, dispute: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The balance of a reinstated dispute and the credit in it."""
    for doc in documents["billingextrabalances"]:
        if any(dispute in str(e.get("refId")) for e in doc["ledger"]):
            credit = next(e for e in doc["ledger"] if e["kind"] == "adjustment" and "dispute" in e["refId"])
            return doc, credit
    raise AssertionError


@plant
def reinstated_and_not_credited(documents: Documents, stripe: Documents) -> list[Expected]:
    doc, credit = credited(documents, REINSTATED)
    doc["ledger"].remove(credit)
    doc["cachedBalance"] -= credit["amount"]
    return [("dispute_credit_due", str(doc["organization"]), REINSTATED, None)]


@plant
def credited_twice(documents: Documents, stripe: Documents) -> list[Expected]:
    doc, _ = credited(documents, REINSTATED)
    append(documents, doc["organization"], {"kind": "adjustment", "amount": 6000, "refId": "dispute-credit-again"})
    return [("dispute_credited_twice", str(doc["organization"]), REINSTATED, None)]


@plant
def credited_in_cents(documents: Documents, stripe: Documents) -> list[Expected]:
    doc, credit = credited(documents, BY_HAND)
    doc["cachedBalance"] += 200 - credit["amount"]
    credit["amount"] = 200
    return [
        ("dispute_credit_wrong_units", str(doc["organization"]), BY_HAND, None),
        ("dispute_credit_due", str(doc["organization"]), BY_HAND, None),
    ]


@plant
def clawback_that_never_happened(documents: Documents, stripe: Documents) -> list[Expected]:
    for doc in documents["billingextrabalances"]:
        for entry in doc["ledger"]:
            if LOST in str(entry.get("refId")):
                doc["ledger"].remove(entry)
                doc["cachedBalance"] -= entry["amount"]
                return [("dispute_clawback_missing", str(doc["organization"]), LOST, None)]
    raise AssertionError


@plant
def credit_of_a_lost_dispute(documents: Documents, stripe: Documents) -> list[Expected]:
    for doc in documents["billingextrabalances"]:
        if any(LOST in str(e.get("refId")) for e in doc["ledger"]):
            append(
                documents,
                doc["organization"],
                {"kind": "adjustment", "amount": 6000, "refId": f"dispute_reinstate_{LOST}"},
            )
            return [("dispute_credit_without_reinstatement", str(doc["organization"]), LOST, None)]
    raise AssertionError


@plant
def withdrawn_again(documents: Documents, stripe: Documents) -> list[Expected]:
    dispute = next(d for d in stripe["disputes"] if d["id"] == REINSTATED)
    first, back = dispute["balance_transactions"]
    dispute["balance_transactions"].append({**first, "id": "txn_again", "created": back["created"] + 86_400})
    doc, _ = credited(documents, REINSTATED)
    return [("dispute_second_withdrawal", str(doc["organization"]), REINSTATED, None)]
