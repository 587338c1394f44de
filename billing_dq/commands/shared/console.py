"""What the commands have in common: tables, plain lines and progress on a terminal, and instants among the options."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from billing_dq.report.visible import visible
from billing_dq.sources.progress import BarProgress, LineProgress, Progress
from billing_dq.weeks import parse_instant

Cell = str | int | float | bool | None


class Instant(click.ParamType):
    """An ISO 8601 instant as the value of an option; without a time zone it is UTC."""

    name = "instant"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The instant of a text.

        Raises:
            click.BadParameter: it is none.
        """
        if isinstance(value, datetime):
            return value
        try:
            return parse_instant(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def table_of(
    title: str | None,
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    right: Collection[str] = (),
    whole: Collection[str] = (),
) -> Table:
    """A table for a terminal.

    Ids are there to be copied: on a narrow terminal they are broken and never cut. Cells are printed as they are,
    control characters apart; rich would read square brackets in an explanation as its own markup.

    Args:
        title: what stands above it, None for nothing.
        columns: the headings.
        rows: a cell for each column; see `text_of`.
        right: the columns that are aligned to the right.
        whole: the columns that keep their width however narrow the terminal is.
    """
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold", no_wrap=name in whole)
    for row in rows:
        table.add_row(*(Text(text_of(cell)) for cell in row))
    return table


def text_of(cell: Cell) -> str:
    """A cell as text: thousands apart, nothing for None, and no sign that a terminal obeys."""
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return f"{cell:,.10g}"
    return "" if cell is None else visible(str(cell))


def print_rows(console: Console, title: str | None, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print rows as a table on a terminal, numbers to the right; elsewhere as plain lines."""
    if console.is_terminal:
        numeric = [name for name, cells in zip(columns, zip(*rows, strict=True), strict=True) if _are_numbers(cells)]
        console.print(table_of(title, columns, rows, right=numeric))
        return
    for row in rows:
        print_line(console, "  " + "  ".join(text_of(cell) for cell in row))


def _are_numbers(cells: Iterable[Cell]) -> bool:
    return all(isinstance(cell, int | float) for cell in cells)


def print_line(console: Console, text: str, style: str | None = None) -> None:
    """Print plain text as it is: without markup, colours and control characters, and not wrapped."""
    console.print(visible(text), markup=False, highlight=False, soft_wrap=True, style=style)


def say(text: str, err: bool = False) -> None:
    """Print a line that holds text from data."""
    click.echo(visible(text), err=err)


def clipped(text: str, width: int) -> str:
    """A line that is no longer than the terminal is wide; what is cut ends with a word, so that no id is broken."""
    line = visible(" ".join(text.split()))
    indent = " " * (len(text) - len(text.lstrip()))
    if len(indent + line) <= width:
        return indent + line
    return indent + line[: max(0, line.rfind(" ", 0, width - len(indent) - 3))] + " ..."


def progress_here() -> Progress:
    """Bars where standard error is a terminal, lines elsewhere."""
    if Console(stderr=True).is_terminal:
        return BarProgress()
    return LineProgress(lambda line: click.echo(line, err=True))
