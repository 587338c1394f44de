"""A followed week through MongoDB and Dagster: read of its organization alone, stored, and the same when run again."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from pymongo import MongoClient

from billing_dq.definitions import build_definitions
from billing_dq.defs.jobs import CONCLUDE_NIGHT
from billing_dq.runner import DAGSTER_YAML, run_night
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.night_locks import NightLocks
from billing_dq.tables import TABLES
from billing_dq.weeks import Week
from tests.support.pure_night import sample_settings
from tests.support.remedies import AS_OF, ORGANIZATION, company, day, entry

#: The company of the remedies, half a year earlier, so that its later nights have begun on every machine.
AGO = timedelta(weeks=26)
FIRST = AS_OF - AGO
WEEK = Week.of(day(9) - AGO).key
LOST = "2026-W46-c:initial"


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
def client(mongodb_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """A server with the company, which lost a debit."""
    world = company()
    world.remove(LOST)
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        client.drop_database("billing_dq_test_followed")
        for name, documents in world.documents.items():
            client["billing_dq_test_followed"].create_collection(name)
            if documents:
                client["billing_dq_test_followed"][name].insert_many(earlier(documents))
        yield client
        client.drop_database("billing_dq_test_followed")


def stored(settings: Settings, name: str, instant: datetime) -> pd.DataFrame:
    return Lake(settings.home).require(TABLES[name], instant.date().isoformat()).frame()


def files(settings: Settings, instant: datetime) -> dict[str, bytes]:
    root = Path(settings.home) / "lake"
    return {path.parent.name: path.read_bytes() for path in root.glob(f"*/{instant.date().isoformat()}.parquet")}


def test_a_followed_week_is_read_again_and_stored_until_it_heals(
    client: MongoClient[dict[str, Any]], mongodb_uri: str, tmp_path: Path
) -> None:
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text(DAGSTER_YAML)
    settings = sample_settings(mongodb_uri=mongodb_uri, mongodb_database="billing_dq_test_followed", home=str(tmp_path))
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        first = run_night(settings, instance, FIRST)
        assert first.open_findings["subject"].tolist() == [WEEK]
        later = FIRST + timedelta(weeks=6)  # weeks without a night, and the week is far behind the window
        second = run_night(settings, instance, later)
        assert second.open_findings[["subject", "state", "units"]].to_numpy().tolist() == [[WEEK, "persisting", 100.0]]
        assert stored(settings, "followed_weeks", later).to_numpy().tolist() == [[str(ORGANIZATION), WEEK]]
        assert len(stored(settings, "followed_usage", later)) == 2  # the week and the one before, for matching
        assert stored(settings, "weekly_usage", later).empty
        assert not [check.name for check in second.checks if not check.passed and check.name != "no_week_diverges"]

        before = files(settings, later)
        night = later.date().isoformat()
        job = build_definitions(settings, locks=NightLocks(settings.home)).resolve_job_def(CONCLUDE_NIGHT)
        job.execute_in_process(instance=instance, partition_key=night, raise_on_error=False)  # Stripe is not read
        assert files(settings, later) == before
        run_night(settings, instance, later, again=True)
        assert files(settings, later) == before

        charge = earlier(entry("debit", -100, LOST, day(10)))
        client["billing_dq_test_followed"]["billingextrabalances"].update_one(
            {}, {"$push": {"ledger": charge}, "$inc": {"cachedBalance": -100}}
        )
        healed = run_night(settings, instance, later + timedelta(days=1))
        assert healed.findings[["subject", "state"]].to_numpy().tolist() == [[WEEK, "resolved"]]
        after = run_night(settings, instance, later + timedelta(days=2))
        assert after.findings.empty
        assert stored(settings, "followed_weeks", later + timedelta(days=2)).empty
