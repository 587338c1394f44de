"""The measures of a night: how much there is of each collection, how much came since the night before, how old the
newest write is. Frames and counts in, rows out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

USAGE, LEDGERS, EVENTS = "billingusages", "billingextrabalances", "processedstripeevents"
#: Hours between two nights from which a day's measure is told: half a day to three days.
_SHORTEST, _LONGEST = 12.0, 72.0


@dataclass(frozen=True)
class Measure:
    """A measure of a collection, or of a week of it where ``week_key`` is not empty."""

    collection: str
    name: str
    week_key: str
    value: float
    unit: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it apart."""
        return self.collection, self.name, self.week_key


@dataclass(frozen=True)
class Read:
    """What a night read of a collection: documents, of these the unreadable ones, and when it was last written."""

    documents: int
    examined: int
    unreadable: int
    newest: datetime | None


@dataclass(frozen=True)
class Weeks:
    """Amounts by week of the night: rows and units of usage and of debits, each indexed by week key, oldest first."""

    usage: pd.DataFrame
    entries: pd.DataFrame


@dataclass(frozen=True)
class Before:
    """The night before: its measures by key, and when it was taken."""

    values: Mapping[tuple[str, str, str], float]
    as_of: datetime


def measures(
    read: Mapping[str, Read], weeks: Weeks, ledger_entries: float, as_of: datetime, before: Before | None
) -> list[Measure]:
    """All measures of a night.

    Args:
        read: what was read, by collection.
        weeks: the amounts by week.
        ledger_entries: entries of all ledgers, of whatever age.
        as_of: the instant of the snapshot.
        before: the newest earlier night; None: there is none.
    """
    found = [one for collection, told in read.items() for one in _of_collection(collection, told, as_of)]
    if LEDGERS in read:
        found.append(Measure(LEDGERS, "entries", "", ledger_entries, "entries"))
    for collection, frame, rows in ((USAGE, weeks.usage, "documents"), (LEDGERS, weeks.entries, "entries")):
        if collection in read:
            by_week = list(_by_week(collection, frame, rows))
            found += by_week
            found += _a_day(by_week, rows, as_of, before)
    return found


def _of_collection(collection: str, told: Read, as_of: datetime) -> Iterator[Measure]:
    yield Measure(collection, "documents", "", float(told.documents), "documents")
    share = told.unreadable / told.examined if told.examined else 0.0
    yield Measure(collection, "unreadable", "", share, "share")
    if told.newest is not None:
        yield Measure(collection, "age", "", max(0.0, (as_of - told.newest).total_seconds() / 3600), "hours")


def _by_week(collection: str, frame: pd.DataFrame, rows: str) -> Iterator[Measure]:
    for week, count, units in zip(frame.index, frame["rows"], frame["units"], strict=True):
        yield Measure(collection, f"{rows}_of_week", str(week), float(count), rows)
        yield Measure(collection, "units_of_week", str(week), float(units), "units")


def _a_day(by_week: list[Measure], rows: str, as_of: datetime, before: Before | None) -> list[Measure]:
    """What came since the night before, as so much a day: what the same weeks have more than they had."""
    hours = 0.0 if before is None else (as_of - before.as_of).total_seconds() / 3600
    if before is None or not by_week or not _SHORTEST <= hours <= _LONGEST:
        return []
    more = {rows: 0.0, "units": 0.0}
    for one in by_week:
        more[one.unit] += one.value - before.values.get(one.key, 0.0)
    collection = by_week[0].collection
    return [
        Measure(collection, f"{unit}_a_day", "", max(0.0, came) / hours * 24, f"{unit} a day")
        for unit, came in more.items()
    ]
