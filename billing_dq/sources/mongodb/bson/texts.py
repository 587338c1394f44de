"""Text where it lies: what it is, without making Python text of it.

Cells are those of one field, or of items; cells of other types than text are passed over. Sizes are in bytes.
"""

import numpy as np

from billing_dq.compiled import Bytes, Flags, Numbers, Sizes, Small, compiled, compiled_part
from billing_dq.errors import SourceError
from billing_dq.raw_bytes import byte_at, hash_of, same_bytes, slots_for, word_at
from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.walker import Cells

WEEK_LENGTH = 8
#: Arrow counts the bytes of a column of text by int32.
_LONGEST_COLUMN = 2**31 - 1

_NOT_ASCII = np.uint64(0x8080808080808080)


@compiled_part
def is_text(kind: int) -> bool:
    """Whether a BSON type is text; a symbol is the old name of it."""
    return kind == bson.TEXT or kind == bson.SYMBOL


def not_utf8(buffer: Bytes, cells: Cells) -> np.ndarray:
    """Which texts are not UTF-8 (which surrogates alone are not)."""
    wrong = np.zeros(len(cells.kinds), dtype=np.bool_)
    _find_not_utf8(buffer, *cells, wrong)
    return wrong


@compiled
def _find_not_utf8(buffer: Bytes, kinds: Bytes, places: Numbers, sizes: Sizes, wrong: Flags) -> int:
    for row in range(len(kinds)):
        if is_text(kinds[row]):
            place, end = places[row], places[row] + sizes[row]
            wrong[row] = not _is_ascii(buffer, place, end) and not _is_utf8(buffer, place, end)
    return 0


@compiled_part
def _is_ascii(buffer: Bytes, place: int, end: int) -> bool:
    every = np.uint64(0)
    while place + 8 <= end:
        every |= word_at(buffer, place)
        place += 8
    while place < end:
        every |= np.uint64(byte_at(buffer, place))
        place += 1
    return every & _NOT_ASCII == 0


@compiled_part
def _is_utf8(buffer: Bytes, place: int, end: int) -> bool:
    while place < end:
        lead = int(buffer[place])
        place += 1
        if lead < 0x80:
            continue
        low, high = 0x80, 0xBF  # of the second byte: no overlong form, no surrogate, nothing above U+10FFFF
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
            low = 0xA0 if lead == 0xE0 else 0x80
            high = 0x9F if lead == 0xED else 0xBF
        elif 0xF0 <= lead <= 0xF4:
            more = 3
            low = 0x90 if lead == 0xF0 else 0x80
            high = 0x8F if lead == 0xF4 else 0xBF
        else:
            return False
        if place + more > end:
            return False
        for byte in range(more):
            if not low <= buffer[place + byte] <= high:
                return False
            low, high = 0x80, 0xBF
        place += more
    return True


def word_codes(buffer: Bytes, cells: Cells, words: Bytes, word_ends: np.ndarray) -> np.ndarray:
    """The place of each text in a list of words (one after the other, with their ends); -1 for others."""
    codes = np.full(len(cells.kinds), -1, dtype=np.int8)
    _find_words(buffer, *cells, words, word_ends, codes)
    return codes


@compiled
def _find_words(
    buffer: Bytes, kinds: Bytes, places: Numbers, sizes: Sizes, words: Bytes, word_ends: Numbers, codes: Small
) -> int:
    for row in range(len(kinds)):
        if is_text(kinds[row]):
            start = 0
            for word in range(len(word_ends)):
                length = word_ends[word] - start
                if length == sizes[row] and same_bytes(buffer, places[row], words, start, length):
                    codes[row] = word
                    break
                start = word_ends[word]
    return 0


def starts_with(buffer: Bytes, cells: Cells, prefix: Bytes) -> np.ndarray:
    """Which texts start with a prefix."""
    found = np.zeros(len(cells.kinds), dtype=np.bool_)
    _find_prefix(buffer, *cells, prefix, found)
    return found


@compiled
def _find_prefix(buffer: Bytes, kinds: Bytes, places: Numbers, sizes: Sizes, prefix: Bytes, found: Flags) -> int:
    for row in range(len(kinds)):
        if is_text(kinds[row]) and sizes[row] >= len(prefix):
            found[row] = same_bytes(buffer, places[row], prefix, 0, len(prefix))
    return 0


def week_codes(buffer: Bytes, cells: Cells, years: np.ndarray) -> np.ndarray:
    """Week keys as numbers, 2026-W47 as 202647; -1 for what is no possible week.

    ``years`` are the number of weeks by year, 0 where the year is none that a key may have.
    """
    codes = np.full(len(cells.kinds), -1, dtype=np.int64)
    _find_weeks(buffer, *cells, years, codes)
    return codes


@compiled
def _find_weeks(buffer: Bytes, kinds: Bytes, places: Numbers, sizes: Sizes, years: Numbers, codes: Numbers) -> int:
    for row in range(len(kinds)):
        if is_text(kinds[row]) and sizes[row] == WEEK_LENGTH:
            place = places[row]
            year, week = _digits(buffer, place, 4), _digits(buffer, place + 6, 2)
            between = buffer[place + 4] == 0x2D and buffer[place + 5] == 0x57  # "-W"
            if between and 0 <= year < len(years) and 1 <= week <= years[year]:
                codes[row] = year * 100 + week
    return 0


def repeated(buffer: Bytes, cells: Cells, firsts: np.ndarray) -> np.ndarray:
    """Which items have a text, not empty, that an earlier item of the same list has.

    ``firsts`` are the lists' first items, and at last the number of items. Hashes find, bytes decide.
    """
    again = np.zeros(len(cells.kinds), dtype=np.bool_)
    table = np.empty(slots_for(int(np.diff(firsts).max(initial=0))), dtype=np.int64)
    _find_repeated(buffer, *cells, firsts, table, again)
    return again


@compiled
def _find_repeated(
    buffer: Bytes, kinds: Bytes, places: Numbers, sizes: Sizes, firsts: Numbers, table: Numbers, again: Flags
) -> int:
    for row in range(len(firsts) - 1):
        slots = slots_for(firsts[row + 1] - firsts[row])
        for slot in range(slots):
            table[slot] = -1
        for item in range(firsts[row], firsts[row + 1]):
            if is_text(kinds[item]) and sizes[item] > 0:
                slot = hash_of(buffer, places[item], sizes[item]) & (slots - 1)
                while table[slot] >= 0:
                    other = int(table[slot])
                    if sizes[other] == sizes[item] and same_bytes(
                        buffer, places[other], buffer, places[item], sizes[item]
                    ):
                        again[item] = True
                        break
                    slot = (slot + 1) & (slots - 1)
                if table[slot] < 0:
                    table[slot] = item
    return 0


def gathered(buffer: Bytes, cells: Cells) -> tuple[np.ndarray, Bytes]:
    """The texts of cells one after the other: their ends, the first of which is 0, and their bytes."""
    sizes = np.where((cells.kinds == bson.TEXT) | (cells.kinds == bson.SYMBOL), cells.sizes, np.int32(0))
    ends = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=ends[1:])
    if ends[-1] > _LONGEST_COLUMN:
        raise SourceError(f"{ends[-1]:,} bytes of text in one column of a batch: lower batch_organizations")
    text = np.empty(ends[-1], dtype=np.uint8)
    _copy_texts(buffer, cells.values, ends, text)
    return ends.astype(np.int32), text


@compiled
def _copy_texts(buffer: Bytes, places: Numbers, ends: Numbers, text: Bytes) -> int:
    for row in range(len(places)):
        start, place = ends[row], places[row]
        for byte in range(ends[row + 1] - start):
            text[np.uint64(start + byte)] = byte_at(buffer, place + byte)
    return 0


def hex_text(buffer: Bytes, places: np.ndarray) -> Bytes:
    """ObjectIds as 24 hex characters each, one after the other."""
    text = np.empty(len(places) * 24, dtype=np.uint8)
    _write_hex(buffer, places, text)
    return text


@compiled
def _write_hex(buffer: Bytes, places: Numbers, text: Bytes) -> int:
    for row in range(len(places)):
        for byte in range(12):
            value, place = byte_at(buffer, places[row] + byte), row * 24 + 2 * byte
            text[np.uint64(place)] = _hex_digit(value >> 4)
            text[np.uint64(place + 1)] = _hex_digit(value & 15)
    return 0


@compiled_part
def _hex_digit(value: int) -> int:
    return value + 48 if value < 10 else value + 87


@compiled_part
def _digits(buffer: Bytes, place: int, count: int) -> int:
    """The number of so many decimal digits; -1 where there are others."""
    number = 0
    for digit in range(count):
        value = int(buffer[place + digit]) - 48
        if not 0 <= value <= 9:
            return -1
        number = number * 10 + value
    return number
