"""`billing-dq sql`: a query of the stored nights, read only."""

import csv
import json
import sys

import click
from rich.console import Console

from billing_dq.catalog.views import nights_database, select
from billing_dq.commands.shared.console import print_line, table_of
from billing_dq.report.figures import Plain, plain
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake
from billing_dq.tables import TABLES

#: Rows that are printed as a table.
_PRINTED = 100


@click.command(name="sql")
@click.argument("query", required=False)
@click.option("--csv", "as_csv", is_flag=True, help="Print all rows as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print all rows as one JSON list.")
def command(query: str | None, as_csv: bool, as_json: bool) -> None:
    """Query all stored nights with QUERY, one SELECT of DuckDB; without it, list the views.

    Each table of docs/tables.md is a view of its name, with the column night: a date. The view nights has the instants
    of the snapshots. A query can read the stored nights and nothing else; docs/nights.md answers ten questions.
    """
    console = Console()
    if query is None:
        console.print(table_of(None, ("view", "a row is"), [(name, table.one_row) for name, table in TABLES.items()]))
        return
    with nights_database(Lake(load_settings().home)) as database:
        relation = select(database, query)
        names, rows = relation.columns, [[plain(value) for value in row] for row in relation.fetchall()]
    if as_json:
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=1))
    elif as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([names, *rows])
    else:
        _print(console, names, rows)


def _print(console: Console, names: list[str], rows: list[list[Plain]]) -> None:
    printed = rows[:_PRINTED]
    numeric = [
        name
        for place, name in enumerate(names)
        if printed and all(isinstance(row[place], int | float) for row in printed)
    ]
    console.print(table_of(None, names, printed, right=numeric))
    if len(rows) > _PRINTED:
        print_line(console, f"... and {len(rows) - _PRINTED:,} more rows; --csv prints all")
