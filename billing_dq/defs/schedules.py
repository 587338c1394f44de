"""When nights are taken. The partition is the date on which the run is, not the day before."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def nightly(job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Every night at 02:15 UTC."""

    @dg.schedule(name="nightly", cron_schedule="15 2 * * *", execution_timezone="UTC", job=job)
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """One run a night, whatever happened to the one before."""
        night = context.scheduled_execution_time.date().isoformat()
        return dg.RunRequest(run_key=night, partition_key=night)

    return schedule
