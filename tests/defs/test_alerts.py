"""The alerts of a night through Dagster: told once, a dead target is a red check and no failed night, sensors."""

import errno
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import cast

import dagster as dg
import pytest

from billing_dq.alerts.night import alerts_of_missing_nights
from billing_dq.defs.alerts import DELIVERED, alert_definitions
from billing_dq.defs.asset_names import ALERTS, IO_MANAGER, op_name
from billing_dq.defs.io_manager import LakeIOManager
from billing_dq.defs.manifest import manifest_asset
from billing_dq.defs.nights import nights_of
from billing_dq.defs.sensors import failed_checks, failed_runs, missing_nights, red_checks
from billing_dq.settings import Settings
from billing_dq.storage import placing
from billing_dq.storage.home_database import FILE_NAME
from billing_dq.storage.lake import Lake
from billing_dq_simulation.commands.demonstration.sink import Sink, alert_sink
from tests.support import alerting
from tests.support.report_night import BEFORE, NIGHT, finding, findings, old
from tests.support.stored_night import store

SECRET = "hunter2"
pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning")


@pytest.fixture
def sink() -> Iterator[Sink]:
    with alert_sink() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, sink: Sink) -> Settings:
    with_route = alerting.settings(tmp_path, ops={"url": sink.url(SECRET)})
    return with_route.model_copy(update={"alerts": with_route.alerts.model_copy(update={"wait_seconds": 0.0})})


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as running:
        yield running


def resources_of(settings: Settings) -> dict[str, object]:
    lake = Lake(settings.home)
    return {
        IO_MANAGER: LakeIOManager(lake),
        "billing_dq_settings": settings,
        "billing_dq_lake": lake,
        "billing_dq_night_lock": dg.ResourceDefinition.none_resource(),
    }


def take(settings: Settings, instance: dg.DagsterInstance, night: str = NIGHT) -> dg.ExecuteInProcessResult:
    """The alerts and their check for a stored night."""
    asset, check = alert_definitions(nights_of(settings))
    resources = resources_of(settings)
    definitions = dg.Definitions(assets=[asset], asset_checks=[check], resources=resources)
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(partition_key=night, instance=instance, raise_on_error=False)


def checked(result: dg.ExecuteInProcessResult) -> tuple[bool, str]:
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.check_name == DELIVERED
    return evaluation.passed, str(evaluation.description)


def test_a_night_tells_its_findings_once_with_the_path_of_the_report(
    settings: Settings, instance: dg.DagsterInstance, sink: Sink
) -> None:
    store(Path(settings.home), NIGHT, findings(finding(1), old(2), finding(3, severity="warning")))
    for _ in range(2):
        result = take(settings, instance)
        assert result.success
        assert checked(result) == (True, "nothing waits")
    (message,) = sink.taken
    assert message["title"] == f"billing_dq, night of {NIGHT}: 2 new"
    assert f"Report: {settings.home}/lake/report/{NIGHT}.html" in message["message"]
    assert "Money is leaking. 2 breaks are new of 3 open" in message["message"]


def test_a_night_whose_manifest_cannot_be_written_is_told_as_missing_and_tells_its_findings_when_it_is_finished(
    settings: Settings, instance: dg.DagsterInstance, sink: Sink
) -> None:
    lake = Lake(settings.home)
    store(Path(settings.home), NIGHT, findings(finding(1)))
    lake.begin(NIGHT)  # as the first table of a night does
    asset, check = alert_definitions(nights_of(settings))
    resources = resources_of(settings)
    definitions = dg.Definitions(
        assets=[manifest_asset(nights_of(settings)), asset], asset_checks=[check], resources=resources
    )
    job = definitions.resolve_implicit_global_asset_job_def()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placing.os, "fsync", full)
        assert not job.execute_in_process(partition_key=NIGHT, instance=instance, raise_on_error=False).success
    missing = alerts_of_missing_nights(settings, datetime.fromisoformat(f"{NIGHT}T23:00:00+00:00"))
    (sentence,) = missing.alerts["sentence"]
    assert NIGHT in sentence
    assert sink.taken == []
    assert job.execute_in_process(partition_key=NIGHT, instance=instance).success
    assert [message["title"] for message in sink.taken] == [f"billing_dq, night of {NIGHT}: 1 new"]
    assert alerts_of_missing_nights(settings, datetime.fromisoformat(f"{NIGHT}T23:00:00+00:00")).alerts.empty


def full(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_stripe_that_could_not_be_read_is_told_once_and_once_when_it_is_read_again(
    settings: Settings, instance: dg.DagsterInstance, sink: Sink
) -> None:
    for night, stripe in (("2026-11-19", "failed"), (BEFORE, "failed"), (NIGHT, "read")):
        store(Path(settings.home), night, findings(), stripe)
        take(settings, instance, night)
    assert take(settings, instance, BEFORE).success  # an older night that is run again notifies of nothing
    assert [message["title"].partition(": ")[2] for message in sink.taken] == ["1 new", "1 resolved"]
    assert "Stripe could not be read: Stripe answered 401" in sink.taken[0]["message"]


def test_a_dead_target_is_a_red_check_without_its_address_and_the_night_succeeds(
    settings: Settings, instance: dg.DagsterInstance, sink: Sink
) -> None:
    store(Path(settings.home), NIGHT, findings(finding(1)))
    sink.status = 500
    result = take(settings, instance)
    assert result.success
    passed, sentence = checked(result)
    assert not passed
    assert sentence.startswith("route ops: 1 not delivered since ")
    assert sentence.endswith("JSON: the target answered with HTTP 500")
    assert sink.asked == 3
    logged = " ".join(record.user_message for record in instance.all_logs(result.run_id))
    metadata = str(result.asset_materializations_for_node(op_name(ALERTS))[0].metadata)
    assert SECRET not in sentence + logged + metadata + (Path(settings.home) / FILE_NAME).read_text(encoding="latin-1")
    sink.status = 200
    assert checked(take(settings, instance)) == (True, "nothing waits")
    assert len(sink.taken) == 1


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, settings: Settings) -> str:
    context = dg.build_sensor_context(instance=instance, resources={"billing_dq_settings": settings})
    return str(cast(dg.SkipReason, sensor(context)).skip_message)


def test_a_check_that_is_red_is_told_once_and_once_when_it_is_green_again(
    settings: Settings, instance: dg.DagsterInstance, sink: Sink
) -> None:
    passing = {"passed": False}

    @dg.asset
    def a_table() -> None: ...

    @dg.asset_check(asset=a_table)
    def it_is_sound() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passing["passed"], description="7 rows are wrong")

    @dg.asset_check(asset=a_table)
    def no_week_diverges() -> dg.AssetCheckResult:
        """A night tells its findings by itself."""
        return dg.AssetCheckResult(passed=False)

    sensor = failed_checks([it_is_sound, no_week_diverges])
    assert red_checks(instance, [it_is_sound.check_key]) == []
    for state in (False, False, True):
        passing["passed"] = state
        dg.materialize([a_table, it_is_sound, no_week_diverges], instance=instance, raise_on_error=False)
        reason = tick(sensor, instance, settings)
    assert reason == "looked at 1 checks: 0 are red; 1 notifications made"
    assert [message["title"].partition(": ")[2] for message in sink.taken] == ["1 new", "1 resolved"]
    assert "failed_check, a_table:it_is_sound: 7 rows are wrong (run " in sink.taken[0]["message"]


def test_a_run_that_failed_is_told_once(settings: Settings, instance: dg.DagsterInstance, sink: Sink) -> None:
    @dg.op
    def breaks() -> None:
        raise dg.Failure("the disk is full")

    @dg.job
    def a_job() -> None:
        breaks()

    result = a_job.execute_in_process(instance=instance, raise_on_error=False)
    (event,) = [event for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE"]
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=event,
        resources={"billing_dq_settings": settings},
    ).for_run_failure()
    of_others = cast(dg.SkipReason, failed_runs(["reconcile_night"])(context))
    assert of_others.skip_message == "a_job is no job of billing_dq"
    for _ in range(2):
        failed_runs()(context)
    (message,) = sink.taken
    assert message["title"] == "billing_dq, a failed run: 1 new"
    assert "a_job: " in message["message"]


def test_a_missing_night_is_told_once_and_its_tick_sends_again_what_waits(
    settings: Settings, instance: dg.DagsterInstance, sink: Sink
) -> None:
    long_ago = "2026-11-01"
    store(Path(settings.home), long_ago, findings())
    sink.status = 500
    assert "not delivered since" in tick(missing_nights(), instance, settings)
    sink.status = 200
    resting = settings.model_copy(update={"alerts": settings.alerts.model_copy(update={"retry_minutes": 0.0})})
    assert tick(missing_nights(), instance, settings).endswith("JSON: the target answered with HTTP 500")
    assert f"No night has been concluded since {long_ago}" in tick(missing_nights(), instance, resting)
    (message,) = sink.taken
    assert f"missing_nights, {long_ago}" in message["message"]


def test_an_outbox_that_cannot_be_used_is_a_red_check_and_is_named_in_the_tick(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    store(Path(settings.home), NIGHT, findings(finding(1)))
    (outbox := Path(settings.home) / FILE_NAME).mkdir()
    result = take(settings, instance)
    assert result.success
    passed, sentence = checked(result)
    assert not passed
    assert f"{FILE_NAME} cannot be" in sentence
    outbox.rmdir()
    outbox.write_text("no database" * 100)
    assert "file is not a database" in tick(missing_nights(), instance, settings)
