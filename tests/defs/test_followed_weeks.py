"""A followed week through MongoDB, once through Dagster: read of its organization, stored, the same when run again."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from pymongo import MongoClient

from billing_dq.composition import build_definitions
from billing_dq.defs.jobs import CONCLUDE_NIGHT
from billing_dq.report.markdown import markdown
from billing_dq.report.night import read_night
from billing_dq.runner import DAGSTER_YAML, StoredNight, run_night, stored_night
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.night_locks import NightLocks
from billing_dq.tables import (
    FINDINGS,
    FOLLOWED_ENTRIES,
    FOLLOWED_USAGE,
    FOLLOWED_WEEKS,
    LEDGER_VIOLATIONS,
    METER_EXTRAS_DELTAS,
    TABLES,
)
from billing_dq.weeks import Week
from tests.support.night_without_dagster import take_night
from tests.support.pure_night import sample_settings
from tests.support.remedies import AS_OF, ORGANIZATION, company, day, entry

#: The company of the remedies, half a year earlier, so that its later nights have begun on every machine.
AGO = timedelta(weeks=26)
FIRST = AS_OF - AGO
WEEK = Week.of(day(9) - AGO).key
LOST = "2026-W46-c:initial"
LATER = FIRST + timedelta(weeks=6)  # the week is far behind the window then
DATABASE = "billing_dq_test_followed"
FOLLOWED = (FOLLOWED_WEEKS, FOLLOWED_USAGE, FOLLOWED_ENTRIES)


def earlier(value: Any) -> Any:
    """Documents with every instant and week half a year earlier; attribution keys stay as they are."""
    if isinstance(value, datetime):
        return value - AGO
    if isinstance(value, int) and value > AGO.total_seconds():  # seconds since 1970
        return value - int(AGO.total_seconds())
    if isinstance(value, list):
        return [earlier(item) for item in value]
    if isinstance(value, dict):
        moved = {name: earlier(content) for name, content in value.items()}
        return moved | ({"weekKey": Week.parse(value["weekKey"]).shifted(-26).key} if "weekKey" in value else {})
    return value


@pytest.fixture
def settings(mongodb_uri: str, tmp_path: Path) -> Settings:
    """Settings of a home, without Stripe."""
    return sample_settings(mongodb_uri=mongodb_uri, mongodb_database=DATABASE, home=str(tmp_path))


def take(settings: Settings, instant: datetime) -> StoredNight:
    """Take a night by the real source and the pure night."""
    take_night(settings, instant)
    return stored_night(settings, instant.date().isoformat())


def conclude_again(settings: Settings, instance: dg.DagsterInstance, instant: datetime) -> None:
    """Run again what follows from the stored sources, in a night without Stripe."""
    job = build_definitions(settings, locks=NightLocks(settings.home)).resolve_job_def(CONCLUDE_NIGHT)
    job.execute_in_process(instance=instance, partition_key=instant.date().isoformat())


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text(DAGSTER_YAML)
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        yield instance


@pytest.fixture
def client(mongodb_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """A server with the company, which lost a debit."""
    world = company()
    world.remove(LOST)
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        client.drop_database(DATABASE)
        for name, documents in world.documents.items():
            client[DATABASE].create_collection(name)
            if documents:
                client[DATABASE][name].insert_many(earlier(documents))
        yield client
        client.drop_database(DATABASE)


def stored(settings: Settings, name: str, instant: datetime) -> pd.DataFrame:
    return Lake(settings.home).require(TABLES[name], instant.date().isoformat()).frame()


def files(settings: Settings, instant: datetime) -> dict[str, bytes]:
    root = Path(settings.home) / "lake"
    return {path.parent.name: path.read_bytes() for path in root.glob(f"*/{instant.date().isoformat()}.parquet")}


def test_a_followed_week_is_read_again_and_stored_until_it_heals(
    client: MongoClient[dict[str, Any]], settings: Settings
) -> None:
    assert take(settings, FIRST).open_findings["subject"].tolist() == [WEEK]
    second = take(settings, LATER)
    assert second.open_findings[["subject", "state", "units"]].to_numpy().tolist() == [[WEEK, "persisting", 100.0]]
    assert stored(settings, "followed_weeks", LATER).to_numpy().tolist() == [[str(ORGANIZATION), WEEK]]
    assert len(stored(settings, "followed_usage", LATER)) == 2  # the week and the one before, for matching
    assert stored(settings, "weekly_usage", LATER).empty
    before = files(settings, LATER)
    take(settings, LATER)
    assert files(settings, LATER) == before

    charge = earlier(entry("debit", -100, LOST, day(10)))
    client[DATABASE]["billingextrabalances"].update_one(
        {}, {"$push": {"ledger": charge}, "$inc": {"cachedBalance": -100}}
    )
    healed = take(settings, LATER + timedelta(days=1))
    assert healed.findings[["subject", "state"]].to_numpy().tolist() == [[WEEK, "resolved"]]
    after = take(settings, LATER + timedelta(days=2))
    assert after.findings.empty
    assert stored(settings, "followed_weeks", LATER + timedelta(days=2)).empty


def test_the_figures_of_a_night_are_of_its_own_weeks(client: MongoClient[dict[str, Any]], settings: Settings) -> None:
    take(settings, FIRST)
    later = take(settings, LATER)
    assert later.deltas["week_key"].tolist() == [WEEK]
    figures = later.report.set_index("name")["value"]
    assert figures["meter.organization_weeks"] == figures["meter.diverged"] == figures["meter.undercharged_units"] == 0
    assert figures["rows.followed_weeks"] == 1
    night = read_night(settings)
    assert night.deltas_in_window.empty
    assert "; 1 older ones with an open finding looked at again." in markdown(night)


@pytest.mark.slow
def test_a_night_through_dagster_that_was_stored_before_weeks_were_followed_can_be_concluded_again_and_has_a_next(
    client: MongoClient[dict[str, Any]], settings: Settings, instance: dg.DagsterInstance
) -> None:
    run_night(settings, instance, FIRST)
    before = files(settings, FIRST)
    for table in (*FOLLOWED, METER_EXTRAS_DELTAS, LEDGER_VIOLATIONS, FINDINGS):
        Lake(settings.home).remove(table, FIRST.date().isoformat())
    conclude_again(settings, instance, FIRST)
    again = files(settings, FIRST)
    differ = {name for name in before if again.get(name) != before[name]}
    # figures and profiles count the rows of every table
    assert differ == {"nightly_report", "column_profiles", *(table.name for table in FOLLOWED)}
    later = run_night(settings, instance, LATER)
    assert later.open_findings["subject"].tolist() == [WEEK]
    assert not [check.name for check in later.checks if not check.passed and check.name != "no_week_diverges"]
    assert stored(settings, "followed_weeks", LATER)["week_key"].tolist() == [WEEK]

    before = files(settings, LATER)
    conclude_again(settings, instance, LATER)
    assert files(settings, LATER) == before
    run_night(settings, instance, LATER, again=True)
    assert files(settings, LATER) == before


def test_a_usage_document_behind_the_window_that_could_not_be_read_is_read_again_until_it_can_be(
    client: MongoClient[dict[str, Any]], settings: Settings
) -> None:
    usage, this = client[DATABASE]["billingusages"], {"weekKey": WEEK}
    document = usage.find_one(this)
    assert document is not None
    usage.update_one(this, {"$set": {"meterUsed": "5400"}})
    first, subject = take(settings, FIRST), str(document["_id"])
    assert first.open_findings[["kind", "subject"]].to_numpy().tolist() == [["quarantined_documents", subject]]

    later = take(settings, LATER)
    assert later.open_findings[["kind", "subject"]].to_numpy().tolist() == [["quarantined_documents", subject]]
    assert later.deltas[["week_key", "grade"]].to_numpy().tolist() == [[WEEK, "unreadable"]]
    assert later.snapshot.counts["billingusages"].quarantined == 1

    usage.replace_one(this, document)
    read = take(settings, LATER + timedelta(days=1))
    assert dict(zip(read.findings["kind"], read.findings["state"], strict=True)) == {
        "quarantined_documents": "resolved",
        "meter_extras_divergence": "new",  # the lost debit, which nobody could see
    }
