"""All of `defs/`, put together from the settings: for our own code location, and for that of another project.

Not here: what an asset, a check or a sensor does.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from billing_dq.defs.alerts import alert_definitions
from billing_dq.defs.asset_names import IO_MANAGER, MONGODB_TABLES, declared_under, location_name
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
from billing_dq.defs.jobs import CONCLUDE_NIGHT, DESCRIPTIONS, RECONCILE_NIGHT
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
    """All assets, checks, jobs, schedules and sensors, under their own names.

    Args:
        settings: every knob.
        progress: where long reads report how far they are; the runs' own log by default.
        settings_now: reads the settings again, for the credits' kill switch; ``settings`` as they are by default.
        locks: through which runs hold their night; an owner's that holds one already, so that its own run may too.
        night: a night that is about to be read, which is a partition beside tonight and those that are stored.
    """
    locks = locks or NightLocks(settings.home)
    executor = executor_of(settings, locks)
    with _quiet(), declared_under(""):
        definitions = dg.Definitions.merge(
            _of_nights(settings, nights_of(settings, night), executor),
            dispute_credit_definitions(settings_now or (lambda: settings)),
            dg.Definitions(resources=_resources(settings, progress, locks), sensors=[failed_runs()], executor=executor),
        )
        definitions.get_repository_def()  # resolves, and keeps, everything
    return definitions


def build_defs(settings: Settings | None = None, key_prefix: str = "billing_dq") -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors, to be merged into the definitions of another project.

    Args:
        settings: every knob; by default they are read as the commands read them.
        key_prefix: stands before every asset's key, and before every name of a group, job, schedule and sensor. The
            places of the tables in the home do not have it.

    Returns:
        Definitions without an executor of the code location: each job has its own. Resources, IO managers and ops have
        names that begin with ``billing_dq``.
    """
    current = settings or load_settings()
    locks = NightLocks(current.home)
    with _quiet(), declared_under(key_prefix):
        definitions = dg.Definitions.merge(
            _of_nights(current, nights_of(current), executor_of(current, locks)),
            dispute_credit_definitions(load_settings if settings is None else lambda: current),
            dg.Definitions(resources=_resources(current, None, locks)),
        )
        jobs = [job.name for job in definitions.jobs or ()]
        return dg.Definitions.merge(definitions, dg.Definitions(sensors=[failed_runs(jobs)]))


@contextmanager
def _quiet() -> Iterator[None]:
    """Dagster calls the partitions of checks a preview, and warns of a beta parameter that it passes itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield


def _resources(settings: Settings, progress: Progress | None, locks: NightLocks) -> dict[str, object]:
    return {
        IO_MANAGER: LakeIOManager(Lake(settings.home)),
        PARTS: PartsIOManager(settings.home),
        **resources_of(settings, progress, locks),
    }


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
    assets = read_by_morning([*sources, *derived], _OF_EVERY_NIGHT)
    concluding = dg.AssetSelection.assets(*derived) | dg.AssetSelection.checks(*checks)
    selections = {RECONCILE_NIGHT: dg.AssetSelection.assets(*sources) | concluding, CONCLUDE_NIGHT: concluding}
    jobs = {
        name: dg.define_asset_job(location_name(name), selection, executor_def=executor, description=DESCRIPTIONS[name])
        for name, selection in selections.items()
    }
    return dg.Definitions(
        assets=[*outside_assets(settings), *dg.with_source_code_references(assets)],
        asset_checks=checks,
        jobs=list(jobs.values()),
        schedules=[nightly(jobs[RECONCILE_NIGHT].name)],
        sensors=[failed_checks(checks), missing_nights()],
    )
