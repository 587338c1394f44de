"""Notifies the routes: puts what a route does not know yet into the outbox, and delivers what waits there.

A night's findings, failed checks and runs, missing nights and failed parts all come this way. What a change is does not
belong here (`changes.py`), nor does the wording (`message.py`).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from billing_dq.alerts import targets
from billing_dq.alerts.changes import Rule, Steps, changes, notified_after, silenced_counts
from billing_dq.alerts.message import Message, message
from billing_dq.alerts.outbox import Notification, Outbox
from billing_dq.alerts.tickets import tickets
from billing_dq.logs import log
from billing_dq.settings import Route, Settings
from billing_dq.vocabulary.alerts import FILE_ROUTE

#: An alert about operations is worse with each further one: a night, a part.
OPERATION_STEPS = Steps(units=1.0, cents=1)


@dataclass(frozen=True)
class AlertBatch:
    """Everything that is wrong now, as one origin sees it.

    Attributes:
        origin: where the alerts come from; an alert that is absent is over only for its own origin.
        topic: what a message is about, such as "night of 2026-11-21".
        alerts: `ALERTS` that are open now.
        steps: by how much an alert grows until it counts as worse.
        closes: whether an alert that is absent is over.
        lead: the sentence that sums up; empty for none.
        link: where the report is; empty for none.
    """

    origin: str
    topic: str
    alerts: pd.DataFrame
    steps: Steps = OPERATION_STEPS
    closes: bool = True
    lead: str = ""
    link: str = ""


#: Sends a message to a route of the settings within some seconds: None where the target took it, else the reason.
Send = Callable[[str, Route, Message, float], str | None]


@dataclass(frozen=True)
class Clock:
    """The time, and how to let some seconds pass."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Notifier:
    """Notifies the routes of one home.

    Raises:
        SourceError: by each method, where the outbox cannot be read or written.
    """

    settings: Settings
    send_to: Send = targets.send
    clock: Clock = Clock()

    @property
    def routes(self) -> Mapping[str, Route]:
        """The routes of the settings; without any there is one, whose notifications stay in the outbox."""
        return self.settings.alerts.routes or {FILE_ROUTE: Route()}

    @property
    def _outbox(self) -> Outbox:
        return Outbox(self.settings.state_directory)

    def send(self, route: str, text: Message) -> str | None:
        """Send a message to a route by its name: None where the target took it, else the reason without a secret."""
        return self.send_to(route, self.routes[route], text, self.settings.alerts.timeout_seconds)

    def notify(self, batch: AlertBatch) -> int:
        """Put what each route is to be notified of into the outbox, and count the notifications. Nothing is sent."""
        count = 0
        with self._outbox.deciding() as decision:
            for name, route in self.routes.items():
                rule = Rule(route.severity, route.kinds, route.events, route.min_units, route.min_cents)
                notified = decision.notified(name, batch.origin)
                changed = changes(batch.alerts, notified, rule, batch.steps, batch.closes)
                if changed.empty:
                    continue
                decision.remember(name, batch.origin, notified_after(changed))
                if route.signing_secret is None:
                    text = message(batch.topic, changed, batch.lead, batch.link, silenced_counts(batch.alerts))
                    texts = [] if text is None else [text]
                else:
                    texts = tickets(batch.topic, changed, self.clock.now(), batch.link)
                for text in texts:
                    decision.add(name, self.clock.now(), text)
                count += len(texts)
        return count

    def deliver(self) -> list[Notification]:
        """Send what waits, again and again as the settings say; what is still waiting then."""
        with self._outbox.sending(wait=True):
            self._deliver(self.settings.alerts.attempts, timedelta(0))
        return self.waiting()

    def deliver_quickly(self) -> list[Notification]:
        """Try once what waits, where its route did not fail just now and no other process is sending.

        For a sensor, which has seconds only. What is still waiting then.
        """
        with self._outbox.sending(wait=False) as is_our_turn:
            if is_our_turn:
                self._deliver(1, timedelta(minutes=self.settings.alerts.retry_minutes))
        return self.waiting()

    def waiting(self) -> list[Notification]:
        """The messages that were not delivered, of the routes that there are, oldest first."""
        return self._outbox.waiting(list(self.routes))

    def _deliver(self, attempts: int, pause: timedelta) -> None:
        """Try to send what waits. After a failure the later notifications of the same route wait, too.

        ``pause`` is how long a route is left alone after its last failure.
        """
        failing: set[str] = set()
        for notification in self.waiting():
            failed_at = notification.failed_at
            is_pausing = failed_at is not None and self.clock.now() < failed_at + pause
            if notification.route in failing or is_pausing:
                continue
            reason = self.send(notification.route, notification.message)
            for attempt in range(1, attempts):
                if reason is None:
                    break
                self.clock.sleep(self.settings.alerts.wait_seconds * 2 ** (attempt - 1))
                reason = self.send(notification.route, notification.message)
            log("notification", route=notification.route, delivered=reason is None, reason=reason)
            self._outbox.add_attempt(notification, self.clock.now(), reason)
            if reason is not None:
                failing.add(notification.route)


def steps_of(settings: Settings) -> Steps:
    """By how much a finding grows until it counts as worse."""
    return Steps(settings.alerts.worse_units, settings.alerts.worse_cents)


def undelivered(waiting: list[Notification]) -> str:
    """The notifications that wait, by route, in a sentence without a secret; empty where none waits."""
    by_route: dict[str, list[Notification]] = {}
    for notification in waiting:
        by_route.setdefault(notification.route, []).append(notification)
    return "; ".join(
        f"route {name}: {len(waiting)} not delivered since {waiting[0].created_at:%Y-%m-%d %H:%M} UTC: "
        f"{waiting[0].reason}"
        for name, waiting in by_route.items()
    )
