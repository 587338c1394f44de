"""What watches the runs: failed runs and checks that turned red become alerts (`alerts`), each once."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterInstance

from billing_dq.alerts import alert
from billing_dq.settings import Settings


def newly_red(before: Mapping[str, str], now: Mapping[str, str | None]) -> list[str]:
    """Checks that failed in an execution that nobody was alerted of yet.

    Args:
        before: by check, the execution of the last alert.
        now: by check, its newest failed execution; None where its newest execution passed.
    """
    return sorted(name for name, failed in now.items() if failed is not None and before.get(name) != failed)


def failed_checks(checks: Sequence[dg.AssetChecksDefinition]) -> dg.SensorDefinition:
    """A sensor over the newest execution of every check."""
    keys = sorted({key for check in checks for key in check.check_keys}, key=lambda key: key.to_user_string())

    @dg.sensor(name="failed_checks", minimum_interval_seconds=60)
    def sensor(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
        """Alert once for every check that failed anew."""
        alerted: dict[str, str] = json.loads(context.cursor or "{}")
        now = newest_failures(context.instance, keys)
        red = newly_red(alerted, now)
        for name in red:
            alert(settings.home, datetime.now(UTC), "failed_check", name, f"failed in run {now[name]}")
        context.update_cursor(json.dumps({name: failed for name, failed in now.items() if failed is not None}))
        still = sum(failed is not None for failed in now.values())
        return dg.SkipReason(f"looked at {len(keys)} checks: {still} are red, {len(red)} of them newly")

    return sensor


def newest_failures(instance: DagsterInstance, keys: Sequence[dg.AssetCheckKey]) -> dict[str, str | None]:
    """By check: the run of its newest execution where that failed, else None. Checks that never ran are left out."""
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    found: dict[str, str | None] = {}
    for key, record in records.items():
        evaluation = record.event.asset_check_evaluation if record.event else None
        if evaluation is not None:
            found[key.to_user_string()] = None if evaluation.passed else record.run_id
    return found


@dg.run_failure_sensor(name="failed_runs", minimum_interval_seconds=60)
def failed_runs(context: dg.RunFailureSensorContext, settings: dg.ResourceParam[Settings]) -> None:
    """Alert for every run that failed, with its first error."""
    run = context.dagster_run
    alert(
        settings.home,
        datetime.now(UTC),
        "failed_run",
        f"{run.job_name} {run.run_id}",
        context.failure_event.message or "",
    )
