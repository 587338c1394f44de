"""What is expected: the suites of the tables that a night reads, and the rules of analysts beside them.

`suites/<table>.json` is an `ExpectationSuite` as Great Expectations writes and reads it, but for a line an expectation.
It is read here without the library, whose import costs seconds. What a table's contract refuses when the table is made
(a missing column, a null, a key that repeats in a table of Stripe) is not expected again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from billing_dq.errors import SettingsError

Severity = Literal["critical", "warning"]
#: What Great Expectations calls a query that returns the rows that are wrong, and its argument.
QUERY, SQL = "unexpected_rows_expectation", "unexpected_rows_query"
_SUITES = Path(__file__).parent / "suites"


class RuleError(SettingsError):
    """A rule cannot be used; the message is one line with the file, the line, the key and the reason."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))  # a name in the file, or what PyYAML says, may have several lines


@dataclass(frozen=True)
class Expectation:
    """One expectation of a table.

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


class Rule(NamedTuple):
    """A rule of an analyst: an expectation of a table, or a query that returns the rows that are wrong.

    Attributes:
        table: on which its check is.
        expectation: what is expected, with the name, owner and file of the rule.
        reads: the tables that it needs, ``table`` among them.
    """

    table: str
    expectation: Expectation
    reads: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name, once on a table."""
        return self.expectation.name

    @property
    def place(self) -> str:
        """File and line."""
        return self.expectation.meta["file"]


@cache
def suite_of(table: str) -> tuple[Expectation, ...]:
    """What is expected of a table; nothing of one that the night makes itself."""
    path = _SUITES / f"{table}.json"
    if not path.exists():
        return ()
    return tuple(Expectation(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))["expectations"])


def names_in_use() -> list[tuple[str, str]]:
    """Table and name of every expectation of the suites: no rule of an analyst may have it."""
    tables = sorted(path.stem for path in _SUITES.glob("*.json"))
    return [(table, expectation.name) for table in tables for expectation in suite_of(table)]
