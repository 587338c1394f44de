"""The stored nights as views of DuckDB: each table of docs/tables.md under its name, with the column ``night``.

The views read the Parquet files where they are, so that a file of views holds no data and sees each later night. They
pass over nights that are not whole, as every reader does. Beside the tables stands `nights`: ``night`` and ``as_of``,
the instant of its snapshot.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.storage.arrow import arrow_schema
from billing_dq.storage.lake import Lake
from billing_dq.storage.placing import is_local
from billing_dq.tables import TABLES, Table

#: Columns that are stored as text, YYYY-MM-DD, and are dates in a view.
_DATES = ("first_seen", "last_seen", "accepted_until")
_NIGHT = "CAST(parse_filename({name}, true) AS DATE)"


@contextmanager
def nights_database(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory with the views. It can read the stored nights and open nothing else.

    Raises:
        SourceError: no night is stored, or a stored file is no Parquet.
    """
    with duckdb.connect(":memory:") as database:
        _reach(database, lake.root)
        _create_views(database, lake)
        database.execute(f"SET allowed_directories = ['{_quoted(lake.root)}/']")
        database.execute("SET enable_external_access = false")
        database.execute("SET python_enable_replacements = false")
        database.execute("SET lock_configuration = true")
        yield database


def write_catalog(lake: Lake, target: Path) -> None:
    """Write a DuckDB file with the views; readers of one that is replaced see the old or the new.

    Raises:
        SourceError: no night is stored, or a stored file is no Parquet.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with duckdb.connect(str(unfinished)) as database:
            _reach(database, lake.root)
            _create_views(database, lake)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def select(database: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyRelation:
    """What a query of one SELECT returns, not read yet.

    Raises:
        SourceError: it is no single SELECT, or does not fit the views.
    """
    try:
        statements = duckdb.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise SourceError("a query is one SELECT statement; the stored nights are for reading only")
        return database.sql(query)
    except duckdb.Error as error:
        raise SourceError(" ".join(str(error).split())) from None


def _reach(database: duckdb.DuckDBPyConnection, root: UPath) -> None:
    database.execute("SET TimeZone = 'UTC'")
    if not is_local(root):
        database.register_filesystem(root.fs)


def _create_views(database: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    if not lake.nights(TABLES["findings"]):
        raise SourceError(f"no night is stored under {lake.root}; run `billing-dq nightly` first")
    try:
        for table in TABLES.values():
            database.execute(_view(database, lake.root, table))
            database.execute(f"COMMENT ON VIEW {table.name} IS '{_quoted(table.one_row)}'")
        database.execute(
            f"CREATE VIEW nights AS SELECT {_NIGHT.format(name='filename')} AS night, as_of "
            f"FROM read_json('{_quoted(lake.root)}/snapshot_facts/*.json', filename = true, "
            "columns = {as_of: 'TIMESTAMPTZ'}) WHERE night IN (SELECT night FROM findings)"
        )
    except duckdb.Error as error:
        raise SourceError(f"the stored nights cannot be read: {' '.join(str(error).split())}") from None


def _view(database: duckdb.DuckDBPyConnection, root: UPath, table: Table) -> str:
    directory = root / table.name
    if not (directory.exists() and any(path.suffix == ".parquet" for path in directory.iterdir())):
        return f"CREATE VIEW {table.name} AS SELECT {_no_columns(database, table)} WHERE false"
    dates = ", ".join(f"CAST({name} AS DATE) AS {name}" for name in _DATES if name in table.column_names)
    return (
        f"CREATE VIEW {table.name} AS SELECT {_NIGHT.format(name='filename')} AS night, "
        f"* EXCLUDE (filename) {f'REPLACE ({dates}) ' if dates else ''}"
        f"FROM read_parquet('{_quoted(directory)}/*.parquet', union_by_name = true, filename = true) "
        f"WHERE night NOT IN (SELECT {_NIGHT.format(name='file')} FROM glob('{_quoted(root)}/unfinished/*.json'))"
    )


def _no_columns(database: duckdb.DuckDBPyConnection, table: Table) -> str:
    empty = database.from_arrow(arrow_schema(table).empty_table())
    types = {**dict(zip(empty.columns, map(str, empty.types), strict=True)), **dict.fromkeys(_DATES, "DATE")}
    return ", ".join(["NULL::DATE AS night", *(f"NULL::{types[name]} AS {name}" for name in empty.columns)])


def _quoted(text: object) -> str:
    return str(text).replace("'", "''")
