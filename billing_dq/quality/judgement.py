"""The measures of a night judged by those of the nights before: freshness, volume, share of unreadable documents.

Rows that are gone are errors: nothing in the application takes usage documents, entries or balances away. All else can
be by design (a launch, a holiday, a quiet company), so it has wide bounds and is a warning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import pandas as pd

from billing_dq.quality.measures import EVENTS, LEDGERS, Measure
from billing_dq.quality.usual import Past, Rule, Usual, usual, usual_share
from billing_dq.tables import NIGHT_MEASURES

#: Nothing is taken away, and a company does not double in two weeks.
_LEVEL = Rule(weekly=False, low=0.9, high=2.0, smallest=20.0)
#: Events are removed after 30 days, so that their number follows what happens.
_KEPT_FOR_A_WHILE = Rule(weekly=False, low=1 / 3, high=3.0, smallest=20.0)
#: A closed week stays as it is; from the second night on.
_CLOSED_WEEK = Rule(weekly=False, low=0.9, high=None, smallest=20.0, nights=(28, 1))
_FEWEST_UNITS = 100.0
_FLOW = Rule(weekly=True, low=1 / 3, high=3.0, smallest=20.0)
_FLOW_OF_UNITS = replace(_FLOW, smallest=_FEWEST_UNITS)
#: Debited is what is above the quota: where usage doubles or halves, by far more changes there.
_OVERFLOW = Rule(weekly=True, low=0.1, high=10.0, smallest=20.0)
_OVERFLOW_OF_UNITS = replace(_OVERFLOW, smallest=_FEWEST_UNITS)
#: An hour is never old, and neither are three. What comes by chance has come after ten of its mean intervals.
_AGE = Rule(weekly=True, low=None, high=3.0, smallest=1.0, scatters=False)
_INTERVALS = 10.0
#: For so many days the application keeps an event.
_EVENT_DAYS = 30
_KEPT = (EVENTS, "documents")
_OF_WEEKS = ("documents_of_week", "entries_of_week", "units_of_week")

_RULES: Mapping[str, Rule] = {
    "documents": _LEVEL,
    "entries": _LEVEL,
    "documents_a_day": _FLOW,
    "entries_a_day": _OVERFLOW,
    "units_a_day": _FLOW_OF_UNITS,
    "documents_of_week": _CLOSED_WEEK,
    "entries_of_week": _CLOSED_WEEK,
    "units_of_week": replace(_CLOSED_WEEK, smallest=_FEWEST_UNITS),
    "age": _AGE,
}
#: Where a collection has a rule of its own.
_OWN_RULES: Mapping[tuple[str, str], Rule] = {
    _KEPT: _KEPT_FOR_A_WHILE,
    (LEDGERS, "units_a_day"): _OVERFLOW_OF_UNITS,
}


def judged(
    found: Sequence[Measure],
    documents: Mapping[str, float],
    closed_since: Mapping[str, date],
    night: date,
    history: pd.DataFrame,
) -> pd.DataFrame:
    """`NIGHT_MEASURES` of a night.

    Args:
        found: its measures.
        documents: documents that were examined, by collection.
        closed_since: the first night that sees a week closed, by key, of the weeks that the night sees closed.
        night: the night.
        history: ``night`` (a date) and the columns of `NIGHT_MEASURES` of the nights before.
    """
    past, intervals = _past(history), _mean_hours(found)
    rows: list[dict[str, object]] = []
    for one in found:
        earlier = past.get(one.key, [])
        if one.name in _OF_WEEKS:
            earlier = [
                each for each in earlier if one.week_key in closed_since and each.night >= closed_since[one.week_key]
            ]
        told = _usual(one, earlier, night, (documents.get(one.collection, 0.0), intervals.get(one.collection, 0.0)))
        rows.append(
            {
                "collection": one.collection,
                "measure": one.name,
                "week_key": one.week_key,
                "value": one.value,
                "unit": one.unit,
                "expected": None if told is None else told.expected,
                "lowest": None if told is None else told.lowest,
                "highest": None if told is None else told.highest,
                "nights": 0 if told is None else told.nights,
                "verdict": "not_judged" if told is None else told.verdict(one.value),
            }
        )
    return NIGHT_MEASURES.from_rows(rows)


def is_lost(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows of `NIGHT_MEASURES` say that something which was there is gone; of webhook events much is removed."""
    levels = rows["measure"].isin(["documents", "entries", *_OF_WEEKS]) & (rows["collection"] != EVENTS)
    return levels & (rows["verdict"] == "too_low")


def is_unusual(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows of `NIGHT_MEASURES` are outside of what is usual."""
    return rows["verdict"].isin(["too_low", "too_high"])


def _usual(one: Measure, earlier: Sequence[Past], night: date, collection: tuple[float, float]) -> Usual | None:
    """What is usual for a measure; ``collection`` are its documents, and the hours from one to the next."""
    documents, hours = collection
    if one.name == "unreadable":
        return usual_share(earlier, night, documents)
    rule = _OWN_RULES.get((one.collection, one.name), _RULES[one.name])
    if one.name == "age" and rule.high is not None:
        rule = replace(rule, smallest=max(rule.smallest, _INTERVALS * hours / rule.high))
    return usual(earlier, night, rule)


def _mean_hours(found: Sequence[Measure]) -> dict[str, float]:
    """By collection the hours from one write to the next, on average and at most, by what the night counted."""
    hours: dict[str, float] = {}
    for one in found:
        counted = one.name in ("documents_of_week", "entries_of_week") or (one.collection, one.name) == _KEPT
        if counted and one.value:
            span = 24.0 * (_EVENT_DAYS if one.collection == EVENTS else 7)
            hours[one.collection] = min(span / one.value, hours.get(one.collection, span))
    return hours


def _past(history: pd.DataFrame) -> dict[tuple[str, str, str], list[Past]]:
    found: dict[tuple[str, str, str], list[Past]] = {}
    columns = ("collection", "measure", "week_key", "night", "value")
    unusual = is_unusual(history)
    for collection, measure, week, night, value, odd in zip(*(history[name] for name in columns), unusual, strict=True):
        found.setdefault((str(collection), str(measure), str(week)), []).append(Past(night, float(value), not odd))
    return found


def sentence(row: Mapping[str, object]) -> str:
    """One sentence about an unusual row of `NIGHT_MEASURES`."""
    week = f" of {row['week_key']}" if row["week_key"] else ""
    name = str(row["measure"]).replace("_of_week", "").replace("_", " ")
    bound = row["lowest"] if row["verdict"] == "too_low" else row["highest"]
    side = "at least" if row["verdict"] == "too_low" else "at most"
    value, limit, expected = (_said(one, str(row["unit"])) for one in (row["value"], bound, row["expected"]))
    nights = f"{row['nights']} earlier night" + ("" if row["nights"] == 1 else "s")
    return f"{row['collection']}, {name}{week}: {value}, usually about {expected} and {side} {limit} ({nights})"


def _said(value: object, unit: str) -> str:
    number = float(str(value))
    if unit == "share":
        return f"{number:.1%}"
    return f"{number:,.1f} hours" if unit == "hours" else f"{number:,.0f} {unit}"
