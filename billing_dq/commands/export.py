"""`billing-dq export`: a stored table as CSV, JSON lines or Parquet; what is open, as CSV for a workbook."""

import sys
from contextlib import nullcontext
from pathlib import Path

import click

from billing_dq.report.workbook import as_csv, open_findings
from billing_dq.settings import load_settings
from billing_dq.storage.arrow import to_pandas
from billing_dq.storage.lake import Lake
from billing_dq.tables import TABLES

#: What is open, for a workbook: no table of its own.
_OPEN = "open_findings"


@click.command(name="export")
@click.argument("asset", type=click.Choice([*sorted(TABLES), _OPEN]), metavar="TABLE")
@click.option("--night", metavar="YYYY-MM-DD", help="A stored night, by its date. Without it: the newest one.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "json", "parquet"]),
    default="csv",
    show_default=True,
    help="Format of the output; json is one object a line.",
)
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of standard output; parquet needs it.",
)
def command(asset: str, night: str | None, kind: str, target: Path | None) -> None:
    """Write one table of a stored night as CSV, JSON lines or Parquet.

    TABLE is its name, such as findings or meter_extras_deltas; a wrong name prints all of them. open_findings is a CSV
    for a workbook: everything open, worst first, in dollars, and no text of it can become a formula.
    """
    lake = Lake(load_settings().home)
    if asset == _OPEN:
        _export_open(lake, night, kind, target)
        return
    _, stored = lake.choose(TABLES[asset], night)
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


def _export_open(lake: Lake, night: str | None, kind: str, target: Path | None) -> None:
    if kind != "csv":
        raise click.ClickException(f"{_OPEN} is written as CSV; the table findings has the other formats")
    content = as_csv(open_findings(lake, night))
    if target is None:
        click.echo(content, nl=False)
    else:
        target.write_bytes(content.encode("utf-8"))
