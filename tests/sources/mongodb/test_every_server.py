"""What servers differ in: what they are asked, whether they give a snapshot, and how they fail."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import MinKey, ObjectId
from bson.datetime_ms import DatetimeMS
from pydantic import SecretStr
from pymongo import MongoClient, monitoring
from pymongo.cursor import RawBatchCursor
from pymongo.database import Database
from pymongo.errors import OperationFailure

from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.connection import clear_errors, connect
from billing_dq.sources.mongodb.parts import plan_reading
from billing_dq.sources.mongodb.reader import Reader
from billing_dq_simulation.embedded import embedded_mongodb
from tests.support.mongo_world import (
    NIGHT,
    Document,
    assert_same_tables,
    empty_world,
    fill,
    frames_of,
    plain_tables,
    random_world,
    settings_for,
    snapshot_of,
)


@dataclass
class Commands(monitoring.CommandListener):
    """The commands that clients send to one database."""

    database: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.database_name == self.database:
            self.seen.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...

    def named(self, name: str) -> list[dict[str, Any]]:
        return [command for command in self.seen if next(iter(command)) == name]


_COMMANDS = Commands()
monitoring.register(_COMMANDS)  # for clients made from here on, and for good: hence one for all tests


@pytest.fixture
def commands(database: Database[Document]) -> Iterator[Commands]:
    """What is sent to the test's database by clients that the test makes."""
    _COMMANDS.database, _COMMANDS.seen = database.name, []
    yield _COMMANDS
    _COMMANDS.database = ""


def test_each_collection_is_asked_for_once_and_the_server_judges_nothing(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, commands: Commands
) -> None:
    fill(database, random_world(31, organizations=5))
    commands.seen.clear()
    snapshot_of(database, mongodb_uri, tmp_path)
    probe, *finds = commands.named("find")
    assert probe["limit"] == 1
    assert [one["find"] for one in finds] == [
        "organizations",
        "subscriptions",
        "billingusages",
        "billingusages",  # the impossible week keys
        "billingextrabalances",
        "processedstripeevents",
    ]
    usage = finds[2]
    assert list(usage["filter"]) == ["organizationId", "weekKey"]
    assert usage["filter"]["organizationId"] == {"$gte": MinKey()}
    assert list(usage["sort"]) == ["organizationId", "weekKey"]
    # bounds alone, on the fields of the index: a pattern, or a type, would have all years fetched
    assert [set(bounds) for bounds in finds[3]["filter"]["$or"]] == [{"organizationId", "weekKey"}] * 3
    assert not {"$regex", "$type"} & set(re.findall(r"\$\w+", str(finds[3]["filter"])))
    (count,) = commands.named("count")  # the server knows the number: with a query it would scan for it
    assert count["count"] == "billingusages"
    assert "query" not in count
    assert all(one["aggregate"] != "billingusages" for one in commands.named("aggregate"))
    assert "$jsonSchema" not in str(commands.seen)
    for command in (probe, *finds, count):
        assert command["maxTimeMS"] == 600_000
    (listed,) = commands.named("listCollections")
    assert listed["authorizedCollections"] is True


def test_what_else_the_application_stores_stays_there_but_for_names_and_types_of_the_newest_documents(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, commands: Commands
) -> None:
    fill(database, empty_world())
    commands.seen.clear()
    snapshot_of(database, mongodb_uri, tmp_path)
    fields = {command["find"]: set(command.get("projection", ())) for command in commands.named("find")[1:]}
    assert fields["organizations"] == {"_id", "plan"}
    # whole: nothing in them is about a person
    assert fields["billingextrabalances"] == fields["billingusages"] == set()
    assert "adminUpdatedBy" not in fields["subscriptions"]
    aggregations = commands.named("aggregate")
    assert [command["aggregate"] for command in aggregations] == [
        "organizations",
        "subscriptions",
        "processedstripeevents",
    ]
    for command in aggregations:
        sort, limit, project, *_ = command["pipeline"]
        assert (sort, limit) == ({"$sort": {"_id": -1}}, {"$limit": 1000})
        assert set(project["$project"]) == {"_id", "fields"}
        assert set(project["$project"]["fields"]["$map"]["in"]) == {"name", "type"}
        assert command["maxTimeMS"] == 600_000


def test_one_snapshot_is_said_only_where_the_server_names_its_instant(
    database: Database[Document], mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, empty_world())
    settings = settings_for(database, mongodb_uri)
    assert plan_reading(settings, NIGHT.as_of).cluster_time
    original = Database.command

    def without_instant(self: Database[Document], *arguments: Any, **options: Any) -> Any:
        reply = original(self, *arguments, **options)
        reply.get("cursor", {}).pop("atClusterTime", None)
        return reply

    monkeypatch.setattr(Database, "command", without_instant)
    plan = plan_reading(settings, NIGHT.as_of)
    assert not plan.cluster_time
    assert plan.read_plainly_because == "the server takes the read concern and names no instant"


@pytest.mark.parametrize("code", [20, 72, 123, 148, 263])
def test_a_server_without_snapshots_is_read_plainly(
    database: Database[Document], mongodb_uri: str, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    fill(database, empty_world())

    original = Database.command

    def refuse(self: Database[Document], command: Any, *arguments: Any, **options: Any) -> Any:
        if command == "find":
            raise OperationFailure("no snapshots here", code)
        return original(self, command, *arguments, **options)

    monkeypatch.setattr(Database, "command", refuse)
    plan = plan_reading(settings_for(database, mongodb_uri), NIGHT.as_of)
    assert plan.read_plainly_because == f"the server offers no snapshots (error {code})"


def test_snapshots_can_be_switched_off(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, commands: Commands
) -> None:
    fill(database, empty_world())
    commands.seen.clear()
    facts = snapshot_of(database, mongodb_uri, tmp_path, mongodb_snapshot="off").facts
    assert (facts.one_snapshot, facts.read_plainly_because) == (False, "mongodb_snapshot is off")
    assert not [one for one in commands.seen if one.get("readConcern", {}).get("level") == "snapshot"]


def test_a_night_longer_than_the_servers_memory_is_read_again_plainly(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = random_world(32, organizations=5)
    fill(database, world)
    original = Reader.batches

    def forgets(self: Reader, contract: Any, query: Any) -> Iterator[bytes]:
        yield from original(self, contract, query)
        if self.one_snapshot and contract.domain_name == "billingextrabalances":
            raise OperationFailure("snapshot is gone", 239)

    monkeypatch.setattr(Reader, "batches", forgets)
    snapshot = snapshot_of(database, mongodb_uri, tmp_path)
    assert snapshot.facts.read_plainly_because == "the server did not keep the snapshot (error 239)"
    assert_same_tables(frames_of(snapshot), plain_tables(world))


def test_without_a_snapshot_a_night_may_be_written_into(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, random_world(33, organizations=5))
    monkeypatch.setattr(Reader, "count", lambda self, contract: 1)  # documents were removed since they were read
    counts = snapshot_of(database, mongodb_uri, tmp_path, mongodb_snapshot="off").facts.counts["billingusages"]
    assert counts.counted == counts.read + counts.quarantined + counts.out_of_scope > 1


def test_a_server_that_does_not_sort_is_found_out(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, empty_world())
    ids = [ObjectId("b" * 24), ObjectId("a" * 24)]

    def unsorted(self: Reader, contract: Any, query: Any) -> Iterator[bytes]:
        yield b"".join(bson.encode({"_id": one}) for one in ids)

    monkeypatch.setattr(Reader, "batches", unsorted)
    with pytest.raises(SourceError, match="organizations: the server sent documents out of order"):
        snapshot_of(database, mongodb_uri, tmp_path)


def test_a_connection_lost_between_two_replies_is_transient_and_leaves_no_thread(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, random_world(34, organizations=5))

    def fails(self: RawBatchCursor[Document]) -> None:
        raise OperationFailure("cursor id not found", 43)

    monkeypatch.setattr(RawBatchCursor, "next", fails)
    monkeypatch.setattr(RawBatchCursor, "__next__", fails)
    with pytest.raises(TransientSourceError, match="code 43"):
        snapshot_of(database, mongodb_uri, tmp_path)


TRANSIENT = (6, 7, 43, 89, 91, 112, 133, 134, 175, 189, 237, 239, 246, 262, 365, 391, 462, 9001, 10058, 10107, 11600)


@pytest.mark.parametrize("code", [*TRANSIENT, 11601, 11602, 13388, 13435, 13436])
def test_what_passes_by_itself_is_transient(code: int) -> None:
    with pytest.raises(TransientSourceError), clear_errors(SecretStr("mongodb://h/"), Settings()):
        raise OperationFailure("for now", code)


@pytest.mark.parametrize(
    ("code", "message", "uri", "said"),
    [
        (8000, "you are over your space quota", "mongodb://u:p@h/", "refused a query: you are over your space quota"),
        (13, "command find requires authentication", "mongodb://h/", "names none"),
    ],
)
def test_a_refusal_says_what_is_missing(code: int, message: str, uri: str, said: str) -> None:
    with pytest.raises(SourceError) as told, clear_errors(SecretStr(uri), Settings()):
        raise OperationFailure(message, code)
    assert said in str(told.value)
    assert not isinstance(told.value, TransientSourceError)


def test_a_missing_certificate_is_a_line() -> None:
    uri = SecretStr("mongodb://u:secret@h/?tls=true&tlsCAFile=/no/such/file.pem")
    with pytest.raises(SourceError, match=r"cannot be read: /no/such/file\.pem; No such file") as told:
        connect(uri, Settings())
    assert "secret" not in str(told.value)


def test_a_name_that_dns_does_not_know_cannot_be_reached() -> None:
    with pytest.raises(TransientSourceError, match=r"nope\.invalid cannot be reached: DNS"):
        connect(SecretStr("mongodb+srv://u:secret@nope.invalid/"), Settings())


def test_a_ledger_that_grows_between_two_nights_is_read_as_it_is(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    world = random_world(35, organizations=8)
    fill(database, world)
    for balance in world["billingextrabalances"]:
        entry = {"_id": ObjectId(), "kind": "debit", "amount": -1, "refId": "new:initial", "at": NIGHT.as_of}
        database["billingextrabalances"].update_one({"_id": balance["_id"]}, {"$push": {"ledger": entry}})
    world["billingextrabalances"] = list(database["billingextrabalances"].find())
    found = frames_of(snapshot_of(database, mongodb_uri, tmp_path))
    assert found["extras_balances"]["entry_count"].sum() == sum(
        len(one["ledger"]) for one in world["billingextrabalances"]
    )  # pyright: ignore[reportArgumentType]


def test_text_that_is_not_utf8_and_dates_beyond_all_years_end_no_night(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, empty_world())
    never = DatetimeMS(8_640_000_000_000_000)
    entry = {"_id": ObjectId(), "kind": "topup", "amount": 5, "at": NIGHT.as_of, "expiresAt": never}
    sound = {"_id": ObjectId(), "organization": ObjectId("a" * 24), "cachedBalance": 5, "ledger": [entry]}
    spoiled = {**sound, "_id": ObjectId(), "organization": ObjectId("b" * 24)}
    spoiled["ledger"] = [{**entry, "refId": "caf~"}]
    raw = bson.encode(sound) + bson.encode(spoiled).replace(b"caf~", b"caf\xe9")
    original = Reader.batches

    def sent(self: Reader, contract: Any, query: Any) -> Iterator[bytes]:
        # the embedded server takes no text that is not UTF-8, and real ones do
        return iter([raw]) if contract.domain_name == "billingextrabalances" else original(self, contract, query)

    monkeypatch.setattr(Reader, "batches", sent)
    tables = frames_of(snapshot_of(database, mongodb_uri, tmp_path))
    assert tables["quarantined_documents"][["field", "reason"]].values.tolist() == [
        ["ledger[0].refId", "is not UTF-8 text"]
    ]
    assert tables["unreadable_keys"]["organization_id"].tolist() == ["b" * 24]
    assert f"{tables['ledger_entries']['expires_at'][0]:%Y}" == "9999"


def test_a_server_that_dies_between_two_replies_is_transient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with embedded_mongodb(tmp_path / "data") as server:
        with MongoClient[Document](server.uri) as client:
            database = client["app"]
            fill(database, random_world(36, organizations=8))
        original = Reader._replies

        def dies(self: Reader, cursor: Any) -> Iterator[bytes]:
            for reply in original(self, cursor):
                server.process.kill()
                server.process.wait()
                yield reply

        monkeypatch.setattr(Reader, "_replies", dies)
        with pytest.raises(TransientSourceError):
            snapshot_of(database, server.uri, tmp_path, mongodb_connect_seconds=0.5)
