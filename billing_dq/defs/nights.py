"""The nights, when they are taken, and by when they are expected.

A night is the UTC date on which its snapshot is taken; today's is there from 00:00 on.
"""

from collections.abc import Sequence
from datetime import timedelta

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


def read_by_morning(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets with a freshness policy: each is expected between midnight and 06:00 UTC, every day.

    Stripe's tables are left out: a night without Stripe has none of them, and a check of its own says so.
    """
    policy = dg.FreshnessPolicy.cron("0 6 * * *", timedelta(hours=6), timezone="UTC")

    def expected(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec if spec.skippable else dg.apply_freshness_policy(spec, policy)

    return [asset.map_asset_specs(expected) for asset in assets]
