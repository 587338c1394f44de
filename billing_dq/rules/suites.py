"""The suites: what is expected of each table that a night reads, in Great Expectations' own form.

`suites/<table>.json` is an `ExpectationSuite` as the library writes and reads it, but for a line an expectation. It is
read here without the library, whose import costs seconds. What a table's contract refuses when the table is made (a
missing column, a null, a key that repeats in a table of Stripe) is not expected again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

Severity = Literal["critical", "warning"]
_SUITES = Path(__file__).parent / "suites"


@dataclass(frozen=True)
class Expectation:
    """One expectation of a suite.

    Attributes:
        type: its name in Great Expectations, such as ``expect_column_values_to_be_between``.
        kwargs: its arguments there; ``{"$PARAMETER": name}`` stands for a value of the night.
        severity: ``critical`` stops what rests on the table.
        notes: a sentence that is true where it is met.
        meta: ``name``, which checks and faults call it by; of an analyst's rule also ``owner`` and ``file``.
    """

    type: str
    kwargs: Mapping[str, object]
    severity: Severity
    notes: str
    meta: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def name(self) -> str:
        """What checks and faults call it."""
        return self.meta["name"]

    @property
    def columns(self) -> list[str]:
        """The columns that its arguments name."""
        single = [self.kwargs[key] for key in ("column", "column_A", "column_B") if key in self.kwargs]
        several = self.kwargs.get("column_list", [])
        return [str(name) for name in (*single, *(several if isinstance(several, list | tuple) else ()))]


@cache
def suite_of(table: str) -> tuple[Expectation, ...]:
    """What is expected of a table; nothing of one that the night makes itself."""
    path = _SUITES / f"{table}.json"
    if not path.exists():
        return ()
    return tuple(Expectation(**written) for written in json.loads(path.read_text(encoding="utf-8"))["expectations"])


def names_in_use() -> list[tuple[str, str]]:
    """Table and name of every expectation of the suites: no rule of an analyst may have it."""
    tables = sorted(path.stem for path in _SUITES.glob("*.json"))
    return [(table, expectation.name) for table in tables for expectation in suite_of(table)]
