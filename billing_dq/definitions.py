"""The Dagster definitions: everything in `defs/`, put together from the settings. Imports and loads without a database."""

import dagster as dg

from billing_dq.defs.checks import finding_checks
from billing_dq.defs.conclusions import conclusion_assets
from billing_dq.defs.great_expectations import expectation_checks
from billing_dq.defs.io_manager import LakeIOManager
from billing_dq.defs.jobs import conclude_night, reconcile_night
from billing_dq.defs.partitions import nights_of
from billing_dq.defs.reconciliation import reconciliation_assets
from billing_dq.defs.resources import resources_of
from billing_dq.defs.schedules import nightly
from billing_dq.defs.sensors import failed_checks, failed_runs
from billing_dq.defs.snapshot import snapshot_assets
from billing_dq.defs.stripe import stripe_assets
from billing_dq.lake import Lake
from billing_dq.progress import Progress
from billing_dq.settings import Settings, load_settings


def build_definitions(settings: Settings, progress: Progress | None = None) -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors.

    Args:
        settings: every knob.
        progress: where long reads tell how far they are; the runs' own log by default.
    """
    nights = nights_of(settings)
    sources = [snapshot_assets(nights), stripe_assets(nights)]
    derived = [*reconciliation_assets(nights), *conclusion_assets(nights)]
    checks = [*finding_checks(nights), *expectation_checks(settings, nights)]
    concluding = dg.AssetSelection.assets(*derived) | dg.AssetSelection.checks(*checks)
    night_job = reconcile_night(nights, dg.AssetSelection.assets(*sources) | concluding)
    return dg.Definitions(
        assets=[*sources, *derived],
        asset_checks=checks,
        jobs=[night_job, conclude_night(nights, concluding)],
        schedules=[nightly(night_job)],
        sensors=[failed_checks(checks), failed_runs],
        resources={"io_manager": LakeIOManager(Lake(settings.home)), **resources_of(settings, progress)},
        executor=dg.in_process_executor,
    )


defs = build_definitions(load_settings())
