"""What every command prints and is given."""

import io
from datetime import UTC, datetime

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from billing_dq.commands.shared.console import Instant, table_of, text_of


def printed(width: int, *arguments: object, **named: object) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table_of(*arguments, **named))  # type: ignore[arg-type]
    return console.export_text()


def test_square_brackets_are_printed_and_never_read_as_markup() -> None:
    assert "left [/red] it" in printed(80, None, ("why",), [("left [/red] it",)])


def test_an_id_is_broken_on_a_narrow_terminal_and_never_cut() -> None:
    text = printed(20, None, ("id",), [("0123456789" * 3,)])
    assert "…" not in text
    assert sum(text.count(digit) for digit in "0123456789") == 30


@pytest.mark.parametrize(
    ("cell", "text"), [(1234567.0, "1,234,567"), (2.5, "2.5"), (None, ""), (True, "True"), ("a", "a")]
)
def test_numbers_have_their_thousands_apart_and_nothing_is_nothing(cell: str | float | None, text: str) -> None:
    assert text_of(cell) == text


@click.command()
@click.option("--as-of", type=Instant())
def asked(as_of: datetime | None) -> None:
    click.echo(repr(as_of))


def test_an_instant_without_a_time_zone_is_utc_and_another_zone_is_turned_into_it() -> None:
    expected = repr(datetime(2026, 11, 21, 3, 10, tzinfo=UTC))
    for text in ("2026-11-21T03:10:00", "2026-11-21T03:10:00Z", "2026-11-21T04:10:00+01:00"):
        assert CliRunner().invoke(asked, ["--as-of", text]).output.strip() == expected


def test_what_is_no_instant_is_refused_with_the_option_and_an_example() -> None:
    result = CliRunner().invoke(asked, ["--as-of", "yesterday"])
    assert result.exit_code == 2
    assert "--as-of" in result.output
    assert "2026-11-21T03:10:00Z" in result.output
