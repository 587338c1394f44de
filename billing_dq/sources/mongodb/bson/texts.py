"""Text where it lies: what it is, without making Python text of it.

Cells are those of one field, or of items; cells of other types than text are passed over. Sizes are in bytes.
"""

from contextlib import suppress

import numpy as np
from numba import njit

from billing_dq.errors import SourceError
from billing_dq.loops.raw_bytes import (
    Bytes,
    Flags,
    Numbers,
    Small,
    byte_at,
    hash_of,
    same_bytes,
    slots_for,
    word_at,
)
from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.walker import Cells

WEEK_LENGTH = 8
#: Arrow counts the bytes of a column of text by int32.
_LONGEST_COLUMN = 2**31 - 1

_NOT_ASCII = np.uint64(0x8080808080808080)


@njit(cache=True, nogil=True)
def is_text(kind: int) -> bool:
    """Whether a BSON type is text; a symbol is the old name of it."""
    return kind == bson.TEXT or kind == bson.SYMBOL


def not_utf8(buffer: Bytes, cells: Cells) -> Flags:
    """Which texts are not UTF-8 (which surrogates alone are not)."""
    unfit = _beyond_ascii(buffer, cells)
    for row in np.flatnonzero(unfit):  # such texts are few
        place = cells.values[row]
        with suppress(UnicodeDecodeError):
            buffer[place : place + cells.sizes[row]].tobytes().decode()
            unfit[row] = False
    return unfit


@njit(cache=True, nogil=True)
def _beyond_ascii(buffer: Bytes, cells: Cells) -> Flags:
    """Which texts have a byte that is not ASCII."""
    kinds, places, sizes = cells
    beyond = np.zeros(len(kinds), dtype=np.bool_)
    for row in range(len(beyond)):
        if is_text(kinds[row]):
            place, end, bits = places[row], places[row] + sizes[row], np.uint64(0)
            while place + 8 <= end:
                bits |= word_at(buffer, place)
                place += 8
            while place < end:
                bits |= np.uint64(byte_at(buffer, place))
                place += 1
            beyond[row] = bits & _NOT_ASCII != 0
    return beyond


@njit(cache=True, nogil=True)
def word_codes(buffer: Bytes, cells: Cells, words: Bytes, word_ends: Numbers) -> Small:
    """The place of each text in a list of words (one after the other, with their ends); -1 for others."""
    kinds, places, sizes = cells
    codes = np.full(len(kinds), -1, dtype=np.int8)
    for row in range(len(codes)):
        if is_text(kinds[row]):
            start = 0
            for word in range(len(word_ends)):
                length = word_ends[word] - start
                if length == sizes[row] and same_bytes(buffer, places[row], words, start, length):
                    codes[row] = word
                    break
                start = word_ends[word]
    return codes


@njit(cache=True, nogil=True)
def starts_with(buffer: Bytes, cells: Cells, prefix: Bytes) -> Flags:
    """Which texts start with a prefix."""
    kinds, places, sizes = cells
    starting = np.zeros(len(kinds), dtype=np.bool_)
    for row in range(len(starting)):
        if is_text(kinds[row]) and sizes[row] >= len(prefix):
            starting[row] = same_bytes(buffer, places[row], prefix, 0, len(prefix))
    return starting


@njit(cache=True, nogil=True)
def week_codes(buffer: Bytes, cells: Cells, years: Numbers) -> Numbers:
    """Week keys as numbers, 2026-W47 as 202647; -1 for what is no possible week.

    ``years`` are the number of weeks by year, 0 where the year is none that a key may have.
    """
    kinds, places, sizes = cells
    codes = np.full(len(kinds), -1, dtype=np.int64)
    for row in range(len(codes)):
        if is_text(kinds[row]) and sizes[row] == WEEK_LENGTH:
            place = places[row]
            year, week = _digits(buffer, place, 4), _digits(buffer, place + 6, 2)
            between = buffer[place + 4] == 0x2D and buffer[place + 5] == 0x57  # "-W"
            if between and 0 <= year < len(years) and 1 <= week <= years[year]:
                codes[row] = year * 100 + week
    return codes


@njit(cache=True, nogil=True)
def repeated(buffer: Bytes, cells: Cells, firsts: Numbers) -> Flags:
    """Which items have a text, not empty, that an earlier item of the same list has.

    ``firsts`` are the lists' first items, and at last the number of items. Two texts are alike where their bytes are;
    hashes only say where to look.
    """
    kinds, places, sizes = cells
    again = np.zeros(len(kinds), dtype=np.bool_)
    longest = 0
    for row in range(len(firsts) - 1):
        longest = max(longest, firsts[row + 1] - firsts[row])
    table = np.empty(slots_for(longest), dtype=np.int64)
    for row in range(len(firsts) - 1):
        # a table of one list is small enough for the nearest memory
        slots = slots_for(firsts[row + 1] - firsts[row])
        table[:slots] = -1
        for item in range(firsts[row], firsts[row + 1]):
            size = sizes[item]
            if is_text(kinds[item]) and size > 0:
                place = places[item]
                slot = hash_of(buffer, place, size) & (slots - 1)
                while table[slot] >= 0:
                    earlier = table[slot]
                    if sizes[earlier] == size and same_bytes(buffer, places[earlier], buffer, place, size):
                        again[item] = True
                        break
                    slot = (slot + 1) & (slots - 1)
                if table[slot] < 0:
                    table[slot] = item
    return again


def gathered(buffer: Bytes, cells: Cells) -> tuple[np.ndarray, Bytes]:
    """The texts of cells one after the other: their ends, the first of which is 0, and their bytes."""
    sizes = np.where(cells.are(bson.TEXTS), cells.sizes, np.int32(0))
    ends = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=ends[1:])
    if ends[-1] > _LONGEST_COLUMN:
        raise SourceError(f"{ends[-1]:,} bytes of text in one column of a batch: lower batch_organizations")
    return ends.astype(np.int32), _copied(buffer, cells.values, ends)


@njit(cache=True, nogil=True)
def _copied(buffer: Bytes, places: Numbers, ends: Numbers) -> Bytes:
    text = np.empty(ends[-1], dtype=np.uint8)
    for row in range(len(places)):
        start, place = ends[row], places[row]
        for byte in range(ends[row + 1] - start):
            text[np.uint64(start + byte)] = byte_at(buffer, place + byte)
    return text


@njit(cache=True, nogil=True)
def hex_text(buffer: Bytes, places: Numbers) -> Bytes:
    """ObjectIds as 24 hex characters each, one after the other."""
    text = np.empty(len(places) * 24, dtype=np.uint8)
    for row in range(len(places)):
        for byte in range(12):
            value, place = byte_at(buffer, places[row] + byte), row * 24 + 2 * byte
            text[np.uint64(place)] = _hex_digit(value >> 4)
            text[np.uint64(place + 1)] = _hex_digit(value & 15)
    return text


@njit(cache=True, nogil=True)
def _hex_digit(value: int) -> int:
    return value + 48 if value < 10 else value + 87


@njit(cache=True, nogil=True)
def _digits(buffer: Bytes, place: int, count: int) -> int:
    """The number of so many decimal digits; -1 where there are others."""
    number = 0
    for digit in range(count):
        value = int(buffer[place + digit]) - 48
        if not 0 <= value <= 9:
            return -1
        number = number * 10 + value
    return number
