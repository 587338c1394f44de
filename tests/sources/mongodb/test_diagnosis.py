"""What `billing-dq doctor` says of MongoDB: red where a night would fail, and what to do about it."""

from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from billing_dq.sources.mongodb.diagnosis import Diagnosis, diagnose, unfit_for_order
from billing_dq.sources.mongodb.reader import Reader
from tests.support.mongo_world import Document, empty_world, fill, random_world, settings_for


def diagnoses_of(database: Database[Document], uri: str) -> dict[str, Diagnosis]:
    return {one.part: one for one in diagnose(settings_for(database, uri))}


def test_a_diagnosis_names_server_privileges_collections_queries_and_missing_indexes(
    database: Database[Document], mongodb_uri: str
) -> None:
    world = random_world(41, organizations=3)
    del world["processedstripeevents"]
    fill(database, world)
    database["billingextrabalances"].create_index("organization", unique=True)
    said = diagnoses_of(database, mongodb_uri)
    assert "runs MongoDB" in said["MongoDB"].detail
    assert said["MongoDB reading code"].state == "ok"
    assert said["MongoDB database"].state == "warning"
    assert "missing: processedstripeevents" in said["MongoDB database"].detail
    assert said["MongoDB snapshot"].state == "ok"
    assert said["MongoDB query of billingusages"].state == "ok"
    assert said["MongoDB index of billingextrabalances"].state == "ok"
    assert said["MongoDB index of billingusages"].state == "warning"
    assert "createIndex({organizationId: 1, weekKey: 1})" in said["MongoDB index of billingusages"].detail
    assert "MongoDB privileges" in said


def test_a_member_reached_directly_is_told_from_a_standalone_server(
    database: Database[Document], mongodb_uri: str
) -> None:
    fill(database, empty_world())
    detail = diagnoses_of(database, f"{mongodb_uri}?directConnection=true")["MongoDB"].detail
    assert "a member of the replica set" in detail
    assert "standalone" not in detail


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (13, "grant it the role read"),
        (2, "refuses what a night asks (code 2): unknown operator"),
        (91, "it may pass, try again"),
    ],
)
def test_what_a_night_asks_and_the_server_refuses_is_red(
    database: Database[Document], mongodb_uri: str, monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    fill(database, empty_world())

    def refuse(self: Reader, *arguments: Any) -> None:
        raise OperationFailure("unknown operator", code)

    monkeypatch.setattr(Reader, "count", refuse)
    diagnoses = diagnoses_of(database, mongodb_uri)
    assert diagnoses["MongoDB query of billingusages"].state == "failed"
    assert said in diagnoses["MongoDB query of billingusages"].detail
    assert diagnoses["MongoDB query of subscriptions"].state == "ok"


def test_who_may_not_list_indexes_may_still_read(
    database: Database[Document], mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, empty_world())

    def deny(self: Collection[Document]) -> None:
        raise OperationFailure("not authorized to listIndexes", 13)

    monkeypatch.setattr(Collection, "index_information", deny)
    diagnoses = diagnoses_of(database, mongodb_uri)
    assert diagnoses["MongoDB index of billingusages"].state == "warning"
    assert "may not list indexes" in diagnoses["MongoDB index of billingusages"].detail


def test_nothing_is_left_behind_by_a_diagnosis(database: Database[Document], mongodb_uri: str) -> None:
    fill(database, random_world(42, organizations=2))
    before = {name: database[name].count_documents({}) for name in database.list_collection_names()}
    diagnose(settings_for(database, mongodb_uri))
    assert before == {name: database[name].count_documents({}) for name in database.list_collection_names()}


@pytest.mark.parametrize(
    ("index", "flaw"),
    [
        ({"key": [("a", 1), ("b", 1)]}, ""),
        ({"key": [("a", 1), ("b", 1), ("c", -1)], "unique": True}, ""),
        ({"key": [("a", 1.0), ("b", 1.0)]}, ""),
        ({"key": [("a", -1), ("b", -1)]}, ""),
        ({"key": [("a", 1), ("b", 1)], "collation": {"locale": "simple"}}, ""),
        ({"key": [("a", 1), ("b", -1)]}, "ascending in one field and descending in another"),
        ({"key": [("a", "hashed"), ("b", 1)]}, "hashed"),
        ({"key": [("a", 1), ("b", "text")]}, "text"),
        ({"key": [("a", 1), ("b", 1)], "sparse": True}, "sparse"),
        ({"key": [("a", 1), ("b", 1)], "partialFilterExpression": {"x": 1}}, "partial"),
        ({"key": [("a", 1), ("b", 1)], "hidden": True}, "hidden"),
        ({"key": [("a", 1), ("b", 1)], "collation": {"locale": "de"}}, "of the collation de"),
    ],
)
def test_an_index_is_judged_by_whether_it_gives_the_order(index: dict[str, object], flaw: str) -> None:
    assert unfit_for_order(index, 2) == flaw


def test_a_sparse_index_is_named(database: Database[Document], mongodb_uri: str) -> None:
    fill(database, empty_world())
    database["subscriptions"].create_index("organization", sparse=True)
    detail = diagnoses_of(database, mongodb_uri)["MongoDB index of subscriptions"].detail
    assert "there is one that is sparse" in detail
