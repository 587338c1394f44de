"""Time in the simulation: integer milliseconds since 1970, UTC, so that the event loop only adds and compares."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from billing_dq.weeks import Week

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MONDAY = 4 * DAY


def to_millis(instant: datetime) -> int:
    """Milliseconds of an instant."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def to_datetime(millis: int) -> datetime:
    """The instant of milliseconds."""
    return datetime.fromtimestamp(millis / 1000, UTC) if not millis % 1000 else _EPOCH + timedelta(milliseconds=millis)


def week_start(millis: int) -> int:
    """The Monday 00:00 at or before an instant."""
    return millis - (millis - _FIRST_MONDAY) % WEEK


@lru_cache(maxsize=4096)
def week_key(start: int) -> str:
    """The key of the week that starts then."""
    return Week(to_datetime(start)).key


def next_daily(millis: int, hour: int) -> int:
    """When the daily job of an hour runs next, strictly after an instant.

    The seconds wander from day to day, so that what is due after exactly seven days is sometimes a day late.
    """
    day = millis - millis % DAY
    run = _daily(day, hour)
    return run if run > millis else _daily(day + DAY, hour)


def _daily(day: int, hour: int) -> int:
    return day + hour * HOUR + (5 + day // DAY % 53) * SECOND
