"""What a table of a night looks like, column by column: rows, nulls, range, distribution. Batches in, rows out.

Words are counted where they are words of the domain; other text is only counted. Numbers and times are counted by
ranges that are the same every night, so that two nights can be laid side by side.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from billing_dq.tables import COLUMN_PROFILES, Column, Table

#: Columns whose values are words of the domain.
_DOMAIN = """plan status kind source week_key week_state grade cause rule confidence severity state decision reason
currency collection field plan_before plan_after status_before status_after"""
WORDS = frozenset(_DOMAIN.split())
_MOST_WORDS, _WORD_LENGTH = 20, 40
OTHER_WORDS = "(others)"
#: The bounds of numbers by powers of ten, either side of zero.
_BOUNDS = np.array([-1e9, -1e6, -1e5, -1e4, -1e3, -1e2, -10, -1, 0, 1, 10, 1e2, 1e3, 1e4, 1e5, 1e6, 1e9])
_NUMBERS = ("float64", "int64", "Int64")


@dataclass
class _ColumnFacts:
    """The counts of a column in the batches so far."""

    nulls: int = 0
    least: float | None = None
    greatest: float | None = None
    words: Counter[str] = field(default_factory=Counter[str])
    ranges: Counter[int] = field(default_factory=Counter[int])


def profile(table: Table, batches: Iterable[pd.DataFrame]) -> list[dict[str, object]]:
    """The rows of `COLUMN_PROFILES` of one table."""
    facts = {column.name: _ColumnFacts() for column in table.columns}
    rows = 0
    for batch in batches:
        rows += len(batch)
        for column in table.columns:
            if column.name in batch.columns:
                _add(facts[column.name], column, batch[column.name])
    profile_rows = [_row(table, "", "rows", "", rows)]
    for column in table.columns:
        if not column.dtype.startswith("list"):
            profile_rows += _rows_of(table, column, facts[column.name])
    return profile_rows


def profiles(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """`COLUMN_PROFILES`."""
    return COLUMN_PROFILES.from_rows(rows)


def _add(facts: _ColumnFacts, column: Column, values: pd.Series) -> None:
    present = values.dropna()
    facts.nulls += len(values) - len(present)
    if present.empty:
        return
    if column.name in WORDS or column.dtype in ("bool", "boolean"):
        facts.words.update({str(word)[:_WORD_LENGTH]: int(count) for word, count in present.value_counts().items()})
    elif column.dtype == "time":
        # no ranges: two nights have other dates, so that nothing could be compared
        _range(facts, present.astype("int64").to_numpy(dtype="float64"))
    elif column.dtype in _NUMBERS:
        numbers = present.to_numpy(dtype="float64")
        _range(facts, numbers)
        places = np.searchsorted(_BOUNDS, numbers, side="right")
        facts.ranges.update({int(place): int(count) for place, count in enumerate(np.bincount(places)) if count})


def _range(facts: _ColumnFacts, numbers: np.ndarray) -> None:
    least, greatest = float(numbers.min()), float(numbers.max())
    facts.least = least if facts.least is None else min(facts.least, least)
    facts.greatest = greatest if facts.greatest is None else max(facts.greatest, greatest)


def _rows_of(table: Table, column: Column, facts: _ColumnFacts) -> Iterator[dict[str, object]]:
    yield _row(table, column.name, "nulls", "", facts.nulls)
    for part, number in (("least", facts.least), ("greatest", facts.greatest)):
        if number is not None:
            label = pd.Timestamp(number, unit="ms", tz="UTC").isoformat() if column.dtype == "time" else ""
            yield _row(table, column.name, part, label, None if label else number)
    words = facts.words.most_common()
    for word, count in sorted(words[:_MOST_WORDS]):
        yield _row(table, column.name, "value", word, count)
    if len(words) > _MOST_WORDS:
        yield _row(table, column.name, "value", OTHER_WORDS, sum(count for _, count in words[_MOST_WORDS:]))
    for place in sorted(facts.ranges):
        yield _row(table, column.name, "range", _label(place), facts.ranges[place])


def _label(place: int) -> str:
    if place == 0:
        return f"below {_BOUNDS[0]:,.0f}"
    if place == len(_BOUNDS):
        return f"{_BOUNDS[-1]:,.0f} and more"
    return f"{_BOUNDS[place - 1]:,.0f} to {_BOUNDS[place]:,.0f}"


def _row(table: Table, column: str, part: str, label: str, number: float | None) -> dict[str, object]:
    return {"table_name": table.name, "column_name": column, "part": part, "label": label, "number": number}
