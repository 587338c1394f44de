"""Who pays for the compiler, and where it keeps what it compiled."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.loops import kept_for_these_sources

WALKED = """
import bson
import numpy as np
from billing_dq.sources.mongodb.bson.walker import documents

print(documents(np.frombuffer(bson.encode({"a": 1}) * 2, dtype=np.uint8)), sum(documents.stats.cache_misses.values()))
"""


def printed_by(program: str, **environment: str) -> str:
    """What a program in a process of its own prints."""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return ended.stdout.strip()


STARTED = """
import sys
import billing_dq.definitions, billing_dq.commands.findings, billing_dq.commands.explain, billing_dq.commands.doctor
from click.testing import CliRunner
from billing_dq.cli import cli

CliRunner().invoke(cli, ["--help"])
print("numba" in sys.modules)
"""


def test_the_compiler_is_loaded_by_a_reading_only() -> None:
    assert printed_by(STARTED) == "False"


def test_what_one_process_compiled_another_loads(tmp_path: Path) -> None:
    assert [printed_by(WALKED, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)] == ["[ 0 12 24] 1", "[ 0 12 24] 0"]


def test_an_index_out_of_bounds_is_an_error_where_numba_checks_them(tmp_path: Path) -> None:
    program = "import numpy as np; from billing_dq.loops.raw_bytes import byte_at; byte_at(np.zeros(3, np.uint8), 3)"
    with pytest.raises(subprocess.CalledProcessError) as error:
        printed_by(program, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_BOUNDSCHECK="1")
    assert "IndexError" in error.value.stderr


def test_tests_never_run_loops_that_were_compiled_from_other_sources(tmp_path: Path) -> None:
    source = tmp_path / "loop.py"
    source.write_text("from numba import njit")
    before = kept_for_these_sources(tmp_path)
    source.write_text("from numba import njit  # changed")
    assert kept_for_these_sources(tmp_path) != before
