"""The walk over raw documents: where each field of a contract is, of which type, and which documents break it.

Nothing is decoded and nothing is copied: a cell is a BSON type, a place in the buffer (or the number itself) and a
size. What a walk does not know it passes over by its size, so depth costs nothing.
"""

import math
from typing import NamedTuple

import numpy as np

from billing_dq.compiled import Bytes, Flags, Floats, Numbers, Sizes, Words, compiled, compiled_part
from billing_dq.raw_bytes import byte_at, int32_at, int64_at, word_at
from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.contract_table import TYPE_NUMBERS, FieldTable
from billing_dq.sources.mongodb.bson.tally import slot_of
from billing_dq.sources.mongodb.bson.types import after_zero, value_size

_OBJECT_ID = TYPE_NUMBERS["objectId"]
_TEXT = TYPE_NUMBERS["string"]
_NUMBER = TYPE_NUMBERS["number"]
_DATE = TYPE_NUMBERS["date"]
_BOOL = TYPE_NUMBERS["bool"]
_OBJECT = TYPE_NUMBERS["object"]
_ARRAY = TYPE_NUMBERS["array"]


#: What an item mostly takes at least: an attribution key has 40 bytes, an entry a hundred.
_ITEM_BYTES = 24

#: Places for the kinds of fields that are in no contract, in one walk, a power of two; one more counts those that found
#: no room.
OTHERS = 64


class Cells(NamedTuple):
    """Values by field and row (or of one field, by row).

    Attributes:
        kinds: BSON types; 0 where the field is missing.
        values: of numbers the bits of the float64, of dates the milliseconds, of true 1, of everything else the place
            of its bytes.
        sizes: of text its bytes, of objects and lists all of theirs, else 0.
    """

    kinds: np.ndarray
    values: np.ndarray
    sizes: np.ndarray

    def of(self, rows: np.ndarray) -> "Cells":
        """The cells of some rows, in ascending order; nothing is copied where the rows are neighbours."""
        neighbours = len(rows) and rows[-1] - rows[0] == len(rows) - 1
        chosen = slice(rows[0], rows[-1] + 1) if neighbours else rows
        return Cells(*(part[chosen] for part in self))


class Others(NamedTuple):
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
    others: Others


class Items(NamedTuple):
    """The items of lists, or the values of objects: ``firsts`` (rows + 1) are each row's first item, the last their
    number; ``broken`` are the rows whose bytes are no list.
    """

    firsts: np.ndarray
    cells: Cells
    broken: np.ndarray


def documents(buffer: Bytes) -> np.ndarray:
    """The places of the documents that lie one after the other, and at last where they end.

    That end is before the end of the buffer where the bytes there are no document.
    """
    places = np.empty(1 + len(buffer) // bson.SMALLEST_DOCUMENT, dtype=np.int64)
    return places[: _find_documents(buffer, places) + 1].copy()


@compiled
def _find_documents(buffer: Bytes, places: Numbers) -> int:
    count, end = 0, 0
    size = value_size(buffer, bson.OBJECT, 0, len(buffer))
    while size > 0:
        places[count] = end
        count, end = count + 1, end + size
        size = value_size(buffer, bson.OBJECT, end, len(buffer))
    places[count] = end
    return count


def walk(buffer: Bytes, starts: np.ndarray, fields: FieldTable) -> Walk:
    """Find the fields of the documents at ``starts``: whole documents by `value_size`, such as `documents` tells.

    A document breaks the contract where it is malformed or a field is of another type, out of bounds, or required and
    missing or null. What text must be is judged elsewhere.
    """
    shape = len(fields.types), len(starts)
    cells = Cells(np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int32))
    broken, malformed = (np.zeros(len(starts), dtype=np.bool_) for _ in range(2))
    others = Others(*(np.zeros(OTHERS + 1, dtype=np.int64) for _ in range(4)))
    follower = np.zeros(len(fields.types) + 1, dtype=np.int64)
    kinds, values, sizes = cells.kinds.reshape(-1), cells.values.reshape(-1), cells.sizes.reshape(-1)
    _walk(buffer, starts, *fields, follower, kinds, values, sizes, broken, malformed, *others)
    return Walk(cells, broken, malformed, others)


@compiled
def _walk(
    buffer: Bytes,
    starts: Numbers,
    names: Bytes,
    name_ends: Numbers,
    lengths: Numbers,
    heads: Words,
    masks: Words,
    types: Numbers,
    required: Flags,
    smallest: Floats,
    largest: Floats,
    latest: Numbers,
    follower: Numbers,  # by field: the one that came after it last time
    kinds: Bytes,
    values: Numbers,
    sizes: Sizes,
    broken: Flags,
    malformed: Flags,
    hashes: Numbers,
    counts: Numbers,
    other_rows: Numbers,
    other_places: Numbers,
) -> int:
    rows, width, needed = len(starts), len(types), 0
    for field in range(width):
        needed += required[field]
    for row in range(rows):
        place, before, missing = starts[row] + 4, width, needed
        end = starts[row] + int32_at(buffer, starts[row]) - 1
        while place < end:
            kind, name = byte_at(buffer, place), place + 1
            field = int(follower[before])
            if field < width:
                length = int(lengths[field])
                start = int(name_ends[field]) - length
                place = _after_name(buffer, name, end, names, start, length, heads[field], masks[field])
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
                value, bytes_of_it = _value(buffer, kind, place, size)
                cell = field * rows + row
                if kinds[cell] != bson.ABSENT:
                    malformed[row] = True
                else:
                    missing -= required[field]
                    if kind == bson.NULL or kind == bson.UNDEFINED:
                        broken[row] |= required[field]
                    elif not _sound(kind, value, types[field], smallest[field], largest[field], latest[field]):
                        broken[row] = True
                kinds[cell], values[cell], sizes[cell] = kind, value, bytes_of_it
            else:
                slot = slot_of(buffer, name - 1, place, hashes, counts)
                if counts[slot] == 0:
                    other_rows[slot], other_places[slot] = row, name - 1
                counts[slot] += 1
            place += size
        broken[row] |= malformed[row] | (missing > 0)
    return 0


def items(buffer: Bytes, lists: Cells) -> Items:
    """The items of each list or object among ``lists`` (of one field); rows of other types have none."""
    rows = len(lists.kinds)
    firsts, broken = np.zeros(rows + 1, dtype=np.int64), np.zeros(rows, dtype=np.bool_)
    room = 16 + int(lists.sizes.sum(dtype=np.int64)) // _ITEM_BYTES
    while True:
        cells = Cells(np.empty(room, dtype=np.uint8), np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int32))
        count = _find_items(buffer, *lists, firsts, broken, *cells)
        if count >= 0:
            return Items(firsts, Cells(*(part[:count] for part in cells)), broken)
        room *= 2


@compiled
def _find_items(
    buffer: Bytes,
    list_kinds: Bytes,
    list_places: Numbers,
    list_sizes: Sizes,
    firsts: Numbers,
    broken: Flags,
    kinds: Bytes,
    values: Numbers,
    sizes: Sizes,
) -> int:
    """The number of items; -1 where there is no room for all of them."""
    count, room = 0, len(kinds)
    for row in range(len(list_kinds)):
        place, end = list_places[row] + 4, list_places[row] + list_sizes[row] - 1
        if list_kinds[row] != bson.ARRAY and list_kinds[row] != bson.OBJECT:
            end = place
        while place < end and count < room:
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
        if 0 <= place < end and not broken[row]:
            return -1
    return count


@compiled_part
def _field_of(buffer: Bytes, name: int, end: int, names: Bytes, name_ends: np.ndarray) -> int:
    """The field of a name that ends at ``end``, its zero included; the number of fields where it is none of them."""
    start = 0
    for field in range(len(name_ends)):
        if name_ends[field] - start == end - name:
            letter = 0
            while name + letter < end and byte_at(buffer, name + letter) == byte_at(names, start + letter):
                letter += 1
            if name + letter == end:
                return field
        start = name_ends[field]
    return len(name_ends)


@compiled_part
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
    for letter in range(compared, length):
        if byte_at(buffer, name + letter) != byte_at(names, start + letter):
            return -1
    return after


@compiled_part
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


@compiled_part
def _sound(kind: int, value: int, wanted: int, smallest: float, largest: float, latest: int) -> bool:
    """Whether a value that is not null is of the wanted type and within its bounds."""
    if wanted == _NUMBER:
        if kind != bson.DOUBLE and kind != bson.INT32 and kind != bson.INT64:
            return False
        number = np.int64(value).view(np.float64)
        return math.isfinite(number) and smallest <= number <= largest
    if wanted == _DATE:
        return kind == bson.DATE and value <= latest
    return (
        (wanted == _TEXT and (kind == bson.TEXT or kind == bson.SYMBOL))
        or (wanted == _OBJECT_ID and kind == bson.OBJECT_ID)
        or (wanted == _BOOL and kind == bson.BOOL)
        or (wanted == _OBJECT and kind == bson.OBJECT)
        or (wanted == _ARRAY and kind == bson.ARRAY)
    )
