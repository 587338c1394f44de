"""Expectations against the stored tables of a night."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from billing_dq.rules.derived import Targets, known_values
from billing_dq.rules.expectation import Expectation, Outcome
from billing_dq.rules.validation import Work, validate
from billing_dq.storage.arrow import to_pandas
from billing_dq.storage.lake import Lake
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import TABLES, UNREADABLE_KEYS


@dataclass(frozen=True)
class StoredNight:
    """Where the tables of a night are."""

    lake: Lake
    night: str

    def table(self, name: str) -> StoredTable | None:
        """A table of the night, None where it has none."""
        return self.lake.stored(TABLES[name], self.night)

    def targets(self) -> Targets:
        """What references of the night's tables lead to."""
        unreadable = self.table(UNREADABLE_KEYS.name)
        return Targets(self._columns, UNREADABLE_KEYS.empty() if unreadable is None else unreadable.frame())

    def _columns(self, name: str, columns: list[str]) -> pd.DataFrame | None:
        table = self.table(name)
        return None if table is None else table.frame(columns)


def judge_contract(night: StoredNight, name: str, expected: Sequence[Expectation]) -> dict[str, Outcome]:
    """The outcome of expectations that follow from a table's contract, by name, over all rows.

    A table that is stored by organization comes by row group: a row group holds whole organizations, so that a key
    which is unique in each, and starts with the organization, is unique.

    Raises:
        SourceError: the night has no such table.
    """
    table = night.lake.require(TABLES[name], night.night)
    return validate(_by_organization(table, expected), _work(night, name, expected))


def judge_whole(night: StoredNight, name: str, expected: Sequence[Expectation]) -> dict[str, Outcome]:
    """The outcome of expectations that may be about all rows at once; the columns they name are held whole.

    Raises:
        SourceError: the night has no such table.
    """
    table = night.lake.require(TABLES[name], night.night)
    return validate([_for_validation(table.frame(_needed(table, expected)))], _work(night, name, expected))


def _work(night: StoredNight, name: str, expected: Sequence[Expectation]) -> Work:
    derived = {clause.derived.name: clause.derived for one in expected for clause in one.clauses if clause.derived}
    references = {made: one.reference for made, one in derived.items() if one.reference is not None}
    found = {made: known_values(reference, night.targets()) for made, reference in references.items()}
    known = {made: values for made, values in found.items() if values is not None}
    return Work(expected, TABLES[name].identity, known)


def _by_organization(table: StoredTable, expected: Sequence[Expectation]) -> Iterator[pd.DataFrame]:
    needed = _needed(table, expected)
    if "organization_id" not in table.table.identity or not table.rows:
        yield _for_validation(table.frame(needed))
        return
    for batch in table.batches(needed):
        yield _for_validation(to_pandas(table.table, batch))


def _needed(table: StoredTable, expected: Sequence[Expectation]) -> list[str]:
    return list(dict.fromkeys([*table.table.identity, *(name for one in expected for name in one.columns)]))


def _for_validation(frame: pd.DataFrame) -> pd.DataFrame:
    """Text as objects; a missing value is None."""
    text = [name for name, dtype in frame.dtypes.items() if dtype == "str"]
    return frame.assign(**{str(name): frame[name].astype("object").where(frame[name].notna(), None) for name in text})
