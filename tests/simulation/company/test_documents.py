"""Simulated documents and Stripe objects have the shape of the sample's, field by field."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator

import pytest
from bson import Int64

from billing_dq_simulation.company.documents import COLLECTIONS
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.labels import Document
from billing_dq_simulation.world import account_objects, simulate
from tests.conftest import SAMPLE, read_sample

#: docs/domain.md, "Collections", names what the sample's organizations happen not to have.
ALLOWED = {
    "subscriptions": {
        ("pastDueSince", "datetime"),
        ("adminUpdatedAt", "datetime"),
        ("adminUpdatedBy", "ObjectId"),
    },
    "billingusages": {("meterBreakdown.*", "Int64")},
}


@pytest.fixture(scope="module")
def world() -> dict[str, list[Document]]:
    documents: dict[str, list[Document]] = defaultdict(list)
    for one in simulate(WorldConfig(organizations=1500)):
        for name, some in one.documents.items():
            documents[name] += some
    return documents


def types(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every (path, type) of a document; features and entries are pooled."""
    if isinstance(value, dict):
        for key, inner in value.items():
            name = "*" if path == "meterBreakdown" else key
            yield from types(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield path, "list"
        for inner in value:
            yield from types(inner, f"{path}[]")
    else:
        yield path, "Int64" if isinstance(value, Int64) else type(value).__name__


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_every_field_has_a_type_that_the_sample_knows(collection: str, world: dict[str, list[Document]]):
    sample = {pair for document in read_sample(collection) for pair in types(document)}
    simulated = {pair for document in world[collection] for pair in types(document)}
    # An int64 may stand wherever JavaScript has a number (docs/domain.md, "Collections").
    numbers = {(path, "Int64") for path, kind in sample if kind in ("int", "float")}
    assert simulated - sample - numbers - ALLOWED.get(collection, set()) == set()
    # a few things are rare: a subscription deleted with its customer, a referral with expiry
    assert sample - simulated - numbers == set()


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_fields_come_in_an_order_that_the_sample_knows(collection: str, world: dict[str, list[Document]]):
    sample = {tuple(document) for document in read_sample(collection)}
    assert {tuple(document) for document in world[collection]} - sample == set()


def test_ledger_entries_have_the_fields_of_their_kind_in_the_samples_order(world: dict[str, list[Document]]):
    def shapes(balances: list[Document]) -> set[tuple[str, ...]]:
        return {(str(entry["kind"]), *entry) for balance in balances for entry in balance["ledger"]}  # type: ignore[attr-defined]

    assert shapes(world["billingextrabalances"]) == shapes(read_sample("billingextrabalances"))


def test_stripe_objects_have_exactly_the_samples_fields():
    with gzip.open(SAMPLE / "stripe.json.gz", "rt", encoding="utf-8") as file:
        sample = json.load(file)
    simulated: dict[str, list[Document]] = defaultdict(list, account_objects())
    for one in simulate(WorldConfig(organizations=800)):
        for resource, objects in one.stripe.items():
            simulated[resource] += objects
    assert set(simulated) == {*sample, "events"}  # the sample's account was not asked for its events
    for resource, objects in sample.items():
        assert {tuple(thing) for thing in simulated[resource]} == {tuple(thing) for thing in objects}, resource
    items = {tuple(item) for s in simulated["subscriptions"] for item in s["items"]["data"]}  # type: ignore[index]
    assert items == {tuple(item) for s in sample["subscriptions"] for item in s["items"]["data"]}
    assert json.loads(json.dumps(simulated)) == simulated


def test_no_person_is_in_a_world(world: dict[str, list[Document]]):
    assert "@" not in json.dumps(world, default=str)
