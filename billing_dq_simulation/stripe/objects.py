"""Stripe's objects as its API renders them, with the fields that the application's account shows."""

from collections.abc import Mapping

from billing_dq_simulation.config import PACKS, PRICES, Pack
from billing_dq_simulation.labels import Document
from billing_dq_simulation.stripe.state import API_VERSION

_PRICES_CREATED = 1756684800
_MONTH, _YEAR = "month", "year"

#: Price id -> (product, cents, interval, nickname, metadata). The last three are in no price map of the application.
_CATALOGUE: dict[str, tuple[str, int, str | None, str | None, dict[str, str]]] = {
    "price_starter_monthly_v1": ("prod_Starter01", 1900, _MONTH, None, {}),
    "price_starter_annual_v1": ("prod_Starter01", 19000, _YEAR, None, {}),
    "price_pro_monthly_v2": ("prod_Pro00002", 9900, _MONTH, None, {}),
    "price_pro_annual_v2": ("prod_Pro00002", 99000, _YEAR, None, {}),
    "price_enterprise_monthly_v1": ("prod_Ent00001", 49900, _MONTH, None, {}),
    "price_enterprise_annual_v1": ("prod_Ent00001", 499000, _YEAR, None, {}),
    "price_pro_legacy_meta": ("prod_Pro00001", 7900, _MONTH, "pro, grandfathered (metadata only)", {"planId": "pro"}),
    "price_ent_manual_acme": ("prod_EntAcme", 250000, _MONTH, "manually sold, not in the map", {}),
    "price_gold_meta_unknown": ("prod_Gold", 12900, _MONTH, "metadata names no known plan", {"planId": "gold"}),
    **{
        f"price_{name}": (f"prod_Pack{name[-1].upper()}", pack.price_cents, None, None, {})
        for name, pack in PACKS.items()
    },
}

LEGACY_PRO_PRICE = "price_pro_legacy_meta"
MANUAL_PRICE = "price_ent_manual_acme"
UNKNOWN_PLAN_PRICE = "price_gold_meta_unknown"
#: The plan that each price is for; the price of an unknown plan is for none.
PLAN_OF_PRICE = {name: plan for plan, names in PRICES.items() for name in names} | {
    LEGACY_PRO_PRICE: "pro",
    MANUAL_PRICE: "enterprise",
}


def prices() -> list[Document]:
    """The account's prices; they belong to no organization."""
    return [price(name) for name in _CATALOGUE]


def is_annual(price_id: str) -> bool:
    """Whether a price is paid by the year."""
    return _CATALOGUE[price_id][2] == _YEAR


def price(price_id: str) -> Document:
    """A price."""
    product, cents, interval, nickname, metadata = _CATALOGUE[price_id]
    recurring = interval and {
        "interval": interval,
        "interval_count": 1,
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }
    return {
        "id": price_id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": _PRICES_CREATED,
        "currency": "usd",
        "custom_unit_amount": None,
        "livemode": True,
        "lookup_key": None,
        "metadata": dict(metadata),
        "nickname": nickname,
        "product": product,
        "recurring": recurring,
        "tax_behavior": "exclusive",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": cents,
        "unit_amount_decimal": str(cents),
    }


def _plan(price_id: str, metadata: Mapping[str, str]) -> Document:
    product, cents, interval, _, _ = _CATALOGUE[price_id]
    return {
        "id": price_id,
        "object": "plan",
        "active": True,
        "amount": cents,
        "amount_decimal": str(cents),
        "billing_scheme": "per_unit",
        "created": _PRICES_CREATED,
        "currency": "usd",
        "interval": interval,
        "interval_count": 1,
        "livemode": True,
        "metadata": dict(metadata),
        "meter": None,
        "nickname": None,
        "product": product,
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def subscription_item(
    item_id: str,
    subscription_id: str,
    price_id: str,
    created: int,
    period: tuple[int, int],
    plan_metadata: dict[str, str],
) -> Document:
    """An item of a subscription; ``created`` and ``period`` in seconds."""
    return {
        "id": item_id,
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": created,
        "current_period_start": period[0],
        "current_period_end": period[1],
        "discounts": [],
        "metadata": {},
        "plan": _plan(price_id, plan_metadata),
        "price": price(price_id),
        "quantity": 1,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def subscription(
    subscription_id: str, customer_id: str, organization_id: str, items: list[Document], created: int
) -> Document:
    """An active subscription without invoice yet; ``created`` in seconds."""
    return {
        "id": subscription_id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": created,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": None, "type": "classic"},
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": created,
        "currency": "usd",
        "customer": customer_id,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {
            "object": "list",
            "data": items,
            "has_more": False,
            "total_count": len(items),
            "url": f"/v1/subscription_items?subscription={subscription_id}",
        },
        "latest_invoice": None,
        "livemode": True,
        "metadata": {"organizationId": organization_id},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": created,
        "status": "active",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
    }


def customer(customer_id: str, created: int) -> Document:
    """A customer; no person is in it."""
    return {
        "id": customer_id,
        "object": "customer",
        "created": created,
        "email": None,
        "name": None,
        "balance": 0,
        "currency": "usd",
        "delinquent": False,
        "livemode": True,
        "metadata": {},
    }


def invoice(
    invoice_id: str,
    subscription_id: str,
    customer_id: str,
    organization_id: str,
    cents: int,
    period: tuple[int, int],
    paid_at: int | None,
    number: str,
) -> Document:
    """An invoice of a subscription (the newer shape); open where ``paid_at`` is None. Times in seconds."""
    first = paid_at == period[0]
    return {
        "id": invoice_id,
        "object": "invoice",
        "account_country": "US",
        "amount_due": cents,
        "amount_paid": 0 if paid_at is None else cents,
        "amount_remaining": cents if paid_at is None else 0,
        "attempt_count": 1 if first else 2,
        "attempted": True,
        "auto_advance": False,
        "billing_reason": "subscription_create" if first else "subscription_cycle",
        "collection_method": "charge_automatically",
        "created": period[0],
        "currency": "usd",
        "customer": customer_id,
        "effective_at": period[0],
        "livemode": True,
        "metadata": {},
        "number": number,
        "parent": {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {"metadata": {"organizationId": organization_id}, "subscription": subscription_id},
        },
        "period_start": period[0],
        "period_end": period[1],
        "status": "open" if paid_at is None else "paid",
        "status_transitions": {
            "finalized_at": period[0],
            "marked_uncollectible_at": None,
            "paid_at": paid_at,
            "voided_at": None,
        },
        "subtotal": cents,
        "total": cents,
    }


def pack_metadata(organization_id: str, pack: Pack, session_id: str) -> dict[str, str]:
    """The metadata of a pack's charge and payment intent."""
    return {"organizationId": organization_id, "packId": pack.name, "kind": "extras", "stripeSessionId": session_id}


def charge(
    charge_id: str,
    intent_id: str,
    method_id: str,
    transaction_id: str,
    customer_id: str,
    cents: int,
    created: int,
    description: str,
    metadata: dict[str, str],
) -> Document:
    """A paid charge; ``created`` in seconds."""
    return {
        "id": charge_id,
        "object": "charge",
        "amount": cents,
        "amount_captured": cents,
        "amount_refunded": 0,
        "application": None,
        "balance_transaction": transaction_id,
        "billing_details": {
            "address": {
                "city": None,
                "country": "US",
                "line1": None,
                "line2": None,
                "postal_code": "94107",
                "state": None,
            },
            "email": None,
            "name": None,
            "phone": None,
        },
        "captured": True,
        "created": created,
        "currency": "usd",
        "customer": customer_id,
        "description": description,
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": True,
        "metadata": metadata,
        "outcome": {
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "seller_message": "Payment complete.",
            "type": "authorized",
        },
        "paid": True,
        "payment_intent": intent_id,
        "payment_method": method_id,
        "payment_method_details": {
            "card": {
                "brand": "visa",
                "country": "US",
                "exp_month": 1 + cents % 12,
                "exp_year": 2029,
                "funding": "credit",
                "last4": f"{created % 10000:04d}",
                "network": "visa",
            },
            "type": "card",
        },
        "receipt_email": None,
        "refunded": False,
        "status": "succeeded",
    }


def payment_intent(charged: Document, metadata: dict[str, str]) -> Document:
    """The payment intent of a charge."""
    return {
        "id": charged["payment_intent"],
        "object": "payment_intent",
        "amount": charged["amount"],
        "amount_capturable": 0,
        "amount_received": charged["amount"],
        "canceled_at": None,
        "capture_method": "automatic_async",
        "confirmation_method": "automatic",
        "created": charged["created"],
        "currency": "usd",
        "customer": charged["customer"],
        "description": charged["description"],
        "latest_charge": charged["id"],
        "livemode": True,
        "metadata": metadata,
        "on_behalf_of": None,
        "payment_method": charged["payment_method"],
        "payment_method_types": ["card"],
        "receipt_email": None,
        "status": "succeeded",
        "transfer_data": None,
    }


def balance_transaction(
    transaction_id: str,
    cents: int,
    created: int,
    category: str,
    source: str,
    description: str,
    fee: int = 0,
    currency: str = "usd",
    exchange_rate: float | None = None,
) -> Document:
    """A movement of the account's balance; ``created`` in seconds, ``category`` the reporting category."""
    return {
        "id": transaction_id,
        "object": "balance_transaction",
        "amount": cents,
        "available_on": created + 172800,
        "balance_type": "payments",
        "created": created,
        "currency": currency,
        "description": description,
        "exchange_rate": exchange_rate,
        "fee": fee,
        "fee_details": [
            {
                "amount": fee,
                "application": None,
                "currency": currency,
                "description": "Dispute fee",
                "type": "stripe_fee",
            }
        ]
        if fee
        else [],
        "net": cents - fee,
        "reporting_category": category,
        "source": source,
        "status": "available",
        "type": category if category in ("charge", "refund") else "adjustment",
    }


def refund(refund_id: str, charged: Document, transaction_id: str, cents: int, created: int) -> Document:
    """A refund of a charge; ``created`` in seconds."""
    return {
        "id": refund_id,
        "object": "refund",
        "amount": cents,
        "balance_transaction": transaction_id,
        "charge": charged["id"],
        "created": created,
        "currency": "usd",
        "payment_intent": charged["payment_intent"],
        "reason": "requested_by_customer",
        "status": "succeeded",
        "metadata": {},
    }


def dispute(
    dispute_id: str, charged: Document, cents: int, created: int, status: str, movements: list[Document]
) -> Document:
    """A dispute of a charge; ``created`` in seconds."""
    answered = status in ("won", "under_review", "warning_closed")
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": cents,
        "balance_transactions": movements,
        "charge": charged["id"],
        "created": created,
        "currency": "usd",
        "enhanced_eligibility_types": [],
        "evidence": {},
        "evidence_details": {
            "due_by": created + 777600,
            "enhanced_eligibility": {},
            "has_evidence": answered,
            "past_due": False,
            "submission_count": int(answered),
        },
        "is_charge_refundable": False,
        "livemode": True,
        "metadata": {},
        "payment_intent": charged["payment_intent"],
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4"},
            "type": "card",
        },
        "reason": "subscription_canceled" if created % 2 else "unrecognized",
        "status": status,
    }


def event(event_id: str, created: int, kind: str, data: Document) -> Document:
    """An event as the API lists it; ``created`` in seconds, ``data`` the object and what it was before."""
    return {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": data,
        "livemode": True,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
