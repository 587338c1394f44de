"""`billing-dq bench`: one night on a large company, by stage, beside a loop of queries per organization."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
from bson import ObjectId
from pymongo import MongoClient
from rich.console import Console
from rich.table import Table as RichTable
from upath import UPath

from billing_dq.embedded import embedded_mongodb
from billing_dq.progress import BarProgress, LineProgress
from billing_dq.reconcile.meter.meter_extras import MeterContext, divergences, expected_units, reconcile_meter
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.snapshot import read_snapshot
from billing_dq.storage.arrow import explode_keys, to_arrow, to_pandas
from billing_dq.storage.stored_table import TableWriter, merge_by_organization
from billing_dq.tables import LEDGER_ENTRIES, METER_EXTRAS_DELTAS, WEEKLY_USAGE
from billing_dq.units import Tolerance
from billing_dq.weeks import NightWeeks

DATABASE = "bench"
AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
_LOOPED = 300


@dataclass(frozen=True)
class Figures:
    """What a night cost: seconds by stage, entries, client CPU, peak memory of the client in MB."""

    organizations: int
    entries: int
    keys: int
    server: float
    decode: float
    write: float
    match: float
    match_write: float
    total: float
    client_cpu: float
    peak_megabytes: float
    rules_on_a_million_weeks: float
    loop_seconds_per_organization: float


@click.command(name="bench")
@click.option("--organizations", type=click.IntRange(1), default=20_000, show_default=True, help="How many there are.")
@click.option("--weeks", type=click.IntRange(1, 52), default=4, show_default=True, help="How many weeks of usage.")
@click.option("--entries", type=click.IntRange(1), default=30, show_default=True, help="A week and organization.")
@click.option("--to", "uri", help="Another server than the embedded one; its database `bench` is made and dropped.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(organizations: int, weeks: int, entries: int, uri: str | None, as_json: bool) -> None:
    """Measure a night on a large simulated company: seconds by stage, CPU, memory, entries a second."""
    with tempfile.TemporaryDirectory(prefix="billing_dq_bench_") as directory:
        if uri is not None:
            figures = _measure(uri, Path(directory), organizations, weeks, entries)
        else:
            with embedded_mongodb(Path(directory) / "mongodb") as server:
                figures = _measure(server.uri, Path(directory), organizations, weeks, entries)
    if as_json:
        click.echo(json.dumps(asdict(figures), indent=1))
    else:
        _show(figures)


def _measure(uri: str, directory: Path, organizations: int, weeks: int, entries: int) -> Figures:
    click.echo(f"loading {organizations:,} organizations x {weeks} weeks x {entries} entries a week ...", err=True)
    loader = [sys.executable, "-m", "billing_dq.simulation.bulk", "--to", uri, "--database", DATABASE]
    numbers = ["--organizations", organizations, "--weeks", weeks, "--entries", entries, "--as-of", AS_OF.isoformat()]
    subprocess.run([*loader, *map(str, numbers)], check=True)
    try:
        return _night(uri, directory, organizations, weeks)
    finally:
        with MongoClient[dict[str, Any]](uri) as client:
            client.drop_database(DATABASE)


def _night(uri: str, directory: Path, organizations: int, weeks: int) -> Figures:
    settings = Settings.model_validate({"mongodb_uri": uri, "mongodb_database": DATABASE, "weeks_back": weeks - 1})
    night = NightWeeks(AS_OF, settings.weeks_back, settings.settling_hours)
    progress = BarProgress() if sys.stderr.isatty() else LineProgress(lambda line: click.echo(line, err=True))
    cpu, started = _cpu(), time.perf_counter()
    snapshot = read_snapshot(settings, night, directory, progress)
    tables = snapshot.tables
    context = MeterContext(
        night=night,
        tolerance=settings.meter_tolerance,
        quota_of_plan=settings.quota_of_plan,
        subscriptions=tables["subscriptions"].frame(),
        balances=tables["extras_balances"].frame(),
        unreadable=tables["unreadable_keys"].frame(),
        earlier_quotas=tables["weekly_usage"].frame(["organization_id", "week_key", "meter_quota"]).iloc[:0],
    )
    matched = keys_seen = 0
    match_started = time.perf_counter()
    in_rules = 0.0
    with TableWriter(METER_EXTRAS_DELTAS, UPath(directory / "deltas.parquet")) as out:
        for usage, ledger in merge_by_organization(tables["weekly_usage"], tables["ledger_entries"]):
            frame, keys = to_pandas(WEEKLY_USAGE, usage.drop_columns(["attribution_keys"])), explode_keys(usage)
            entries = to_pandas(LEDGER_ENTRIES, ledger)
            before = time.perf_counter()
            result = reconcile_meter(frame, keys, entries, context)
            in_rules += time.perf_counter() - before
            matched, keys_seen = matched + len(entries), keys_seen + len(keys)
            out.write(to_arrow(METER_EXTRAS_DELTAS, result.deltas))
    ended = time.perf_counter()
    seconds = snapshot.facts.seconds
    return Figures(
        organizations=organizations,
        entries=matched,
        keys=keys_seen,
        server=seconds["server"],
        decode=seconds["decode"],
        write=seconds["write"],
        match=in_rules,
        match_write=ended - match_started - in_rules,
        total=ended - started,
        client_cpu=_cpu() - cpu,
        peak_megabytes=_peak_megabytes(),
        rules_on_a_million_weeks=_plain_rule(1_000_000),
        loop_seconds_per_organization=_loop(uri, night, min(_LOOPED, organizations)),
    )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _plain_rule(weeks: int) -> float:
    """Seconds of the plain rule on so many org-weeks."""
    random = np.random.default_rng(1)
    used, actual = (random.integers(0, 10_000, weeks).astype(np.float64) for _ in range(2))
    quota = random.choice(np.array([0.0, 5000.0]), weeks)
    started = time.perf_counter()
    divergences(expected_units(used, quota), actual, Tolerance())
    return time.perf_counter() - started


def _loop(uri: str, night: NightWeeks, organizations: int) -> float:
    """Seconds for an organization the way it is usually done: a few queries each, and a loop over the entries."""
    started = time.perf_counter()
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        database = client[DATABASE]
        for index in range(organizations):
            organization = ObjectId(f"{index:024x}")
            balance = database.billingextrabalances.find_one({"organization": organization}) or {"ledger": []}
            for week in night.weeks:
                usage = database.billingusages.find_one({"organizationId": organization, "weekKey": week.key})
                debits = [e for e in balance["ledger"] if e["kind"] == "debit" and week.start <= e["at"] < week.end]
                actual = -sum(entry["amount"] for entry in debits)
                missing = set(usage["consumedAttributionKeys"] if usage else ()) - {e["refId"] for e in debits}
                assert not missing and usage is not None and actual == usage["meterUsed"]
    return (time.perf_counter() - started) / organizations


def _show(figures: Figures) -> None:
    table = RichTable(title="one night", title_justify="left")
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    for name, seconds in (
        ("waiting for the server", figures.server),
        ("transfer and decode", figures.decode),
        ("write Parquet", figures.write),
        ("match keys and debits, causes (pure)", figures.match),
        ("read back, merge, write the deltas", figures.match_write),
        ("total", figures.total),
    ):
        table.add_row(name, f"{seconds:,.1f}")
    looped = figures.loop_seconds_per_organization * figures.organizations
    console = Console()
    console.print(table)
    pure = (figures.entries + figures.keys) / figures.match
    for line in (
        f"{figures.organizations:,} organizations, {figures.entries:,} entries, {figures.keys:,} keys: "
        f"{figures.entries / figures.total:,.0f} entries a second, "
        f"{pure:,.0f} keys and entries a second in the pure stage",
        f"client CPU {figures.client_cpu:,.1f} s, peak memory {figures.peak_megabytes:,.0f} MB",
        f"the plain rule on a million org-weeks: {figures.rules_on_a_million_weeks:.2f} s",
        f"a loop of queries for each organization, on a sample: {looped:,.0f} s for all, sums and keys only "
        f"({looped / figures.total:.1f} times the night)",
    ):
        console.print(line, highlight=False, soft_wrap=True)
