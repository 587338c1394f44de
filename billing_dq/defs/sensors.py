"""What watches the nights: red checks, failed runs and nights that are missing become alerts, each sent once.

A tick also sends again what a target did not take.
Not here: what was sent before, and to whom (`billing_dq/alerts`).
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterInstance

from billing_dq.alerts.current_alerts import operation
from billing_dq.alerts.night import alerts_of_missing_nights
from billing_dq.alerts.notifier import AlertBatch, Notifier, undelivered
from billing_dq.defs.asset_names import location_name
from billing_dq.defs.checks.night_checks import sums_up_the_night
from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq.tables import ALERTS
from billing_dq.vocabulary.severities import Severity


def failed_checks(checks: Sequence[dg.AssetChecksDefinition]) -> dg.SensorDefinition:
    """A sensor over the newest execution of every check."""
    keys = {key for check in checks for key in check.check_keys}

    @dg.sensor(name=location_name("failed_checks"), minimum_interval_seconds=60)
    def sensor(context: dg.SensorEvaluationContext, billing_dq_settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
        """Alert once for every check that turned red, and once when it is green again."""
        return notify_of_checks(billing_dq_settings, context.instance, keys)

    return sensor


def notify_of_checks(
    settings: Settings, instance: DagsterInstance, keys: Collection[dg.AssetCheckKey]
) -> dg.SkipReason:
    """Alert for those of some checks whose newest execution is red, but for those that sum up the night's findings.

    `billing-dq nightly` does so as well as the sensor: where cron takes the nights, no daemon runs sensors. What one of
    them has notified of, the other does not notify of again.
    """
    watched = sorted((key for key in keys if not sums_up_the_night(key.name)), key=lambda key: key.to_user_string())
    red = red_checks(instance, watched)
    batch = AlertBatch("checks", "checks of a night", ALERTS.from_rows(red))
    return _notified(settings, batch, f"looked at {len(watched)} checks: {len(red)} are red")


def red_checks(instance: DagsterInstance, keys: Sequence[dg.AssetCheckKey]) -> list[dict[str, object]]:
    """The checks whose newest execution failed, as rows of `ALERTS`."""
    # one query for all checks; the public method asks for one check at a time
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    red: list[dict[str, object]] = []
    for key, record in records.items():
        evaluation = record.event.asset_check_evaluation if record.event else None
        if evaluation is None or evaluation.passed:
            continue
        severity: Severity = "error" if evaluation.severity is dg.AssetCheckSeverity.ERROR else "warning"
        sentence = f"{evaluation.description or 'failed'} (run {record.run_id})"
        red.append(operation("failed_check", key.to_user_string(), sentence, severity))
    return red


def failed_runs(jobs: Collection[str] = ()) -> dg.SensorDefinition:
    """A sensor over the runs of the jobs of these names; without names, over all runs of the code location."""

    @dg.run_failure_sensor(name=location_name("failed_runs"), minimum_interval_seconds=60)
    def sensor(context: dg.RunFailureSensorContext, billing_dq_settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
        """Alert for every run that failed, with its first error."""
        run = context.dagster_run
        if jobs and run.job_name not in jobs:
            return dg.SkipReason(f"{run.job_name} is no job of billing_dq")
        night = run.tags.get("dagster/partition")
        sentence = f"{run.job_name}{f' of {night}' if night else ''}: {context.failure_event.message or 'failed'}"
        alerts = ALERTS.from_rows([operation("failed_run", run.run_id, sentence)])
        return _notified(
            billing_dq_settings, AlertBatch("runs", "a failed run", alerts, closes=False), "one run failed"
        )

    return sensor


def missing_nights() -> dg.SensorDefinition:
    """A sensor over the nights that were due."""

    @dg.sensor(name=location_name("missing_nights"), minimum_interval_seconds=300)
    def sensor(context: dg.SensorEvaluationContext, billing_dq_settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
        """Alert once where a night that was due is not concluded or was read late, and send again what waits."""
        batch = alerts_of_missing_nights(billing_dq_settings, datetime.now(UTC))
        return _notified(billing_dq_settings, batch, " ".join(batch.alerts["sentence"]) or "every night is there")

    return sensor


def _notified(settings: Settings, batch: AlertBatch, looked_at: str) -> dg.SkipReason:
    """Notify the routes of what changed and send what waits; an outbox that cannot be used is named in the tick."""
    notifier = Notifier(settings)
    try:
        count = notifier.notify(batch)
        waiting = undelivered(notifier.deliver_quickly())
    except SourceError as error:
        return dg.SkipReason(f"{looked_at}; {error}")
    return dg.SkipReason(f"{looked_at}; {count} notifications made{f'; {waiting}' if waiting else ''}")
