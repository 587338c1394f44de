"""What cannot be read is told in one line that holds no secret; what is merely absent is told in the facts."""

from pathlib import Path

import numpy as np
import pytest
from bson import ObjectId
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import AutoReconnect, ExecutionTimeout, OperationFailure, PyMongoError

from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.pieces import Sorting
from billing_dq.sources.mongodb.connection import clear_errors
from billing_dq.sources.mongodb.snapshot import read_snapshot
from billing_dq.sources.progress import SilentProgress
from billing_dq_simulation.embedded import embedded_mongodb, free_port
from tests.support.mongo_world import (
    NIGHT,
    Document,
    empty_world,
    fill,
    frames_of,
    random_world,
    snapshot_of,
)

PASSWORD = "hunter2-is-secret"


def test_an_unreachable_server_is_transient_and_named_without_its_password(tmp_path: Path) -> None:
    address = SecretStr(f"mongodb://reader:{PASSWORD}@127.0.0.1:{free_port()}/?authSource=admin")
    settings = Settings(mongodb_uri=address, mongodb_connect_seconds=0.2)
    with pytest.raises(
        TransientSourceError, match=r"cannot be reached within 0\.2 s.*check BILLING_DQ_MONGODB_URI"
    ) as told:
        read_snapshot(settings, NIGHT, tmp_path, SilentProgress())
    assert PASSWORD not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("address", ["http://localhost", "mongodb://reader:pass/word@host/", "mongodb://"])
def test_what_is_no_address_is_refused_without_repeating_it(address: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no address of a MongoDB") as told:
        read_snapshot(Settings(mongodb_uri=SecretStr(address)), NIGHT, tmp_path, SilentProgress())
    assert "pass/word" not in str(told.value)


def test_no_address_at_all_says_which_variable_to_set(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="set BILLING_DQ_MONGODB_URI"):
        read_snapshot(Settings(), NIGHT, tmp_path, SilentProgress())


def test_a_database_that_does_not_exist_is_the_wrong_one(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=r"has none of the collections .*empty or does not exist.*mongodb_database"):
        snapshot_of(database, mongodb_uri, tmp_path)


def test_a_database_of_something_else_is_the_wrong_one(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    database["invoices_of_another"].insert_one({})
    with pytest.raises(SourceError, match=r"none of the collections .*it holds invoices_of_another"):
        snapshot_of(database, mongodb_uri, tmp_path)


def test_a_missing_collection_is_named_as_the_settings_call_it(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    world = empty_world()
    del world["billingusages"]
    fill(database, world)
    with pytest.raises(SourceError, match="has no collection weekly_meter"):
        snapshot_of(database, mongodb_uri, tmp_path, collections={"billingusages": "weekly_meter"})


def test_a_missing_balance_collection_is_told_and_its_tables_are_empty(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    world = random_world(21, organizations=5)
    del world["billingextrabalances"]
    fill(database, world)
    snapshot = snapshot_of(database, mongodb_uri, tmp_path)
    assert snapshot.facts.missing_collections == ("billingextrabalances",)
    tables = frames_of(snapshot)
    assert tables["extras_balances"].empty
    assert tables["ledger_entries"].empty
    assert not tables["weekly_usage"].empty


def test_collections_of_other_names_are_read(database: Database[Document], mongodb_uri: str, tmp_path: Path) -> None:
    world = random_world(22, organizations=5)
    world["meters"] = [*world.pop("billingusages"), {"organizationId": ObjectId(), "weekKey": "2026-W47"}]
    fill(database, world)
    snapshot = snapshot_of(database, mongodb_uri, tmp_path, collections={"billingusages": "meters"})
    tables = frames_of(snapshot)
    assert set(tables["quarantined_documents"]["collection"]) == {"meters"}
    assert set(tables["unreadable_keys"]["collection"]) == {"billingusages"}
    assert snapshot.facts.counts["billingusages"].quarantined == 1


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (OperationFailure("not authorized on app", 13), SourceError, 'grant it the role "read" on app'),
        (OperationFailure("Authentication failed.", 18), SourceError, "refuses the user or password"),
        (OperationFailure("bad auth", 8000), SourceError, "refuses the user or password"),
        (OperationFailure("SnapshotTooOld", 239), TransientSourceError, "minSnapshotHistoryWindowInSeconds"),
        (OperationFailure("odd", 2), SourceError, "refused a query: odd"),
        (ExecutionTimeout("operation exceeded time limit", 50), TransientSourceError, "mongodb_timeout_seconds"),
        (AutoReconnect("connection closed"), TransientSourceError, "was lost"),
        (PyMongoError("odd mongodb://u:hunter2-is-secret@h/"), SourceError, "odd mongodb://h/"),
    ],
)
def test_every_error_of_the_driver_says_what_to_do(error: Exception, kind: type[SourceError], said: str) -> None:
    uri = SecretStr(f"mongodb://reader:{PASSWORD}@db.example.org:27017/")
    with pytest.raises(kind) as told, clear_errors(uri, Settings()):
        raise error
    assert said in str(told.value)
    assert "db.example.org:27017" in str(told.value) or error.code == 13  # pyright: ignore[reportAttributeAccessIssue]
    assert PASSWORD not in str(told.value)


def test_a_user_who_may_not_read_is_told_so(tmp_path: Path) -> None:
    with embedded_mongodb(tmp_path / "data") as server, MongoClient[Document](server.uri) as client:
        client.admin.command("createUser", "reader", pwd=PASSWORD, roles=[{"role": "read", "db": "app"}])
        fill(client["app"], empty_world())
    with embedded_mongodb(tmp_path / "data", "--auth") as server:
        host = server.uri.removeprefix("mongodb://")
        wrong = SecretStr(f"mongodb://reader:not-{PASSWORD}@{host}?authSource=admin")
        with pytest.raises(SourceError, match="refuses the user or password") as told:
            read_snapshot(Settings(mongodb_uri=wrong), NIGHT, tmp_path, SilentProgress())
        assert PASSWORD not in str(told.value)
        right = SecretStr(f"mongodb://reader:{PASSWORD}@{host}?authSource=admin")
        read_snapshot(Settings(mongodb_uri=right), NIGHT, tmp_path, SilentProgress())


def test_documents_that_do_not_add_up_end_the_night(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, random_world(23, organizations=5))
    # a document that is none of those that are read is called a duplicate
    monkeypatch.setattr(Sorting, "_superseded", lambda self, rows, chosen: np.array([len(rows.starts)]))
    with pytest.raises(SourceError, match=r"4 documents counted, but 4 read, 2 quarantined .* is not to be trusted"):
        snapshot_of(database, mongodb_uri, tmp_path)
