"""What the local Stripe answers has the shape of Stripe's own example objects, and the source can read those."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from billing_dq.settings import Settings
from billing_dq.sources.progress import SilentProgress
from billing_dq.sources.stripe.api import StripeReading, read_stripe
from billing_dq.tables import QUARANTINED_STRIPE_OBJECTS
from billing_dq_simulation.faults.stripe import Faults
from billing_dq_simulation.local_stripe import load, serve
from billing_dq_simulation.stripe.state import RESOURCES

DATA = Path(__file__).parents[1] / "data"
FIXTURES: dict[str, dict[str, Any]] = json.loads((DATA / "stripe" / "fixtures.json").read_text())

#: Fields of the real API that Stripe's example objects happen not to show.
KNOWN_EXTRAS = {"charges.outcome.risk_level", "subscriptions.items.total_count"}
#: Free in form: keys are the application's own (metadata), or the object that an event is about.
FREE = ("metadata", "events.data.object")


def differences(answer: Any, example: Any, path: str) -> Iterator[str]:
    """Fields of an answer that the example lacks or has in another type; null and empty tell nothing."""
    if answer is None or example is None or path.endswith(FREE):
        return
    if type(answer) is not type(example):
        yield f"{path}: {type(answer).__name__}, not {type(example).__name__}"
    elif isinstance(answer, dict) and example:
        for name, value in answer.items():
            if name in example:
                yield from differences(value, example[name], f"{path}.{name}")
            elif f"{path}.{name}" not in KNOWN_EXTRAS:
                yield f"{path}.{name}: unknown"
    elif isinstance(answer, list) and example:
        for entry in answer:
            yield from differences(entry, example[0], path)


@pytest.fixture(scope="module")
def answers() -> dict[str, list[dict[str, Any]]]:
    """Everything that the local Stripe lists of the sample, with what it makes itself."""
    answers_by_resource: dict[str, list[dict[str, Any]]] = {}
    with serve(load(DATA / "sample" / "stripe.json.gz"), faults=Faults(insert_while_paging=True)) as local:
        local.reinstate("du_1TQkjoe1621yWfMvmgTSZUiH", datetime(2026, 11, 22, tzinfo=UTC))
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = "Bearer a"
            session.get(f"{local.url}/v1/subscriptions")
            for resource in RESOURCES:
                parameters = {"limit": "100", **({"status": "all"} if resource == "subscriptions" else {})}
                answers_by_resource[resource] = session.get(f"{local.url}/v1/{resource}", params=parameters).json()[
                    "data"
                ]
    return answers_by_resource


@pytest.mark.parametrize("resource", RESOURCES)
def test_what_the_local_stripe_answers_has_the_shape_of_the_real_objects(
    resource: str, answers: dict[str, list[dict[str, Any]]]
) -> None:
    assert answers[resource]
    example = FIXTURES[resource.removesuffix("s")]
    assert (
        sorted({difference for answer in answers[resource] for difference in differences(answer, example, resource)})
        == []
    )


def test_what_the_local_stripe_inserts_is_among_what_is_held_to_the_shape(
    answers: dict[str, list[dict[str, Any]]],
) -> None:
    assert len(answers["subscriptions"]) == 60


def test_a_field_that_stripe_does_not_have_would_be_noticed() -> None:
    bent = copy.deepcopy(FIXTURES["dispute"])
    bent |= {"colour": "red", "amount": "500"}
    assert sorted(differences(bent, FIXTURES["dispute"], "disputes")) == [
        "disputes.amount: str, not int",
        "disputes.colour: unknown",
    ]


def read_examples() -> StripeReading:
    """A night on Stripe's example objects alone, linked with each other as they are at Stripe."""
    subscription, invoice = copy.deepcopy(FIXTURES["subscription"]), copy.deepcopy(FIXTURES["invoice"])
    invoice["parent"] = {"type": "subscription_details", "subscription_details": {"subscription": subscription["id"]}}
    invoice |= {"status": "paid", "status_transitions": {**invoice["status_transitions"], "paid_at": 1_234_567_890}}
    subscription["latest_invoice"] = invoice["id"]
    dispute, charge = copy.deepcopy(FIXTURES["dispute"]), copy.deepcopy(FIXTURES["charge"])
    charge["payment_intent"] = dispute["payment_intent"] = FIXTURES["payment_intent"]["id"]
    dispute["balance_transactions"] = [{**FIXTURES["balance_transaction"], "reporting_category": "dispute"}]
    objects = {
        "subscriptions": [subscription],
        "invoices": [invoice],
        "disputes": [dispute],
        "charges": [charge],
        "payment_intents": [FIXTURES["payment_intent"]],
    }
    with serve(objects) as local:
        settings = Settings(stripe_api_key=SecretStr("rk_test_a"), stripe_base_url=local.url)
        as_of = datetime(2009, 2, 20, tzinfo=UTC)
        return read_stripe(settings, as_of, [], SilentProgress())


def test_the_source_reads_stripes_own_example_objects() -> None:
    reading = read_examples()
    assert reading.frames[QUARANTINED_STRIPE_OBJECTS.name].empty
    subscription = reading.frames["stripe_subscriptions"].iloc[0]
    assert subscription["stripe_subscription_id"] == FIXTURES["subscription"]["id"]
    assert subscription["price_ids"] == [FIXTURES["price"]["id"]]
    assert reading.frames["stripe_invoices"]["invoice_id"].tolist() == [FIXTURES["invoice"]["id"]]
    dispute = reading.frames["stripe_disputes"].iloc[0]
    assert (dispute["dispute_id"], dispute["status"]) == (FIXTURES["dispute"]["id"], "warning_needs_response")
    assert [m["amount_minor"] for m in dispute["movements"]] == [100]
    assert reading.livemode is False
