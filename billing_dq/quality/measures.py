"""The measures of a night: how much there is of each collection, how much came since the night before, how old the
newest write is. Frames and counts in, rows out.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

import pandas as pd

USAGE, LEDGERS, EVENTS = "billingusages", "billingextrabalances", "processedstripeevents"
#: Hours between two nights from which a day's measure is calculated: half a day to three days.
_SHORTEST, _LONGEST = 12.0, 72.0


class Measure(NamedTuple):
    """A measure of a collection, or of a week of it where ``week_key`` is not empty."""

    collection: str
    name: str
    week_key: str
    value: float
    unit: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Collection, name and week."""
        return self[:3]


class CollectionReading(NamedTuple):
    """What a night read of a collection: documents, of these the unreadable ones, and when it was last written."""

    documents: int
    examined: int
    unreadable: int
    newest: datetime | None


class WeekAmounts(NamedTuple):
    """Amounts by week of the night: rows and units of usage and of debits, each indexed by week key, oldest first."""

    usage: pd.DataFrame
    entries: pd.DataFrame


class Before(NamedTuple):
    """The night before: its measures by key, and when it was taken."""

    values: Mapping[tuple[str, str, str], float]
    as_of: datetime


def measures(
    readings: Mapping[str, CollectionReading],
    amounts: WeekAmounts,
    ledger_entries: float,
    as_of: datetime,
    before: Before | None,
) -> list[Measure]:
    """All measures of a night.

    Args:
        readings: what was read, by collection.
        amounts: the amounts by week.
        ledger_entries: entries of all ledgers, of whatever age.
        as_of: the instant of the snapshot.
        before: the newest earlier night; None: there is none.
    """
    of_night = [measure for name, reading in readings.items() for measure in _of_collection(name, reading, as_of)]
    if LEDGERS in readings:
        of_night.append(Measure(LEDGERS, "entries", "", ledger_entries, "entries"))
    for collection, frame, rows in ((USAGE, amounts.usage, "documents"), (LEDGERS, amounts.entries, "entries")):
        if collection in readings:
            by_week = list(_by_week(collection, frame, rows))
            of_night += by_week
            of_night += _a_day(by_week, rows, as_of, before)
    return of_night


def _of_collection(collection: str, reading: CollectionReading, as_of: datetime) -> Iterator[Measure]:
    yield Measure(collection, "documents", "", float(reading.documents), "documents")
    share = reading.unreadable / reading.examined if reading.examined else 0.0
    yield Measure(collection, "unreadable", "", share, "share")
    if reading.newest is not None:
        yield Measure(collection, "age", "", max(0.0, (as_of - reading.newest).total_seconds() / 3600), "hours")


def _by_week(collection: str, frame: pd.DataFrame, rows: str) -> Iterator[Measure]:
    for week, count, units in zip(frame.index, frame["rows"], frame["units"], strict=True):
        yield Measure(collection, f"{rows}_of_week", str(week), float(count), rows)
        yield Measure(collection, "units_of_week", str(week), float(units), "units")


def _a_day(by_week: list[Measure], rows: str, as_of: datetime, before: Before | None) -> Iterator[Measure]:
    """What came since the night before, as so much a day: what the same weeks have more than they had."""
    hours = 0.0 if before is None else (as_of - before.as_of).total_seconds() / 3600
    if before is None or not by_week or not _SHORTEST <= hours <= _LONGEST:
        return
    for unit in (rows, "units"):
        more = sum(m.value - before.values.get(m.key, 0.0) for m in by_week if m.unit == unit)
        yield Measure(by_week[0].collection, f"{unit}_a_day", "", max(0.0, more) / hours * 24, f"{unit} a day")
