"""Raw BSON batches into Arrow columns, without a Python object for each document.

Every number is read as float64 (an int64 schema would turn 2.75 into 2, silently). A value of another type than the
schema's raises `Undecodable`: the server should not have let it through.
"""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pymongoarrow.api import Schema
from pymongoarrow.context import PyMongoArrowContext
from pymongoarrow.types import ObjectIdType

OBJECT_ID = ObjectIdType()
NUMBER = pa.float64()
COUNT = pa.int64()
TEXT = pa.string()
TEXTS = pa.list_(pa.string())
TIME = pa.timestamp("ms")
UTC_TIME = pa.timestamp("ms", "UTC")

#: A column's name on the wire, and its type.
Columns = Mapping[str, pa.DataType]

_HEX_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def objects(fields: Columns) -> pa.DataType:
    """The type of a list of objects with these fields; see `unnest`."""
    return pa.list_(pa.struct(list(fields.items())))


class Undecodable(ValueError):
    """A batch holds a value that its schema cannot take: an unsound document got past the server."""


def decode(batch: bytes, columns: Columns, required: Iterable[str]) -> pa.Table:
    """One raw batch as an Arrow table with these columns; ids are hex text, times are UTC.

    Raises:
        Undecodable: a value of another type, or a null in a required column.
    """
    # a context cannot be used again once finished: its list offsets go on counting
    context = PyMongoArrowContext(Schema(dict(columns)))
    try:
        context.process_bson_stream(batch)
        table = context.finish()
    except (TypeError, ValueError, OverflowError, pa.ArrowInvalid) as error:
        raise Undecodable(str(error)) from None
    for name in required:
        if table.column(name).null_count:
            raise Undecodable(f"{name} is missing")
    return pa.table({name: _plain(table.column(name).combine_chunks()) for name in columns})


def unnest(documents: pa.Table, name: str, required: Iterable[str]) -> pa.Table:
    """The objects of a list column, one row each: ``parent`` (row of its document), ``position`` in its list, and its
    fields.

    Raises:
        Undecodable: a null in a required field.
    """
    lists = documents.column(name).combine_chunks()
    items = lists.flatten()
    for field in required:
        if items.field(field).null_count:
            raise Undecodable(f"{name}.{field} is missing")
    lengths = pc.list_value_length(lists).to_numpy()
    parent = np.repeat(np.arange(len(lengths)), lengths)
    position = np.arange(len(parent)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    fields = {field.name: _plain(items.field(field.name)) for field in items.type}
    return pa.table({"parent": parent, "position": position, **fields})


def whole_organizations(tables: Iterable[pa.Table], organizations: int, rows: int) -> Iterator[pa.Table]:
    """The same rows, cut only between organizations, so many organizations (or about so many rows) at a time.

    The tables are in organization order; each column named ``organization`` may go on from one table to the next.
    """
    held: list[pa.Table] = []
    for table in tables:
        rows_so_far = pa.concat_tables([*held, table])
        starts = _starts(rows_so_far)
        while len(starts) > organizations or (len(starts) > 1 and rows_so_far.num_rows > rows):
            # the last organization may go on in the next table
            cut = int(starts[min(organizations, len(starts) - 1)])
            yield rows_so_far.slice(0, cut)
            rows_so_far = rows_so_far.slice(cut)
            starts = starts[starts >= cut] - cut
        held = [rows_so_far]
    for rest in held:
        if rest.num_rows:
            yield rest


def seconds_to_time(seconds: pa.ChunkedArray) -> pa.ChunkedArray:
    """Unix seconds as UTC times."""
    return pc.multiply(seconds, 1000.0).cast(pa.int64(), safe=False).cast(UTC_TIME)


def same_as_before(values: pa.ChunkedArray) -> np.ndarray:
    """For each row, whether its value is that of the row before."""
    same = np.zeros(len(values), dtype=bool)
    if len(values) > 1:
        same[1:] = pc.equal(values.slice(1), values.slice(0, len(values) - 1)).to_numpy()
    return same


def _starts(table: pa.Table) -> np.ndarray:
    return np.flatnonzero(~same_as_before(table.column("organization")))


def _plain(values: pa.Array) -> pa.Array:
    if values.type == OBJECT_ID:
        return _hex(values.storage)
    return values.cast(UTC_TIME) if values.type == TIME else values


def _hex(ids: pa.Array) -> pa.Array:
    """ObjectIds (12 bytes each, none null) as 24 hex characters."""
    raw = np.frombuffer(ids.buffers()[1], dtype=np.uint8)[ids.offset * 12 : (ids.offset + len(ids)) * 12]
    text = np.empty(len(raw) * 2, dtype=np.uint8)
    text[0::2] = _HEX_DIGITS[raw >> 4]
    text[1::2] = _HEX_DIGITS[raw & 15]
    offsets = np.arange(0, len(text) + 1, 24, dtype=np.int32)
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(text))
