"""The walk over raw documents: where each field of a contract is, of which type, and which documents break it.

See docs/domain.md, "Malformed documents".

Nothing is decoded and nothing is copied: a cell is a BSON type, a place in the buffer (or the number itself) and a
size. What a walk does not know it passes over by its size, so depth costs nothing.
"""

# numpy does not tell a type checker how many dimensions remain of an array that is indexed:
# pyright: reportArgumentType=false

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from billing_dq.loops.raw_bytes import Bytes, Numbers, Sizes, byte_at, int32_at, int64_at, same_bytes, slot_of, word_at
from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.contract_table import FieldTable
from billing_dq.sources.mongodb.bson.types import after_zero, value_size

#: The bytes of the smallest item: its type and the end of its name, such as null with an empty name.
_SMALLEST_ITEM = 2

#: Places for the kinds of fields that are in no contract, in one walk, a power of two; one more counts those for which
#: there was no room.
UNKNOWN_FIELDS = 64


class Cells(NamedTuple):
    """Values by field and row (or of one field, by row).

    Attributes:
        kinds: BSON types; 0 where the field is missing.
        values: of numbers the bits of the float64, of dates the milliseconds, of true 1, of everything else the place
            of its bytes.
        sizes: of text its bytes, of objects and lists all of theirs, else 0.
    """

    kinds: Bytes
    values: Numbers
    sizes: Sizes

    def of(self, rows: np.ndarray) -> "Cells":
        """The cells of some rows, in ascending order; nothing is copied where the rows are neighbours."""
        neighbours = len(rows) and rows[-1] - rows[0] == len(rows) - 1
        chosen = slice(rows[0], rows[-1] + 1) if neighbours else rows
        return Cells(*(part[chosen] for part in self))

    def are(self, kinds: tuple[int, ...]) -> np.ndarray:
        """Which values are of one of these BSON types."""
        return np.logical_or.reduce([self.kinds == kind for kind in kinds])


class UnknownFields(NamedTuple):
    """Fields that are in no contract, by name and BSON type: a hash of both, how often there is one, and of the first
    one its row and the place of its element. Of a place whose count is 0 nothing is told.
    """

    hashes: np.ndarray
    counts: np.ndarray
    rows: np.ndarray
    places: np.ndarray


class Walk(NamedTuple):
    """What a walk found: ``cells`` (fields x rows), which rows break the contract, which of these are malformed: no
    BSON, or with a field that comes twice, and the fields that no contract has. The cells of malformed rows may be
    incomplete.
    """

    cells: Cells
    broken: np.ndarray
    malformed: np.ndarray
    unknown: UnknownFields


class Items(NamedTuple):
    """The items of lists, or the values of objects: ``firsts`` (rows + 1) are each row's first item, the last their
    number; ``broken`` are the rows whose bytes are no list.
    """

    firsts: np.ndarray
    cells: Cells
    broken: np.ndarray


@njit(cache=True, nogil=True)
def documents(buffer: Bytes) -> np.ndarray:
    """The places of the documents that lie one after the other, and at last where they end.

    That end is before the end of the buffer where the bytes there are no document.
    """
    places = np.empty(1 + len(buffer) // bson.SMALLEST_DOCUMENT, dtype=np.int64)
    count, end = 0, 0
    size = value_size(buffer, bson.OBJECT, 0, len(buffer))
    while size > 0:
        places[count] = end
        count, end = count + 1, end + size
        size = value_size(buffer, bson.OBJECT, end, len(buffer))
    places[count] = end
    return places[: count + 1].copy()


@njit(cache=True, nogil=True)
def walk(buffer: Bytes, starts: Numbers, fields: FieldTable) -> Walk:
    """Find the fields of the documents at ``starts``: whole documents by `value_size`, such as `documents` tells.

    A document breaks the contract where it is malformed or a field is of another type, out of bounds, or required and
    missing or null. What text must be is judged elsewhere.
    """
    # numba counts references at each use of an array inside a tuple, which would take most of the time of the loop
    names, name_ends, lengths, heads, masks, accepted, required, smallest, largest, latest = fields
    rows, width = len(starts), len(accepted)
    kinds = np.zeros((width, rows), dtype=np.uint8)
    values = np.zeros((width, rows), dtype=np.int64)
    sizes = np.zeros((width, rows), dtype=np.int32)
    broken, malformed = np.zeros(rows, dtype=np.bool_), np.zeros(rows, dtype=np.bool_)
    hashes, counts = np.zeros(UNKNOWN_FIELDS + 1, dtype=np.int64), np.zeros(UNKNOWN_FIELDS + 1, dtype=np.int64)
    unknown_rows, unknown_places = (
        np.zeros(UNKNOWN_FIELDS + 1, dtype=np.int64),
        np.zeros(UNKNOWN_FIELDS + 1, dtype=np.int64),
    )
    # by field the one that came after it last time: documents of one application mostly have one order of fields
    follower = np.zeros(width + 1, dtype=np.int64)
    needed = required.sum()
    for row in range(rows):
        place, before, missing = starts[row] + 4, width, needed
        end = starts[row] + int32_at(buffer, starts[row]) - 1
        while place < end:
            kind, name = byte_at(buffer, place), place + 1
            field = follower[before]
            if field < width:
                length, head, mask = lengths[field], heads[field], masks[field]
                place = _after_name(buffer, name, end, names, name_ends[field] - length, length, head, mask)
            else:
                place = -1
            if place < 0:
                place = after_zero(buffer, name, end)
                field = _field_of(buffer, name, place, names, name_ends)
            size = value_size(buffer, kind, place, end) if place >= 0 else -1
            if size < 0:
                malformed[row] = True
                break
            if field < width:
                follower[before], before = field, field
                value, text_size = _value(buffer, kind, place, size)
                if kinds[field, row] != bson.ABSENT:
                    malformed[row] = True
                else:
                    missing -= required[field]
                    if kind == bson.NULL or kind == bson.UNDEFINED:
                        broken[row] |= required[field]
                    elif not _sound(kind, value, accepted[field], smallest[field], largest[field], latest[field]):
                        broken[row] = True
                kinds[field, row], values[field, row], sizes[field, row] = kind, value, text_size
            else:
                slot = slot_of(buffer, name - 1, place, hashes, counts)
                if counts[slot] == 0:
                    unknown_rows[slot], unknown_places[slot] = row, name - 1
                counts[slot] += 1
            place += size
        broken[row] |= malformed[row] | (missing > 0)
    return Walk(
        Cells(kinds, values, sizes), broken, malformed, UnknownFields(hashes, counts, unknown_rows, unknown_places)
    )


@njit(cache=True, nogil=True)
def items(buffer: Bytes, lists: Cells) -> Items:
    """The items of each list or object among ``lists`` (of one field); rows of other types have none."""
    list_kinds, list_places, list_sizes = lists
    rows = len(list_kinds)
    firsts, broken = np.zeros(rows + 1, dtype=np.int64), np.zeros(rows, dtype=np.bool_)
    # room for the most items there can be: memory that is never written takes none of the machine's
    room = list_sizes.sum() // _SMALLEST_ITEM
    kinds, values, sizes = np.empty(room, np.uint8), np.empty(room, np.int64), np.empty(room, np.int32)
    count = 0
    for row in range(rows):
        place, end = list_places[row] + 4, list_places[row] + list_sizes[row] - 1
        if list_kinds[row] != bson.ARRAY and list_kinds[row] != bson.OBJECT:
            end = place
        while place < end:
            kind = byte_at(buffer, place)
            place = after_zero(buffer, place + 1, end)
            size = value_size(buffer, kind, place, end) if place >= 0 else -1
            if size < 0:
                broken[row] = True
                break
            kinds[count] = kind
            values[count], sizes[count] = _value(buffer, kind, place, size)
            count, place = count + 1, place + size
        firsts[row + 1] = count
    return Items(firsts, Cells(kinds[:count], values[:count], sizes[:count]), broken)


@njit(cache=True, nogil=True)
def _field_of(buffer: Bytes, name: int, end: int, names: Bytes, name_ends: Numbers) -> int:
    """The field of a name that ends at ``end``, its zero included; the number of fields where it is none of them."""
    start = 0
    for field in range(len(name_ends)):
        length = name_ends[field] - start
        if length == end - name and same_bytes(buffer, name, names, start, length):
            return field
        start = name_ends[field]
    return len(name_ends)


@njit(cache=True, nogil=True)
def _after_name(buffer: Bytes, name: int, end: int, names: Bytes, start: int, length: int, head: int, mask: int) -> int:
    """The place after a name and its zero, where it is that of a field and goes not on past ``end``; else -1.

    Names are compared by eight bytes at once: of "kind", of whose eight bytes the last three are none of its own,
    ``word & 0x000000FFFFFFFFFF == 0x000000_00_646E696B``.
    """
    after = name + length
    if after > end:
        return -1
    compared = 0
    if name + 8 <= len(buffer):
        if word_at(buffer, name) & mask != head:
            return -1
        compared = 8
    if not same_bytes(buffer, name + compared, names, start + compared, length - compared):
        return -1
    return after


@njit(cache=True, nogil=True)
def _value(buffer: Bytes, kind: int, place: int, size: int) -> tuple[int, int]:
    """The value and the size of a cell."""
    if kind == bson.DOUBLE or kind == bson.DATE:
        return int64_at(buffer, place), 0
    if kind == bson.INT32:
        return int(np.float64(int32_at(buffer, place)).view(np.int64)), 0
    if kind == bson.INT64:
        return int(np.float64(int64_at(buffer, place)).view(np.int64)), 0
    if kind == bson.BOOL:
        return int(byte_at(buffer, place)), 0
    if kind == bson.TEXT or kind == bson.SYMBOL:
        return place + 4, size - 5
    if kind == bson.OBJECT or kind == bson.ARRAY:
        return place, size
    return place, 0


@njit(cache=True, nogil=True)
def _sound(kind: int, value: int, accepted: int, smallest: float, largest: float, latest: int) -> bool:
    """Whether a value that is not null is of an accepted type and within its bounds."""
    if kind >= 32 or not (accepted >> kind) & 1:
        return False
    if kind == bson.DATE:
        return value <= latest
    if kind == bson.DOUBLE or kind == bson.INT32 or kind == bson.INT64:
        number = np.int64(value).view(np.float64)
        return math.isfinite(number) and smallest <= number <= largest
    return True
