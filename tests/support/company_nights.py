"""A company told by its days, and what its nights measure: enough to try rules of volume and freshness on months."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random

import pandas as pd

from billing_dq.quality.judgement import judged
from billing_dq.quality.measures import (
    EVENTS,
    LEDGERS,
    USAGE,
    Before,
    CollectionReading,
    Measure,
    WeekAmounts,
    measures,
)
from billing_dq.weeks import NightWeeks, Week

FIRST_DAY = date(2026, 6, 1)  # a Monday
#: Of the week: the company works from Monday to Friday.
WEEKDAYS = (1.0, 1.05, 1.1, 1.05, 0.95, 0.3, 0.25)
ORGANIZATIONS = 400


@dataclass
class Company:
    """What a company does each day, by the number of the day from `FIRST_DAY` on.

    Attributes:
        factor: how busy a day is beside its weekday and chance.
        change: changes what a night reads, by night; a fault.
    """

    factor: Callable[[int], float] = lambda day: 1.0
    seed: int = 1
    change: Callable[[int, dict[str, CollectionReading], WeekAmounts], None] = lambda night, read, weeks: None
    entries_lost: Callable[[int], float] = lambda night: 0.0
    _busy: list[float] = field(default_factory=list[float])

    def busy(self, day: int) -> float:
        """How busy a day is."""
        random = Random(self.seed * 1000 + day)
        return WEEKDAYS[day % 7] * self.factor(day) * random.lognormvariate(0, 0.12)

    def night(self, night: int) -> tuple[dict[str, CollectionReading], WeekAmounts, float, datetime]:
        """What the night before the day of that number reads."""
        as_of = datetime.combine(FIRST_DAY + timedelta(days=night), datetime.min.time(), UTC) + timedelta(hours=2.25)
        weeks = NightWeeks(as_of, 3, 6)
        usage, entries = (pd.DataFrame(0.0, index=list(weeks.keys), columns=["rows", "units"]) for _ in range(2))
        for week in weeks.weeks:
            first = (week.start.date() - FIRST_DAY).days
            busy = [self.busy(day) for day in range(first, min(first + 7, night))]
            usage.loc[week.key] = ORGANIZATIONS * (1 - 0.4 ** len(busy)), sum(busy) * 1e6
            entries.loc[week.key] = round(sum(busy) * 900), sum(busy) * 4e5
        growth = ORGANIZATIONS + night
        ledgers = sum(self.busy(day) for day in range(-60, night)) * 900 - self.entries_lost(night)
        events = sum(self.busy(day) for day in range(night - 30, night)) * 60
        quiet = Random(night + self.seed).random() * 0.4 + (3 if as_of.weekday() in (6, 0) else 0)
        newest = as_of - timedelta(hours=quiet)
        read = {
            "organizations": CollectionReading(growth, growth, 0, None),
            "subscriptions": CollectionReading(growth, growth, night % 2, None),
            USAGE: CollectionReading(growth * (20 + night // 7), growth * 5, night % 3, newest),
            LEDGERS: CollectionReading(growth - 50, growth - 50, 0, newest),
            EVENTS: CollectionReading(round(events), round(events), 0, newest),
        }
        lasting = WeekAmounts(usage, entries)
        self.change(night, read, lasting)
        return read, lasting, ledgers, as_of


def nights(company: Company, first: int, last: int) -> pd.DataFrame:
    """`NIGHT_MEASURES` of the nights, with ``night``, each judged by those before it."""
    history = pd.DataFrame(columns=["collection", "measure", "week_key", "value", "verdict", "night"])
    before: Before | None = None
    for number in range(first, last):
        read, weeks, entries, as_of = company.night(number)
        found = measures(read, weeks, entries, as_of, before)
        rows = judged(
            found, {name: float(one.examined) for name, one in read.items()}, _closed(as_of), as_of.date(), history
        )
        history = (
            pd.concat([history, rows.assign(night=as_of.date())], ignore_index=True)
            if number > first
            else rows.assign(night=as_of.date())
        )
        before = Before(values(found), as_of)
    return history


def values(found: list[Measure]) -> dict[tuple[str, str, str], float]:
    """Measures by key."""
    return {one.key: one.value for one in found}


def _closed(as_of: datetime) -> dict[str, date]:
    weeks: list[Week] = [week for week in NightWeeks(as_of, 3, 6).weeks if week.state(as_of, 6) == "closed"]
    return {week.key: week.end.date() + timedelta(days=1) for week in weeks}
