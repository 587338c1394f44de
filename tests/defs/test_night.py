"""The whole night through Dagster: the sample world, its re-run, its refusals, and a Stripe that is absent or fails."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from billing_dq.composition import build_definitions
from billing_dq.defs.io_manager import LakeIOManager
from billing_dq.defs.jobs import CONCLUDE_NIGHT, RECONCILE_NIGHT
from billing_dq.defs.nights import REFUSED_TAG, nights_of
from billing_dq.defs.sensors import red_checks
from billing_dq.errors import SourceError
from billing_dq.runner import CODE_LOCATION, run_night
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import NightManifest, differences
from billing_dq.storage.night_locks import NightLocks
from billing_dq.tables import TABLES
from billing_dq.vocabulary.verdicts import VERDICTS
from tests.support.sample_night import SampleNight
from tests.support.worlds import SAMPLE_AS_OF, sample_settings

NIGHT = "2026-11-21"
EXPLAINED = {
    ("6ab32b259efbcc0f7f5a4495", "2026-W46"),
    ("6ac9c91365e2b11fea98c569", "2026-W47"),
    ("6ac9e1a46f9e789c6496ae4f", "2026-W46"),
    ("6ab3fa79f7a4e0ce71c832ad", "2026-W44"),
    ("6ab3fa79f7a4e0ce71c832ad", "2026-W46"),
    ("6ab3fa79f7a4e0ce71c832ad", "2026-W47"),
    ("6ab506723c5ea98fe05009fc", "2026-W46"),
    ("6ab6dd0b1dd4b38f4f8201d6", "2026-W45"),
    ("6ab6dd0b1dd4b38f4f8201d6", "2026-W46"),
    ("6ab6dd0b1dd4b38f4f8201d6", "2026-W47"),
}


@pytest.fixture(scope="module")
def sample(sample_night: SampleNight, tmp_path_factory: pytest.TempPathFactory) -> SampleNight:
    """The sample's night, in a home of this module."""
    return sample_night.copied_to(tmp_path_factory.mktemp("home"))


def stored_bytes(settings: Settings, night: str) -> dict[str, bytes]:
    root = Path(settings.home) / "lake"
    return {path.parent.name: path.read_bytes() for path in root.glob(f"*/{night}.*")}


def test_the_sample_has_386_weeks_and_exactly_ten_explained_divergences_and_no_other_finding(
    sample: SampleNight,
) -> None:
    deltas, findings = sample.result.deltas, sample.result.findings
    assert findings[["kind", "severity"]].to_numpy().tolist() == [["meter_extras_divergence", "info"]] * 10
    diverged = deltas[deltas["diverged"].fillna(False)]
    assert len(deltas) == 386
    assert set(zip(diverged["organization_id"], diverged["week_key"], strict=True)) == EXPLAINED
    assert set(diverged["grade"]) == {"explained"}


def test_the_run_is_one_of_our_code_location_so_that_the_time_line_shows_it(sample: SampleNight) -> None:
    run = sample.instance.get_run_by_id(sample.result.run_id)
    assert run is not None
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.repository_origin.get_label() == f"__repository__@{CODE_LOCATION}"
    assert run.tags["dagster/partition"] == NIGHT
    assert run.status is dg.DagsterRunStatus.SUCCESS


def test_every_check_is_green_on_the_sample(sample: SampleNight) -> None:
    assert [check for check in sample.result.checks if not check.passed] == []
    assert {"no_week_diverges", "stripe_was_read", "every_reinstated_dispute_is_credited"} <= {
        check.name for check in sample.result.checks
    }


def test_every_table_of_the_night_keeps_its_contract(sample: SampleNight) -> None:
    lake = Lake(sample.settings.home)
    for name, table in TABLES.items():
        stored = lake.stored(table, NIGHT)
        assert stored is not None, name
        table.conform(stored.frame())
    usage = lake.require(TABLES["weekly_usage"], NIGHT)
    assert pq.ParquetFile(str(usage.path)).num_row_groups > 1  # batches of organizations


def test_the_night_stores_its_report_beside_the_tables(sample: SampleNight) -> None:
    page = Lake(sample.settings.home).report_path(NIGHT)
    assert f"billing_dq: the night of {NIGHT}" in page.read_text(encoding="utf-8")
    assert page.with_suffix(".md").read_text(encoding="utf-8").startswith("# ")


def test_the_figures_of_the_report_are_those_of_the_findings(sample: SampleNight) -> None:
    figures = dict(zip(sample.result.report["name"], sample.result.report["value"], strict=True))
    assert sum(figures[f"open.{verdict}.findings"] for verdict in VERDICTS) == len(sample.result.open_findings)
    for side, owed in (("undercharged", "to_us"), ("overcharged", "to_customers")):
        assert figures[f"open.unexplained.cents_{owed}"] == figures[f"money.{side}"]  # nothing else is owed


def test_a_stored_night_is_not_read_again(sample: SampleNight) -> None:
    with pytest.raises(SourceError, match=r"2026-11-21 is stored and is not read again; --again"):
        run_night(sample.settings, sample.instance, SAMPLE_AS_OF)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"as_of": SAMPLE_AS_OF.isoformat()}, "what a night read is never read again"),
        ({"again": True}, "a past night cannot be read any more"),
    ],
)
def test_a_source_that_refuses_skips_the_night_and_leaves_nothing_red(
    sample: SampleNight, config: dict[str, object], reason: str
) -> None:
    before, instance = stored_bytes(sample.settings, NIGHT), sample.instance
    definitions = build_definitions(sample.settings)
    result = definitions.resolve_job_def(RECONCILE_NIGHT).execute_in_process(
        instance=instance, partition_key=NIGHT, run_config={"resources": {"billing_dq_night": {"config": config}}}
    )
    assert result.get_asset_materialization_events() == []
    assert stored_bytes(sample.settings, NIGHT) == before
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert reason in run.tags[REFUSED_TAG]
    graph = definitions.resolve_asset_graph()
    assert red_checks(instance, sorted(graph.asset_check_keys, key=str)) == []
    status = get_and_update_asset_status_cache_value(instance, dg.AssetKey("findings"), nights_of(sample.settings))
    assert status is not None
    assert list(status.deserialize_failed_partition_subsets(nights_of(sample.settings)).get_partition_keys()) == []


def test_a_past_night_that_was_not_taken_cannot_be_asked_for(sample: SampleNight) -> None:
    job = build_definitions(sample.settings).resolve_job_def(RECONCILE_NIGHT)
    with pytest.raises(dg.DagsterUnknownPartitionError, match="2026-11-02"):
        job.execute_in_process(instance=sample.instance, partition_key="2026-11-02")
    assert nights_of(sample.settings).get_partition_keys() == [NIGHT, datetime.now(UTC).date().isoformat()]


def test_a_single_asset_hides_no_night_and_its_manifest_stays_true(sample: SampleNight) -> None:
    lake, definitions = Lake(sample.settings.home), build_definitions(sample.settings)
    job, graph = definitions.resolve_job_def(CONCLUDE_NIGHT), definitions.resolve_asset_graph()
    for name in ("nightly_report", "meter_extras_deltas", "findings"):
        keys = sorted(graph.assets_def_for_key(dg.AssetKey(name)).keys)
        assert job.execute_in_process(instance=sample.instance, partition_key=NIGHT, asset_selection=keys).success
        assert lake.is_whole(NIGHT), name
    manifest = NightManifest.of(lake, NIGHT)
    assert manifest is not None
    assert differences(lake, manifest) == []


def test_an_asset_of_somebody_else_hides_no_night(sample: SampleNight) -> None:
    lake = Lake(sample.settings.home)

    @dg.asset(partitions_def=nights_of(sample.settings))
    def own_table(context: dg.AssetExecutionContext) -> int:
        return 1

    result = dg.materialize(
        [own_table],
        instance=sample.instance,
        resources={"io_manager": LakeIOManager(lake)},
        partition_key=NIGHT,
        raise_on_error=False,
    )
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    assert failure.step_failure_data.user_failure_data.description == (
        "own_table is no table of billing_dq; give its asset another IO manager"
    )
    assert lake.is_whole(NIGHT)


def test_a_night_that_is_not_stored_cannot_be_concluded_and_the_reason_is_one_sentence(
    sample: SampleNight, tmp_path: Path
) -> None:
    settings = sample.settings.model_copy(update={"home": str(tmp_path)})
    job = build_definitions(settings, night=NIGHT).resolve_job_def(CONCLUDE_NIGHT)
    result = job.execute_in_process(instance=sample.instance, partition_key=NIGHT, raise_on_error=False)
    failures = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    assert {failure and failure.description for failure in failures} == {
        f"the night of {NIGHT} is not stored under {tmp_path}/lake: `billing-dq nightly`, or the job reconcile_night, "
        "reads it"
    }
    assert Lake(str(tmp_path)).is_whole(NIGHT)


def test_what_follows_the_sources_gives_the_same_bytes_again(sample: SampleNight) -> None:
    before = stored_bytes(sample.settings, NIGHT)
    job = build_definitions(sample.settings).resolve_job_def(CONCLUDE_NIGHT)
    assert job.execute_in_process(instance=sample.instance, partition_key=NIGHT).success
    after = stored_bytes(sample.settings, NIGHT)
    # the manifest is of the run that finished the night
    assert {name for name in before if after.get(name) != before[name]} <= {"manifests"}


def test_a_failed_stripe_hides_nothing_and_resolves_nothing_and_a_missing_key_runs_nothing(sample: SampleNight) -> None:
    lake = Lake(sample.settings.home)
    nowhere = sample.settings.model_copy(update={"stripe_base_url": "http://127.0.0.1:9", "stripe_budget_seconds": 3.0})
    failed = run_night(nowhere, sample.instance, SAMPLE_AS_OF + timedelta(days=1))
    assert failed.stripe.state == "failed"
    assert len(failed.deltas) >= 386
    red = {check.name: check.sentence for check in failed.checks if not check.passed}
    assert {"stripe_was_read", "subscriptions_agree_with_stripe", "every_invoice_marker_is_current"} <= set(red)
    assert "Stripe could not be read" in red["subscriptions_agree_with_stripe"]
    for name in ("stripe_subscriptions", "subscription_drift", "dispute_positions"):
        assert lake.stored(TABLES[name], failed.night) is None

    without = sample.settings.model_copy(update={"stripe_api_key": None})
    absent = run_night(without, sample.instance, SAMPLE_AS_OF + timedelta(days=1), again=True)
    assert absent.stripe.state == "not_run"
    assert not [check for check in absent.checks if "stripe" in check.name or "stripe" in check.asset]
    assert all(check.passed for check in absent.checks)
    assert set(absent.findings["state"]) == {"persisting"}


def test_a_night_that_was_read_but_not_concluded_is_concluded_without_reading(sample: SampleNight) -> None:
    requests = sum(sample.stripe.requests.values())
    Lake(sample.settings.home).remove(TABLES["nightly_report"], NIGHT)
    again = run_night(sample.settings, sample.instance, SAMPLE_AS_OF)
    assert sum(sample.stripe.requests.values()) == requests
    pd.testing.assert_frame_equal(again.report, sample.result.report)


@pytest.mark.parametrize("name", [RECONCILE_NIGHT, CONCLUDE_NIGHT])
def test_a_run_started_elsewhere_and_the_command_leave_a_night_alone_that_another_process_takes(
    sample: SampleNight, name: str
) -> None:
    before = stored_bytes(sample.settings, NIGHT)
    config = {"resources": {"billing_dq_night": {"config": {"as_of": SAMPLE_AS_OF.isoformat(), "again": True}}}}
    with NightLocks(sample.settings.home).hold(NIGHT):
        result = (
            build_definitions(sample.settings)
            .resolve_job_def(name)
            .execute_in_process(instance=sample.instance, partition_key=NIGHT, run_config=config, raise_on_error=False)
        )
        with pytest.raises(SourceError, match=r"^the night of 2026-11-21 is being taken by process"):
            run_night(sample.settings, sample.instance, SAMPLE_AS_OF, again=True)
    assert not result.success
    assert any("2026-11-21 is being taken by process" in str(event.event_specific_data) for event in result.all_events)
    assert stored_bytes(sample.settings, NIGHT) == before


def test_a_night_that_has_not_begun_is_one_clear_line(sample: SampleNight) -> None:
    with pytest.raises(SourceError, match=r"^the night of 9999-01-01 has not begun: this machine's clock stands at "):
        run_night(sample.settings, sample.instance, datetime(9999, 1, 1, tzinfo=UTC))


def test_an_unreachable_server_is_one_clear_line(sample: SampleNight, tmp_path: Path) -> None:
    nowhere = sample_settings(tmp_path, "mongodb://127.0.0.1:9/", "app").model_copy(
        update={"mongodb_connect_seconds": 0.5}
    )
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9"):
        run_night(nowhere, sample.instance, SAMPLE_AS_OF)
