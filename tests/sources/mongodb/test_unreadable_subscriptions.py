"""What a quarantined subscription document still says of Stripe, so that its subscription is not called unknown."""

from datetime import UTC, datetime

import pandas as pd
import pytest
from bson import ObjectId

from billing_dq.settings import Collections
from billing_dq.sources.mongodb.bson.contract import contracts
from billing_dq.sources.mongodb.quarantine import Quarantine

CONTRACTS = contracts(Collections().model_dump(), ("free", "pro"), datetime(2026, 11, 21, tzinfo=UTC))


@pytest.mark.parametrize(
    ("collection", "fields", "subscription_and_customer"),
    [
        ("subscriptions", {"stripeSubscriptionId": "sub_1", "stripeCustomerId": "cus_1"}, ["sub_1", "cus_1"]),
        ("subscriptions", {}, ["", None]),
        ("subscriptions", {"stripeSubscriptionId": None, "stripeCustomerId": None}, ["", None]),
        ("subscriptions", {"stripeSubscriptionId": 5, "stripeCustomerId": "cus_1"}, [None, "cus_1"]),
        ("subscriptions", {"stripeSubscriptionId": 5, "stripeCustomerId": 7}, [None, None]),
        ("billingextrabalances", {"stripeSubscriptionId": "sub_1"}, [None, None]),
    ],
)
def test_a_subscription_document_keeps_its_subscription_and_customer_where_they_can_be_read(
    collection: str, fields: dict[str, object], subscription_and_customer: list[str | None]
) -> None:
    quarantine = Quarantine()
    document = {"_id": ObjectId(), "organization": ObjectId(), **fields}
    quarantine.add(CONTRACTS[collection], document, {"status": "not in the list"})
    _, unreadable = quarantine.tables()
    row = unreadable[["stripe_subscription_id", "stripe_customer_id"]].iloc[0]
    assert [None if pd.isna(value) else value for value in row] == subscription_and_customer
