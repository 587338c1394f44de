"""What a quarantined subscription document still tells of Stripe, so that its subscription is not taken for unknown."""

from datetime import UTC, datetime

import pandas as pd
import pytest
from bson import ObjectId

from billing_dq.settings import Collections
from billing_dq.sources.mongodb.bson.contract import contracts
from billing_dq.sources.mongodb.quarantine import Quarantine

CONTRACTS = contracts(Collections().model_dump(), ("free", "pro"), datetime(2026, 11, 21, tzinfo=UTC))


def told(collection: str = "subscriptions", **fields: object) -> list[object]:
    quarantine = Quarantine()
    document = {"_id": ObjectId(), "organization": ObjectId(), **fields}
    quarantine.add(CONTRACTS[collection], document, {"status": "not in the list"})
    _, unreadable = quarantine.tables()
    row = unreadable[["stripe_subscription_id", "stripe_customer_id"]].iloc[0]
    return [None if pd.isna(value) else value for value in row]


def test_a_document_tells_its_subscription_and_its_customer():
    assert told(stripeSubscriptionId="sub_1", stripeCustomerId="cus_1") == ["sub_1", "cus_1"]


@pytest.mark.parametrize("fields", [{}, {"stripeSubscriptionId": None, "stripeCustomerId": None}])
def test_a_document_without_subscription_points_to_none(fields: dict[str, object]):
    assert told(**fields) == ["", None]


def test_a_subscription_id_of_the_wrong_type_does_not_tell():
    assert told(stripeSubscriptionId=5, stripeCustomerId="cus_1") == [None, "cus_1"]
    assert told(stripeSubscriptionId=5, stripeCustomerId=7) == [None, None]


def test_other_documents_tell_nothing():
    assert told("billingextrabalances", stripeSubscriptionId="sub_1") == [None, None]
