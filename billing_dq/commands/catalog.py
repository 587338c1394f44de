"""`billing-dq catalog`: one DuckDB file of views over the stored nights, for notebooks and BI tools."""

from pathlib import Path

import click

from billing_dq.catalog.views import write_catalog
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.places import state_directory


@click.command(name="catalog")
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of nights.duckdb beside the results.",
)
def command(target: Path | None) -> None:
    """Write a DuckDB file with a view of each table over all stored nights, for notebooks and BI tools.

    It holds no data: its views read the stored files where they are, have the column night, and see each later night.
    Write it again after an update of billing-dq, or where a table is stored for the first time.
    """
    settings = load_settings()
    target = target or state_directory(settings.state_directory, "the catalog") / "nights.duckdb"
    write_catalog(Lake(settings.home), target)
    click.echo(f"{target}: open it read only, such as: duckdb -readonly {target} 'SELECT * FROM nights'")
