"""`billing-dq export`: a stored table of a night as CSV, JSON lines or Parquet."""

import sys
from contextlib import nullcontext
from pathlib import Path

import click

from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake, to_pandas
from billing_dq.tables import TABLES


@click.command(name="export")
@click.argument("asset", type=click.Choice(sorted(TABLES)), metavar="ASSET")
@click.option("--night", metavar="YYYY-MM-DD", help="The night; the newest stored one by default.")
@click.option("--format", "kind", type=click.Choice(["csv", "json", "parquet"]), default="csv", show_default=True)
@click.option("--to", "target", type=click.Path(dir_okay=False, path_type=Path), help="A file; standard output else.")
def command(asset: str, night: str | None, kind: str, target: Path | None) -> None:
    """Write a stored table as CSV, JSON lines or Parquet."""
    _, stored = Lake(load_settings().home).newest(TABLES[asset], night)
    if kind == "parquet":
        if target is None:
            raise click.ClickException("Parquet needs a file: add --to FILE")
        target.write_bytes(stored.path.read_bytes())
        return
    with target.open("w", encoding="utf-8") if target else nullcontext(sys.stdout) as out:
        for number, batch in enumerate(stored.batches()):
            frame = to_pandas(stored.table, batch)
            if kind == "csv":
                frame.to_csv(out, index=False, header=number == 0)
            else:
                frame.to_json(out, orient="records", lines=True, date_format="iso")
        if not stored.rows and kind == "csv":
            click.echo(",".join(stored.table.column_names), file=out)
