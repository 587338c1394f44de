"""Text from data on a terminal and in a ticket: what would be obeyed is seen instead."""

import io

import pytest
from click.testing import CliRunner
from rich.console import Console

from billing_dq.commands.shared.console import print_line, say, table_of
from billing_dq.report.markdown import escaped
from billing_dq.report.visible import visible
from billing_dq.report.words import command

CLEAR_SCREEN, TITLE, TURNED = "\x1b[2J\x1b[1;1H", "\x1b]0;owned\x07", "du_1\u202egnp.exe"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (CLEAR_SCREEN, "\\x1b[2J\\x1b[1;1H"),
        (TITLE, "\\x1b]0;owned\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\nc\td", "a\\rb\\nc\\td"),
        (TURNED, "du_1\\u202egnp.exe"),
        ("two\u200bwords", "two\\u200bwords"),
        ("half \udc80", "half \\udc80"),
        ("Zürich 東京 [bold] 😀", "Zürich 東京 [bold] 😀"),
    ],
)
def test_signs_that_a_terminal_obeys_are_seen_as_their_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_tables_and_lines_on_a_terminal_hold_no_escape_from_data() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, no_color=True, width=200, legacy_windows=False)
    console.print(table_of(None, ("id", "why"), [(CLEAR_SCREEN, f"{TITLE} [red]x[/red]")]))
    print_line(console, f"{CLEAR_SCREEN}{TITLE} fake\nred line")
    assert "\x1b[2J" not in out.getvalue()
    assert "\x1b]0" not in out.getvalue()
    assert "[red]x[/red]" in out.getvalue()
    assert "fake\\nred line" in out.getvalue()


def test_a_said_line_is_one_line_without_escapes(capfd: pytest.CaptureFixture[str]) -> None:
    say(f"{TITLE}one\ntwo")
    assert capfd.readouterr().out == "\\x1b]0;owned\\x07one\\ntwo\n"


def test_an_error_on_a_hostile_argument_is_one_line_without_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    from billing_dq import cli

    monkeypatch.setattr("sys.argv", ["billing-dq", "findings", "--night", f"{CLEAR_SCREEN}x"])
    with CliRunner().isolation() as (_, err, _out), pytest.raises(SystemExit):
        cli.main()
    assert b"\x1b" not in err.getvalue()


def test_markdown_for_a_ticket_makes_no_link_and_notifies_nobody() -> None:
    text = escaped("@all see https://evil.example and www.evil.example \x1b[2J")
    assert "@all" not in text
    assert "https://" not in text
    assert "www.evil" not in text
    assert "\x1b" not in text


def test_a_command_to_paste_holds_nothing_that_a_shell_or_a_terminal_obeys() -> None:
    shown = command({"finding_id": "1'; rm -rf ~ #\n\x1b[A"}, "2026-11-21")
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert shown.startswith("billing-dq explain '1'\"'\"'; rm -rf ~ #")
