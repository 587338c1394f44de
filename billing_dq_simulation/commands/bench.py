"""`billing-dq bench`: one night on a large company, by stage, beside what it cannot be faster than."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from pymongo import MongoClient
from rich.console import Console
from rich.table import Table as RichTable

from billing_dq.sources.mongodb.facts import Snapshot
from billing_dq.sources.mongodb.snapshot import read_snapshot
from billing_dq.sources.progress import BarProgress, LineProgress
from billing_dq_simulation.commands.benchmark.floors import Floors, measure_floors
from billing_dq_simulation.commands.benchmark.from_bytes import read_files
from billing_dq_simulation.commands.benchmark.long_week import KEYS
from billing_dq_simulation.commands.benchmark.night import AS_OF, DATABASE, Reading, Stages, bench_settings, take_night
from billing_dq_simulation.embedded import embedded_mongodb

#: The sizes of the picture, up to the one that is asked for.
_SIZES = (2_000, 10_000, 20_000, 100_000)


@dataclass(frozen=True)
class Figures:
    """What a night of so many organizations cost; ``server_cpu`` is None where the server is not ours to measure.

    Without a server there are no floors either.
    """

    organizations: int
    stages: Stages
    floors: Floors | None
    server_cpu: float | None


@click.command(name="bench")
@click.option(
    "--orgs", "organizations", type=click.IntRange(1), default=20_000, show_default=True, help="How many there are."
)
@click.option("--weeks", type=click.IntRange(1, 52), default=4, show_default=True, help="How many weeks of usage.")
@click.option("--entries", type=click.IntRange(1), default=30, show_default=True, help="A week and organization.")
@click.option("--to", "uri", help="Another server than the embedded one; its database `bench` is made and dropped.")
@click.option("--from-bytes", is_flag=True, help="Read the documents from files, without a server.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the cost against the size here, at 2,000, 10,000, 20,000 and 100,000 organizations up to --orgs.",
)
def command(
    organizations: int, weeks: int, entries: int, uri: str | None, from_bytes: bool, as_json: bool, plot: Path | None
) -> None:
    """Measure a night on a large simulated company: seconds by stage beside their floors, CPU, memory."""
    if plot and plot.suffix not in (".png", ".svg"):
        raise click.UsageError("--plot draws PNG or SVG: let the name of the file end in .png or .svg")
    sizes = [*(size for size in _SIZES if plot and size < organizations), organizations]
    if from_bytes and (uri or plot):
        raise click.UsageError("--from-bytes takes no server and draws nothing: leave out --to and --plot")
    figures = [_figures(size, weeks, entries, uri, from_bytes) for size in sizes]
    if plot:
        _draw(figures, plot)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in figures] if plot else asdict(figures[-1]), indent=1))
    else:
        _show(figures[-1])


def _figures(organizations: int, weeks: int, entries: int, uri: str | None, from_bytes: bool) -> Figures:
    with tempfile.TemporaryDirectory(prefix="billing_dq_bench_") as directory:
        shape = (weeks, entries)
        if from_bytes:
            return _without_server(Path(directory), organizations, shape)
        if uri is not None:
            return _measured(uri, Path(directory), organizations, shape, None)
        with embedded_mongodb(Path(directory) / "mongodb") as server:
            return _measured(server.uri, Path(directory), organizations, shape, server.process.pid)


def _measured(uri: str, directory: Path, organizations: int, shape: tuple[int, int], server: int | None) -> Figures:
    _load(["--to", uri, "--database", DATABASE], organizations, shape)
    progress = BarProgress() if sys.stderr.isatty() else LineProgress(lambda line: click.echo(line, err=True))
    settings, night = bench_settings(uri, shape[0])
    read: list[Snapshot] = []

    def reading() -> Reading:
        read.append(read_snapshot(settings, night, directory, progress))
        return read[0].tables, read[0].facts.seconds

    try:
        before = _server_cpu(server)
        stages = take_night(reading, settings, night, directory)
        after = _server_cpu(server)
        click.echo("measuring the floors ...", err=True)
        floors = measure_floors(settings, night, read[0].tables, directory, organizations)
    finally:
        with MongoClient[dict[str, object]](uri) as client:
            client.drop_database(DATABASE)
    used = None if before is None or after is None else after - before
    return Figures(organizations, stages, floors, used)


def _without_server(directory: Path, organizations: int, shape: tuple[int, int]) -> Figures:
    documents = directory / "documents"
    _load(["--files", documents], organizations, shape)
    settings, night = bench_settings("mongodb://localhost", shape[0])
    stages = take_night(lambda: read_files(documents, settings, night, directory), settings, night, directory)
    return Figures(organizations, stages, None, None)


def _load(target: Sequence[object], organizations: int, shape: tuple[int, int]) -> None:
    """Make the company in a process of its own, so that its memory and CPU are not the night's."""
    weeks, entries = shape
    click.echo(f"making {organizations:,} organizations x {weeks} weeks x {entries} entries a week ...", err=True)
    numbers = ["--organizations", organizations, "--weeks", weeks, "--entries", entries, "--as-of", AS_OF.isoformat()]
    subprocess.run([sys.executable, "-m", "billing_dq_simulation.bulk", *map(str, [*target, *numbers])], check=True)


def _server_cpu(process: int | None) -> float | None:
    """Seconds of CPU of our own server so far; None where there is none, or the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _show(figures: Figures) -> None:
    stages, floors = figures.stages, figures.floors
    table = RichTable(title="one night", title_justify="left")
    table.add_column("stage")
    for name in ("seconds", "floor"):
        table.add_column(name, justify="right")
    table.add_column("the floor is")
    for name, seconds, floor, meaning in (
        ("waiting for the server", stages.server, floors and floors.drain, "draining it, not looking"),
        ("walk, sort, columns", stages.work, floors and floors.walk, "the walk alone"),
        ("write Parquet", stages.write, floors and floors.write, "writing alone"),
        ("match, causes (pure)", stages.match, None, ""),
        ("read back, merge, write", stages.merge, None, ""),
        ("total", stages.total, floors and floors.drain, ""),
        ("data checks (not in the total)", stages.checks, None, ""),
    ):
        table.add_row(name, f"{seconds:,.1f}", "" if floor is None else f"{floor:,.1f}", meaning if floors else "")
    console = Console()
    console.print(table)
    both = stages.entries + stages.keys
    server = "" if figures.server_cpu is None else f", the server's CPU {figures.server_cpu:,.1f} s"
    lines = [
        f"{figures.organizations:,} organizations, {stages.entries:,} entries, {stages.keys:,} keys: "
        f"{stages.entries / stages.total:,.0f} entries a second, "
        f"{both / stages.match:,.0f} keys and entries a second in the pure stage",
        f"client CPU {stages.cpu:,.1f} s{server}, peak memory {stages.peak_megabytes:,.0f} MB",
    ]
    if floors:
        lines += [
            f"the server sends {floors.megabytes:,.0f} MB; the night is {stages.total / floors.drain:.2f} times "
            "the time in which it is drained without looking",
            f"what else the night asks (a count, weeks that are none, names of fields): {floors.questions:.1f} s",
            f"the plain rule on a million org-weeks: {floors.plain_rule:.2f} s",
            f"one organization's week of {KEYS:,} keys, whatever its history: {floors.long_week:.2f} s at most",
            f"a loop of queries for each organization, on a sample: {floors.loop:,.0f} s for all, sums and keys only "
            f"({floors.loop / stages.total:.1f} times the night)",
        ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _draw(figures: list[Figures], path: Path) -> None:
    from billing_dq_simulation.commands.benchmark.plot import plot_costs  # Altair costs a second

    plot_costs(
        [one.organizations for one in figures],
        {
            "the night": [one.stages.total for one in figures],
            "client CPU": [one.stages.cpu for one in figures],
            "draining without looking": [one.floors.drain for one in figures if one.floors],
            "a loop of queries": [one.floors.loop for one in figures if one.floors],
        },
        [one.stages.peak_megabytes for one in figures],
        path,
    )
