"""Expectations against the stored tables of a night."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from billing_dq.rules.derived import Targets, known_values
from billing_dq.rules.expectation import Expectation, Outcome
from billing_dq.rules.validation import Work, validate
from billing_dq.storage.lake import Lake
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import TABLES, UNREADABLE_KEYS


@dataclass(frozen=True)
class NightTables:
    """Where the tables of a night are."""

    lake: Lake
    night: str

    def table(self, name: str) -> StoredTable | None:
        """A table of the night, None where it has none."""
        return self.lake.stored(TABLES[name], self.night)

    def require(self, name: str) -> StoredTable:
        """A table of the night.

        Raises:
            SourceError: the night has no such table.
        """
        return self.lake.require(TABLES[name], self.night)

    def targets(self) -> Targets:
        """What references of the night's tables lead to."""
        unreadable = self.table(UNREADABLE_KEYS.name)
        return Targets(self._columns, UNREADABLE_KEYS.empty() if unreadable is None else unreadable.frame())

    def _columns(self, name: str, columns: list[str]) -> pd.DataFrame | None:
        table = self.table(name)
        return None if table is None else table.frame(columns)


def judge_contract(night: NightTables, name: str, expected: Sequence[Expectation]) -> dict[str, Outcome]:
    """The outcome of expectations that follow from a table's contract, by name, over all rows.

    A table that is stored by organization comes by row group: a row group holds whole organizations, so that a key
    which is unique in each, and starts with the organization, is unique.

    Raises:
        SourceError: the night has no such table.
    """
    table = night.require(name)
    return validate(_by_organization(table, expected), _work(night, name, expected))


def judge_whole(night: NightTables, name: str, expected: Sequence[Expectation]) -> dict[str, Outcome]:
    """The outcome of expectations that may be about all rows at once; the columns they name are held whole.

    Raises:
        SourceError: the night has no such table.
    """
    table = night.require(name)
    return validate([_for_validation(table.arrow(_needed(table, expected)))], _work(night, name, expected))


def _work(night: NightTables, name: str, expected: Sequence[Expectation]) -> Work:
    derived = {clause.derived.name: clause.derived for one in expected for clause in one.clauses if clause.derived}
    references = {made: one.reference for made, one in derived.items() if one.reference is not None}
    found = {made: known_values(reference, night.targets()) for made, reference in references.items()}
    known = {made: values for made, values in found.items() if values is not None}
    return Work(expected, TABLES[name].identity, known)


def _by_organization(table: StoredTable, expected: Sequence[Expectation]) -> Iterator[pd.DataFrame]:
    needed = _needed(table, expected)
    if "organization_id" not in table.table.identity or not table.rows:
        yield _for_validation(table.arrow(needed))
        return
    for batch in table.batches(needed):
        yield _for_validation(batch)


def _needed(table: StoredTable, expected: Sequence[Expectation]) -> list[str]:
    return list(dict.fromkeys([*table.table.identity, *(name for one in expected for name in one.columns)]))


def _for_validation(rows: pa.Table) -> pd.DataFrame:
    """Rows as they are, for they may break the contract: a number that is missing leaves a column of integers float.

    Text is as objects, a missing one None.
    """
    frame = rows.to_pandas()
    text = [str(name) for name, dtype in frame.dtypes.items() if dtype == "str"]
    return frame.assign(**{name: frame[name].astype("object").where(frame[name].notna(), None) for name in text})
