"""Ledgers as tables: places, sums, whole ledgers, and entries that repeat an earlier one."""

from datetime import UTC, datetime, timedelta

import bson
import numpy as np
import pyarrow as pa
from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from billing_dq.settings import Collections
from billing_dq.sources.mongodb.contract import contracts
from billing_dq.sources.mongodb.judged import Level, judge_documents
from billing_dq.sources.mongodb.ledgers import ledger_tables
from tests.support.mongo_world import NIGHT

CONTRACT = contracts(Collections().model_dump(), ("free",), NIGHT.as_of)["billingextrabalances"]
ENTRY = {"_id": ObjectId(), "kind": "debit", "amount": -2.75, "refId": "a:initial", "at": datetime(2026, 11, 20)}


def tables_of(*ledgers: list[object]) -> dict[str, pa.Table]:
    """The tables that the sound ones of some ledgers come to."""
    documents = [{"organization": ObjectId(), "cachedBalance": 0, "ledger": ledger} for ledger in ledgers]
    rows = judge_documents(Level(CONTRACT.fields), CONTRACT, b"".join(map(bson.encode, documents)))
    return ledger_tables(rows, np.flatnonzero(~rows.broken), NIGHT)


def test_entries_keep_their_place_and_their_organization() -> None:
    second = {**ENTRY, "_id": ObjectId(), "refId": "b:initial"}
    tables = tables_of([ENTRY, second], [second, ENTRY])
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


def test_a_broken_ledger_between_others_moves_nothing() -> None:
    broken = [ENTRY, 5, {**ENTRY, "amount": "x"}, None]
    tables = tables_of([ENTRY], broken, [ENTRY, {**ENTRY, "refId": "b:initial"}], broken)
    assert tables["extras_balances"].column("entry_count").to_pylist() == [1, 2]
    assert tables["ledger_entries"].column("position").to_pylist() == [0, 0, 1]
    assert tables["ledger_entries"].column("ref_id").to_pylist() == ["a:initial", "a:initial", "b:initial"]


def test_the_same_reference_in_two_ledgers_repeats_nothing() -> None:
    empty = {**ENTRY, "refId": ""}
    tables = tables_of([ENTRY], [ENTRY, ENTRY, {**ENTRY, "refId": None}], [empty, empty])
    suspects = tables["ledger_suspects"].to_pylist()
    assert [(one["rule"], one["position"]) for one in suspects if one["rule"] == "duplicate_ref"] == [
        ("duplicate_ref", 1)
    ]


def test_a_session_is_repeated_among_top_ups_only() -> None:
    bought = {**ENTRY, "kind": "topup", "amount": 5, "stripeSessionId": "cs_1"}
    refund = {**bought, "kind": "refund", "amount": -5}
    rules = tables_of([bought, refund])["ledger_suspects"].column("rule").to_pylist()
    assert "duplicate_session" not in rules
    again = tables_of([bought, refund, bought])["ledger_suspects"].to_pylist()
    assert [one["position"] for one in again if one["rule"] == "duplicate_session"] == [2]


def test_a_date_that_cannot_be_shown_is_stored_as_the_last_that_can() -> None:
    never = {**ENTRY, "kind": "topup", "amount": 5, "at": NIGHT.as_of, "expiresAt": DatetimeMS(8_640_000_000_000_000)}
    entry = tables_of([never])["ledger_entries"].to_pylist()[0]
    assert entry["expires_at"] == datetime(10_000 - 1, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


def test_a_date_of_long_ago_is_late() -> None:
    early = {**ENTRY, "kind": "topup", "amount": 5, "at": NIGHT.as_of, "expiresAt": DatetimeMS(-(2**63))}
    assert tables_of([early])["expiring_ledgers"].num_rows == 1
    soon = {**early, "expiresAt": NIGHT.as_of - timedelta(hours=48)}
    assert tables_of([soon])["expiring_ledgers"].num_rows == 0
