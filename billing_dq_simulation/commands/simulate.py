"""`billing-dq simulate`: load a simulated company into a MongoDB, with the truth about what is broken in it."""

import gzip
import json
from datetime import datetime
from pathlib import Path

import click

from billing_dq.commands.shared.console import Instant, progress_here
from billing_dq_simulation.config import DEFAULT_AS_OF, WorldConfig, settings_toml
from billing_dq_simulation.faults.catalogue import parse_faults
from billing_dq_simulation.loader import load


@click.command()
@click.option(
    "--to", "uri", required=True, metavar="URI", help="Address of the MongoDB to load into, with a user who may write."
)
@click.option("--database", default="app", show_default=True, help="Name of the database to load into.")
@click.option(
    "--seed", default=1, show_default=True, help="Seed of the simulation: the same options make the same company."
)
@click.option(
    "--organizations",
    default=1000,
    show_default=True,
    type=click.IntRange(0),
    help="How many organizations the company has.",
)
@click.option(
    "--weeks",
    default=5,
    show_default=True,
    type=click.IntRange(1, 520),
    help="How many weeks of usage it has, the current one included.",
)
@click.option(
    "--entries",
    default=5.0,
    show_default=True,
    help="Mean number of metered steps, and so of debits, that an organization finishes a week.",
)
@click.option("--as-of", type=Instant(), metavar="INSTANT", help="Instant of the snapshot, ISO 8601, UTC by default.")
@click.option(
    "--faults",
    default="none",
    show_default=True,
    help="Faults to plant: `none`, `all`, `all=RATE` or `KIND=RATE,...`, a rate being the share of organizations.",
)
@click.option(
    "--trouble",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="How much happens that is no fault and looks like one, from 0 to 1: dunning and recovery, changes that no "
    "document shows, corrections by hand.",
)
@click.option(
    "--labels", type=click.Path(dir_okay=False, path_type=Path), help="Write the planted faults to this file, as CSV."
)
@click.option(
    "--stripe",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the company's Stripe objects to this file, as gzipped JSON.",
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the settings that fit this company to this file, as TOML.",
)
@click.option("--replace", is_flag=True, help="Drop the application's collections in that database first.")
def command(
    uri: str,
    database: str,
    seed: int,
    organizations: int,
    weeks: int,
    entries: float,
    as_of: datetime | None,
    faults: str,
    trouble: float,
    labels: Path | None,
    stripe: Path | None,
    config: Path | None,
    replace: bool,
) -> None:
    """Load a simulated company, with faults that you choose, into a MongoDB of yours.

    The same options give the same company, byte by byte. A database that already holds a company is refused, unless
    --replace is given.
    """
    try:
        rates = parse_faults(faults)
        world = WorldConfig(seed, organizations, weeks, as_of or DEFAULT_AS_OF, entries, rates, trouble=trouble)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    loaded = load(world, uri, database, progress=progress_here(), replace=replace, stripe=stripe is not None)
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
