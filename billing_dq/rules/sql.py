"""Queries of analysts, run by DuckDB over the tables of a night: they can read these, and nothing else.

The database is in memory and forgotten. It opens no file and no connection, loads no extension, and its settings are
locked. A query is one SELECT, gives the same rows whenever it is run, and runs in a process of its own
(`query_process`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TypeAlias, cast

import duckdb
import pyarrow as pa
import pyarrow.dataset as arrow_dataset

from billing_dq.report.figures import plain
from billing_dq.rules.query_process import QUERIES, QueryError
from billing_dq.rules.results import ROWS, Plain, Result
from billing_dq.rules.suites import SQL, Expectation
from billing_dq.storage.arrow import arrow_schema
from billing_dq.tables import TABLES

MEMORY = "1GB"
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
    # the order in which several threads come to rows would change sums of fractions, and `first`
    "threads": "1",
}
_BATCH = 10_000
#: DuckDB knows a data set only where `pyarrow.dataset` is imported, in the process of the queries, too.
Readable: TypeAlias = "pa.Table | arrow_dataset.Dataset"
#: Functions of the clock, by the beginning of their names.
_CLOCK = ("now", "today", "localtime", "transaction_timestamp", "current_", "get_current_")
#: Those that SQL writes without brackets; the parser takes them for columns, and keeps how they were written.
_CLOCK_WORDS = ("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp")


def tables_of(sql: str) -> tuple[str, ...]:
    """The stored tables that a query reads.

    Raises:
        QueryError: it is not one SELECT, reads what is no stored table, does not fit their columns, or asks for the
            clock or for chance.
    """
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(_line(error)) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError("a query is one SELECT statement, which returns the rows that are wrong")
    try:
        nodes = list(_nodes(sql))
        named = _named_tables(nodes)
        unknown = sorted(named - set(TABLES) - {NIGHT})
        if unknown:
            raise QueryError(f"there is no table {', '.join(unknown)}; docs/tables.md has their names")
        read = tuple(sorted(named - {NIGHT}))
        tables = {name: arrow_schema(TABLES[name]).empty_table() for name in read}
        with _database({**tables, NIGHT: night_table(None)}) as database:
            _refuse_chance(database, nodes)
            database.execute(f"EXPLAIN {sql}")
    except duckdb.Error as error:
        raise QueryError(_line(error)) from None
    return read


def wrong_rows(expected: Expectation, tables: Mapping[str, Readable], as_of: datetime) -> Result:
    """The result of a query, as Great Expectations writes those of `UnexpectedRowsExpectation`.

    Args:
        expected: with a query that `tables_of` has let pass; every row that it returns is wrong.
        tables: Arrow tables or data sets by the names of the tables that it reads.
        as_of: the instant of the night's snapshot.
    """
    details, problem = None, None
    try:
        count, rows = QUERIES.call(_returned_rows, str(expected.kwargs[SQL]), tables, as_of)
        details = {"observed_value": count, "details": {"unexpected_rows": rows, "unexpected_rows_count": count}}
    except QueryError as error:
        problem = str(error)
    return {
        "success": details is not None and not details["observed_value"],
        "expectation_config": asdict(expected),
        "result": details or {},
        "meta": {},
        "exception_info": {
            "raised_exception": problem is not None,
            "exception_traceback": None,
            "exception_message": problem,
        },
    }


def _returned_rows(sql: str, tables: Mapping[str, Readable], as_of: datetime) -> tuple[int, list[dict[str, Plain]]]:
    """How many rows a query returns, and the first `ROWS` of them.

    Raises:
        QueryError: it failed.
    """
    count, rows = 0, list[dict[str, Plain]]()
    try:
        with _database({**tables, NIGHT: night_table(as_of)}) as database:
            result = database.execute(sql)
            names = [str(column[0]) for column in result.description or []]
            while batch := result.fetchmany(_BATCH):
                count += len(batch)
                rows += [dict(zip(names, map(plain, row), strict=True)) for row in batch[: ROWS - len(rows)]]
    except duckdb.Error as error:
        raise QueryError(f"the query failed: {_line(error)}") from None
    return count, rows


def night_table(as_of: datetime | None) -> pa.Table:
    """The table `NIGHT`; without a row where there is no night yet."""
    rows = [] if as_of is None else [{"night": as_of.date(), "as_of": as_of}]
    schema = pa.schema([("night", pa.date32()), ("as_of", pa.timestamp("ms", "UTC"))])
    return pa.Table.from_pylist(rows, schema=schema)


def _nodes(sql: str) -> Iterator[dict[str, object]]:
    """The parts of a SELECT, as DuckDB's parser has them."""
    with _database({}) as empty:
        row = empty.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    nodes: list[object] = [json.loads(row[0])] if row else []
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            yield node
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node


def _named_tables(nodes: Iterable[Mapping[str, object]]) -> set[str]:
    """What a SELECT names as tables, without the common tables that it defines itself."""
    named, common = set[str](), set[str]()
    for node in nodes:
        if node.get("type") == "BASE_TABLE":
            named.add(str(node.get("table_name")))
        common_tables = node.get("cte_map")
        if isinstance(common_tables, dict):
            common |= {str(entry["key"]) for entry in common_tables.get("map", [])}
    return named - (common - set(TABLES))


def _refuse_chance(database: duckdb.DuckDBPyConnection, nodes: Iterable[Mapping[str, object]]) -> None:
    """Refuse what gives other rows when the night is judged again.

    Raises:
        QueryError: a function of the clock or of chance, or a sample.
    """
    of_chance = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'"
    volatile = {str(row[0]) for row in database.execute(of_chance).fetchall()}
    for node in nodes:
        function, columns = str(node.get("function_name")), node.get("column_names")
        word = str(columns[0]).lower() if isinstance(columns, list) and len(columns) == 1 else ""
        is_changing = function in volatile or function.startswith(_CLOCK)
        if is_changing or word in _CLOCK_WORDS:
            name = function if is_changing else word
            raise QueryError(f"{name} changes from run to run; {NIGHT} has the night and its instant, as_of")
        if function == "age" and len(cast(list[object], node.get("arguments"))) == 1:
            raise QueryError(f"age of one time reads the clock; give it {NIGHT}'s as_of as the other")
        if node.get("sample") is not None:
            raise QueryError("a sample changes from run to run")


@contextmanager
def _database(tables: Mapping[str, Readable]) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config=_LOCKED_SETTINGS) as database:
        for name, table in tables.items():
            database.register(name, table)
        database.execute("SET TimeZone = 'UTC'")
        database.execute("SET lock_configuration = true")
        yield database


def _line(error: duckdb.Error) -> str:
    """The first paragraph of an error; the rest repeats the query."""
    return " ".join(str(error).split("\n\n")[0].split())
