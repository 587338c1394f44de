"""Replies that are fetched before anyone waits for them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from threading import Event

import pytest

from billing_dq.sources.mongodb.ahead import fetched_ahead


def replies(*one_after_the_other: bytes | BaseException | None) -> Callable[[], bytes | None]:
    """A server that has these replies."""
    left: Iterator[bytes | BaseException | None] = iter(one_after_the_other)

    def fetch() -> bytes | None:
        reply = next(left)
        if isinstance(reply, BaseException):
            raise reply
        return reply

    return fetch


def test_replies_come_in_their_order_and_an_empty_one_is_the_last() -> None:
    with fetched_ahead(replies(b"1", b"22", b"333", None), room=2) as coming:
        assert [coming(60) for _ in range(4)] == [b"1", b"22", b"333", None]


def test_a_reply_is_under_way_before_anyone_waits() -> None:
    begun = Event()
    with fetched_ahead(lambda: begun.set() or None, room=1):
        assert begun.wait(timeout=60)


def test_replies_are_fetched_as_long_as_there_is_room_and_no_further() -> None:
    fetched: list[bytes] = []
    third, fourth = Event(), Event()

    def fetch() -> bytes:
        fetched.append(b"12")
        (third if len(fetched) == 3 else fourth if len(fetched) == 4 else Event()).set()
        return b"12"

    with fetched_ahead(fetch, room=5) as coming:
        assert third.wait(timeout=60)  # four bytes had room for more, six have none
        assert not fourth.wait(timeout=0.05)
        coming(60)
        assert fourth.wait(timeout=60)


def test_an_error_is_raised_in_the_place_of_its_reply() -> None:
    with fetched_ahead(replies(b"1", OSError("lost")), room=100) as coming:
        assert coming(60) == b"1"
        with pytest.raises(OSError, match="lost"):
            coming(60)


def test_who_waits_for_a_slow_server_waits_so_long_at_most() -> None:
    never = Event()

    def fetch() -> None:
        never.wait()

    with fetched_ahead(fetch, room=1) as coming, pytest.raises(TimeoutError):
        coming(0)


def test_nothing_more_is_fetched_when_nobody_takes_it() -> None:
    fetched: list[int] = []
    with fetched_ahead(lambda: fetched.append(1) or b"1", room=1) as coming:
        coming(60)
    assert len(fetched) <= 3


def test_a_process_ends_without_replies_that_nobody_waits_for() -> None:
    program = """
from threading import Event
from billing_dq.sources.mongodb.ahead import fetched_ahead

with fetched_ahead(Event().wait, 1):
    print("ended")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout == "ended\n"
