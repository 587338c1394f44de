"""What assets are given: the settings, the stored nights, how progress is told, the night's instant and its lock.

Settings hold secrets, so they are passed as a plain object and never as resource config, which the UI would show.
Where an asset's table goes does not belong here: `io_manager` says it.
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
    """Where long reads tell how far they are: the given progress, else the run's own log."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def of(self, context: dg.OpExecutionContext | dg.AssetExecutionContext) -> Progress:
        """The progress of a step."""
        return self._progress or LineProgress(context.log.info)


def night_lock(locks: NightLocks) -> dg.ResourceDefinition:
    """The lock of a run's night: held from the run's start to its end by what asks for this resource, as the sources
    and the last asset of every job of a night do. A run of several nights holds none: it can read no night anyway.
    """

    @dg.resource
    def locked(context: dg.InitResourceContext) -> Iterator[None]:
        night = context.run.tags.get("dagster/partition") if context.run else None
        if night is None:
            yield
            return
        with locks.hold(night):
            yield

    return locked


def resources_of(settings: Settings, progress: Progress | None, locks: NightLocks) -> dict[str, object]:
    """The resources of every asset and sensor, by name; the IO manager is added by the definitions."""
    return {
        "settings": settings,
        "lake": Lake(settings.home),
        "progress": ProgressTo(progress),
        "night": NightConfig(),
        "night_lock": night_lock(locks)
        if settings.execution.engine == "in_process"
        else dg.ResourceDefinition.none_resource(),  # the executor holds it: the steps are several processes
    }
