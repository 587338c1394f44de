"""Faults between the subscriptions here and Stripe's, of markers and the webhook queue (docs/domain.md)."""

from datetime import timedelta

from billing_dq_simulation.clock import DAY, HOUR, SECOND, to_datetime
from billing_dq_simulation.company.account import Account
from billing_dq_simulation.config import PRICES
from billing_dq_simulation.faults.cases import Case
from billing_dq_simulation.labels import Document, Label, SimulatedOrganization
from billing_dq_simulation.stripe import objects as stripe_objects

#: What was written within two hours may be on its way and is no finding.
_PENDING = timedelta(hours=2)

Outcome = SimulatedOrganization | None


def _subscribed(case: Case) -> Document | None:
    """The subscription document of an organization in force, settled for some hours, on both sides."""
    document = case.story.application.subscription
    if document is None or document.get("stripeSubscriptionId") is None or document["status"] != "active":
        return None
    if case.config.as_of - document["updatedAt"] < _PENDING or case.story.account.live["status"] != "active":  # type: ignore[operator]
        return None
    return document


def _some_time_ago(case: Case) -> int:
    """When something happened at Stripe of which the application never heard."""
    return max(case.story.born, case.story.end - case.random.randint(4, 200) * HOUR)


def _drift(case: Case, kind: str) -> Outcome:
    return case.end(case.story, [case.label(kind, str(case.story.account.live["id"]), 0.0)])


def status_drift(case: Case) -> Outcome:
    """A webhook about the status never arrived."""
    if _subscribed(case) is None:
        return None
    case.story.account.live["status"] = case.random.choice(("canceled", "past_due", "unpaid", "paused"))
    return _drift(case, "subscription_status")


def plan_drift(case: Case) -> Outcome:
    """Stripe bills another plan."""
    document = _subscribed(case)
    if document is None:
        return None
    other = case.random.choice([plan for plan in PRICES if plan != document["plan"]])
    case.story.account.change_price(_some_time_ago(case), PRICES[other][0], {})
    return _drift(case, "subscription_plan")


def unresolved_plan(case: Case) -> Outcome:
    """No item at Stripe names a known plan: its metadata names none, or one that does not exist."""
    if _subscribed(case) is None:
        return None
    price = case.random.choice((stripe_objects.UNKNOWN_PLAN_PRICE, stripe_objects.MANUAL_PRICE))
    case.story.account.change_price(_some_time_ago(case), price, {})
    return _drift(case, "subscription_unresolved_plan")


def ambiguous_plan(case: Case) -> Outcome:
    """Two items at Stripe name two plans."""
    document = _subscribed(case)
    if document is None:
        return None
    account = case.story.account
    other = case.random.choice([plan for plan in PRICES if plan != document["plan"]])
    item = dict(account.item, id=case.story.ids.short("si"), price=stripe_objects.price(PRICES[other][0]))
    item["plan"] = dict(item["plan"], id=PRICES[other][0], metadata={})  # type: ignore[call-overload]
    account.items.append(item)
    account.live["items"]["total_count"] = 2  # type: ignore[index]
    return _drift(case, "subscription_ambiguous_plan")


def missing_in_stripe(case: Case) -> Outcome:
    """Stripe does not know the subscription."""
    if _subscribed(case) is None:
        return None
    account = case.story.account
    account.objects["subscriptions"].remove(account.live)
    account.objects["invoices"].clear()
    return _drift(case, "subscription_missing_in_stripe")


def unknown_here(case: Case) -> Outcome:
    """A live subscription at Stripe to which no document points."""
    if case.story.account.subscription is not None or case.story.account.objects["customers"]:
        return None
    subscription = _another(case, case.story.account)
    label = Label(case.fault, "", str(subscription["id"]), 0.0, True, "subscription_unknown_here")
    return case.end(case.story, [label])


def several_live(case: Case) -> Outcome:
    """A customer bought a second time; the application knows one of the two subscriptions."""
    if _subscribed(case) is None:
        return None
    account = case.story.account
    first = account.live
    second = _another(case, account)
    account.subscription = first
    older = min((first, second), key=lambda subscription: (subscription["created"], subscription["id"]))
    return case.end(
        case.story,
        [
            case.label("subscription_several_live", str(older["id"]), 0.0),
            Label(case.fault, "", str(second["id"]), 0.0, True, "subscription_unknown_here"),
        ],
    )


def _another(case: Case, account: Account) -> Document:
    at = case.story.end - case.random.randint(2, 20) * DAY
    return account.subscribe(at, PRICES["starter"][0], {})


def livemode_mix(case: Case) -> Outcome:
    """The subscription is an object of test mode."""
    if _subscribed(case) is None:
        return None
    account = case.story.account
    account.live["livemode"] = False
    account.objects["invoices"].clear()
    return _drift(case, "livemode_mix")


def invoice_marker_lag(case: Case) -> Outcome:
    """A paid invoice did not advance the marker: it stays at an older event, or at none."""
    document = _subscribed(case)
    if document is None:
        return None
    _set_marker_back(case, document)
    return _drift(case, "invoice_marker_lag")


def invoice_marker_lag_old_shape(case: Case) -> Outcome:
    """The same for invoices of the older API shape, which name their subscription at the top."""
    document = _subscribed(case)
    if document is None:
        return None
    _set_marker_back(case, document)
    for invoice in case.story.account.objects["invoices"]:
        del invoice["parent"]
        invoice["subscription"] = case.story.account.live["id"]
    return _drift(case, "invoice_marker_lag")


def _set_marker_back(case: Case, document: Document) -> None:
    if case.random.random() < 0.3:
        document["lastInvoiceEventCreatedAt"] = document["lastInvoiceEventId"] = None
    else:
        document["lastInvoiceEventCreatedAt"] -= case.random.randint(60, 40 * 86400)  # type: ignore[operator]


def stale_past_due(case: Case) -> Outcome:
    """An active subscription still carries the flag of an overdue payment."""
    document = _subscribed(case)
    if document is None:
        return None
    document["pastDueSince"] = to_datetime(case.story.end - case.random.randint(3, 20) * DAY)
    return _drift(case, "stale_past_due")


def dead_lettered_event(case: Case) -> Outcome:
    """The application gave up on a webhook event, any time ago."""
    at = max(case.story.born, case.story.end - case.random.randint(1, 90) * DAY)
    event_id = case.story.ids.stripe("evt")
    case.story.events.append(
        {
            "_id": case.story.ids.object_id(at),
            "eventId": event_id,
            "type": case.random.choice(("invoice.payment_succeeded", "charge.dispute.funds_withdrawn")),
            "processedAt": to_datetime(at - at % SECOND),
            "attempts": 8,
            "lastError": "Cannot read properties of null (reading 'id')",
            "deadLetter": True,
            "__v": 0,
        }
    )
    return case.end(case.story, [Label(case.fault, "", event_id, 0.0, True, "dead_lettered_event")])
