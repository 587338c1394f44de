"""Ledgers that the server should not have let through: refused, never read as something else."""

from datetime import UTC, datetime

import bson
import pyarrow as pa
import pytest
from billing_dq.sources.mongodb.bson_tables import Undecodable, decode
from bson import ObjectId

from billing_dq.sources.mongodb.ledgers import DOCUMENT, REQUIRED, tables_of
from tests.support.mongo_world import NIGHT

ENTRY = {"_id": ObjectId(), "kind": "debit", "amount": -2.75, "refId": "a:initial", "at": datetime(2026, 11, 20)}


def documents(*ledgers: object, count: int = 2) -> pa.Table:
    """Balance documents as the server sends them."""
    raw = [
        {"organization": ObjectId(), "cachedBalance": 0, "count": count, "bytes": 100, "ledger": ledger}
        for ledger in ledgers
    ]
    return decode(b"".join(bson.encode(one) for one in raw), DOCUMENT, REQUIRED)


def test_entries_keep_their_place_and_their_organization() -> None:
    second = {**ENTRY, "_id": ObjectId(), "refId": "b:initial"}
    tables = tables_of(documents([ENTRY, second], [second, ENTRY]), NIGHT)
    entries = tables["ledger_entries"].to_pylist()
    assert [(one["position"], one["ref_id"]) for one in entries] == [
        (0, "a:initial"),
        (1, "b:initial"),
        (0, "b:initial"),
        (1, "a:initial"),
    ]
    assert len({one["organization_id"] for one in entries[:2]}) == len({one["organization_id"] for one in entries}) - 1
    assert entries[0]["at"] == datetime(2026, 11, 20, tzinfo=UTC)
    assert tables["extras_balances"].column("ledger_sum").to_pylist() == [-5.5, -5.5]
    assert tables["ledger_suspects"].num_rows == 0


@pytest.mark.parametrize("ledger", [[ENTRY], "a text", {"an": "object"}, [ENTRY, ENTRY, ENTRY]])
def test_a_ledger_of_another_length_than_the_server_counted_is_refused(ledger: object) -> None:
    with pytest.raises(Undecodable, match="ledger"):
        tables_of(documents([ENTRY, ENTRY], ledger), NIGHT)


@pytest.mark.parametrize("entry", [None, 5, {**ENTRY, "amount": None}, {**ENTRY, "at": None}, {"kind": "debit"}])
def test_an_entry_that_is_no_object_or_lacks_a_required_field_is_refused(entry: object) -> None:
    with pytest.raises(Undecodable, match="ledger"):
        tables_of(documents([ENTRY, entry]), NIGHT)


@pytest.mark.parametrize("change", [{"amount": "1"}, {"at": 5}, {"refId": 5}, {"_id": "x"}])
def test_a_value_of_another_type_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(Undecodable):
        tables_of(documents([ENTRY, ENTRY | change]), NIGHT)
