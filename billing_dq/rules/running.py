"""Rules of analysts against the stored tables of a night."""

from datetime import datetime

import pyarrow.dataset as arrow_dataset
from pyarrow.fs import FSSpecHandler, PyFileSystem

from billing_dq.rules.evaluation import NightTables, judge_whole
from billing_dq.rules.expectation import Outcome
from billing_dq.rules.rule import Rule
from billing_dq.rules.sql import wrong_rows
from billing_dq.storage.stored_table import StoredTable


def missing_tables(rule: Rule, night: NightTables) -> list[str]:
    """The tables that a rule needs and the night does not have; with one of them it is not run."""
    return [name for name in rule.reads if night.table(name) is None]


def judge_rule(rule: Rule, night: NightTables, as_of: datetime) -> Outcome:
    """What became of a rule.

    Args:
        rule: one all of whose tables the night has.
        night: the stored tables.
        as_of: the instant of the night's snapshot.

    Raises:
        SourceError: the night lacks a table.
    """
    expectation = rule.expectation
    if expectation is not None:
        return judge_whole(night, rule.table, [expectation])[rule.name]
    tables = {name: _read_by_part(night.require(name)) for name in rule.reads}
    return wrong_rows(rule.sql, tables, as_of)


def _read_by_part(table: StoredTable) -> arrow_dataset.Dataset:
    """A stored table as the query reads it: the columns and rows it needs, part by part."""
    files = PyFileSystem(FSSpecHandler(table.path.fs))
    return arrow_dataset.dataset(table.path.path, filesystem=files, format="parquet")
