"""What the data checks cost: all that is expected of the tables of a night, and two rules as analysts write them."""

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from billing_dq.rules.judging import NightTables, judge_rules, judge_suite
from billing_dq.rules.suites import QUERY, SQL, Expectation, Rule, suite_of
from billing_dq.storage.lake import Lake
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables.sources import OF_MONGODB

#: As of an analyst, one judged by Great Expectations, whose import is measured too, and one by DuckDB.
_META = {"owner": "bench", "file": "bench"}
_RULES = [
    Expectation(
        "expect_column_values_to_be_between",
        {"column": "amount", "max_value": 0, "mostly": 0.01},
        "warning",
        "A share of the entries is measured.",
        {"name": "most_are_measured", **_META},
    ),
    Expectation(
        QUERY,
        {SQL: "SELECT organization_id, entry_id FROM ledger_entries WHERE abs(amount) > 1e12"},
        "warning",
        "No entry is absurd.",
        {"name": "none_is_absurd", **_META},
    ),
]


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
    there = NightTables(lake, night, as_of, plans)
    started = time.perf_counter()
    for name in OF_MONGODB:
        judge_suite(there, name, suite_of(name))
    table = "ledger_entries"
    judge_rules(there, table, [Rule(table, expectation, (table,)) for expectation in _RULES])
    return time.perf_counter() - started
