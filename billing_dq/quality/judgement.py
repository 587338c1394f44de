"""The measures of a night judged by those of the nights before: freshness, volume, share of unreadable documents.

Rows that are gone are errors: nothing in the application takes usage documents, entries or balances away. All else can
be by design (a launch, a holiday, a quiet company), so it has wide bounds and is a warning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import pandas as pd

from billing_dq.quality.measures import EVENTS, LEDGERS, Measure
from billing_dq.quality.usual import Past, Rule, usual, usual_share
from billing_dq.tables import NIGHT_MEASURES

#: Nothing is taken away, and a company does not double in two weeks.
_LEVEL = Rule(weekly=False, low=0.9, high=2.0, smallest=20.0)
#: A closed week stays as it is; from the second night on.
_CLOSED_WEEK = Rule(weekly=False, low=0.9, high=None, smallest=20.0, nights=(28, 1))
_FEWEST_UNITS = 100.0
_FLOW = Rule(weekly=True, low=1 / 3, high=3.0, smallest=20.0)
#: Debited is what is above the quota: where usage doubles or halves, by far more changes there.
_OVERFLOW = Rule(weekly=True, low=0.1, high=10.0, smallest=20.0)
_OF_WEEKS = ("documents_of_week", "entries_of_week", "units_of_week")
#: What comes by chance has come after so many of its mean intervals.
_INTERVALS = 10.0
#: For so many days the application keeps an event.
_EVENT_DAYS = 30
_KEPT_EVENTS = (EVENTS, "documents")

_RULES: Mapping[str, Rule] = {
    "documents": _LEVEL,
    "entries": _LEVEL,
    "documents_a_day": _FLOW,
    "entries_a_day": _OVERFLOW,
    "units_a_day": replace(_FLOW, smallest=_FEWEST_UNITS),
    "documents_of_week": _CLOSED_WEEK,
    "entries_of_week": _CLOSED_WEEK,
    "units_of_week": replace(_CLOSED_WEEK, smallest=_FEWEST_UNITS),
    # an hour is never old, and neither are three
    "age": Rule(weekly=True, low=None, high=3.0, smallest=1.0, scatters=False),
}
#: Where a collection has a rule of its own.
_RULES_OF_COLLECTIONS: Mapping[tuple[str, str], Rule] = {
    # events are removed after 30 days, so that their number follows what happens
    _KEPT_EVENTS: Rule(weekly=False, low=1 / 3, high=3.0, smallest=20.0),
    (LEDGERS, "units_a_day"): replace(_OVERFLOW, smallest=_FEWEST_UNITS),
}


def judged(
    measures: Sequence[Measure],
    documents: Mapping[str, float],
    closed_since: Mapping[str, date],
    night: date,
    history: pd.DataFrame,
) -> pd.DataFrame:
    """`NIGHT_MEASURES` of a night.

    Args:
        measures: those of the night.
        documents: documents that were examined, by collection.
        closed_since: the first night that sees a week closed, by key, of the weeks that the night sees closed.
        night: the night.
        history: ``night`` (a date) and the columns of `NIGHT_MEASURES` of the nights before.
    """
    past, hours = _past(history), _mean_hours(measures)
    rows: list[dict[str, object]] = []
    for measure in measures:
        earlier = past.get(measure.key, [])
        if measure.name in _OF_WEEKS:
            first = closed_since.get(measure.week_key, date.max)
            earlier = [value for value in earlier if value.night >= first]
        if measure.name == "unreadable":
            bounds = usual_share(earlier, night, documents.get(measure.collection, 0.0))
        else:
            bounds = usual(earlier, night, _rule_of(measure, hours.get(measure.collection, 0.0)))
        row: dict[str, object] = {"collection": measure.collection, "measure": measure.name}
        row |= {"week_key": measure.week_key, "value": measure.value, "unit": measure.unit}
        row |= {"nights": 0, "verdict": "not_judged"}
        if bounds is not None:
            row |= {**bounds._asdict(), "verdict": bounds.verdict(measure.value)}
        rows.append(row)
    return NIGHT_MEASURES.from_rows(rows)


def is_lost(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows of `NIGHT_MEASURES` say that something is gone; of webhook events much is removed by design."""
    levels = rows["measure"].isin(["documents", "entries", *_OF_WEEKS]) & (rows["collection"] != EVENTS)
    return levels & (rows["verdict"] == "too_low")


def is_unusual(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows of `NIGHT_MEASURES` are outside of what is usual."""
    return rows["verdict"].isin(["too_low", "too_high"])


def sentence(row: Mapping[str, object]) -> str:
    """One sentence about an unusual row of `NIGHT_MEASURES`."""
    week = f" of {row['week_key']}" if row["week_key"] else ""
    name = str(row["measure"]).replace("_of_week", "").replace("_", " ")
    bound, side = (row["lowest"], "at least") if row["verdict"] == "too_low" else (row["highest"], "at most")
    value, limit, expected = (_amount(amount, str(row["unit"])) for amount in (row["value"], bound, row["expected"]))
    nights = f"{row['nights']} earlier night" + ("" if row["nights"] == 1 else "s")
    return f"{row['collection']}, {name}{week}: {value}, usually about {expected} and {side} {limit} ({nights})"


def _amount(value: object, unit: str) -> str:
    number = float(str(value))
    if unit == "share":
        return f"{number:.1%}"
    return f"{number:,.1f} hours" if unit == "hours" else f"{number:,.0f} {unit}"


def _rule_of(measure: Measure, mean_hours: float) -> Rule:
    """The rule of a measure; ``mean_hours`` are those from one write of its collection to the next."""
    rule = _RULES_OF_COLLECTIONS.get((measure.collection, measure.name), _RULES[measure.name])
    if measure.name == "age" and rule.high is not None:
        return replace(rule, smallest=max(rule.smallest, _INTERVALS * mean_hours / rule.high))
    return rule


def _mean_hours(measures: Sequence[Measure]) -> dict[str, float]:
    """By collection the hours from one write to the next, on average and at most, by what the night counted."""
    hours: dict[str, float] = {}
    for collection, name, _, value, _ in measures:
        is_counted = name in ("documents_of_week", "entries_of_week") or (collection, name) == _KEPT_EVENTS
        if is_counted and value:
            span = 24.0 * (_EVENT_DAYS if collection == EVENTS else 7)
            hours[collection] = min(span / value, hours.get(collection, span))
    return hours


def _past(history: pd.DataFrame) -> dict[tuple[str, str, str], list[Past]]:
    past: dict[tuple[str, str, str], list[Past]] = {}
    columns = (history[name] for name in ("collection", "measure", "week_key", "night", "value"))
    for collection, measure, week, night, value, odd in zip(*columns, is_unusual(history), strict=True):
        past.setdefault((str(collection), str(measure), str(week)), []).append(Past(night, float(value), not odd))
    return past
