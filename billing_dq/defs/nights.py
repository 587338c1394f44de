"""The nights, when they are read, and by when they are expected.

A night is the UTC date on which its snapshot is taken; today's partition exists from 00:00 on.
Not here: what a night reads or concludes.
"""

import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta

import dagster as dg

from billing_dq.defs.asset_names import MANIFEST, location_name, op_name
from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq.storage.earlier_nights import require_nights_before, require_sound_nights_before
from billing_dq.storage.lake import Lake
from billing_dq.storage.places import why_not_usable
from billing_dq.storage.records import SnapshotFactsRecord

#: The pool of runs that conclude a night. Of these there is one at a time where the pool has the limit 1 and is held by
#: runs, as in `runner.DAGSTER_YAML` and in `deploy/dagster.yaml`.
POOL = "billing_dq_nights"
#: The tag of a run that read nothing, with the reason.
REFUSED_TAG = "billing_dq/refused"

#: What reads history hangs on the same asset of the night before: Dagster backfills nights in their order.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)  # the first night has none before it, and may say so in beta only
    NIGHT_BEFORE = dg.TimeWindowPartitionMapping(-1, -1, allow_nonexistent_upstream_partitions=True)


def nights_of(settings: Settings, night: str | None = None) -> dg.DailyPartitionsDefinition:
    """One partition for each night that was read, and for tonight; days without a night have none.

    A past night cannot be read any more, so that its partition could never be filled. Nights are days, and not dynamic
    partitions: so "the night before" is a partition mapping, and a night has a date in the UI.

    Args:
        settings: every knob; no night before `first_night` is a partition.
        night: one more, that is about to be read.
    """
    today = datetime.now(UTC).date()
    days_read = {*_read_nights(settings), *([date.fromisoformat(night)] if night else [])}
    nights = {day for day in days_read if day >= settings.first_night} | {today}
    first = max(min(nights), settings.first_night)
    days = (first + timedelta(days=number) for number in range((today - first).days))
    return dg.DailyPartitionsDefinition(
        first.isoformat(),
        timezone="UTC",
        end_offset=1,
        exclusions=[datetime.combine(day, time(), UTC) for day in days if day not in nights],
    )


def refuse(context: dg.OpExecutionContext | dg.AssetExecutionContext, reason: str) -> None:
    """Tell why a source reads nothing, in a tag of the run that every list of runs shows.

    The step then gives nothing, so that all that follows is skipped: what the night has stays, and nothing is red.
    """
    context.log.warning(reason)
    context.instance.add_run_tags(context.run.run_id, {REFUSED_TAG: reason})


def after_the_nights_before(lake: Lake, night: str, concluding: bool = True) -> None:
    """Go on only where the nights before one are sound and, where it is ``concluding``, concluded.

    Raises:
        dg.Failure: one is not.
    """
    try:
        (require_nights_before if concluding else require_sound_nights_before)(lake, night)
    except SourceError as error:
        raise dg.Failure(str(error), allow_retries=False) from None


def ends_with_the_manifest(run: dg.DagsterRun) -> bool:
    """Whether a run writes the manifest of its night, as all of a job does; a selection of assets may not."""
    assets, steps = run.asset_selection, run.step_keys_to_execute
    has_manifest = assets is None or any(key.path[-1] == MANIFEST for key in assets)
    return has_manifest and (steps is None or op_name(MANIFEST) in steps)


def nightly(job_name: str) -> dg.ScheduleDefinition:
    """Every night at 02:15 UTC. The partition is the date on which the run is, not the day before."""

    @dg.schedule(name=location_name("nightly"), cron_schedule="15 2 * * *", execution_timezone="UTC", job_name=job_name)
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """One run a night, whatever happened to the one before."""
        night = context.scheduled_execution_time.date().isoformat()
        return dg.RunRequest(run_key=night, partition_key=night)

    return schedule


def read_by_morning(
    assets: Sequence[dg.AssetsDefinition], of_every_night: Collection[str]
) -> list[dg.AssetsDefinition]:
    """The assets with a freshness policy: each is expected between midnight and 06:00 UTC, every day.

    What a night may lack, as it does without Stripe, is left out: a check of its own says so. ``of_every_night`` are
    names that a run skips only where it refuses the night.
    """
    policy = dg.FreshnessPolicy.cron("0 6 * * *", timedelta(hours=6), timezone="UTC")

    def expected(spec: dg.AssetSpec) -> dg.AssetSpec:
        may_lack = spec.skippable and spec.key.path[-1] not in of_every_night
        return spec if may_lack else dg.apply_freshness_policy(spec, policy)

    return [asset.map_asset_specs(expected) for asset in assets]


def _read_nights(settings: Settings) -> Iterator[date]:
    """The nights whose reading is stored; none where the home cannot be listed: the definitions load all the same."""
    directory = SnapshotFactsRecord.path(settings.home, "any").parent
    try:
        names = [path.stem for path in directory.iterdir()] if directory.exists() else []
    except Exception as error:  # a store has its own errors
        if why_not_usable(error) is None:
            raise
        return
    for name in names:
        with suppress(ValueError):  # a copy, or a file that is being put there
            yield date.fromisoformat(name)
