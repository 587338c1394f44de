"""Every command with hostile arguments: one clear line, exit 2, no traceback, and no terminal sequence in it."""

import random
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from billing_dq.cli import cli, main
from tests.support.examples import hostile_examples

EXAMPLES = hostile_examples() // 12
HOSTILE = (
    "", " ", "\t\n", "x", "-", "--", "-1", "0", "1e999", "nan", "NaN", "inf", "9" * 400, "../../etc/passwd", "/", "~",
    "*", "'; DROP TABLE nights; --", "=cmd|' /C calc'!A0", "\x1b]0;title\x07\x1b[31mred",
    "<script>alert(1)</script>", "{{7*7}}", "%s%n", "$(reboot)", "`reboot`", "\u202egnp.exe", "é" * 300, "🧾", "\udcff",
    "2026-13-45",
    "2026-11-21", "0001-01-01", "9999-12-31T23:59:60Z", "2026-W54", "6aba68021f1483412b0fa60e", "du_x",
    "s3://bucket/x", "file:///x",
)  # fmt: skip
DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
#: Commands that do much, or wait, when nothing is wrong with what they are told: they are told something wrong.
LONG = {"demo", "serve", "bench", "score", "simulate", "nightly", "doctor"}


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


EVERY = {" ".join(path): (path, command) for path, command in commands()}


@pytest.fixture(autouse=True)
def _nothing_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))


def hostile(rng: random.Random) -> str:
    """A value that is known to be hostile, or any text that a shell can pass."""
    if rng.random() < 0.7:
        return rng.choice(HOSTILE)
    signs = [rng.choice((rng.randrange(1, 128), rng.randrange(1, 0xD800))) for _ in range(rng.randrange(1, 9))]
    return "".join(map(chr, signs))


def is_obeyed(sign: str) -> bool:
    """Whether a terminal does something at a sign but show it: a control, half a pair, a line, another direction."""
    return unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(sign) in DIRECTIONS


def line_of(rng: random.Random, path: tuple[str, ...], command: click.Command) -> list[str]:
    """A command line whose every value is hostile."""
    words = list(path)
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            words += [hostile(rng) for _ in range(max(1, parameter.nargs))]
        elif isinstance(parameter, click.Option) and rng.random() < 0.5:
            words.append(rng.choice(parameter.opts))
            if not parameter.is_flag:
                words.append(hostile(rng))
    if path[0] in LONG or len(words) == len(path) or rng.random() < 0.2:
        words.insert(len(path), rng.choice(("--no-such-option", "--\x1b[31m", "--as_of=x", "-\u202e")))
    return words


def said(words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """The exit status and the standard error of a command line."""
    monkeypatch.setattr(sys, "argv", ["billing-dq", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capfd.readouterr().err


#: A home where nothing happened yet is no error to them, so a line without a hostile word is in order.
NEEDS_NO_NIGHT = {"alerts list", "init"}


@pytest.mark.parametrize("name", EVERY)
def test_hostile_arguments_end_in_one_clear_line(
    name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path, command = EVERY[name]
    rng = random.Random(name)
    for _ in range(EXAMPLES):
        words = line_of(rng, path, command)
        if "--help" in words or "-h" in words:
            continue
        status, error = said(words, monkeypatch, capfd)
        if name in NEEDS_NO_NIGHT and status == 0:
            continue
        assert status == 2, f"{words}: exit status {status}, {error}"
        assert "Traceback" not in error, words
        lines = error.splitlines()
        assert len(lines) == 1, f"{words}: {error}"
        assert lines[0].startswith("billing-dq: "), f"{words}: {error}"
        assert len(lines[0]) > len("billing-dq: "), words
        assert not any(map(is_obeyed, lines[0])), f"{words}: {lines[0]!r}"
