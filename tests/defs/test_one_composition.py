"""The assets of a night and the pure night are one composition: over the same tables they say the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from pymongo import MongoClient

from billing_dq.defs.asset_names import MONGODB_TABLES
from billing_dq.defs.inputs import stripe_tables
from billing_dq.policy import policy_of
from billing_dq.reconcile.inputs import ApplicationTables
from billing_dq.reconcile.night import NightResult, reconcile_night
from billing_dq.runner import DAGSTER_YAML, run_night
from billing_dq.settings import Settings
from billing_dq.storage.history import earlier_evidence, earlier_than
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import TABLES
from billing_dq_simulation.config import WorldConfig, world_settings
from billing_dq_simulation.faults.catalogue import FAULTS
from billing_dq_simulation.loader import load
from billing_dq_simulation.local_stripe import serve
from tests.support.sample_night import SampleNight
from tests.support.stored_nights import result_tables

#: Rates at which each rule finds something, and the company stays small.
COMPANY = WorldConfig(
    seed=3, organizations=90, weeks=5, faults={name: 0.05 for name in FAULTS if name != "large_document"}
)
OF_STRIPE = {"subscription_drift", "dispute_positions"}
RESULTS = {
    *OF_STRIPE,
    *("meter_extras_deltas", "meter_extras_evidence", "runaway_balances", "ledger_violations", "findings"),
}


@dataclass(frozen=True)
class Nights:
    """Nights that were taken through Dagster."""

    settings: Settings
    keys: tuple[str, ...]


def take(settings: Settings, directory: Path, instants: Sequence[datetime], failing: Sequence[int] = ()) -> Nights:
    """Take a night at each instant; Stripe does not answer in the ones that are to fail."""
    (directory / "dagster.yaml").write_text(DAGSTER_YAML)
    nowhere = settings.model_copy(update={"stripe_base_url": "http://127.0.0.1:9", "stripe_budget_seconds": 1.0})
    with dg.DagsterInstance.from_config(str(directory)) as instance:
        keys = [
            run_night(nowhere if place in failing else settings, instance, instant).night
            for place, instant in enumerate(instants)
        ]
    return Nights(settings, tuple(keys))


@pytest.fixture(scope="module")
def company(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    """Three nights of a company with every fault. In the second, Stripe does not answer; the third is on a Monday, and
    follows weeks that have left the window.
    """
    database = "billing_dq_test_composition"
    world = load(COMPANY, mongodb_uri, database, replace=True)
    with serve(world.stripe) as stripe, MongoClient[dict[str, object]](mongodb_uri) as client:
        fields = {
            "mongodb_uri": mongodb_uri,
            "stripe_api_key": "rk_live_simulated",
            "stripe_base_url": stripe.url,
            "home": str(tmp_path_factory.mktemp("company")),
            "batch_organizations": 20,
            "runaway": {"quota_multiple": 0.05},
        }
        settings = Settings.model_validate({**world_settings(COMPANY, database), **fields})
        instants = [COMPANY.as_of + timedelta(days=days) for days in range(3)]
        yield take(settings, tmp_path_factory.mktemp("dagster"), instants, failing=[1])
        client.drop_database(database)


def stored(lake: Lake, name: str, night: str) -> pd.DataFrame | None:
    table = lake.stored(TABLES[name], night)
    return None if table is None else table.frame()


def pure_night(settings: Settings, night: str) -> NightResult:
    """The pure night over the sources that a night stored, after the same earlier nights."""
    lake, weeks = Lake(settings.home), SnapshotFactsRecord.require(settings.home, night).weeks
    reading = StripeReadingRecord.of(settings.home, night)
    assert reading is not None
    tables = {name: stored(lake, name, night) for name in MONGODB_TABLES}
    frames = {name: frame for name, frame in tables.items() if frame is not None}
    application, before = ApplicationTables(weeks, frames), earlier_than(lake, night, weeks)
    evidence = earlier_evidence(lake, night, application)
    earlier = replace(
        before,
        quotas=evidence.quotas,
        plans=evidence.plans,
        quotas_of_followed=evidence.quotas_of_followed,
        plans_of_followed=evidence.plans_of_followed,
    )
    return reconcile_night(application, stripe_tables(lake, night, reading), policy_of(settings), earlier)


def assert_one_composition(nights: Nights) -> None:
    """Every result table of every night is the same, row by row; both have none where Stripe was not read."""
    lake = Lake(nights.settings.home)
    for night in nights.keys:
        expected = result_tables(pure_night(nights.settings, night))
        for name in RESULTS:
            got = stored(lake, name, night)
            if got is None:
                assert name not in expected, (night, name)
            else:
                pd.testing.assert_frame_equal(got, expected[name], obj=f"{name} of {night}")


def test_the_sample_gives_the_same_tables_by_both_ways(sample_night: SampleNight) -> None:
    assert_one_composition(Nights(sample_night.settings, (sample_night.result.night,)))


def test_a_company_with_every_fault_gives_the_same_tables_by_both_ways(company: Nights) -> None:
    assert_one_composition(company)


def test_the_company_gives_every_stage_something_to_find(company: Nights) -> None:
    lake, (first, without_stripe, last) = Lake(company.settings.home), company.keys
    for name in ("runaway_balances", "ledger_violations", "subscription_drift", "dispute_positions"):
        rows = stored(lake, name, last)
        assert rows is not None, name
        assert len(rows), name
    followed, deltas = stored(lake, "followed_weeks", last), stored(lake, "meter_extras_deltas", last)
    assert followed is not None
    assert deltas is not None
    assert len(deltas.merge(followed))
    findings = stored(lake, "findings", last)
    assert findings is not None
    assert {"quarantined_documents", "meter_extras_divergence"} <= set(findings["kind"])
    assert {name for name in OF_STRIPE if stored(lake, name, first) is None} == set()
    assert {name for name in OF_STRIPE if stored(lake, name, without_stripe) is None} == OF_STRIPE
