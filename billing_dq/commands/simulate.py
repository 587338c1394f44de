"""`billing-dq simulate`: load a simulated company into a MongoDB, with the truth about what is broken in it."""

import gzip
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from billing_dq.progress import BarProgress, LineProgress
from billing_dq.simulation.config import DEFAULT_AS_OF, WorldConfig, settings_toml
from billing_dq.simulation.faults.catalogue import parse_faults
from billing_dq.simulation.loader import load


@click.command()
@click.option("--to", "uri", required=True, metavar="URI", help="MongoDB to load into; it must be allowed to write.")
@click.option("--database", default="app", show_default=True, help="Database to load into.")
@click.option("--seed", default=1, show_default=True, help="Seed of everything random.")
@click.option("--organizations", default=1000, show_default=True, type=click.IntRange(0), help="Organizations.")
@click.option("--weeks", default=5, show_default=True, type=click.IntRange(1, 520), help="Weeks of usage.")
@click.option("--entries", default=5.0, show_default=True, help="Mean number of finished steps a week.")
@click.option("--as-of", default=None, metavar="INSTANT", help="Instant of the snapshot, ISO 8601, UTC by default.")
@click.option("--faults", default="none", show_default=True, help="`none`, `all`, `all=RATE`, or `KIND=RATE,...`.")
@click.option(
    "--trouble",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Trouble that is no fault: dunning and recovery, changes that no document shows, corrections by hand.",
)
@click.option("--labels", type=click.Path(dir_okay=False, path_type=Path), help="Write the labels here, as CSV.")
@click.option(
    "--stripe", type=click.Path(dir_okay=False, path_type=Path), help="Write the Stripe objects here (.json.gz)."
)
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="Write the billing_dq.toml here.")
@click.option("--replace", is_flag=True, help="Drop the application's collections first.")
def command(
    uri: str,
    database: str,
    seed: int,
    organizations: int,
    weeks: int,
    entries: float,
    as_of: str | None,
    faults: str,
    trouble: float,
    labels: Path | None,
    stripe: Path | None,
    config: Path | None,
    replace: bool,
) -> None:
    """Load a simulated company into a MongoDB.

    The same options give the same company, byte by byte. A database that already holds one is refused.
    """
    try:
        instant = _instant(as_of) if as_of else DEFAULT_AS_OF
        world = WorldConfig(seed, organizations, weeks, instant, entries, parse_faults(faults), trouble=trouble)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    terminal = sys.stderr.isatty()
    progress = BarProgress() if terminal else LineProgress(lambda line: click.echo(line, err=True))
    loaded = load(world, uri, database, progress=progress, replace=replace, stripe=stripe is not None)
    if labels:
        loaded.labels.to_csv(labels, index=False)
    if stripe:
        with gzip.open(stripe, "wt", encoding="utf-8") as file:
            json.dump(loaded.stripe, file)
    if config:
        config.write_text(settings_toml(world, database), encoding="utf-8")
    for name, count in loaded.counts.items():
        click.echo(f"{name}: {count:,}")
    click.echo(f"labels: {len(loaded.labels):,}")
    click.echo(f"reconcile it with: billing-dq nightly --as-of {world.as_of.isoformat()}")


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--as-of: {text!r} is not an instant such as 2026-11-21T03:10:00Z") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
