"""Chosen rows of judged documents as Arrow columns; only here bytes become text, and only of what is stored."""

import numpy as np
import pyarrow as pa

from billing_dq.loops.raw_bytes import Bytes
from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.contract import EARLIEST, LATEST
from billing_dq.sources.mongodb.bson.contract_table import milliseconds
from billing_dq.sources.mongodb.bson.judged import Rows
from billing_dq.sources.mongodb.bson.texts import gathered, hex_text
from billing_dq.sources.mongodb.bson.walker import Cells

_TIME = pa.timestamp("ms", "UTC")
_HEX_LENGTH = 24


class Columns:
    """Columns of some rows, none of which break the contract."""

    def __init__(self, rows: Rows, chosen: np.ndarray) -> None:
        self._rows = rows
        self._chosen = chosen

    def ids(self, name: str) -> pa.Array:
        """ObjectIds as 24 hex characters."""
        return hex_array(self._rows.buffer, self._cells(name).values)

    def text(self, name: str) -> pa.Array:
        """Text, null where it is missing."""
        return text_array(self._rows.buffer, self._cells(name))

    def numbers(self, name: str) -> pa.Array:
        """Numbers as float64, null where they are missing."""
        cells = self._cells(name)
        return pa.array(cells.values.view(np.float64), pa.float64(), mask=cells.are(bson.NOTHING))

    def times(self, name: str) -> pa.Array:
        """Dates as UTC times that can be shown, null where they are missing."""
        cells = self._cells(name)
        dates = np.clip(cells.values, milliseconds(EARLIEST), milliseconds(LATEST))
        return pa.array(dates, pa.int64(), mask=cells.are(bson.NOTHING)).cast(_TIME)

    def seconds(self, name: str) -> pa.Array:
        """Numbers that are Unix seconds as UTC times, in whole milliseconds towards zero."""
        cells = self._cells(name)
        missing = cells.are(bson.NOTHING)
        seconds = np.where(missing, 0.0, cells.values.view(np.float64))
        return pa.array((seconds * 1000.0).astype(np.int64), pa.int64(), mask=missing).cast(_TIME)

    def _cells(self, name: str) -> Cells:
        return self._rows.cells(name).of(self._chosen)


def text_array(buffer: Bytes, cells: Cells) -> pa.Array:
    """The texts of cells, null where one holds none."""
    ends, text = gathered(buffer, cells)
    missing = cells.are(bson.NOTHING)
    valid = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    return pa.StringArray.from_buffers(len(missing), pa.py_buffer(ends), pa.py_buffer(text), valid)


def hex_array(buffer: Bytes, places: np.ndarray) -> pa.Array:
    """The ObjectIds at these places as hex text."""
    ends = np.arange(0, (len(places) + 1) * _HEX_LENGTH, _HEX_LENGTH, dtype=np.int32)
    return pa.StringArray.from_buffers(len(places), pa.py_buffer(ends), pa.py_buffer(hex_text(buffer, places)))
