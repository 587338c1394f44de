"""Work that is begun before it is waited for."""

import subprocess
import sys
from threading import Event

import pytest

from billing_dq.sources.mongodb.ahead import ahead


def test_the_work_is_under_way_before_anyone_waits() -> None:
    begun = Event()
    result = ahead(lambda: begun.set() or 7)
    assert begun.wait(timeout=60)
    assert result() == 7


def test_an_error_is_raised_where_the_result_is_waited_for() -> None:
    def fail() -> None:
        raise OSError("lost")

    result = ahead(fail)
    with pytest.raises(OSError, match="lost"):
        result()


def test_a_process_ends_without_work_that_nobody_waits_for() -> None:
    program = """
from threading import Event
from billing_dq.sources.mongodb.ahead import ahead

ahead(Event().wait)
print("ended")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout == "ended\n"
