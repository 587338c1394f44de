"""Tables as Parquet: written by row group, read whole (small tables) or by batch (those that grow with the ledger).

A row group of a table in organization order holds whole organizations, so that a batch can be reconciled by itself.
`merge_by_organization` walks two such tables side by side. Paths may be of any fsspec file system.
"""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.tables import Column, Dtype, FrameError, Table

#: One movement of a dispute's money: a Stripe balance transaction, classified by the sign of its amount.
MOVEMENT = pa.struct(
    [
        pa.field("amount_minor", pa.int64()),
        pa.field("currency", pa.string()),
        pa.field("exchange_rate", pa.float64()),
        pa.field("reporting_category", pa.string()),
        pa.field("created", pa.timestamp("ms", "UTC")),
    ]
)

_ARROW: dict[Dtype, pa.DataType] = {
    "str": pa.string(),
    "float64": pa.float64(),
    "int64": pa.int64(),
    "Int64": pa.int64(),
    "bool": pa.bool_(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("ms", "UTC"),
    "list<str>": pa.list_(pa.string()),
    "list<movement>": pa.list_(MOVEMENT),
}


#: Columns whose values do not repeat: a dictionary of them would cost time and save nothing.
_UNREPEATED = {"entry_id", "ref_id", "attribution_keys"}


def arrow_schema(table: Table) -> pa.Schema:
    """The schema of a table in Arrow and Parquet."""
    return pa.schema([pa.field(column.name, _ARROW[column.dtype], column.nullable) for column in table.columns])


def arrow_table(table: Table, columns: Iterable[object]) -> pa.Table:
    """Columns in the contract's order as an Arrow table of it."""
    return pa.table(list(columns), schema=arrow_schema(table))


def to_arrow(table: Table, frame: pd.DataFrame) -> pa.Table:
    """A conforming frame as an Arrow table of the contract's schema."""
    return pa.table([_array(column, frame[column.name]) for column in table.columns], schema=arrow_schema(table))


def to_pandas(table: Table, data: pa.Table) -> pd.DataFrame:
    """An Arrow table with (some of) the contract's columns as a pandas frame in the contract's dtypes."""
    present = [column for column in table.columns if column.name in data.column_names]
    return pd.DataFrame({column.name: _series(column, data.column(column.name)) for column in present})


def _array(column: Column, values: pd.Series) -> pa.Array:
    if column.dtype == "time":  # pyarrow's own conversion drops the time zone in a way that pandas is about to change
        return pa.array(values.dt.tz_convert(None).to_numpy(), from_pandas=True).cast(_ARROW["time"])
    return pa.array(values, type=_ARROW[column.dtype], from_pandas=True)


def _series(column: Column, values: pa.ChunkedArray) -> pd.Series:
    if not len(values):  # pyarrow would give text without any chunk, and pandas cannot merge two such columns
        return pd.Series(dtype=column.pandas_dtype)
    return values.to_pandas().astype(column.pandas_dtype)


def explode_keys(usage: pa.Table) -> pd.DataFrame:
    """The attribution keys of a `weekly_usage` batch, one a row: ``row`` (int64, the usage row), ``key`` (str)."""
    keys = usage.column("attribution_keys").combine_chunks()
    if isinstance(keys, pa.ChunkedArray):  # no rows: nothing to combine
        return pd.DataFrame({"row": pd.Series(dtype="int64"), "key": pd.Series(dtype="str")})
    return pd.DataFrame(
        {
            "row": pc.list_parent_indices(keys).to_pandas().astype("int64"),
            "key": pc.list_flatten(keys).to_pandas().astype("str"),
        }
    )


@dataclass(frozen=True)
class StoredTable:
    """A table in a Parquet file, not read yet."""

    table: Table
    path: UPath

    @property
    def rows(self) -> int:
        """Number of rows, from the file's footer."""
        with self.path.open("rb") as file:
            return pq.ParquetFile(file).metadata.num_rows

    def frame(self, columns: list[str] | None = None) -> pd.DataFrame:
        """The whole table as a pandas frame; for tables that do not grow with the ledger.

        A nullable column that the table did not have yet when it was stored is null.
        """
        with self.path.open("rb") as file:
            stored = to_pandas(self.table, pq.read_table(file, columns=columns))
        if columns is not None:
            return stored
        absent = [one for one in self.table.columns if one.nullable and one.name not in stored.columns]
        nulls = {one.name: pd.Series(None, stored.index, dtype=one.pandas_dtype) for one in absent}
        return stored.assign(**nulls)[[name for name in self.table.column_names if name in {*stored.columns, *nulls}]]

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The table by row group; each holds whole organizations."""
        with self.path.open("rb") as file:
            parquet = pq.ParquetFile(file)
            for group in range(parquet.num_row_groups):
                yield parquet.read_row_group(group, columns=columns)


class TableWriter:
    """Writes a table to a local Parquet file, one row group for each `write`; a context manager."""

    def __init__(self, table: Table, path: UPath) -> None:
        self.table = table
        self.path = path
        self.rows = 0
        repeating = [column.name for column in table.columns if column.name not in _UNREPEATED]
        self._writer = pq.ParquetWriter(
            str(path),
            arrow_schema(table),
            compression="zstd",
            use_dictionary=repeating,  # pyright: ignore[reportArgumentType] (its stubs know no list)
        )

    def write(self, data: pa.Table) -> None:
        """Add a row group (none for an empty table).

        Raises:
            FrameError: the columns are not the contract's, or a null is where none may be.
        """
        if not data.num_rows:
            return
        schema = arrow_schema(self.table)
        if data.schema.names != schema.names or data.schema.types != schema.types:
            raise FrameError(f"{self.table.name}: {data.schema} is not the contract {schema}")
        for field, column in zip(schema, data.columns, strict=True):
            if column.null_count and not field.nullable:
                raise FrameError(f"{self.table.name}.{field.name} holds {column.null_count} nulls and may hold none")
        self._writer.write_table(data.cast(schema), row_group_size=data.num_rows)
        self.rows += data.num_rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()


def merge_by_organization(left: StoredTable, right: StoredTable) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Pairs of batches that cover the same organizations, of two tables in organization order.

    Every row comes out once. A pair ends at the smaller of the two sides' last organizations, so at most one batch of
    each side is held at a time. Where a side has nothing for them, its part of the pair has no rows.
    """
    readers = [left.batches(), right.batches()]
    nothing = [arrow_schema(left.table).empty_table(), arrow_schema(right.table).empty_table()]
    held = [next(reader, None) for reader in readers]
    while any(batch is not None for batch in held):
        last = min(batch.column("organization_id")[-1].as_py() for batch in held if batch is not None)
        pair = list(nothing)
        for side, batch in enumerate(held):
            if batch is not None:
                cut = int(pc.sum(pc.less_equal(batch.column("organization_id"), last)).as_py())
                pair[side] = batch.slice(0, cut)
                held[side] = batch.slice(cut) if cut < batch.num_rows else next(readers[side], None)
        yield pair[0], pair[1]


@dataclass(frozen=True)
class Lake:
    """The stored nights: `<home>/lake/<table>/<night>.parquet`, a night being its date, YYYY-MM-DD."""

    home: str

    @property
    def root(self) -> UPath:
        """Where the tables are."""
        return UPath(self.home) / "lake"

    def stored(self, table: Table, night: str) -> StoredTable | None:
        """A table of a night, None where that night has none."""
        path = self.root / table.name / f"{night}.parquet"
        return StoredTable(table, path) if path.exists() else None

    def remove(self, table: Table, night: str) -> None:
        """Take a table of a night away, where it is: absent, never empty."""
        (self.root / table.name / f"{night}.parquet").unlink(missing_ok=True)

    def nights(self, table: Table) -> list[str]:
        """The nights that hold a table, oldest first."""
        directory = self.root / table.name
        if not directory.exists():
            return []
        return sorted(path.stem for path in directory.iterdir() if path.suffix == ".parquet")

    def newest(self, table: Table, night: str | None) -> tuple[str, StoredTable]:
        """The asked night of a table, the newest one where none is asked for.

        Raises:
            SourceError: that night (or any night) is not stored; the message says which are.
        """
        nights = self.nights(table)
        chosen = night or (nights[-1] if nights else None)
        found = self.stored(table, chosen) if chosen else None
        if chosen is None or found is None:
            stored = f"stored nights: {', '.join(nights[-5:])}" if nights else "run `billing-dq nightly` first"
            raise SourceError(f"no {table.name} is stored for {night or 'any night'} under {self.root}; {stored}")
        return chosen, found
