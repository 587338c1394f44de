"""`billing-dq schema`: what the documents of a stored night look like, and what of it changed."""

import json
from datetime import date

import click
from rich.console import Console

from billing_dq.commands.shared.console import print_line, table_of
from billing_dq.errors import SourceError
from billing_dq.quality.shape import changes
from billing_dq.report.data_page import shape_rows
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.quality_history import nights_before
from billing_dq.tables import DOCUMENT_SHAPES


@click.command(name="schema")
@click.option("--night", metavar="YYYY-MM-DD", help="A stored night, by its date. Without it: the newest one.")
@click.option("--collection", help="Only this collection, by its name in docs/domain.md.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(night: str | None, collection: str | None, as_json: bool) -> None:
    """Print the fields of the application's documents as a night read them: types, words, and how often each is there.

    Of fields that are not in the contract, name and type are printed (looked for in whole balance and usage documents,
    and in the 1,000 newest of each other collection), and never a value. What changed since the nights before follows.
    """
    lake = Lake(load_settings().home)
    night, stored = lake.choose(DOCUMENT_SHAPES, night)
    shapes = stored.frame()
    changed = changes(shapes, nights_before(lake, DOCUMENT_SHAPES, night), date.fromisoformat(night))
    if collection is not None:
        if collection not in set(shapes["collection"]):
            names = ", ".join(shapes["collection"].unique())
            raise SourceError(f"the night of {night} has no collection {collection}; it has {names}")
        shapes = shapes[shapes["collection"] == collection]
        changed = [change for change in changed if change.collection == collection]
    rows = shape_rows(shapes)
    if as_json:
        changes_of_night = [change._asdict() for change in changed]
        click.echo(json.dumps({"night": night, "shapes": rows, "changes": changes_of_night}, indent=1))
        return
    console = Console()
    for name in shapes["collection"].unique():
        columns = ("field", "", "observed", "share %", "of", "")
        cells = [
            (
                row["field"],
                row["part"],
                row["observed"],
                round(float(row["share"] or 0), 1),
                row["population"],
                "" if row["declared"] else f"not in the contract, for example {row['example_id']}",
            )
            for row in rows
            if row["collection"] == name
        ]
        if console.is_terminal:
            console.print(table_of(f"{name}, night of {night}", columns, cells, right=["share %", "of"]))
        else:
            for row in cells:
                print_line(console, "  ".join([str(name), *(str(cell) for cell in row if cell != "")]))
    for change in changed:
        example = "" if change.example_id is None else f", for example {change.example_id}"
        print_line(console, f"{change.sentence}{example}")
