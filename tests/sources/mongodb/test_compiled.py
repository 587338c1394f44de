"""How loops over bytes are compiled, kept and loaded, and what happens where nothing is kept or numba is not there."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from billing_dq.compiled import Bytes, Numbers, compiled, compiled_part
from billing_dq.machine_code import loaded

WALKED = """
import bson
import numpy as np
from billing_dq.sources.mongodb.bson.walker import documents

print(documents(np.frombuffer(bson.encode({"a": 1}) * 2, dtype=np.uint8)))
"""
NUMBA_THERE = "import sys; print('numba' in sys.modules)"
NO_NUMBA = "import sys; sys.modules['numba'] = None"


def printed_by(program: str, kept_in: Path | None = None) -> str:
    """What a program in a process of its own prints; it keeps its code in a directory, or where it does by itself."""
    where = {} if kept_in is None else {"NUMBA_CACHE_DIR": str(kept_in)}
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, **where}
    )
    return ended.stdout.strip()


@pytest.mark.parametrize(
    "start",
    [
        "from click.testing import CliRunner; from billing_dq.cli import cli; CliRunner().invoke(cli, ['--help'])",
        "import billing_dq.definitions",
        "import billing_dq.commands.doctor",
    ],
)
def test_the_compiler_is_loaded_by_a_reading_only(start: str) -> None:
    assert printed_by(f"{start}; import sys; print({{'numba', 'llvmlite'}} & set(sys.modules))") == "set()"


def test_what_one_process_compiled_another_runs_without_numba(tmp_path: Path) -> None:
    assert printed_by(WALKED + NUMBA_THERE, tmp_path) == "[ 0 12 24]\nTrue"
    assert printed_by(WALKED + NUMBA_THERE, tmp_path) == "[ 0 12 24]\nFalse"
    (kept,) = tmp_path.iterdir()
    content = kept.read_bytes()
    kept.write_bytes(content[:-8])
    assert printed_by(WALKED + NUMBA_THERE, tmp_path) == "[ 0 12 24]\nTrue"
    assert kept.read_bytes() == content


def test_where_nothing_can_be_kept_each_process_compiles() -> None:
    told = "from billing_dq.machine_code import kept_in; print(kept_in())"
    assert printed_by(WALKED + told, Path("/dev/null/nowhere")) == "[ 0 12 24]\nNone"


def test_where_numba_is_missing_and_nothing_is_kept_that_is_said(tmp_path: Path) -> None:
    program = f"""
{NO_NUMBA}
try:
    exec({WALKED!r})
except RuntimeError as error:
    print(error)
"""
    assert printed_by(program, tmp_path).startswith(
        "MongoDB is read by code that numba compiles, and numba cannot be used here"
    )


def _divided(numbers: Numbers) -> int:
    return numbers[0] // numbers[1]


def test_a_loop_that_can_fail_is_refused() -> None:
    with pytest.raises(AssertionError, match="_divided can fail or allocate"):
        loaded(_divided, {}, [np.dtype(np.int64)])


@compiled
def _sum_of(buffer: Bytes, times: int) -> int:
    total = 0
    for place in range(len(buffer)):
        total += buffer[place] * times
    return total


@pytest.mark.parametrize(
    "arguments", [(np.zeros(3), 1), (np.zeros(8, dtype=np.uint8)[::2], 1), (np.zeros(3, dtype=np.uint8), 1.5)]
)
def test_what_a_loop_does_not_take_never_reaches_it(arguments: tuple) -> None:  # pyright: ignore[reportMissingTypeArgument]
    assert _sum_of(np.full(3, 2, dtype=np.uint8), 5) == 30
    with pytest.raises(TypeError, match="compiled code is given"):
        _sum_of(*arguments)


def test_two_parts_have_two_names() -> None:
    with pytest.raises(AssertionError, match="two parts with the name byte_at"):

        @compiled_part
        def byte_at(place: int) -> int:
            return place
