"""When numba is loaded, and what happens where it can keep nothing or is not there."""

import subprocess
import sys

import pytest


def printed_by(program: str) -> str:
    """What a program in a process of its own prints."""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return ended.stdout.strip()


@pytest.mark.parametrize(
    "start",
    [
        "from click.testing import CliRunner; from billing_dq.cli import cli; CliRunner().invoke(cli, ['--help'])",
        "import billing_dq.definitions",
        "import billing_dq.commands.doctor",
    ],
)
def test_numba_is_loaded_by_a_reading_only(start: str) -> None:
    assert printed_by(f"{start}; import sys; print('numba' in sys.modules)") == "False"


def test_where_nothing_can_be_kept_each_process_compiles() -> None:
    program = """
import bson
import numpy as np
from numba.core.caching import CompileResultCacheImpl

CompileResultCacheImpl._locator_classes = []  # no directory can be written
from billing_dq.compiled import kept_in
from billing_dq.sources.mongodb.bson.walker import documents

print(documents(np.frombuffer(bson.encode({"a": 1}) * 2, dtype=np.uint8)), kept_in())
"""
    assert printed_by(program) == "[ 0 12 24] None"


def test_where_numba_is_missing_that_is_said() -> None:
    program = """
import sys

sys.modules["numba"] = None
try:
    import billing_dq.sources.mongodb.bson.walker
except RuntimeError as error:
    print(error)
"""
    assert printed_by(program).startswith("MongoDB is read by code that numba compiles, and numba cannot be used here")
