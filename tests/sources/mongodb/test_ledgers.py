"""Ledgers as tables: places, sums, whole ledgers, and entries that repeat an earlier one."""

from datetime import UTC, datetime, timedelta

import bson
import numpy as np
import pyarrow as pa
from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from billing_dq.settings import Collections
from billing_dq.sources.mongodb.bson.contract import contracts
from billing_dq.sources.mongodb.bson.judged import Level, judge_documents
from billing_dq.sources.mongodb.documents.ledgers import ledger_tables
from billing_dq.storage.followed import Followed
from tests.support.mongo_world import NIGHT

CONTRACT = contracts(Collections().model_dump(), ("free",), NIGHT.as_of)["billingextrabalances"]
ENTRY = {"_id": ObjectId(), "kind": "debit", "amount": -2.75, "refId": "a:initial", "at": datetime(2026, 11, 20)}


def tables_of(*ledgers: list[object]) -> dict[str, pa.Table]:
    """The tables that the sound ones of some ledgers come to."""
    documents = [{"organization": ObjectId(), "cachedBalance": 0, "ledger": ledger} for ledger in ledgers]
    rows = judge_documents(Level(CONTRACT.fields), CONTRACT, b"".join(map(bson.encode, documents)))
    return ledger_tables(rows, np.flatnonzero(~rows.broken), NIGHT, Followed())


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


def suspected(*entries: dict[str, object]) -> list[str]:
    """References (else kinds) of one ledger's entries that the rules are to judge."""
    whole = [{**ENTRY, "_id": ObjectId(), **entry} for entry in entries]
    rows = tables_of(whole)["ledger_suspects"].to_pylist()
    return [row["ref_id"] or row["kind"] for row in rows]


def test_only_entries_that_a_rule_may_be_about_are_kept_from_whole_ledgers() -> None:
    grant: dict[str, object] = {"kind": "topup", "amount": 5, "refId": "grant"}
    pack: dict[str, object] = {"kind": "topup", "amount": 5, "refId": None, "stripeSessionId": "cs_1"}
    settlement: dict[str, object] = {"kind": "adjustment", "amount": 5, "refId": "settle:2026-W46"}
    assert suspected({}, grant, pack, settlement) == []
    assert suspected({"refId": "a"}, {"refId": "b"}, {"refId": "a"}) == ["a", "b", "a"]
    assert suspected(pack, grant, pack) == ["topup", "grant", "topup"]
    assert suspected(pack, grant, {**pack, "stripeSessionId": "cs_2"}) == []
    for odd in ({"amount": 0}, {"amount": 3}, {"kind": "gift"}, {"at": datetime(2027, 1, 1)}):
        assert suspected({}, {**odd, "refId": "odd"}) == ["odd"]
    assert suspected({"refId": ""}, {"refId": None}) == ["debit", "debit"]
    correcting = {"refund": -5, "expiration": -5, "adjustment": 5}
    for kind, amount in correcting.items():
        assert suspected({}, {"kind": kind, "amount": amount, "refId": "x"}) == ["x"]


def test_the_same_reference_in_two_ledgers_repeats_nothing() -> None:
    empty = {**ENTRY, "kind": "topup", "amount": 5, "refId": ""}
    other = {**ENTRY, "refId": "b"}
    assert tables_of([ENTRY], [ENTRY, other], [empty, empty])["ledger_suspects"].num_rows == 0
    assert tables_of([ENTRY], [ENTRY, other, ENTRY], [ENTRY])["ledger_suspects"].num_rows == 3


def test_a_session_is_repeated_among_top_ups_only() -> None:
    bought = {**ENTRY, "kind": "topup", "amount": 5, "refId": None, "stripeSessionId": "cs_1"}
    debit = {**ENTRY, "stripeSessionId": "cs_1"}
    assert tables_of([bought, debit])["ledger_suspects"].num_rows == 0
    assert tables_of([bought, debit, bought])["ledger_suspects"].num_rows == 3


def test_a_date_that_cannot_be_shown_is_stored_as_the_last_that_can() -> None:
    never = {**ENTRY, "kind": "topup", "amount": 5, "at": NIGHT.as_of, "expiresAt": DatetimeMS(8_640_000_000_000_000)}
    entry = tables_of([never])["ledger_entries"].to_pylist()[0]
    assert entry["expires_at"] == datetime(10_000 - 1, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


def test_a_date_of_long_ago_is_late() -> None:
    early = {**ENTRY, "kind": "topup", "amount": 5, "at": NIGHT.as_of, "expiresAt": DatetimeMS(-(2**63))}
    assert tables_of([early])["expiring_ledgers"].num_rows == 1
    soon = {**early, "expiresAt": NIGHT.as_of - timedelta(hours=48)}
    assert tables_of([soon])["expiring_ledgers"].num_rows == 0
