"""Loading a world into a real server."""

import pytest
from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from billing_dq.errors import SourceError
from billing_dq_simulation import loader
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.loader import load
from billing_dq_simulation.world import simulate

CONFIG = WorldConfig(organizations=25, faults={"cached_balance_drift": 0.3})


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_every_document_is_loaded_whatever_the_batch(mongodb_uri: str, database: Database, batch: int):
    loaded = load(CONFIG, mongodb_uri, database.name, batch)
    expected: dict[str, int] = dict.fromkeys(loaded.counts, 0)
    for one in simulate(CONFIG):
        for name, documents in one.documents.items():
            expected[name] += len(documents)
    assert {name: database[name].count_documents({}) for name in expected} == expected == loaded.counts
    assert set(loaded.labels["fault"]) >= {"cached_balance_drift"}
    assert loaded.stripe["prices"]
    assert len(loaded.stripe["subscriptions"]) == sum(len(one.stripe["subscriptions"]) for one in simulate(CONFIG))


def test_documents_come_back_as_they_were(mongodb_uri: str, database: Database):
    load(CONFIG, mongodb_uri, database.name)
    stored = {document["_id"]: document for document in database["billingextrabalances"].find()}
    for one in simulate(CONFIG):
        for balance in one.documents["billingextrabalances"]:
            assert stored[balance["_id"]]["cachedBalance"] == balance["cachedBalance"]
            assert [list(entry) for entry in stored[balance["_id"]]["ledger"]] == [
                list(entry)
                for entry in balance["ledger"]  # type: ignore[attr-defined]
            ]


def test_the_indexes_are_the_applications(mongodb_uri: str, database: Database):
    load(CONFIG, mongodb_uri, database.name)
    keys = {tuple(index["key"]) for index in database["billingusages"].list_indexes()}
    assert (("organizationId", ASCENDING), ("weekKey", ASCENDING)) in {
        tuple(index["key"].items()) for index in database["billingusages"].list_indexes()
    }, keys
    subscription = database["subscriptions"].find_one({}, {"_id": 0})
    assert subscription is not None
    with pytest.raises(DuplicateKeyError):
        database["subscriptions"].insert_one(subscription)


def test_a_database_that_holds_a_company_is_refused_unless_it_may_be_replaced(mongodb_uri: str, database: Database):
    database["organizations"].insert_one({"plan": "free"})
    with pytest.raises(SourceError, match="already holds organizations"):
        load(CONFIG, mongodb_uri, database.name)
    assert database["organizations"].count_documents({}) == 1
    load(CONFIG, mongodb_uri, database.name, replace=True)
    assert database["organizations"].count_documents({}) == 25 - _orphans()


def _orphans() -> int:
    return sum(not one.documents["organizations"] for one in simulate(CONFIG))


@pytest.mark.parametrize("address", ["127.0.0.1:9/", "127.0.0.1:nine/", ""])
def test_a_server_that_does_not_answer_is_one_line_without_its_password(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loader, "CONNECT_MS", 200)
    with pytest.raises(SourceError) as error:
        load(CONFIG, f"mongodb://someone:hidden@{address}", "app")
    assert "\n" not in str(error.value)
    assert "hidden" not in str(error.value)
