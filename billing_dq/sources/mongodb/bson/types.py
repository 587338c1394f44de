"""The BSON types by their byte (bsonspec.org), what they are called, and the size of a value."""

from numba import njit

from billing_dq.loops.raw_bytes import Bytes, byte_at, int32_at

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

TEXTS = (TEXT, SYMBOL)
NUMBERS = (DOUBLE, INT32, INT64)
#: What counts as no value.
NOTHING = (ABSENT, NULL, UNDEFINED)

#: Each type as MongoDB's `$type` names it, and in the words of a reason.
NAMES = {
    ABSENT: ("missing", "missing"),
    DOUBLE: ("double", "a double"),
    TEXT: ("string", "text"),
    OBJECT: ("object", "an object"),
    ARRAY: ("array", "a list"),
    BINARY: ("binData", "binary data"),
    UNDEFINED: ("undefined", "null"),
    OBJECT_ID: ("objectId", "an ObjectId"),
    BOOL: ("bool", "a bool"),
    DATE: ("date", "a date"),
    NULL: ("null", "null"),
    REGEX: ("regex", "a BSON Regex"),
    DB_POINTER: ("dbPointer", "a DBRef"),
    JAVASCRIPT: ("javascript", "JavaScript"),
    SYMBOL: ("symbol", "text"),
    SCOPED_JAVASCRIPT: ("javascriptWithScope", "JavaScript"),
    INT32: ("int", "an int32"),
    TIMESTAMP: ("timestamp", "a BSON Timestamp"),
    INT64: ("long", "an int64"),
    DECIMAL128: ("decimal", "a Decimal128"),
    MAX_KEY: ("maxKey", "a BSON MaxKey"),
    MIN_KEY: ("minKey", "a BSON MinKey"),
}

#: The smallest document: its length and the closing zero.
SMALLEST_DOCUMENT = 5


@njit(cache=True, nogil=True)
def after_zero(buffer: Bytes, place: int, end: int) -> int:
    """The place after the next zero byte before ``end``; -1 where there is none."""
    while place < end:
        if byte_at(buffer, place) == 0:
            return place + 1
        place += 1
    return -1


@njit(cache=True, nogil=True)
def value_size(buffer: Bytes, kind: int, place: int, end: int) -> int:
    """The bytes of a value of this type at ``place``; -1 where it is unknown, malformed or goes on past ``end``.

    Compiled as comparisons in the order of how often a type comes: a call with the buffer costs more than them.
    """
    if kind == OBJECT_ID:
        size = 12
    elif kind in (TEXT, SYMBOL, JAVASCRIPT):
        size = _text_size(buffer, place, end)
    elif kind in (DOUBLE, DATE, INT64, TIMESTAMP):
        size = 8
    elif kind == INT32:
        size = 4
    elif kind in (OBJECT, ARRAY):
        size = _document_size(buffer, place, end)
    elif kind in (NULL, UNDEFINED, MIN_KEY, MAX_KEY):
        size = 0
    elif kind == BOOL:
        size = 1 if place < end and byte_at(buffer, place) <= 1 else -1
    else:
        size = _seldom_size(buffer, kind, place, end)
    return size if size <= end - place else -1


@njit(cache=True, nogil=True)
def _text_size(buffer: Bytes, place: int, end: int) -> int:
    """The size of text: its length, its bytes, a zero; -1 where it is not that."""
    if end - place < 4:
        return -1
    length = int32_at(buffer, place)
    if length < 1 or length > end - place - 4 or byte_at(buffer, place + 3 + length) != 0:
        return -1
    return length + 4


@njit(cache=True, nogil=True)
def _document_size(buffer: Bytes, place: int, end: int) -> int:
    """The size of a document, an object or a list, which starts with it and ends with a zero; else -1."""
    if end - place < 4:
        return -1
    length = int32_at(buffer, place)
    if length < SMALLEST_DOCUMENT or length > end - place or byte_at(buffer, place + length - 1) != 0:
        return -1
    return length


@njit(cache=True, nogil=True)
def _seldom_size(buffer: Bytes, kind: int, place: int, end: int) -> int:
    """The size of a value of the other types; it may go on past ``end``."""
    if kind == DECIMAL128:
        return 16
    if kind == REGEX:
        pattern_end = after_zero(buffer, place, end)
        options_end = after_zero(buffer, pattern_end, end) if pattern_end >= 0 else -1
        return options_end - place if options_end >= 0 else -1
    if kind == DB_POINTER:
        size = _text_size(buffer, place, end)
        return size + 12 if size >= 0 else -1
    if end - place < 4:
        return -1
    length = int32_at(buffer, place)
    if kind == BINARY:
        return length + 5 if length >= 0 else -1
    if kind == SCOPED_JAVASCRIPT:
        return length if length >= 4 + 4 + 1 + SMALLEST_DOCUMENT else -1
    return -1
