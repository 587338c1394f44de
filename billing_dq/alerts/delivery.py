"""Delivers what waits in the outbox: the oldest first, again after a failure, and one dead target delays no other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_dq.alerts.message import Message
from billing_dq.alerts.outbox import Notification, Outbox

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


def deliver(waiting: Sequence[Notification], send: Send, outbox: Outbox, patience: Patience, clock: Clock) -> None:
    """Try to send every notification. After a failure the later ones of the same route wait, too.

    Args:
        waiting: the notifications, oldest first.
        send: how a message is sent to a route.
        outbox: where deliveries and failures are recorded.
        patience: how often to try, and how long a route rests after a failure.
        clock: the time.

    Raises:
        SourceError: the outbox cannot be written.
    """
    failing: set[str] = set()
    for notification in waiting:
        failed_at = notification.failed_at
        is_resting = failed_at is not None and clock.now() < failed_at + patience.rest
        if notification.route in failing or is_resting:
            continue
        reason = _why_not_sent(notification, send, patience, clock)
        if reason is None:
            outbox.add_delivery(notification, clock.now())
        else:
            outbox.add_failure(notification, clock.now(), reason)
            failing.add(notification.route)


def _why_not_sent(notification: Notification, send: Send, patience: Patience, clock: Clock) -> str | None:
    reason = send(notification.route, notification.message)
    for attempt in range(1, patience.attempts):
        if reason is None:
            break
        clock.sleep(patience.wait_seconds * 2 ** (attempt - 1))
        reason = send(notification.route, notification.message)
    return reason
