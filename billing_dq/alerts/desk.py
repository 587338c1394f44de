"""Where alerts are given in: each route is told what it was not told yet, and what waits is sent.

The same way for a night's findings, failed checks and runs, missing nights and failed parts.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pandas as pd

from billing_dq.alerts import targets
from billing_dq.alerts.delivery import Clock, Patience, Send, deliver
from billing_dq.alerts.message import message
from billing_dq.alerts.record import AlertRecord, Waiting
from billing_dq.alerts.telling import Rule, Steps, quiet_ones, tellings
from billing_dq.settings import Route, Settings
from billing_dq.vocabulary.alerts import FILE_ROUTE

#: What is told of operations grows by one: a night, a part.
OPERATION_STEPS = Steps(units=1.0, cents=1)


@dataclass(frozen=True)
class Occasion:
    """What is given in.

    Attributes:
        origin: where the matters are from; what is absent is over only for matters of the same origin.
        about: what a message is about, such as "night of 2026-11-21".
        matters: `MATTERS` that are there now.
        steps: what counts as worse.
        closes: whether a matter that is absent is over.
        lead: the sentence that sums up; empty for none.
        link: where the report is; empty for none.
    """

    origin: str
    about: str
    matters: pd.DataFrame
    steps: Steps = OPERATION_STEPS
    closes: bool = True
    lead: str = ""
    link: str = ""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Desk:
    """The alerts of one home.

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
        """The routes of the settings; without any there is one, the file."""
        return self.settings.alerts.routes or {FILE_ROUTE: Route()}

    @property
    def send(self) -> Send:
        """Sends a message to a route by its name."""
        seconds = self.settings.alerts.timeout_seconds
        return lambda name, said: self.send_to(name, self.routes[name], said, seconds)

    def tell(self, occasion: Occasion) -> int:
        """Record what each route is to be told, and say how many messages that makes. Nothing is sent.

        Raises:
            SourceError: the record cannot be read or written.
        """
        record = AlertRecord(self.settings.state_directory)
        made = 0
        with record.deciding():
            known = record.read()
            number = known.next_number
            for name, route in self.routes.items():
                told = known.known(name, occasion.origin)
                happened = tellings(occasion.matters, told, rule_of(route), occasion.steps, occasion.closes)
                if happened.empty:
                    continue
                quiet = quiet_ones(occasion.matters)
                said = message(occasion.about, happened, occasion.lead, occasion.link, quiet)
                record.add_told(number, self.clock.now(), name, occasion.origin, happened, said)
                number += 1
                made += said is not None
        return made

    def deliver(self) -> list[Waiting]:
        """Send what waits, with the patience of the settings; what is still waiting then.

        Raises:
            SourceError: the record cannot be read or written.
        """
        alerts = self.settings.alerts
        self._deliver(Patience(alerts.attempts, alerts.wait_seconds), wait=True)
        return self.waiting()

    def deliver_quickly(self) -> list[Waiting]:
        """Try once what waits, where its route did not fail just now and no other process is sending.

        For a sensor, which has seconds only. What is still waiting then.

        Raises:
            SourceError: the record cannot be read or written.
        """
        self._deliver(Patience(1, 0.0, timedelta(minutes=self.settings.alerts.retry_minutes)), wait=False)
        return self.waiting()

    def waiting(self) -> list[Waiting]:
        """The messages that were not delivered, of the routes that there are, oldest first.

        Raises:
            SourceError: the record cannot be read.
        """
        return AlertRecord(self.settings.state_directory).read().waiting(list(self.routes))

    def _deliver(self, patience: Patience, wait: bool) -> None:
        record = AlertRecord(self.settings.state_directory)
        if not self.waiting():
            return
        with record.sending(wait) as is_mine:
            if is_mine:
                deliver(self.waiting(), self.send, record, patience, self.clock)


def rule_of(route: Route) -> Rule:
    """What a route of the settings wants to hear."""
    return Rule(route.severity, route.kinds, route.events, route.min_units, route.min_cents)


def steps_of(settings: Settings) -> Steps:
    """What counts as worse of a finding."""
    return Steps(settings.alerts.worse_units, settings.alerts.worse_cents)


def undelivered(waiting: list[Waiting]) -> str:
    """What waits, by route, in a sentence without a secret; empty where nothing does."""
    by_route: dict[str, list[Waiting]] = {}
    for one in waiting:
        by_route.setdefault(one.route, []).append(one)
    return "; ".join(
        f"route {name}: {len(ones)} not delivered since {ones[0].at:%Y-%m-%d %H:%M} UTC: {ones[0].reason}"
        for name, ones in by_route.items()
    )
