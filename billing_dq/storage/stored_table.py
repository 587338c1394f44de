"""Tables as Parquet: written by row group, read whole (small tables) or by batch (those that grow with the ledger).

A row group of a table in organization order holds whole organizations, so that a batch can be reconciled by itself.
Where a row group ends depends on the rows alone, and not on the parts in which they were written: the same rows are the
same bytes, however many replies of a server or shards of a night they came by.
`merge_by_organization` walks two such tables side by side. Paths may be of any fsspec file system.
"""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

from billing_dq.errors import PlaceError, SourceError
from billing_dq.storage.arrow import arrow_schema, to_pandas
from billing_dq.storage.organization_ranges import EVERYTHING, OrganizationRange
from billing_dq.tables import FrameError, Table

#: Columns whose values do not repeat: a dictionary of them, or their smallest and largest, would cost time and save
#: nothing. LZ4 would save a tenth of the time beside Zstandard, and take four times the room.
_UNREPEATED = {"entry_id", "ref_id", "attribution_keys"}

#: Columns whose values repeat in tables that grow with the ledger: read as codes and decoded once, not value by value.
_REPEATED = ["organization_id", "week_key", "kind"]

#: Rows, and items of their lists, of a row group: it ends with the organization that reaches so many.
_GROUP_ITEMS = 100_000

#: Row groups are read together up to so many bytes: work on columns costs some milliseconds however few rows it is for.
_TOGETHER_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class StoredTable:
    """A table in a Parquet file, not read yet; of a table with organizations, the rows of a range of them."""

    table: Table
    path: UPath
    organizations: OrganizationRange = EVERYTHING

    @property
    def rows(self) -> int:
        """Number of rows of all organizations, from the file's footer."""
        with self._file() as file:
            return pq.ParquetFile(file).metadata.num_rows

    def frame(self, columns: list[str] | None = None) -> pd.DataFrame:
        """The whole table as a pandas frame; for tables that do not grow with the ledger.

        A nullable column that the table did not have yet when it was stored is null.
        """
        return self._frame(self.arrow(columns), columns)

    @contextmanager
    def _file(self) -> Iterator[BinaryIO]:
        """The open file.

        Raises:
            SourceError: inside the block: its bytes are no Parquet, or not all of them.
        """
        try:
            with self.path.open("rb") as file:
                yield file
        except (pa.ArrowInvalid, OSError) as error:
            # Arrow says of damaged bytes that they are invalid, or raises an OSError that no system call gave
            if isinstance(error, OSError) and (error.errno is not None or type(error) is not OSError):
                raise
            reason = " ".join(str(error).split())
            raise SourceError(
                f"{self.path} is damaged: {reason}; `billing-dq doctor --night {self.path.stem}` says what else is"
            ) from error

    def where(self, column: str, values: Collection[str], columns: list[str] | None = None) -> pd.DataFrame:
        """The rows whose ``column`` is one of ``values``; only the row groups that may hold them are read.

        It is how one organization's rows are read of a table that grows with the ledger.
        """
        if not values:  # Arrow knows no type of an empty list, and refuses to filter by it
            return self.table.empty() if columns is None else self.table.empty()[columns]
        return self._frame(self._read(columns, [(column, "in", list(values))]), columns)

    def of_organizations(self, organizations: Iterable[str]) -> pa.Table:
        """The rows of some organizations."""
        rows = self._read(None, [("organization_id", "in", sorted(organizations))])
        return rows.cast(arrow_schema(self.table))

    def arrow(self, columns: list[str] | None = None) -> pa.Table:
        """Columns of the whole table (None: all) as they are stored."""
        return self._read(columns, [])

    def _read(self, columns: list[str] | None, filters: list[tuple[str, str, object]]) -> pa.Table:
        with self._file() as file:
            return pq.read_table(file, columns=columns, filters=[*filters, *self._filters()] or None)

    def _frame(self, rows: pa.Table, columns: list[str] | None) -> pd.DataFrame:
        """Rows as a frame; of all columns (None) with the nullable ones that the table has got since."""
        stored = to_pandas(self.table, rows)
        if columns is not None:
            return stored
        later = [column for column in self.table.columns if column.nullable and column.name not in stored.columns]
        nulls = {column.name: pd.Series(None, stored.index, dtype=column.pandas_dtype) for column in later}
        return stored.assign(**nulls)[[name for name in self.table.column_names if name in {*stored.columns, *nulls}]]

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The table by some row groups at once; each holds whole organizations."""
        with self._file() as file:
            coded = [name for name in _REPEATED if name in self.table.column_names]
            parquet = pq.ParquetFile(file, read_dictionary=coded)
            numbers = [number for number in range(parquet.num_row_groups) if self._may_hold(parquet.metadata, number)]
            for groups in _read_at_once(parquet.metadata, numbers):
                if self.organizations == EVERYTHING:
                    yield _decoded(parquet.read_row_groups(groups, columns=columns))
                    continue
                read = parquet.read_row_groups(groups, columns=columns and [*{*columns, "organization_id"}])
                rows = _decoded(read).filter(pq.filters_to_expression(self._filters()))
                if rows.num_rows:
                    yield rows if columns is None else rows.select(columns)

    def first_organizations(self) -> list[str]:
        """The first organization of each row group, of a table in their order; from the file's footer."""
        with self._file() as file:
            metadata = pq.ParquetFile(file).metadata
        return [_ends(metadata, number)[0] for number in range(metadata.num_row_groups)]

    def _filters(self) -> list[tuple[str, str, object]]:
        bounds = ((">=", self.organizations.first), ("<", self.organizations.until))
        return [("organization_id", sign, bound) for sign, bound in bounds if bound is not None]

    def _may_hold(self, metadata: pq.FileMetaData, number: int) -> bool:
        if self.organizations == EVERYTHING:
            return True
        smallest, largest = _ends(metadata, number)
        first, until = self.organizations.first, self.organizations.until
        return (first is None or largest >= first) and (until is None or smallest < until)


class TableWriter:
    """Writes a table to a local Parquet file, by row groups of some organizations; a context manager.

    Args:
        table: its contract.
        path: where it is written.
        organizations: of a row group, at most; None: as many as `_GROUP_ITEMS` allows.
    """

    def __init__(self, table: Table, path: UPath, organizations: int | None = None) -> None:
        self.table = table
        self.path = path
        self.rows = 0
        self._schema = arrow_schema(table)
        self._pending = self._schema.empty_table()
        self._organizations = organizations or _GROUP_ITEMS
        repeating = [column.name for column in table.columns if column.name not in _UNREPEATED]
        self._writer = pq.ParquetWriter(
            str(path),
            self._schema,
            compression="zstd",
            use_dictionary=repeating,  # pyright: ignore[reportArgumentType] (its stubs know no list)
            write_statistics=repeating,  # pyright: ignore[reportArgumentType]
        )

    def write(self, data: pa.Table) -> None:
        """Add rows.

        Raises:
            FrameError: the columns are not the contract's, or a null is where none may be.
            PlaceError: the disk does not take it.
        """
        if not data.num_rows:
            return
        schema = self._schema
        if data.schema.names != schema.names or data.schema.types != schema.types:
            raise FrameError(f"{self.table.name}: {data.schema} is not the contract {schema}")
        for field, column in zip(schema, data.columns, strict=True):
            if column.null_count and not field.nullable:
                raise FrameError(f"{self.table.name}.{field.name} holds {column.null_count} nulls and may hold none")
        self.rows += data.num_rows
        self._pending = pa.concat_tables([self._pending, data.cast(schema)])
        start = 0
        for end in _group_ends(self._pending, self._organizations):
            self._write_group(self._pending.slice(start, end - start))
            start = end
        self._pending = self._pending.slice(start)

    def _write_group(self, rows: pa.Table) -> None:
        # the pages of a row group follow the chunks of its columns
        try:
            self._writer.write_table(rows.combine_chunks(), row_group_size=rows.num_rows)
        except OSError as error:
            raise self._refused(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._pending.num_rows:
                self._write_group(self._pending)
        finally:
            try:
                self._writer.close()
            except OSError as refused:  # after a failed write it fails once more
                if error is None:
                    raise self._refused(refused) from refused

    def _refused(self, error: OSError) -> PlaceError:
        return PlaceError(str(self.path.parent), error, "set TMPDIR to another directory")


def _group_ends(rows: pa.Table, organizations: int) -> list[int]:
    """Where the row groups that are complete end: with the organization by which they hold so many of them, or
    `_GROUP_ITEMS` rows and items of lists. The last organization may go on in the rows that come next.
    """
    if "organization_id" in rows.column_names:
        ids = rows.column("organization_id")
        another = pc.fill_null(pc.not_equal(ids.slice(1), ids.slice(0, max(0, len(ids) - 1))), True)
        starts = np.flatnonzero(another.to_numpy()) + 1
    else:
        starts, organizations = np.arange(1, rows.num_rows), _GROUP_ITEMS
    items = np.ones(rows.num_rows, dtype=np.int64)
    for column in rows.columns:
        if pa.types.is_list(column.type):
            items += pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    before = np.concatenate(([0], np.cumsum(items)))
    ends: list[int] = []
    done, place = 0, 0  # rows, organizations: each group begins where the previous one ended
    while place < len(starts):
        full = int(np.searchsorted(before[starts], before[done] + _GROUP_ITEMS))
        place = min(full, place + organizations - 1)
        if place < len(starts):
            done = int(starts[place])
            ends.append(done)
            place += 1
    return ends


def _ends(metadata: pq.FileMetaData, number: int) -> tuple[str, str]:
    """The smallest and the largest organization of a row group."""
    group = metadata.row_group(number)
    columns = [group.column(place) for place in range(group.num_columns)]
    statistics = next(column.statistics for column in columns if column.path_in_schema == "organization_id")
    return statistics.min, statistics.max


def _decoded(rows: pa.Table) -> pa.Table:
    """Rows with text in place of its codes."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in rows.schema
    ]
    return rows.cast(pa.schema(fields))


def _read_at_once(metadata: pq.FileMetaData, numbers: list[int]) -> Iterator[list[int]]:
    """The numbers of row groups, those that are read together in one list."""
    groups: list[int] = []
    size = 0
    for number in numbers:
        groups.append(number)
        size += metadata.row_group(number).total_byte_size
        if size >= _TOGETHER_BYTES:
            yield groups
            groups, size = [], 0
    if groups:
        yield groups


def merge_by_organization(
    usage: StoredTable, entries: StoredTable, columns: list[str] | None = None
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Pairs of batches that cover the same organizations, of two tables in organization order.

    Every row comes out once. A pair ends at the smaller of the two sides' last organizations. What little the other
    side has beyond it is joined to that side's next batch, so that pairs do not become small: at most two batches of
    each side are in memory at a time. Where a side has nothing for the organizations of a pair, its part has no rows.
    ``columns`` are those of the entries (None: all).
    """
    readers = [usage.batches(), entries.batches(columns)]
    pending = [arrow_schema(side.table).empty_table() for side in (usage, entries)]
    pending[1] = pending[1].select(columns or pending[1].column_names)
    while True:
        for side, reader in enumerate(readers):
            if pending[side].nbytes < _TOGETHER_BYTES:
                pending[side] = pa.concat_tables([pending[side], *islice(reader, 1)])
        ends = [rows.column("organization_id")[-1].as_py() for rows in pending if rows.num_rows]
        if not ends:
            return
        pair = [rows.slice(0, _rows_up_to(rows, min(ends))) for rows in pending]
        pending = [rows.slice(part.num_rows) for rows, part in zip(pending, pair, strict=True)]
        yield pair[0], pair[1]


def _rows_up_to(rows: pa.Table, last: str) -> int:
    """How many rows, of a table in organization order, are of organizations up to the last one."""
    organizations = rows.column("organization_id")
    return bisect_right(range(rows.num_rows), last, key=lambda row: organizations[row].as_py())
