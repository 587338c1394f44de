"""What every asset may ask for: the settings, the stored nights, progress, the night's instant and its lock.

Settings hold secrets, so they are a plain object and never resource config, which the UI would show.
Not here: where an asset's table goes (`io_manager`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from billing_dq.settings import Settings
from billing_dq.sources.progress import LineProgress, Progress
from billing_dq.storage.lake import Lake
from billing_dq.storage.night_locks import NightLocks
from billing_dq.weeks import parse_instant


class NightConfig(dg.ConfigurableResource):
    """When the snapshot is taken, and whether a stored night may be replaced; part of the run's config."""

    as_of: str = ""
    """An ISO 8601 instant, UTC where it has no time zone, for simulated and restored databases; empty: now."""
    again: bool = False
    """Replace what the night has read before, knowingly."""

    def instant(self) -> datetime:
        """The instant of the snapshot, in UTC and whole milliseconds (what MongoDB and Parquet keep).

        Raises:
            dg.Failure: the text is no instant.
        """
        try:
            instant = parse_instant(self.as_of) if self.as_of else datetime.now(UTC)
        except ValueError as error:
            raise dg.Failure(f"as_of: {error}", allow_retries=False) from None
        return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


class ProgressTo:
    """Where long reads report how far they are: to ``progress``, else to the run's own log."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def of(self, context: dg.OpExecutionContext | dg.AssetExecutionContext) -> Progress:
        """The progress of a step."""
        return self._progress or LineProgress(context.log.info)


def resources_of(settings: Settings, progress: Progress | None, locks: NightLocks) -> dict[str, object]:
    """The resources of every asset and sensor, by names that no other project has; IO managers are not among them."""
    in_process = settings.execution.engine == "in_process"
    return {
        "billing_dq_settings": settings,
        "billing_dq_lake": Lake(settings.home),
        "billing_dq_progress": ProgressTo(progress),
        "billing_dq_night": NightConfig(),
        # where the steps are several processes the executor holds the lock
        "billing_dq_night_lock": _night_lock(locks) if in_process else dg.ResourceDefinition.none_resource(),
    }


def _night_lock(locks: NightLocks) -> dg.ResourceDefinition:
    """The lock of a run's night, held from the run's start to its end by what asks for this resource: the sources, and
    the last asset of every job of a night. A run of several nights holds none: it can read no night anyway.
    """

    @dg.resource
    def lock(context: dg.InitResourceContext) -> Iterator[None]:
        night = context.run.tags.get("dagster/partition") if context.run else None
        if night is None:
            yield
            return
        with locks.hold(night):
            yield

    return lock
