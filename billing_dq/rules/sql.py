"""Queries of analysts, run by DuckDB over the tables of a night: they can read these, and nothing else.

The database is in memory and forgotten. It opens no file and no connection, loads no extension, and its settings are
locked; a query is one SELECT, and has so much memory and time.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime

import duckdb
import pyarrow as pa

from billing_dq.report.figures import plain
from billing_dq.rules.results import ROWS, Plain, Result
from billing_dq.rules.suites import SQL, Expectation
from billing_dq.storage.arrow import arrow_schema
from billing_dq.tables import TABLES

MEMORY = "1GB"
SECONDS = 60.0
#: A table of one row beside those of the night: ``as_of``, the instant of the snapshot, and ``night``, its date.
NIGHT = "this_night"
_LOCKED_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "memory_limit": MEMORY,
    "threads": "2",
}
_BATCH = 10_000


class QueryError(ValueError):
    """A query cannot be used; the message says why in one line."""


def tables_of(sql: str) -> tuple[str, ...]:
    """The stored tables that a query reads.

    Raises:
        QueryError: it is not one SELECT, reads what is no stored table, or does not fit their columns.
    """
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(_line(error)) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError("a query is one SELECT statement, which returns the rows that are wrong")
    try:
        named = _named_tables(sql)
        unknown = sorted(named - set(TABLES) - {NIGHT})
        if unknown:
            raise QueryError(f"there is no table {', '.join(unknown)}; docs/tables.md has their names")
        read = tuple(sorted(named - {NIGHT}))
        tables = {name: arrow_schema(TABLES[name]).empty_table() for name in read}
        with _database({**tables, NIGHT: night_table(None)}) as database:
            database.execute(f"EXPLAIN {sql}")
    except duckdb.Error as error:
        raise QueryError(_line(error)) from None
    return read


def wrong_rows(expected: Expectation, tables: Mapping[str, object], as_of: datetime) -> Result:
    """The result of a query, as Great Expectations writes those of `UnexpectedRowsExpectation`.

    Args:
        expected: with a query that `tables_of` has let pass; every row that it returns is wrong.
        tables: Arrow tables or data sets by the names of the tables that it reads.
        as_of: the instant of the night's snapshot.
    """
    count, rows, problem = 0, list[dict[str, Plain]](), None
    try:
        with _database({**tables, NIGHT: night_table(as_of)}) as database, _interrupted_after(database, SECONDS):
            result = database.execute(str(expected.kwargs[SQL]))
            names = [str(column[0]) for column in result.description or []]
            while batch := result.fetchmany(_BATCH):
                count += len(batch)
                rows += [dict(zip(names, map(plain, row), strict=True)) for row in batch[: ROWS - len(rows)]]
    except duckdb.InterruptException:
        problem = f"the query took more than {SECONDS:.0f} seconds and was stopped"
    except duckdb.Error as error:
        problem = f"the query failed: {_line(error)}"
    details = {"observed_value": count, "details": {"unexpected_rows": rows, "unexpected_rows_count": count}}
    return {
        "success": not count and problem is None,
        "expectation_config": asdict(expected),
        "result": details if problem is None else {},
        "meta": {},
        "exception_info": {
            "raised_exception": problem is not None,
            "exception_traceback": None,
            "exception_message": problem,
        },
    }


def night_table(as_of: datetime | None) -> pa.Table:
    """The table `NIGHT`; without a row where there is no night yet."""
    rows = [] if as_of is None else [{"night": as_of.date(), "as_of": as_of}]
    schema = pa.schema([("night", pa.date32()), ("as_of", pa.timestamp("ms", "UTC"))])
    return pa.Table.from_pylist(rows, schema=schema)


def _named_tables(sql: str) -> set[str]:
    """What a SELECT names as tables, without the common tables that it defines itself."""
    with _database({}) as empty:
        row = empty.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    tree = json.loads(row[0]) if row else {}
    named, common = set[str](), set[str]()
    nodes: list[object] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                named.add(str(node.get("table_name")))
            common_tables = node.get("cte_map")
            if isinstance(common_tables, dict):
                common |= {str(entry["key"]) for entry in common_tables.get("map", [])}
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node
    return named - (common - set(TABLES))


@contextmanager
def _database(tables: Mapping[str, object]) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config=_LOCKED_SETTINGS) as database:
        for name, table in tables.items():
            database.register(name, table)
        database.execute("SET TimeZone = 'UTC'")
        database.execute("SET lock_configuration = true")
        yield database


@contextmanager
def _interrupted_after(database: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, database.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _line(error: duckdb.Error) -> str:
    """The first paragraph of an error; the rest repeats the query."""
    return " ".join(str(error).split("\n\n")[0].split())
