"""A reading in parts gives the bytes of one reading: for any number of parts, and whatever the documents are like."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from bson import ObjectId, Timestamp
from pymongo import MongoClient
from pymongo.database import Database

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.facts import Part, Snapshot
from billing_dq.sources.mongodb.merging import merged
from billing_dq.sources.mongodb.parts import Reading, ReadingPlan, plan_reading, read_part
from billing_dq.sources.mongodb.politeness import Budget
from billing_dq.sources.mongodb.quarantine import _BESIDE, all_named
from billing_dq.sources.mongodb.reader import reader_at
from billing_dq.sources.mongodb.snapshot import read_snapshot
from billing_dq.sources.progress import SilentProgress
from billing_dq.storage.followed import Followed
from billing_dq.tables import FOLLOWED_WEEKS, QUARANTINED_DOCUMENTS
from tests.support.mongo_world import AS_OF, NIGHT, Document, fill, random_world, settings_for

ORGANIZATIONS = 12


@pytest.fixture
def filled(database: Database[Document]) -> Database[Document]:
    """A company with documents that name no organization, several, or the same one twice."""
    world = random_world(3, ORGANIZATIONS)
    fill(database, world)
    some = [document["_id"] for document in world["organizations"]]
    database.billingextrabalances.insert_many(
        [
            {"organization": "nobody", "_id": 1},
            {"organization": None, "_id": "1"},
            {"ledger": []},
            {"organization": [some[3], some[-3]]},
            {"organization": datetime(2026, 1, 1), "unknown": 1},
            {"organization": some[7], "cachedBalance": 1, "ledger": []},
            {"organization": some[7], "cachedBalance": 2, "ledger": []},
        ]
    )
    database.billingusages.insert_many(
        [
            {"organizationId": one, "weekKey": week, "meterUsed": 5, "meterQuota": 1}
            for one in some
            for week in ("2026-W40", "2026-W41", "2026-W42")
        ]
    )
    database.billingusages.insert_many(
        [{"organizationId": one, "weekKey": key} for one in (some[0], some[-1], "x") for key in (7, "2026-W99", ["a"])]
    )
    return database


def followed_of(database: Database[Document]) -> Followed:
    """Weeks behind the window, of the first and the last organizations."""
    ids = sorted(
        str(document["_id"]) for document in database.organizations.find() if isinstance(document["_id"], ObjectId)
    )
    rows = [(ids[0], "2026-W42"), (ids[1], "2026-W40"), (ids[-1], "2026-W42"), (ids[-2], "2026-W40")]
    return Followed(FOLLOWED_WEEKS.conform(pd.DataFrame(rows, columns=FOLLOWED_WEEKS.column_names[:2])))


def in_parts(
    database: Database[Document], uri: str, directory: Path, shards: int, plan: ReadingPlan | None = None
) -> Snapshot:
    settings = settings_for(database, uri, shards=shards, batch_organizations=4)
    plan, followed = plan or plan_reading(settings, AS_OF), followed_of(database)
    parts: list[Part] = []
    for number, of in enumerate(plan.ranges):
        (own := directory / str(number)).mkdir(parents=True)
        parts.append(read_part(Reading(settings, NIGHT, followed, own, SilentProgress(), of), plan))
    return merged(parts, plan.server, settings, NIGHT, followed, directory / "merged")


def assert_same(found: Snapshot, expected: Snapshot) -> None:
    assert found.tables.keys() == expected.tables.keys()
    for name, stored in expected.tables.items():
        assert found.tables[name].path.read_bytes() == stored.path.read_bytes(), name
    for fact in ("counts", "newest", "not_read", "whole_until", "one_snapshot", "read_plainly_because"):
        assert getattr(found.facts, fact) == getattr(expected.facts, fact), fact


def test_two_parts_seven_and_more_than_there_are_organizations_give_the_bytes_of_one(
    filled: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    settings = settings_for(filled, mongodb_uri, batch_organizations=4)
    (one := tmp_path / "one").mkdir()
    expected = read_snapshot(settings, NIGHT, one, SilentProgress(), followed_of(filled))
    quarantined = expected.tables["quarantined_documents"].frame()["document_id"]
    assert {"1 (int)", "1 (str)"} <= set(quarantined)
    assert expected.tables["followed_usage"].rows
    for count in expected.facts.counts.values():
        assert count.counted == count.read + count.quarantined + count.out_of_scope
    for shards in (2, 7, ORGANIZATIONS * 2):
        assert_same(in_parts(filled, mongodb_uri, tmp_path / str(shards), shards), expected)


def test_a_night_without_an_organization_has_one_part(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    fill(database, {name: [] for name in random_world(1, 1)})
    assert plan_reading(settings_for(database, mongodb_uri, shards=5), AS_OF).boundaries == ()


def test_parts_that_begin_when_the_budget_is_spent_leave_the_night_incomplete_up_to_the_part_before(
    filled: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    settings = settings_for(filled, mongodb_uri, shards=3)
    plan, followed = plan_reading(settings, AS_OF), Followed()
    spent = ReadingPlan(plan.as_of, plan.server, plan.boundaries, plan.cluster_time, "", datetime.now(UTC))
    parts: list[Part] = []
    for number, (of, own_plan) in enumerate(zip(plan.ranges, (plan, spent, spent), strict=True)):
        (own := tmp_path / str(number)).mkdir()
        parts.append(read_part(Reading(settings, NIGHT, followed, own, SilentProgress(), of), own_plan))
    found = merged(parts, plan.server, settings, NIGHT, followed, tmp_path / "merged")
    balances = found.tables["extras_balances"].frame()["organization_id"]
    assert set(found.facts.not_read) >= {"organizations", "billingusages", "billingextrabalances"}
    assert found.facts.whole_until == balances.max()
    assert plan.ranges[0].holds(balances.max())
    assert found.tables["weekly_usage"].frame()["organization_id"].max() <= balances.max()
    assert found.tables["document_shapes"].rows == 0 or "billingusages" not in set(
        found.tables["document_shapes"].frame()["collection"]
    )


def test_where_there_is_no_snapshot_the_account_of_all_parts_says_so(
    filled: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    settings = settings_for(filled, mongodb_uri, shards=2, mongodb_snapshot="off")
    facts = in_parts(filled, mongodb_uri, tmp_path, 2, plan_reading(settings, AS_OF)).facts
    assert not facts.one_snapshot
    assert facts.read_plainly_because == "mongodb_snapshot is off"


def test_names_depend_on_the_documents_and_not_on_their_order() -> None:
    names = [f"1{_BESIDE}int", f"a{_BESIDE}str", f"1{_BESIDE}str"]
    rows = pd.DataFrame({"collection": "c", "document_id": names, "field": "f", "reason": "r"})
    named = all_named(QUARANTINED_DOCUMENTS.conform(rows))
    assert named["document_id"].tolist() == ["1 (int)", "1 (str)", "a"]
    assert all_named(QUARANTINED_DOCUMENTS.conform(rows[::-1])).equals(named)


def test_a_part_is_read_at_the_instant_of_the_plan() -> None:
    """What the driver sends; the embedded server takes the instant and reads the present (docs/scale.md)."""
    instant, command = Timestamp(1795896842, 4), dict[str, object]()
    connection = type("Connection", (), {"max_wire_version": 21})()
    with MongoClient[Document](connect=False) as client, reader_at(client, Settings(), instant, Budget(None)) as reader:
        assert reader.one_snapshot
        assert reader._session is not None
        reader._session._update_read_concern(command, connection)
    assert command["readConcern"] == {"level": "snapshot", "atClusterTime": instant}


def test_the_plan_names_the_instant_of_a_snapshot_or_why_there_is_none(
    filled: Database[Document], mongodb_uri: str
) -> None:
    plan = plan_reading(settings_for(filled, mongodb_uri, shards=2), AS_OF)
    assert (plan.cluster_time is None) == bool(plan.read_plainly_because)


def test_a_plan_keeps_the_end_of_the_budget(filled: Database[Document], mongodb_uri: str) -> None:
    ends_at = plan_reading(settings_for(filled, mongodb_uri, mongodb_budget_seconds=60), AS_OF).ends_at
    assert ends_at is not None
    assert timedelta() < ends_at - datetime.now(UTC) <= timedelta(seconds=60)
