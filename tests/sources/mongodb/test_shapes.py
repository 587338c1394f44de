"""What documents look like: types and words over all of them, unknown fields with a document and never with a value."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import bson
import pandas as pd
import pytest
from bson import ObjectId
from pymongo.database import Database

from billing_dq.settings import Collections
from billing_dq.sources.mongodb.bson.contract import contracts
from billing_dq.sources.mongodb.bson.pieces import Sorting
from billing_dq.sources.mongodb.quarantine import Quarantine
from tests.support.mongo_world import AS_OF, NIGHT, World, empty_world, fill, random_world, snapshot_of
from tests.support.plain_shapes import Counts, plain_shape

Document = dict[str, object]
CONTRACTS = contracts(Collections().model_dump(), ("free", "starter", "pro", "enterprise"), AS_OF)
SECRET = "Ada Lovelace <ada@example.com>"


def shapes_of(database: Database[Document], uri: str, directory: Path, world: World, **more: object) -> pd.DataFrame:
    fill(database, world)
    return snapshot_of(database, uri, directory, **more).tables["document_shapes"].frame()


def counted(shapes: pd.DataFrame) -> Counts:
    rows = shapes[~shapes["field"].isin(["adminUpdatedBy", "__v", "ledger.memo"])]
    columns = ("collection", "field", "part", "observed", "population", "occurrences")
    return Counter({tuple(row): n for *row, n in zip(*(rows[name] for name in columns), strict=True)})  # type: ignore[misc]


def test_types_and_words_are_counted_over_all_documents(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    world = random_world(11, organizations=25)
    expected = Counts()
    for name, documents in world.items():
        expected += plain_shape(CONTRACTS[name], documents, NIGHT)
    assert counted(shapes_of(database, mongodb_uri, tmp_path, world)) == expected


@pytest.mark.parametrize("documents", [1, 2, 5, 1000])
def test_every_document_is_counted_once_however_the_replies_of_the_server_end(documents: int) -> None:
    balances = [
        bson.encode(
            {
                "_id": number,
                "organization": ObjectId(f"{number // 2:024x}"),
                "cachedBalance": number if number % 3 else 0.5,
                "ledger": [{"_id": ObjectId(), "kind": "bonus", "amount": 1, "at": AS_OF, "memo": "x"}] * (number % 4),
                **({"tier": "x"} if number % 5 == 0 else {}),
            }
        )
        for number in range(30)
    ]
    sorting = Sorting(CONTRACTS["billingextrabalances"], NIGHT, Quarantine())
    for first in range(0, len(balances), documents):
        sorting.add(b"".join(balances[first : first + documents]))
    sorting.end()
    found = {
        (row["field"], row["observed"]): (row["occurrences"], row["population"], row["example_id"])
        for row in sorting.shape.counted().rows()
    }
    entries = sum(number % 4 for number in range(30))
    assert found["tier", "string"] == (6, 30, "0")
    assert found["ledger.memo", "string"] == (entries, entries, "1")
    assert found["ledger.kind", "bonus"] == (entries, entries, "1")
    assert found["cachedBalance", "double"] == (10, 30, None)


def test_fields_of_no_contract_are_told_with_a_document_and_no_value(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing_dq.sources.mongodb.reader.PIECE_BYTES", 500)
    world = random_world(21, organizations=20)
    subscription, balance = world["subscriptions"][3], world["billingextrabalances"][4]
    subscription["adminUpdatedBy"] = SECRET
    balance["tier"] = 3
    entries = balance["ledger"]
    assert isinstance(entries, list)
    for _ in range(3):
        entries.append({"_id": ObjectId(), "kind": SECRET, "amount": 1, "at": AS_OF, "memo": SECRET, "a@b.example": 1})
    shapes = shapes_of(database, mongodb_uri, tmp_path, world)
    rows = shapes[~shapes["declared"] & (shapes["observed"] != "gift")]
    found = {
        (row["collection"], row["field"], row["part"], row["observed"]): (row["occurrences"], row["example_id"])
        for row in rows.to_dict("records")
    }
    ledger = str(balance["_id"])
    assert found == {
        ("subscriptions", "adminUpdatedBy", "type", "string"): (1, str(subscription["_id"])),
        ("billingextrabalances", "tier", "type", "int"): (1, ledger),
        ("billingextrabalances", "ledger.memo", "type", "string"): (3, ledger),
        ("billingextrabalances", "ledger.(other name)", "type", "int"): (3, ledger),
        ("billingextrabalances", "ledger.kind", "value", "(text)"): (3, ledger),
    }
    assert "Ada" not in shapes.to_csv()


def test_a_kind_that_nobody_knew_is_told_and_counts_in_every_sum(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    world = empty_world()
    world["organizations"] = [{"_id": ObjectId(), "plan": "free"}]
    entries = [
        {"_id": ObjectId(), "kind": kind, "amount": amount, "at": AS_OF - timedelta(hours=1), "refId": f"r{amount}"}
        for kind, amount in (("topup", 100), ("bonus", 40), ("debit", -10))
    ]
    world["billingextrabalances"] = [
        {"organization": world["organizations"][0]["_id"], "cachedBalance": 130, "ledger": entries}
    ]
    fill(database, world)
    tables = snapshot_of(database, mongodb_uri, tmp_path).tables
    shapes = tables["document_shapes"].frame()
    (row,) = shapes[(shapes["observed"] == "bonus")].to_dict("records")
    assert (row["field"], row["occurrences"], row["declared"]) == ("ledger.kind", 1, False)
    (balance,) = tables["extras_balances"].frame().to_dict("records")
    assert (balance["ledger_sum"], balance["entry_count"]) == (130, 3)
    assert list(tables["ledger_entries"].frame()["kind"]) == ["topup", "bonus", "debit"]
    assert "bonus" in set(tables["ledger_suspects"].frame()["kind"])


def test_more_kinds_of_unknown_fields_than_there_is_room_for_are_counted_together(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    world = empty_world()
    odd = {f"field{number}": 1 for number in range(100)}
    world["billingextrabalances"] = [{"organization": ObjectId(), "cachedBalance": 0, "ledger": [], **odd}]
    shapes = shapes_of(database, mongodb_uri, tmp_path, world)
    rows = shapes[~shapes["declared"]].set_index("field")["occurrences"]
    assert rows.sum() == 100
    assert rows["(further fields)"] == 100 - 63  # `_id` takes a place of 64


def test_the_newest_write_is_told_and_dates_to_come_are_none(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    world = empty_world()
    hours = (30, 5, -48)
    world["processedstripeevents"] = [
        {"eventId": f"evt_{one}", "processedAt": AS_OF - timedelta(hours=one)} for one in hours
    ]
    fill(database, world)
    assert snapshot_of(database, mongodb_uri, tmp_path).facts.newest == {
        "processedstripeevents": AS_OF - timedelta(hours=5)
    }


def test_a_server_that_cannot_tell_the_names_of_fields_is_read_all_the_same(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = random_world(5, organizations=3)
    fill(database, world)
    monkeypatch.setattr("billing_dq.sources.mongodb.reader.field_names", lambda: [{"$notAStage": {}}])
    shapes = snapshot_of(database, mongodb_uri, tmp_path).tables["document_shapes"].frame()
    assert set(shapes["collection"]) >= {"organizations", "billingusages"}
