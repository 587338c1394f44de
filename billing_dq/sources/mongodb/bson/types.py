"""The BSON types by their byte (bsonspec.org), and the size of a value."""

import numpy as np

from billing_dq.sources.mongodb.bson.compiled import compiled

ABSENT = 0x00
DOUBLE = 0x01
TEXT = 0x02
OBJECT = 0x03
ARRAY = 0x04
BINARY = 0x05
UNDEFINED = 0x06
OBJECT_ID = 0x07
BOOL = 0x08
DATE = 0x09
NULL = 0x0A
REGEX = 0x0B
DB_POINTER = 0x0C
JAVASCRIPT = 0x0D
SYMBOL = 0x0E
SCOPED_JAVASCRIPT = 0x0F
INT32 = 0x10
TIMESTAMP = 0x11
INT64 = 0x12
DECIMAL128 = 0x13
MAX_KEY = 0x7F
MIN_KEY = 0xFF

#: The smallest document: its length and the closing zero.
SMALLEST_DOCUMENT = 5

#: The sizes of the types that have one, by type; -1 for all others.
_SIZES = np.full(256, -1, dtype=np.int64)
_SIZES[[NULL, UNDEFINED, MIN_KEY, MAX_KEY]] = 0
_SIZES[BOOL] = 1
_SIZES[INT32] = 4
_SIZES[[DOUBLE, DATE, TIMESTAMP, INT64]] = 8
_SIZES[OBJECT_ID] = 12
_SIZES[DECIMAL128] = 16

Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]


@compiled
def int32_at(buffer: Bytes, place: int) -> int:
    """The little-endian int32 at a place that has four bytes."""
    unsigned = (
        np.int64(buffer[place])
        | np.int64(buffer[place + 1]) << 8
        | np.int64(buffer[place + 2]) << 16
        | np.int64(buffer[place + 3]) << 24
    )
    return int(unsigned - (np.int64(1) << 32) if unsigned >> 31 else unsigned)


@compiled
def int64_at(buffer: Bytes, place: int) -> int:
    """The little-endian int64 at a place that has eight bytes."""
    value = np.uint64(0)
    for byte in range(8):
        value |= np.uint64(buffer[place + byte]) << np.uint64(8 * byte)
    return int(np.int64(value))


@compiled
def after_zero(buffer: Bytes, place: int, end: int) -> int:
    """The place after the next zero byte before ``end``; -1 where there is none."""
    while place < end:
        if buffer[place] == 0:
            return place + 1
        place += 1
    return -1


@compiled
def value_size(buffer: Bytes, kind: int, place: int, end: int) -> int:
    """The bytes of a value of this type at ``place``; -1 where it is unknown, malformed or goes on past ``end``."""
    size = int(_SIZES[kind])
    if size >= 0:
        malformed = size > end - place or (kind == BOOL and buffer[place] > 1)
        return -1 if malformed else size
    if kind == REGEX:
        pattern_end = after_zero(buffer, place, end)
        options_end = after_zero(buffer, pattern_end, end) if pattern_end >= 0 else -1
        return options_end - place if options_end >= 0 else -1
    return _measured_size(buffer, kind, place, end)


@compiled
def _measured_size(buffer: Bytes, kind: int, place: int, end: int) -> int:
    """The size of a value that starts with its own length."""
    if end - place < 4:
        return -1
    length = int32_at(buffer, place)
    if kind in (TEXT, JAVASCRIPT, SYMBOL, DB_POINTER):
        if length < 1 or length > end - place - 4 or buffer[place + 3 + length] != 0:
            return -1
        size = length + 4 + (12 if kind == DB_POINTER else 0)
    elif kind in (OBJECT, ARRAY):
        if length < SMALLEST_DOCUMENT or length > end - place or buffer[place + length - 1] != 0:
            return -1
        size = length
    elif kind == BINARY:
        if length < 0:
            return -1
        size = length + 5
    elif kind == SCOPED_JAVASCRIPT:
        if length < 4 + 4 + 1 + SMALLEST_DOCUMENT:
            return -1
        size = length
    else:
        return -1
    return size if size <= end - place else -1
