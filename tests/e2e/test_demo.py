"""The demo as a process that somebody stops; what it shows when it runs through is for eyes."""

import signal
import subprocess
import sys
from pathlib import Path

import click
import psutil
import pytest

from billing_dq_simulation.commands.demonstration.home import DEFAULT, SETTINGS, demo_home, what_next
from billing_dq_simulation.commands.demonstration.nights import COLUMNS
from tests.support.finding_rows import deltas
from tests.support.report_night import NIGHT, finding, findings

#: The demo as it would have been on a Thursday: the company, and so what is found, depend on the day.
DEMO_OF_A_PAST_WEEK = """
from datetime import UTC, datetime, timedelta
from billing_dq_simulation.commands import demo
demo._days_ago = lambda days: datetime(2026, 6, 11, 9, tzinfo=UTC) - timedelta(days=days)
demo.command()
"""
PROGRAM = Path(sys.executable).parent / "billing-dq"


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_leaves_no_process_and_no_directory(how: signal.Signals, tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [PROGRAM, "demo", "--organizations", "40"],
        cwd=tmp_path,
        env={"PATH": "", "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # a shell that starts this in the background would have it ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert demo.stdout is not None
    lines = iter(demo.stdout)
    while "Night 1" not in (line := next(lines)):
        assert line
    started = psutil.Process(demo.pid).children(recursive=True)
    assert started
    demo.send_signal(how)
    demo.communicate()
    assert demo.returncode == 130
    _, left = psutil.wait_procs(started, timeout=600)
    assert not left
    assert list(tmp_path.iterdir()) == []


def test_the_next_demo_replaces_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with demo_home(None) as first:
        (first / SETTINGS).touch()
        (first / "mongodb").mkdir()
    with demo_home(None) as second:
        assert second == first
        assert list(second.iterdir()) == []


def test_a_demo_never_empties_what_is_no_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / DEFAULT).mkdir(parents=True)
    (tmp_path / DEFAULT / "mine").touch()
    with pytest.raises(click.ClickException, match="is not empty"), demo_home(None):
        pass
    (tmp_path / DEFAULT / SETTINGS).touch()
    with pytest.raises(click.ClickException, match="is not empty"), demo_home(tmp_path / DEFAULT):
        pass


def test_two_demos_do_not_share_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with demo_home(None), pytest.raises(click.ClickException, match="another demo"), demo_home(None):
        pass


def test_the_commands_that_a_demo_ends_with_are_about_its_worst_finding(tmp_path: Path) -> None:
    found = findings(
        finding(1, severity="info"),
        finding(2),
        finding(3, kind="dispute_parked", subject="du_1"),
        finding(4, usd_cents=1),
    )
    shown = what_next(tmp_path / SETTINGS, NIGHT, found, deltas())
    assert [line.partition(" ")[2].split()[1:4] for line in shown] == [
        ["findings"],
        ["explain", f"{2:016x}", "--night"],
        ["serve", "--open"],
    ]
    assert all(line.startswith("BILLING_DQ_CONFIG=") for line in shown)


@pytest.mark.slow
def test_many_nights_show_every_change_of_a_finding_and_one_incident(tmp_path: Path) -> None:
    arguments = ["--nights", "5", "--organizations", "120", "--keep", str(tmp_path / "kept")]
    demo = subprocess.run(
        [sys.executable, "-c", DEMO_OF_A_PAST_WEEK, *arguments],
        cwd=tmp_path,
        env={"PATH": "", "TMPDIR": str(tmp_path), "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    shown = demo.stdout
    assert demo.returncode == 0, shown
    lines = [line.split("│")[2:-1] for line in shown.splitlines() if line.startswith("│ 20")]
    nights = [dict(zip(COLUMNS[1:], map(int, cells), strict=True)) for cells in lines]
    first, incident, worse, charged, last = nights
    assert [night["accepted"] for night in nights] == [0, 1, 1, 1, 1]
    assert [night["incidents"] for night in nights] == [0, 1, 1, 0, 0]
    assert first["new"] == first["open"] > 0
    assert incident["new"] >= 7  # organizations of the incident
    assert incident["resolved"] >= 1  # the lost debit that was charged; what heals by itself is beside it
    assert worse["worse"] >= 1
    assert worse["reopened"] >= 1
    assert charged["resolved"] >= 7
    assert last["new"] >= 1
    assert last["persisting"] >= 1
    assert "Try on what is kept:" in shown
