"""ISO 8601 weeks in UTC: their keys, bounds and neighbours, the weeks that a night covers, and instants as people write
them.

The source of every rule here is docs/domain.md, "Weeks": weeks run from Monday 00:00 (inclusive) to the next Monday
(exclusive), and a key looks like ``2026-W47``. A week belongs to the year of its Thursday, so 29 December may be in W01
and 3 January in W53.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

WeekState = Literal["open", "settling", "closed"]

_KEY = re.compile(r"([0-9]{4})-W([0-9]{2})")
_ONE_WEEK = timedelta(weeks=1)


@dataclass(frozen=True, order=True)
class Week:
    """One ISO week, ordered by time."""

    start: datetime

    @classmethod
    def of(cls, instant: datetime) -> "Week":
        """The week that holds a time-zone-aware ``instant``.

        Raises:
            ValueError: the instant has no time zone.
        """
        if instant.tzinfo is None:
            raise ValueError(f"{instant.isoformat()} has no time zone")
        day = instant.astimezone(UTC).date()
        return cls(_midnight(day - timedelta(days=day.weekday())))

    @classmethod
    def parse(cls, key: str) -> "Week":
        """The week of a key such as ``2026-W47``.

        Raises:
            ValueError: the text is no week key, or its year has no such week.
        """
        match = _KEY.fullmatch(key)
        if match is None:
            raise ValueError(f"{key!r} is not a week key such as 2026-W47")
        try:
            return cls(_midnight(date.fromisocalendar(int(match[1]), int(match[2]), 1)))
        except ValueError as error:
            raise ValueError(f"{key!r} is an impossible week: {error}") from None

    @property
    def key(self) -> str:
        """The week key, such as ``2026-W47``."""
        year, number, _ = self.start.isocalendar()
        return f"{year:04d}-W{number:02d}"

    @property
    def end(self) -> datetime:
        """The Monday 00:00 after it; no longer in the week."""
        return self.start + _ONE_WEEK

    def shifted(self, weeks: int) -> "Week":
        """The week so many weeks later (earlier where negative)."""
        return Week(self.start + weeks * _ONE_WEEK)

    def state(self, as_of: datetime, settling_hours: float) -> WeekState:
        """What it is at ``as_of``: ``open``, ``settling`` (closed less than so many hours ago) or ``closed``."""
        if as_of < self.end:
            return "open"
        return "settling" if as_of < self.end + timedelta(hours=settling_hours) else "closed"


@dataclass(frozen=True)
class NightWeeks:
    """The weeks of a night: the open one and ``weeks_back`` before it (oldest first), and what is read around them."""

    as_of: datetime
    weeks_back: int
    settling_hours: float

    @property
    def weeks(self) -> tuple[Week, ...]:
        """The reconciled weeks, oldest first."""
        current = Week.of(self.as_of)
        return tuple(current.shifted(-back) for back in range(self.weeks_back, -1, -1))

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the reconciled weeks, oldest first."""
        return tuple(week.key for week in self.weeks)

    def back_to(self, week: Week) -> "NightWeeks":
        """The same night with every week from ``week`` on."""
        return replace(self, weeks_back=(self.weeks[-1].start - week.start) // _ONE_WEEK)

    @property
    def matching_keys(self) -> tuple[str, ...]:
        """The weeks whose usage documents are read: one further on both ends, for matching keys only."""
        weeks = self.weeks
        return (weeks[0].shifted(-1).key, *self.keys, weeks[-1].shifted(1).key)

    @property
    def entries_from(self) -> datetime:
        """The first instant of the ledger entries that are read: a day before the oldest week."""
        return self.weeks[0].start - timedelta(days=1)

    @property
    def entries_until(self) -> datetime:
        """The end (exclusive) of the ledger entries that are read: a day after the open week."""
        return self.weeks[-1].end + timedelta(days=1)

    @property
    def weeks_of_entries(self) -> float:
        """How many weeks of ledger entries are read: the open one counts with the part of it that has passed."""
        return (self.as_of - self.entries_from) / _ONE_WEEK

    def states(self) -> dict[str, WeekState]:
        """The state of every reconciled week, by key."""
        return {week.key: week.state(self.as_of, self.settling_hours) for week in self.weeks}


def is_week_key(text: str) -> bool:
    """Whether a text is the key of a week."""
    try:
        Week.parse(text)
    except ValueError:
        return False
    return True


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant, in UTC; one without a time zone is meant in UTC.

    Raises:
        ValueError: the text is no instant; the message is one line.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an instant such as 2026-11-21T03:10:00Z") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
