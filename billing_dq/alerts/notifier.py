"""Notifies the routes: puts what a route does not know yet into the outbox, and delivers what waits there.

A night's findings, failed checks and runs, missing nights and failed parts all come this way. What a change is does not
belong here (`changes.py`), nor does the wording (`message.py`).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pandas as pd

from billing_dq.alerts import targets
from billing_dq.alerts.changes import Rule, Steps, changes, known_after, silenced_counts
from billing_dq.alerts.delivery import Clock, Patience, Send, deliver
from billing_dq.alerts.message import message
from billing_dq.alerts.outbox import Notification, Outbox
from billing_dq.settings import Route, Settings
from billing_dq.vocabulary.alerts import FILE_ROUTE

#: An alert about operations is worse with each further one: a night, a part.
OPERATION_STEPS = Steps(units=1.0, cents=1)


@dataclass(frozen=True)
class AlertBatch:
    """Everything that is wrong now, as one origin sees it.

    Attributes:
        origin: where the alerts come from; an alert that is absent is over only for its own origin.
        about: what a message is about, such as "night of 2026-11-21".
        alerts: `ALERTS` that are open now.
        steps: by how much an alert grows until it counts as worse.
        closes: whether an alert that is absent is over.
        lead: the sentence that sums up; empty for none.
        link: where the report is; empty for none.
    """

    origin: str
    about: str
    alerts: pd.DataFrame
    steps: Steps = OPERATION_STEPS
    closes: bool = True
    lead: str = ""
    link: str = ""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Notifier:
    """Notifies the routes of one home.

    Attributes:
        settings: routes and patience among them.
        send_to: sends to a route of the settings; Apprise by default.
        clock: the time and how to wait.
    """

    settings: Settings
    send_to: Callable[[str, Route, "targets.Message", float], str | None] = targets.send
    clock: Clock = field(default_factory=lambda: Clock(_now, time.sleep))

    @property
    def routes(self) -> Mapping[str, Route]:
        """The routes of the settings; without any there is one, whose notifications stay in the outbox."""
        return self.settings.alerts.routes or {FILE_ROUTE: Route()}

    @property
    def send(self) -> Send:
        """Sends a message to a route by its name."""
        seconds = self.settings.alerts.timeout_seconds
        return lambda name, text: self.send_to(name, self.routes[name], text, seconds)

    @property
    def _outbox(self) -> Outbox:
        return Outbox(self.settings.state_directory)

    def notify(self, batch: AlertBatch) -> int:
        """Put what each route is to be notified of into the outbox, and say how many notifications that makes.

        Nothing is sent.

        Raises:
            SourceError: the outbox cannot be read or written.
        """
        count = 0
        with self._outbox.deciding() as decision:
            for name, route in self.routes.items():
                known = decision.known(name, batch.origin)
                changed = changes(batch.alerts, known, rule_of(route), batch.steps, batch.closes)
                if changed.empty:
                    continue
                decision.remember(name, batch.origin, known_after(changed))
                silenced = silenced_counts(batch.alerts)
                text = message(batch.about, changed, batch.lead, batch.link, silenced)
                if text is not None:
                    decision.add(name, self.clock.now(), text)
                    count += 1
        return count

    def deliver(self) -> list[Notification]:
        """Send what waits, with the patience of the settings; what is still waiting then.

        Raises:
            SourceError: the outbox cannot be read or written.
        """
        alerts = self.settings.alerts
        self._deliver(Patience(alerts.attempts, alerts.wait_seconds), wait=True)
        return self.waiting()

    def deliver_quickly(self) -> list[Notification]:
        """Try once what waits, where its route did not fail just now and no other process is sending.

        For a sensor, which has seconds only. What is still waiting then.

        Raises:
            SourceError: the outbox cannot be read or written.
        """
        self._deliver(Patience(1, 0.0, timedelta(minutes=self.settings.alerts.retry_minutes)), wait=False)
        return self.waiting()

    def waiting(self) -> list[Notification]:
        """The messages that were not delivered, of the routes that there are, oldest first.

        Raises:
            SourceError: the outbox cannot be read.
        """
        return self._outbox.waiting(list(self.routes))

    def _deliver(self, patience: Patience, wait: bool) -> None:
        if not self.waiting():
            return
        with self._outbox.sending(wait) as is_our_turn:
            if is_our_turn:
                deliver(self.waiting(), self.send, self._outbox, patience, self.clock)


def rule_of(route: Route) -> Rule:
    """Which changes a route of the settings is notified of."""
    return Rule(route.severity, route.kinds, route.events, route.min_units, route.min_cents)


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
