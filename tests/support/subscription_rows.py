"""Rows of both sides' subscriptions for tests, sound and in agreement unless told otherwise."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from billing_dq.tables import (
    QUARANTINED_STRIPE_OBJECTS,
    STRIPE_INVOICES,
    STRIPE_SUBSCRIPTIONS,
    SUBSCRIPTIONS,
    UNREADABLE_KEYS,
)

AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
LONG_AGO = AS_OF - timedelta(days=40)
ORG = "6aba68021f1483412b0fa60e"
OTHER_ORG = "6ac2722b138284f9f1fffa73"


def minutes_ago(minutes: float) -> datetime:
    return AS_OF - timedelta(minutes=minutes)


def here(**fields: object) -> dict[str, object]:
    """A subscription document."""
    row: dict[str, object] = {**dict.fromkeys(SUBSCRIPTIONS.column_names)}
    row |= {
        "organization_id": ORG,
        "stripe_customer_id": "cus_1",
        "stripe_subscription_id": "sub_1",
        "plan": "pro",
        "status": "active",
        "updated_at": LONG_AGO,
    }
    return row | fields


def there(**fields: object) -> dict[str, object]:
    """A subscription at Stripe."""
    return {
        "stripe_subscription_id": "sub_1",
        "customer_id": "cus_1",
        "status": "active",
        "price_ids": ["price_pro"],
        "plan": "pro",
        "created": LONG_AGO,
        "livemode": True,
        "changed_at": fields.get("created", LONG_AGO),
        "organization_id": None,
        "collection_paused": None,
    } | fields


def subscriptions(*rows: dict[str, object]) -> pd.DataFrame:
    return SUBSCRIPTIONS.from_rows(rows)


def at_stripe(*rows: dict[str, object]) -> pd.DataFrame:
    return STRIPE_SUBSCRIPTIONS.from_rows(rows)


def invoices(**paid_at: datetime) -> pd.DataFrame:
    return STRIPE_INVOICES.from_rows(
        {"stripe_subscription_id": name, "invoice_id": f"in_{name}", "paid_at": paid, "out_of_band": False}
        for name, paid in paid_at.items()
    )


def unreadable(*organizations: str | None, collection: str = "subscriptions") -> pd.DataFrame:
    return UNREADABLE_KEYS.from_rows(
        {"collection": collection, "document_id": f"document {number}", "organization_id": organization}
        for number, organization in enumerate(organizations)
    )


def quarantined(*ids: str) -> pd.DataFrame:
    return QUARANTINED_STRIPE_OBJECTS.from_rows(
        {"collection": "stripe.subscriptions", "document_id": name, "field": "items", "reason": "no list"}
        for name in ids
    )


def told(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    """The rows as tuples, nulls as None."""
    return [tuple(None if value is pd.NaT or value != value else value for value in row) for row in frame.to_numpy()]
