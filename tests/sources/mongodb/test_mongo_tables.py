"""The tables of a snapshot against a plain decoding of the same documents, on a real server process."""

from datetime import timedelta
from pathlib import Path

import bson
import pyarrow.parquet as pq
import pytest
from bson import ObjectId
from bson.codec_options import CodecOptions
from pymongo.database import Database

from billing_dq.reconcile.ledger.entry_rules import entry_violations
from billing_dq.storage.records import CollectionCounts
from tests.support.mongo_world import (
    AS_OF,
    NIGHT,
    Document,
    World,
    assert_same_tables,
    empty_world,
    fill,
    frames_of,
    plain_tables,
    random_world,
    snapshot_of,
)


def counts(counted: int, read: int, quarantined: int, out_of_scope: int) -> CollectionCounts:
    return CollectionCounts(counted=counted, read=read, quarantined=quarantined, out_of_scope=out_of_scope)


@pytest.mark.parametrize(("seed", "batch"), [(1, 1000), (2, 1), (3, 7), (4, 1000), (5, 3)])
def test_a_random_company_is_read_as_the_plain_decoding_has_it(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, seed: int, batch: int
) -> None:
    world = random_world(seed, organizations=40)
    fill(database, world)
    snapshot = snapshot_of(database, mongodb_uri, tmp_path, batch_organizations=batch)
    assert_same_tables(frames_of(snapshot), plain_tables(world))
    for name, documents in world.items():
        counts = snapshot.facts.counts[name]
        assert counts.counted == len(documents) == counts.read + counts.out_of_scope
        assert counts.quarantined == 0


def test_the_sample_is_read_completely(
    database: Database[Document], mongodb_uri: str, tmp_path: Path, sample_documents: World
) -> None:
    fill(database, sample_documents)
    snapshot = snapshot_of(database, mongodb_uri, tmp_path)
    tables = frames_of(snapshot)
    assert_same_tables(tables, plain_tables(_aware(sample_documents)))
    assert snapshot.facts.counts["billingusages"] == counts(482, 479, 0, 3)
    assert snapshot.facts.counts["organizations"] == counts(102, 102, 0, 0)
    assert snapshot.facts.counts["subscriptions"] == counts(96, 96, 0, 0)
    assert snapshot.facts.counts["billingextrabalances"] == counts(88, 88, 0, 0)
    assert tables["extras_balances"]["entry_count"].sum() == 739
    suspects = tables["ledger_suspects"]
    is_grant = suspects["ref_id"].str.startswith(("signup_grant-", "referral:"), na=False)
    assert not set(suspects.loc[~is_grant, "kind"]) - {"refund", "expiration", "adjustment"}


def test_row_groups_hold_whole_organizations(database: Database[Document], mongodb_uri: str, tmp_path: Path) -> None:
    fill(database, random_world(6, organizations=30))
    snapshot = snapshot_of(database, mongodb_uri, tmp_path, batch_organizations=4)
    for name in ("weekly_usage", "ledger_entries", "extras_balances", "expiring_ledgers"):
        seen: set[str] = set()
        parquet = pq.ParquetFile(snapshot.tables[name].path)
        assert parquet.num_row_groups > 1
        for group in range(parquet.num_row_groups):
            organizations = set(parquet.read_row_group(group).column("organization_id").to_pylist())
            assert len(organizations) <= 4
            assert not organizations & seen
            seen |= organizations


def test_thousands_of_entries_in_one_ledger_cross_several_batches_of_the_server(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    organization = ObjectId()
    ledger: list[Document] = [
        {
            "_id": ObjectId(),
            "kind": "debit",
            "amount": -(number % 7 + 1) / 4,
            "refId": f"{number}:verify" if number != 4_321 else "4320:verify",
            "at": AS_OF - timedelta(minutes=9_000 - number),
        }
        for number in range(9_000)
    ]
    world = empty_world()
    world["billingextrabalances"] = [{"organization": organization, "cachedBalance": 0, "ledger": ledger}]
    fill(database, world)
    tables = frames_of(snapshot_of(database, mongodb_uri, tmp_path))
    assert_same_tables(tables, plain_tables(world))
    assert tables["ledger_suspects"]["position"].tolist() == list(range(9_000))
    assert entry_violations(tables["ledger_suspects"], AS_OF)["entry_id"].tolist() == [str(ledger[4_321]["_id"])]


def test_an_empty_company_is_no_error(database: Database[Document], mongodb_uri: str, tmp_path: Path) -> None:
    fill(database, empty_world())
    snapshot = snapshot_of(database, mongodb_uri, tmp_path)
    assert all(frame.empty for frame in frames_of(snapshot).values())
    assert set(snapshot.facts.counts.values()) == {counts(0, 0, 0, 0)}


def test_errors_of_dead_letters_come_without_addresses_and_short(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    said = "no customer for <jane.doe+x@mail.example.org>, nor bob@example.com: " + "x" * 300
    fill(database, empty_world())
    database["processedstripeevents"].insert_one({"eventId": "evt_a", "deadLetter": True, "lastError": said})
    told = frames_of(snapshot_of(database, mongodb_uri, tmp_path))["dead_lettered_events"]["last_error"][0]
    assert told.startswith("no customer for <<address>>, nor <address>: xxx")
    assert "@" not in told
    assert len(told) == 200


def test_usage_a_week_further_on_both_ends_is_read_and_no_more(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    organization = ObjectId()
    weeks = ["2026-W42", "2026-W43", "2026-W47", "2026-W48", "2026-W49", None]
    world = empty_world()
    world["billingusages"] = [
        {"organizationId": organization, "weekKey": week, "meterUsed": 1, "meterQuota": 0} for week in weeks
    ]
    fill(database, world)
    snapshot = snapshot_of(database, mongodb_uri, tmp_path)
    assert list(frames_of(snapshot)["weekly_usage"]["week_key"]) == ["2026-W43", "2026-W47", "2026-W48"]
    assert NIGHT.matching_keys[0] == "2026-W43"
    assert snapshot.facts.counts["billingusages"] == counts(6, 3, 0, 3)


def _aware(world: World) -> World:
    """The same documents with their times in UTC, as the source reads them."""
    options = CodecOptions[Document](tz_aware=True)
    return {name: [bson.decode(bson.encode(one), options) for one in documents] for name, documents in world.items()}
