"""Small objects of a made-up company at Stripe, with only the fields that are read."""

import itertools
from typing import Any

AS_OF_SECONDS = 1_795_230_600  # 2026-11-21T03:10:00Z
DAY = 86_400
_numbers = itertools.count(1)

Object = dict[str, Any]


def price(price_id: str, **metadata: str) -> Object:
    return {"id": price_id, "object": "price", "metadata": metadata}


def item(
    price_id: str = "price_pro_monthly_v2", plan_metadata: dict[str, str] | None = None, **metadata: str
) -> Object:
    return {
        "id": f"si_{next(_numbers)}",
        "object": "subscription_item",
        "created": AS_OF_SECONDS - 90 * DAY,
        "price": price(price_id, **metadata),
        "plan": {"id": price_id, "object": "plan", "metadata": plan_metadata or {}},
    }


def subscription(subscription_id: str, *items: Object, **changes: object) -> Object:
    return {
        "id": subscription_id,
        "object": "subscription",
        "created": AS_OF_SECONDS - 60 * DAY,
        "customer": f"cus_{subscription_id}",
        "items": {
            "object": "list",
            "data": [{**entry, "subscription": subscription_id} for entry in items or [item()]],
            "has_more": False,
        },
        "latest_invoice": None,
        "livemode": True,
        "status": "active",
        **changes,
    }


def invoice(invoice_id: str, subscription_id: str, created: int, paid_at: int | None, **changes: object) -> Object:
    return {
        "id": invoice_id,
        "object": "invoice",
        "created": created,
        "livemode": True,
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": subscription_id}},
        "status": "open" if paid_at is None else "paid",
        "status_transitions": {"finalized_at": created, "paid_at": paid_at},
        **changes,
    }


def event(event_id: str, after: Object, before: Object | None = None, **changes: object) -> Object:
    """An event of a subscription, a day ago; ``before`` is what changed, as it was."""
    return {
        "id": event_id,
        "object": "event",
        "created": AS_OF_SECONDS - DAY,
        "data": {"object": after, **({"previous_attributes": before} if before is not None else {})},
        "livemode": True,
        "type": "customer.subscription.updated",
        **changes,
    }


def movement(amount: int, **changes: object) -> Object:
    return {
        "id": f"txn_{next(_numbers)}",
        "object": "balance_transaction",
        "amount": amount,
        "created": AS_OF_SECONDS - 2 * DAY,
        "currency": "usd",
        "exchange_rate": None,
        "fee": 1500,
        "reporting_category": "dispute" if amount < 0 else "dispute_reversal",
        "type": "adjustment",
        **changes,
    }


def dispute(dispute_id: str, *movements: Object, **changes: object) -> Object:
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": 500,
        "balance_transactions": list(movements),
        "charge": f"ch_{dispute_id}",
        "created": AS_OF_SECONDS - 3 * DAY,
        "currency": "usd",
        "livemode": True,
        "payment_intent": f"pi_{dispute_id}",
        "status": "needs_response",
        **changes,
    }


def purchase(dispute_id: str, of_charge: object, of_intent: object) -> dict[str, list[Object]]:
    """A dispute with its charge and payment intent, as noted on them."""
    return {
        "disputes": [dispute(dispute_id, movement(-500))],
        "charges": [{"id": f"ch_{dispute_id}", "object": "charge", "created": 1, "metadata": of_charge}],
        "payment_intents": [
            {"id": f"pi_{dispute_id}", "object": "payment_intent", "created": 1, "metadata": of_intent}
        ],
    }
