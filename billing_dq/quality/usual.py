"""What is usual for a measure, by the nights before: the median, and how far from it values have been (MAD).

A measure that follows the week (usage, debits, ages) is compared with the same weekday of the last four weeks. Until
there are three of them, it is compared with the range of the nights so far, once there is a week of them; before that
it is not judged. A lasting change of level becomes usual by itself, when half of the nights that are compared have it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import NamedTuple

#: A MAD as the standard deviation of values that are normally distributed.
_MAD_TO_DEVIATION = 1.4826
#: Deviations from the median that are still usual.
_DEVIATIONS = 6.0
_SAME_WEEKDAYS, _WEEKS, _ANY_NIGHTS = 3, 4, 7


class Past(NamedTuple):
    """A value of an earlier night; ``was_usual`` is false where that night found it too low or too high."""

    night: date
    value: float
    was_usual: bool = True


@dataclass(frozen=True)
class Rule:
    """How a measure is judged.

    Attributes:
        weekly: it follows the week.
        low, high: factors of the expected value that are always usual; None: that side is not judged.
        smallest: where the expected value and the value are below it, there is too little to judge; of an age, what
            is never too old.
        nights: how many earlier nights are compared where it does not follow the week, and how many there must be.
        scatters: the range is wider where the values themselves scatter.
    """

    weekly: bool
    low: float | None
    high: float | None
    smallest: float
    nights: tuple[int, int] = (14, 5)
    scatters: bool = True


class Usual(NamedTuple):
    """What is usual: the expected value, the range (None: that side is open), by how many earlier nights."""

    expected: float
    lowest: float | None
    highest: float | None
    nights: int

    def verdict(self, value: float) -> str:
        """`usual`, `too_low` or `too_high`."""
        if self.lowest is not None and value < self.lowest:
            return "too_low"
        return "too_high" if self.highest is not None and value > self.highest else "usual"


def usual(past: Sequence[Past], night: date, rule: Rule) -> Usual | None:
    """What is usual for a night; None where the earlier nights are too few to tell. ``past`` may have any order."""
    if not rule.weekly:
        days, fewest = rule.nights
        return _around_the_median(_recent(past, night, days), rule, fewest)
    recent = _recent(past, night, 7 * _WEEKS)
    same_weekday = [value for value in recent if value.night.weekday() == night.weekday()]
    return _around_the_median(same_weekday, rule, _SAME_WEEKDAYS) or _in_the_range(recent, rule)


def _recent(past: Sequence[Past], night: date, days: int) -> list[Past]:
    """The values of the nights before one, back to so many days."""
    return [value for value in past if night - timedelta(days=days) <= value.night < night]


def _around_the_median(past: Sequence[Past], rule: Rule, fewest: int) -> Usual | None:
    """The factors of the rule around the median, wider where the values themselves were; factors are what matters: a
    measure that doubles is as unusual as one that halves.
    """
    if len(past) < fewest:
        return None
    values = [earlier.value for earlier in past]
    expected, spread = median(values), _spread(values, rule)
    base = max(expected, rule.smallest)
    lowest = None if rule.low is None or expected < rule.smallest else expected * min(rule.low, 1 / spread)
    highest = None if rule.high is None else base * max(rule.high, spread)
    return Usual(expected, lowest, highest, len(past))


def _in_the_range(past: Sequence[Past], rule: Rule) -> Usual | None:
    """The range of the usual values so far, which a whole week of them spans, with the factors of the rule around;
    wider where the values themselves scatter.
    """
    if len(past) < _ANY_NIGHTS:
        return None
    values = [earlier.value for earlier in past if earlier.was_usual] or [earlier.value for earlier in past]
    expected, spread, least, most = median(values), _spread(values, rule), min(values), max(values)
    base = max(expected, rule.smallest)
    lowest = None if rule.low is None or least < rule.smallest else min(least * rule.low, expected / spread)
    highest = None if rule.high is None else max(max(most, rule.smallest) * rule.high, base * spread)
    return Usual(expected, lowest, highest, len(past))


def _spread(values: Sequence[float], rule: Rule) -> float:
    """The factor of so many deviations; small values, between which factors mean nothing, are alike."""
    if not rule.scatters:
        return 1.0
    # of logarithms, for a measure that doubles is as unusual as one that halves
    logs = [math.log(max(value, rule.smallest)) for value in values]
    middle = median(logs)
    return math.exp(_DEVIATIONS * _MAD_TO_DEVIATION * median(abs(log - middle) for log in logs))


def usual_share(past: Sequence[Past], night: date, documents: float) -> Usual | None:
    """What is usual for a share of documents that is mostly nothing: the median, a point or six deviations more, and at
    least five of the night's documents more.
    """
    recent = [earlier.value for earlier in _recent(past, night, 14)]
    if len(recent) < _ANY_NIGHTS or documents <= 0:
        return None
    expected = median(recent)
    spread = _DEVIATIONS * _MAD_TO_DEVIATION * median(abs(share - expected) for share in recent)
    return Usual(expected, None, expected + max(0.01, spread, 5 / documents), len(recent))
