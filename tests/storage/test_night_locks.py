"""One process takes a night, and a process that is gone blocks nobody."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from billing_dq.errors import SourceError
from billing_dq.storage.night_locks import NightLocks, locks_directory

NIGHT = "2026-11-21"
#: Holds the night, says so, and stays until it is killed or its input ends.
HOLDER = f"""
import sys
from billing_dq.storage.night_locks import NightLocks
with NightLocks(sys.argv[1]).hold("{NIGHT}"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(home: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_night_that_another_process_holds_is_refused_with_its_process_in_one_line(tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        with (
            pytest.raises(SourceError, match=rf"^the night of {NIGHT} is being taken by process {other.pid}; "),
            NightLocks(str(tmp_path)).hold(NIGHT),
        ):
            pass
        other.communicate()


def test_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.communicate()
    with NightLocks(str(tmp_path)).hold(NIGHT):
        pass


def test_a_night_can_be_held_again_after_it_was_given_up(tmp_path: Path) -> None:
    locks = NightLocks(str(tmp_path))
    for owner in (locks, locks, NightLocks(str(tmp_path))):
        with owner.hold(NIGHT):
            pass


def test_two_owners_of_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    with (
        NightLocks(str(tmp_path)).hold(NIGHT),
        pytest.raises(SourceError, match="is being taken"),
        NightLocks(str(tmp_path)).hold(NIGHT),
    ):
        pass


def test_an_owner_may_hold_again_what_it_holds_and_keeps_it_until_the_first_ends(tmp_path: Path) -> None:
    locks, other = NightLocks(str(tmp_path)), NightLocks(str(tmp_path))
    with locks.hold(NIGHT):
        with locks.hold(NIGHT):
            pass
        with pytest.raises(SourceError, match="is being taken"), other.hold(NIGHT):
            pass


def test_nights_of_other_dates_and_other_homes_are_not_held(tmp_path: Path) -> None:
    with (
        NightLocks(str(tmp_path)).hold(NIGHT),
        NightLocks(str(tmp_path)).hold("2026-11-22"),
        NightLocks(str(tmp_path / "other")).hold(NIGHT),
    ):
        pass


def test_a_lock_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("no directory")
    with pytest.raises(SourceError, match="cannot be written"), NightLocks(str(tmp_path)).hold(NIGHT):
        pass


def test_the_locks_of_an_object_store_are_this_machines_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    first, second = NightLocks("memory://company/a"), NightLocks("memory://company/b")
    assert first.directory.is_relative_to(tmp_path)
    with (
        first.hold(NIGHT),
        second.hold(NIGHT),
        pytest.raises(SourceError, match="is being taken"),
        NightLocks("memory://company/a").hold(NIGHT),
    ):
        pass


def test_the_locks_of_a_directory_are_in_it(tmp_path: Path) -> None:
    assert locks_directory(str(tmp_path)) == tmp_path / "locks"
