"""Documents for one key, which the order of reading makes neighbours, and which of them is the newest."""

# numpy does not tell a type checker how many dimensions remain of an array that is indexed:
# pyright: reportArgumentType=false

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
from bson import Decimal128, ObjectId
from bson.datetime_ms import DatetimeMS
from numba import njit

from billing_dq.loops.raw_bytes import Bytes, Numbers, Small, byte_at
from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.contract_table import milliseconds
from billing_dq.sources.mongodb.bson.judged import Mask, Rows
from billing_dq.sources.mongodb.bson.texts import is_text
from billing_dq.sources.mongodb.bson.walker import Cells

_OBJECT_ID_BYTES = 12


def neighbours_alike(rows: Rows, key: tuple[str, ...], chosen: np.ndarray) -> Mask:
    """For each chosen row whether all fields of the key are those of the chosen row before."""
    alike = [_compared(rows.buffer, rows.cells(name), chosen) == 0 for name in key]
    return np.logical_and.reduce(alike)


def out_of_order(rows: Rows, name: str, chosen: np.ndarray) -> bool:
    """Whether the ObjectId of a chosen row is smaller than that of the one before; text has no order of its own."""
    cells = rows.cells(name)
    ids = chosen[cells.kinds[chosen] == bson.OBJECT_ID]
    return bool((_compared(rows.buffer, cells, ids) < 0).any())


def newest_first(documents: Mapping[int, Mapping[str, object]]) -> list[int]:
    """The names of documents, newest first: by `updatedAt` (a document without one is the oldest), then by `_id`."""
    return sorted(documents, key=lambda name: _age(documents[name]), reverse=True)


def _age(document: Mapping[str, object]) -> tuple[float, int, object]:
    updated = document.get("updatedAt")
    if isinstance(updated, datetime):
        updated = DatetimeMS(milliseconds(updated))
    rank, identity = _id_order(document.get("_id"))
    return (int(updated) if isinstance(updated, DatetimeMS) else -np.inf), rank, identity


def _id_order(value: object) -> tuple[int, object]:
    """An `_id` as MongoDB orders it: by type, then by value; types that nobody uses for ids by their text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 1, value
    if isinstance(value, Decimal128):
        return 1, float(value.to_decimal())
    if isinstance(value, str):
        return 2, value.encode(errors="surrogatepass")
    if isinstance(value, bytes):
        return 4, (len(value), value)
    if isinstance(value, ObjectId):
        return 5, value.binary
    if isinstance(value, datetime):
        return 7, value.astimezone(UTC)
    return 3, repr(value)


@njit(cache=True, nogil=True)
def _compared(buffer: Bytes, cells: Cells, chosen: Numbers) -> Small:
    """For each chosen row how its value (an ObjectId or text) compares with that of the one before: -1, 0 or 1.

    The first one is 1.
    """
    kinds, places, sizes = cells
    order = np.ones(len(chosen), dtype=np.int8)
    for number in range(1, len(chosen)):
        row, before = chosen[number], chosen[number - 1]
        size = sizes[row] if is_text(kinds[row]) else _OBJECT_ID_BYTES
        size_before = sizes[before] if is_text(kinds[before]) else _OBJECT_ID_BYTES
        sign = (size > size_before) - (size < size_before)
        for byte in range(min(size, size_before)):
            difference = byte_at(buffer, places[row] + byte) - byte_at(buffer, places[before] + byte)
            if difference != 0:
                sign = 1 if difference > 0 else -1
                break
        order[number] = sign
    return order
