"""Temporary directories of killed runs are removed by the next one, and those of living processes are not."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from billing_dq.storage.scratch import scratch_directory


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def aged(path: Path) -> None:
    old = time.time() - 3600
    os.utime(path, (old, old))


def test_a_directory_is_there_for_the_block_and_then_gone(temporary: Path) -> None:
    with scratch_directory("snapshot") as directory:
        (directory / "table.parquet").write_bytes(b"x")
        assert directory.parent == temporary
        assert directory.name.startswith("billing_dq_scratch_snapshot_")
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(temporary: Path) -> None:
    script = (
        "import os, tempfile; from billing_dq.storage.scratch import scratch_directory\n"
        f"tempfile.tempdir = {str(temporary)!r}\n"
        "with scratch_directory('snapshot') as directory:\n"
        "    (directory / 'table.parquet').write_bytes(b'x')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    (left,) = temporary.iterdir()
    aged(left)
    with scratch_directory("snapshot") as directory:
        assert list(temporary.iterdir()) == [directory]


def test_what_is_in_use_new_or_of_others_stays(temporary: Path) -> None:
    (temporary / "somebody_else").mkdir()
    (temporary / "billing_dq_scratch_new").mkdir()
    aged(temporary / "somebody_else")
    with scratch_directory("snapshot") as in_use:
        aged(in_use)
        with scratch_directory("rules"):
            assert in_use.exists()
    assert {path.name for path in temporary.iterdir()} == {"somebody_else", "billing_dq_scratch_new"}
