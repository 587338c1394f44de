"""Nights that the command refuses before it reads anything, each in one line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.case_runner import command, company_of, steps_of

PROGRAM = Path(sys.executable).parent / "billing-dq"


def test_a_night_after_the_machines_clock_or_before_the_first_is_refused_in_one_line(
    database: Database[dict[str, Any]], mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = "03-night-after-the-machines-clock"
    with company_of(case, database, mongodb_uri, tmp_path, monkeypatch):
        too_late, too_early = (command(step["cmd"]) for step in steps_of(case))
    assert (too_late.exit, too_early.exit) == (2, 2)
    assert too_late.stderr.startswith("billing-dq: the night of 2031-03-01 has not begun")
    assert too_early.stderr.startswith("billing-dq: the night of 2025-12-31 is before first_night, 2026-01-01")


@pytest.mark.slow
def test_of_two_processes_that_take_one_night_one_does_and_the_other_is_refused(
    database: Database[dict[str, Any]], mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = "40-two-nights-of-one-date-at-once"
    nightly, findings = (step["cmd"] for step in steps_of(case))
    with company_of(case, database, mongodb_uri, tmp_path, monkeypatch):
        started = [
            subprocess.Popen([PROGRAM, *nightly], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        printed = [process.communicate() for process in started]
        assert sorted(process.returncode for process in started) == [0, 2]
        (refusal,) = (stderr for process, (_, stderr) in zip(started, printed, strict=True) if process.returncode)
        assert "billing-dq: the night of 2026-11-21 is " in refusal
        assert "Traceback" not in refusal
        assert json.loads(command(findings).stdout) == []
