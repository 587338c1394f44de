"""The Dagster definitions: all of `defs/`, put together from the settings. They load without a database.

Not here: what an asset, a check or a sensor does.
"""

import warnings
from collections.abc import Callable

import dagster as dg

from billing_dq.defs.alerts import alert_definitions
from billing_dq.defs.asset_names import IO_MANAGER, MONGODB_TABLES
from billing_dq.defs.checks.credit_checks import credit_check
from billing_dq.defs.checks.data_checks import data_checks
from billing_dq.defs.checks.expectation_checks import expectation_checks
from billing_dq.defs.checks.night_checks import finding_checks
from billing_dq.defs.checks.population import population_checks
from billing_dq.defs.checks.soundness import soundness_asset
from billing_dq.defs.conclusions import conclusion_assets
from billing_dq.defs.dispute_credits import dispute_credit_definitions
from billing_dq.defs.executors import executor_of
from billing_dq.defs.io_manager import PARTS, LakeIOManager, PartsIOManager
from billing_dq.defs.jobs import CONCLUDE_NIGHT, DESCRIPTIONS, RECONCILE_NIGHT, Part, part_of
from billing_dq.defs.manifest import manifest_asset
from billing_dq.defs.nights import nightly, nights_of, read_by_morning
from billing_dq.defs.outside import outside_assets
from billing_dq.defs.quality import quality_assets
from billing_dq.defs.reconciliation import reconciliation_assets
from billing_dq.defs.resources import resources_of
from billing_dq.defs.sensors import failed_checks, failed_runs, missing_nights
from billing_dq.defs.snapshot import snapshot_assets
from billing_dq.defs.stripe import stripe_assets
from billing_dq.rules.reading import read_folder
from billing_dq.rules.suites import names_in_use
from billing_dq.settings import Settings, load_settings
from billing_dq.sources.progress import Progress
from billing_dq.storage.lake import Lake
from billing_dq.storage.night_locks import NightLocks
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord

#: What the sources give of every night that they do not refuse.
_OF_EVERY_NIGHT = {*MONGODB_TABLES, SnapshotFactsRecord.name, StripeReadingRecord.name}


def build_definitions(
    settings: Settings,
    progress: Progress | None = None,
    settings_now: Callable[[], Settings] | None = None,
    locks: NightLocks | None = None,
    night: str | None = None,
) -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors.

    Args:
        settings: every knob.
        progress: where long reads report how far they are; the runs' own log by default.
        settings_now: reads the settings again, for the credits' kill switch; ``settings`` as they are by default.
        locks: through which runs hold their night; an owner's that holds one already, so that its own run may too.
        night: a night that is about to be read, which is a partition beside tonight and those that are stored.
    """
    locks, nights = locks or NightLocks(settings.home), nights_of(settings, night)
    resources = {
        IO_MANAGER: LakeIOManager(Lake(settings.home)),
        PARTS: PartsIOManager(settings.home),
        **resources_of(settings, progress, locks),
    }
    with warnings.catch_warnings():
        # Dagster calls the partitions of checks a preview, and warns of a beta parameter that it passes itself
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        credits = dispute_credit_definitions(settings_now or (lambda: settings))
        nightly_definitions = _of_nights(settings, nights, executor_of(settings, locks))
        definitions = dg.Definitions.merge(nightly_definitions, credits, dg.Definitions(resources=resources))
        definitions.get_repository_def()  # resolves, and keeps, everything
    return definitions


def _of_nights(settings: Settings, nights: dg.PartitionsDefinition, executor: dg.ExecutorDefinition) -> dg.Definitions:
    """The assets and checks of a night, and what runs and watches them."""
    rules = read_folder(settings.rules_folder, names_in_use())
    alerts, alert_check = alert_definitions(nights)
    checks = [
        *finding_checks(nights),
        population_checks(nights),
        *data_checks(nights),
        alert_check,
        *expectation_checks(rules, nights),
        credit_check(nights),
    ]
    sources = [snapshot_assets(nights, settings.shards), stripe_assets(nights)]
    derived = [
        soundness_asset(nights, rules.usable),
        reconciliation_assets(nights, settings.shards),
        *conclusion_assets(nights),
        *quality_assets(nights),
        manifest_asset(nights),
        alerts,
    ]
    concluding = dg.AssetSelection.assets(*derived) | dg.AssetSelection.checks(*checks)
    selections = {RECONCILE_NIGHT: dg.AssetSelection.assets(*sources) | concluding, CONCLUDE_NIGHT: concluding}
    jobs = {
        name: dg.define_asset_job(name, selection, executor_def=executor, description=DESCRIPTIONS[name])
        for name, selection in selections.items()
    }
    return dg.Definitions(
        assets=[*outside_assets(settings), *read_by_morning([*sources, *derived], _OF_EVERY_NIGHT)],
        asset_checks=checks,
        jobs=list(jobs.values()),
        schedules=[nightly(jobs[RECONCILE_NIGHT])],
        sensors=[failed_checks(checks), failed_runs, missing_nights],
        executor=executor,
    )


def job_of_night(name: str, night: str, part: Part) -> dg.JobDefinition:
    """A job as every process that runs steps of it makes it anew, from its own settings."""
    job = defs.resolve_job_def(name)
    if job.partitions_def is not None and night not in job.partitions_def.get_partition_keys():
        job = build_definitions(load_settings(), settings_now=load_settings, night=night).resolve_job_def(name)
    return part_of(job, part)


defs = build_definitions(load_settings(), settings_now=load_settings)
