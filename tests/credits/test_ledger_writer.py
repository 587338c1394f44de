"""The one write, by itself: its guards, its number types, and a user who may not write."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bson import ObjectId
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from billing_dq.credits.ledger_writer import Credit, LedgerWriter, as_number, open_ledger_writer
from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq_simulation.embedded import embedded_mongodb

Document = dict[str, object]
ORGANIZATION = "6aba68021f1483412b0fa60e"
REF = "dispute_reinstate_du_1"


def credit(**changes: object) -> Credit:
    usual = Credit(ORGANIZATION, REF, 6000.0, 1, str(ObjectId()), datetime(2026, 11, 23, tzinfo=UTC), "memo")
    return replace(usual, **changes)


def with_balance(database: Database[Document]) -> LedgerWriter:
    entry = {"kind": "debit", "amount": -5, "refId": "a:initial", "at": datetime(2026, 11, 1), "_id": ObjectId()}
    database.billingextrabalances.insert_one(
        {"organization": ObjectId(ORGANIZATION), "cachedBalance": -5, "ledger": [entry]}
    )
    return LedgerWriter(database.billingextrabalances)


def test_a_second_entry_of_one_reference_misses(database: Database[Document]) -> None:
    writer = with_balance(database)
    assert writer.write(credit()) == "written"
    assert writer.write(credit(ledger_length=2)) == "missed"
    reading = writer.read(ORGANIZATION, REF)
    assert (reading.length, reading.cached_balance, reading.gap, len(reading.entries)) == (2, 5995, 0, 1)


@pytest.mark.parametrize("length", [0, 2])
def test_a_ledger_of_another_length_misses(database: Database[Document], length: int) -> None:
    writer = with_balance(database)
    assert writer.write(credit(ledger_length=length)) == "missed"
    assert writer.read(ORGANIZATION, REF).length == 1


def test_a_missing_balance_document_is_never_created(database: Database[Document]) -> None:
    writer = LedgerWriter(database.billingextrabalances)
    assert writer.write(credit(ledger_length=0)) == "missed"
    assert database.billingextrabalances.count_documents({}) == 0


@pytest.mark.parametrize("units", [0.0, -1.0, 0.5, 2500.5, float("nan"), float("inf")])
def test_impossible_units_are_never_written(database: Database[Document], units: float) -> None:
    writer = with_balance(database)
    with pytest.raises(ValueError, match="impossible"):
        writer.write(credit(units=units))
    assert writer.read(ORGANIZATION, REF).length == 1


@pytest.mark.parametrize(("units", "kind"), [(6000.0, int), (2.0**31, int), (2.0**60, float)])
def test_whole_units_are_integers_as_far_as_they_are_exact(units: float, kind: type) -> None:
    assert type(as_number(units)) is kind


@pytest.mark.parametrize("uri", ["postgres://user:secret@host/", "mongodb://user:secret@"])
def test_a_wrong_address_is_refused_without_telling_it(uri: str) -> None:
    settings = Settings(mongodb_write_uri=SecretStr(uri))
    with pytest.raises(SourceError, match="is no address of a MongoDB") as error, open_ledger_writer(settings):
        pass
    assert "secret" not in str(error.value)


def test_a_user_with_read_only_rights_cannot_be_made_to_write(tmp_path: Path) -> None:
    with embedded_mongodb(tmp_path) as server, MongoClient[Document](server.uri, w="majority", journal=True) as client:
        with_balance(client["app"])
        client.admin.command("createUser", "reader", pwd="secret", roles=[{"role": "read", "db": "app"}])
        client.admin.command("createUser", "root", pwd="secret", roles=["root"])
    with embedded_mongodb(tmp_path, "--auth") as server:
        address = server.uri.removeprefix("mongodb://")
        reader = f"mongodb://reader:secret@{address}?authSource=admin"
        settings = Settings(mongodb_write_uri=SecretStr(reader), mongodb_connect_seconds=60)
        with open_ledger_writer(settings) as writer:
            assert writer.read(ORGANIZATION, REF).length == 1
            with pytest.raises(SourceError, match="has no right to do this") as error:
                writer.write(credit())
            assert "secret" not in str(error.value)
            assert writer.read(ORGANIZATION, REF).length == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (13, "has no right to do this"),
        (18, "has no right to do this"),
        (121, "own validation refuses"),
        (10334, "is full"),
        (17419, "is full"),
        (2, "error 2"),
    ],
)
def test_only_a_sure_refusal_is_said_not_to_be_written(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    writer = with_balance(database)

    def refuse(*arguments: object, **options: object) -> None:
        raise OperationFailure("refused", code)

    monkeypatch.setattr(Collection, "update_one", refuse)
    with pytest.raises(SourceError, match=f"the credit was not written: .*{said}"):
        writer.write(credit())


@pytest.mark.parametrize("code", [91, 189, 262, 11600, 11601, 64, 50, 96, 8000, None])
def test_every_other_answer_is_unknown_and_looked_up(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    writer = with_balance(database)

    def fail(*arguments: object, **options: object) -> None:
        raise OperationFailure("who knows", code)

    monkeypatch.setattr(Collection, "update_one", fail)
    assert writer.write(credit()) == "unknown"
