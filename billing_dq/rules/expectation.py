"""What an expectation of a table is, and what came of it. Plain data: no Dagster, no Great Expectations, no SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from billing_dq.tables import Reference

Plain = str | int | float | bool | None
Row = dict[str, Plain]
Severity = Literal["critical", "warning"]

#: As many rows as an outcome tells, at most.
ROWS = 20


@dataclass(frozen=True)
class Clause:
    """One expectation of Great Expectations.

    Attributes:
        kind: its name there, such as ``expect_column_values_to_not_be_null``.
        arguments: its arguments there.
        derived: makes the column that the arguments name, where the table has none of that name.
    """

    kind: str
    arguments: Mapping[str, object]
    derived: "Derived | None" = None

    @property
    def names(self) -> list[str]:
        """The columns that the arguments name."""
        given = self.arguments
        single = [given[key] for key in ("column", "column_A", "column_B") if key in given]
        several = given.get("column_list", [])
        return [str(name) for name in (*single, *(several if isinstance(several, list | tuple) else ()))]

    @property
    def columns(self) -> list[str]:
        """The columns of the table that it needs."""
        return list(self.derived.columns) if self.derived else self.names


@dataclass(frozen=True)
class Derived:
    """A column that the rules compute for a clause, since it takes more than one row or table.

    Attributes:
        name: of the column.
        rule: how it is computed (see `rules.derived`).
        columns: of the table, that it is computed from.
        reference: where ``rule`` is ``leads_somewhere``.
    """

    name: str
    rule: Literal["leads_somewhere", "seconds_since_the_row_before", "fraction"]
    columns: tuple[str, ...]
    reference: Reference | None = None


@dataclass(frozen=True)
class Expectation:
    """What a table is expected to be, in one sentence; it is kept where all of its clauses are.

    Attributes:
        table: name of the table.
        name: of the check.
        sentence: true where it is kept.
        severity: ``critical`` stops what rests on the table.
        clauses: what must hold.
    """

    table: str
    name: str
    sentence: str
    severity: Severity
    clauses: tuple[Clause, ...]

    @property
    def columns(self) -> list[str]:
        """The columns that its clauses need, each once."""
        return list(dict.fromkeys(name for clause in self.clauses for name in clause.columns))


@dataclass
class Outcome:
    """What became of an expectation.

    Attributes:
        checked: rows that were looked at.
        broken: rows that break it; of an expectation about a whole table 0 or 1.
        rows: the first of them, `ROWS` at most: their keys and the values in question.
        problem: why it could not be judged; empty where it was.
        said: what was seen of a whole table instead, such as its mean; empty where rows are judged.
    """

    checked: int = 0
    broken: int = 0
    rows: list[Row] = field(default_factory=list[Row])
    problem: str = ""
    said: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is kept."""
        return not self.broken and not self.problem

    @property
    def sentence(self) -> str:
        """What to say of it in one line."""
        return self.problem or self.said or f"{self.broken:,} of {self.checked:,} rows break it"
