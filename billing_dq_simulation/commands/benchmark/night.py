"""One night on a company that is in a MongoDB, without Dagster: what each stage costs."""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from upath import UPath

from billing_dq.reconcile.meter.context import MeterContext
from billing_dq.reconcile.meter.meter_extras import reconcile_meter
from billing_dq.settings import Settings
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.batches import organization_batches
from billing_dq.storage.stored_table import StoredTable, TableWriter
from billing_dq.tables import METER_EXTRAS_DELTAS
from billing_dq.weeks import NightWeeks
from billing_dq_simulation.commands.benchmark.checks import seconds_of_checks

DATABASE = "bench"
AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Stages:
    """Seconds by stage of a night, its keys and entries, and what this process used.

    Attributes:
        server: waiting for the server, while nothing else was left to do.
        work: walking over the bytes, sorting, columns.
        write: Parquet.
        match: keys and debits, causes (pure).
        merge: reading back, merging, writing the deltas.
        checks: the data checks of the night's tables; they are not in the total.
        cpu: seconds of CPU of this process before the checks, the loading of compiled code among them.
        peak_megabytes: the most memory that this process held.
    """

    entries: int
    keys: int
    server: float
    work: float
    write: float
    match: float
    merge: float
    total: float
    checks: float
    cpu: float
    peak_megabytes: float


def bench_settings(uri: str, weeks: int) -> tuple[Settings, NightWeeks]:
    """The settings and weeks of the measured night."""
    settings = Settings(mongodb_uri=SecretStr(uri), mongodb_database=DATABASE, weeks_back=weeks - 1)
    return settings, NightWeeks(AS_OF, settings.weeks_back, settings.settling_hours)


#: The stored tables by name, and seconds by stage.
Reading = tuple[dict[str, StoredTable], dict[str, float]]


def take_night(read: Callable[[], Reading], settings: Settings, night: NightWeeks, directory: Path) -> Stages:
    """Read the tables of a night into a directory, and reconcile the meter.

    Raises:
        SourceError: MongoDB cannot be read.
    """
    cpu, started = cpu_seconds(), time.perf_counter()
    tables, seconds = read()
    read_at = time.perf_counter()
    context = MeterContext(
        night=night,
        tolerance=settings.meter_tolerance,
        quota_of_plan=settings.quota_of_plan,
        subscriptions=tables["subscriptions"].frame(),
        balances=tables["extras_balances"].frame(),
        unreadable=tables["unreadable_keys"].frame(),
        earlier_quotas=tables["weekly_usage"].frame(["organization_id", "week_key", "meter_quota"]).iloc[:0],
    )
    entries = keys = 0
    matching = 0.0
    with TableWriter(METER_EXTRAS_DELTAS, UPath(directory / "deltas.parquet")) as out:
        for batch in organization_batches(tables["weekly_usage"], tables["ledger_entries"]):
            before = time.perf_counter()
            result = reconcile_meter(batch.usage, batch.keys, batch.entries, context)
            matching += time.perf_counter() - before
            entries, keys = entries + len(batch.entries), keys + len(batch.keys)
            out.write(to_arrow(METER_EXTRAS_DELTAS, result.deltas))
    ended, used = time.perf_counter(), cpu_seconds() - cpu
    peak = _peak_megabytes()
    return Stages(
        entries=entries,
        keys=keys,
        server=seconds["server"],
        work=read_at - started - seconds["server"] - seconds["write"],
        write=seconds["write"],
        match=matching,
        merge=ended - read_at - matching,
        total=ended - started,
        checks=seconds_of_checks(tables, tuple(sorted(settings.plans)), night.as_of, directory / "checked"),
        cpu=used,
        peak_megabytes=peak,
    )


def cpu_seconds() -> float:
    """Seconds of CPU of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
