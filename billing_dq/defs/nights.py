"""The nights, and when they are taken.

A night is the UTC date on which its snapshot is taken; today's is there from 00:00 on.
"""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from billing_dq.settings import Settings


def nights_of(settings: Settings) -> dg.DailyPartitionsDefinition:
    """One partition a night, from the setting ``first_night`` on, so that the UI shows none missing that never were."""
    return dg.DailyPartitionsDefinition(settings.first_night.isoformat(), timezone="UTC", end_offset=1)


def nightly(job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Every night at 02:15 UTC. The partition is the date on which the run is, not the day before."""

    @dg.schedule(name="nightly", cron_schedule="15 2 * * *", execution_timezone="UTC", job=job)
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """One run a night, whatever happened to the one before."""
        night = context.scheduled_execution_time.date().isoformat()
        return dg.RunRequest(run_key=night, partition_key=night)

    return schedule
