"""The tables of a night held to their suites and to the rules of analysts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as arrow_dataset
from pyarrow.fs import FSSpecHandler, PyFileSystem

from billing_dq.errors import SourceError
from billing_dq.rules.derived import DerivedColumn, derived_columns
from billing_dq.rules.kinds import KINDS
from billing_dq.rules.results import Result
from billing_dq.rules.sql import wrong_rows
from billing_dq.rules.suites import QUERY, Expectation, Rule
from billing_dq.rules.validation import Suite, validate
from billing_dq.storage.lake import Lake
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import TABLES, UNREADABLE_KEYS

#: Without a snapshot the application goes on writing while it is read: a date so long after it is still plausible.
_AFTER_THE_SNAPSHOT = timedelta(days=1)


@dataclass(frozen=True)
class NightTables:
    """Where the tables of a night are, also while the night is being written.

    Attributes:
        lake: the stored nights.
        night: YYYY-MM-DD.
        as_of: the instant of its snapshot, UTC.
        plans: the plans of the settings.
    """

    lake: Lake
    night: str
    as_of: datetime
    plans: tuple[str, ...] = ()

    def stored(self, name: str) -> StoredTable | None:
        """A table of the night; None where it has none."""
        return self.lake.stored(TABLES[name], self.night)

    def require(self, name: str) -> StoredTable:
        """A table of the night.

        Raises:
            SourceError: the night has no such table.
        """
        table = self.stored(name)
        if table is None:
            raise SourceError(f"{name} of the night of {self.night} is not stored")
        return table

    def lacks(self, rule: Rule) -> list[str]:
        """The tables that a rule reads and the night does not have; with one of them it is not run."""
        return [name for name in rule.reads if self.stored(name) is None]

    def columns(self, name: str, columns: list[str]) -> pd.DataFrame | None:
        """Some columns of a table, None where the night has no such table."""
        table = self.stored(name)
        return None if table is None else table.frame(columns)


def judge_suite(night: NightTables, table: str, expected: Sequence[Expectation]) -> list[Result]:
    """The results of expectations of a table, over all of its rows.

    A table that is stored by organization comes by row group: one holds all rows of its organizations, so that a key
    which is unique in each, and names the organization, is unique. What is expected of all rows at once gets the
    columns that it names in one part.

    Raises:
        SourceError: the night has no such table.
    """
    by_row = [expectation for expectation in expected if _can_be_added_up(expectation)]
    at_once = [expectation for expectation in expected if not _can_be_added_up(expectation)]
    return _judge(night, table, by_row, in_parts=True) + _judge(night, table, at_once, in_parts=False)


def judge_rules(night: NightTables, table: str, rules: Sequence[Rule]) -> list[Result]:
    """The results of the rules of analysts about a table; those whose tables are not all there are left out.

    Raises:
        SourceError: the night has no such table.
    """
    ready = [rule for rule in rules if not night.lacks(rule)]
    results = judge_suite(night, table, [rule.expectation for rule in ready if rule.expectation.type != QUERY])
    for rule in ready:
        if rule.expectation.type == QUERY:
            tables = {name: _dataset(night.require(name)) for name in rule.reads}
            results.append(wrong_rows(rule.expectation, tables, night.as_of))
    return results


def _can_be_added_up(expected: Expectation) -> bool:
    """Whether the counts of a table's parts are those of the table."""
    by_row = expected.type in KINDS and KINDS[expected.type].by_row
    return by_row and (not expected.type.endswith("_unique") or "organization_id" in expected.columns)


def _judge(night: NightTables, table: str, expected: Sequence[Expectation], in_parts: bool) -> list[Result]:
    if not expected:
        return []
    stored = night.require(table)
    names = dict.fromkeys(name for expectation in expected for name in expectation.columns)
    unreadable = night.columns(UNREADABLE_KEYS.name, UNREADABLE_KEYS.column_names)
    derived = derived_columns(names, night.columns, UNREADABLE_KEYS.empty() if unreadable is None else unreadable)
    row_names = [*dict.fromkeys((*stored.table.identity, *(name for column in derived for name in column.columns)))]
    needed = [*dict.fromkeys((*row_names, *(name for name in names if name in stored.table.column_names)))]
    parameters = {"plans": list(night.plans), "latest": night.as_of + _AFTER_THE_SNAPSHOT}
    # a table without organizations is small, and an empty one has no row group
    by_organization = "organization_id" in stored.table.identity and stored.rows
    parts = stored.batches(needed) if in_parts and by_organization else iter([stored.arrow(needed)])
    return validate(_for_validation(parts, derived), Suite(table, expected, row_names, parameters))


def _for_validation(parts: Iterator[pa.Table], derived: Sequence[DerivedColumn]) -> Iterator[pd.DataFrame]:
    """Rows as they are, for they may break the contract: a number that is missing leaves a column of integers float.

    Text is as objects, a missing one None.
    """
    for rows in parts:
        frame = rows.to_pandas()
        text = [str(name) for name, dtype in frame.dtypes.items() if dtype == "str"]
        frame = frame.assign(**{name: frame[name].astype("object").where(frame[name].notna(), None) for name in text})
        yield frame.assign(**{column.name: column.compute(frame) for column in derived})


def _dataset(table: StoredTable) -> arrow_dataset.Dataset:
    """A stored table as a query reads it: the columns and rows it needs, part by part."""
    files = PyFileSystem(FSSpecHandler(table.path.fs))
    return arrow_dataset.dataset(table.path.path, filesystem=files, format="parquet")
