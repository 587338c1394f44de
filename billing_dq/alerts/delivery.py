"""Sending what waits: with patience, the oldest first, and one dead target holds up no other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_dq.alerts.message import Message
from billing_dq.alerts.record import AlertRecord, Waiting

#: Sends a message to a route: None where the target took it, else the reason, which holds no secret.
Send = Callable[[str, Message], str | None]


@dataclass(frozen=True)
class Patience:
    """How often a message is tried in a row, and the seconds before the second try; they double with each further one.

    ``rest`` is how long a route is left alone after its last failure.
    """

    attempts: int
    wait_seconds: float
    rest: timedelta = timedelta(0)


@dataclass(frozen=True)
class Clock:
    """The time, and how to let some pass."""

    now: Callable[[], datetime]
    sleep: Callable[[float], None]


def deliver(waiting: Sequence[Waiting], send: Send, record: AlertRecord, patience: Patience, clock: Clock) -> int:
    """Try to send every message, and say how many were delivered. After a failure the route's later ones wait, too."""
    failing: set[str] = set()
    delivered = 0
    for one in waiting:
        is_resting = one.failed_at is not None and clock.now() < one.failed_at + patience.rest
        if one.route in failing or is_resting:
            continue
        reason = _tried(one, send, patience, clock)
        if reason is None:
            record.add_sent(one, clock.now())
            delivered += 1
        else:
            record.add_failed(one, clock.now(), reason)
            failing.add(one.route)
    return delivered


def _tried(one: Waiting, send: Send, patience: Patience, clock: Clock) -> str | None:
    reason = send(one.route, one.message)
    for attempt in range(1, patience.attempts):
        if reason is None:
            break
        clock.sleep(patience.wait_seconds * 2 ** (attempt - 1))
        reason = send(one.route, one.message)
    return reason
