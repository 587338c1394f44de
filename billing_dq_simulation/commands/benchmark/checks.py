"""What the data checks cost: all that is expected of the tables of a night, and two rules as analysts write them."""

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from billing_dq.rules.contracts import expectations
from billing_dq.rules.evaluation import NightTables, judge_contract
from billing_dq.rules.expectation import Clause
from billing_dq.rules.rule import Rule
from billing_dq.rules.running import judge_rule
from billing_dq.storage.lake import Lake
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables.sources import OF_MONGODB

#: Of an analyst, one judged by Great Expectations, whose import is measured too, and one by DuckDB.
_MOSTLY = Clause("expect_column_values_to_be_between", {"column": "amount", "max_value": 0, "mostly": 0.01})
_SQL = "SELECT organization_id, entry_id FROM ledger_entries WHERE abs(amount) > 1e12"


def seconds_of_checks(
    tables: Mapping[str, StoredTable], plans: tuple[str, ...], as_of: datetime, directory: Path
) -> float:
    """Seconds to judge the tables of a night in this process, as the checks of a night do.

    Args:
        tables: the tables by name.
        plans: the plans that are known.
        as_of: the instant of the snapshot.
        directory: where they are put under the names of a lake, without being copied.
    """
    lake, night = Lake(str(directory)), as_of.date().isoformat()
    for name, stored in tables.items():
        place = Path(lake.root.path) / name / f"{night}.parquet"
        place.parent.mkdir(parents=True)
        place.hardlink_to(stored.path.path)
    there = NightTables(lake, night)
    started = time.perf_counter()
    for name in OF_MONGODB:
        judge_contract(there, name, expectations(tables[name].table, plans, as_of))
    for rule in (_rule(clause=_MOSTLY), _rule(sql=_SQL)):
        judge_rule(rule, there, as_of)
    return time.perf_counter() - started


def _rule(clause: Clause | None = None, sql: str = "") -> Rule:
    table = "ledger_entries"
    return Rule("measured", table, clause, sql, (table,), "warning", "It is measured.", "bench", "bench")
