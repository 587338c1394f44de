"""Bytes as compiled code reads them: numbers where they lie, and texts compared and hashed eight bytes at once.

Who calls has checked that the bytes are there.
"""

import numpy as np
from numba import njit

Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
Sizes = np.ndarray[tuple[int], np.dtype[np.int32]]
Small = np.ndarray[tuple[int], np.dtype[np.int8]]
Words = np.ndarray[tuple[int], np.dtype[np.uint64]]
Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

_OFFSET = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)
def byte_at(buffer: Bytes, place: int) -> int:
    """The byte at a place that there is.

    An unsigned index is never counted from the end, so that eight of these become one load of eight bytes.
    """
    return int(np.int64(buffer[np.uint64(place)]))


@njit(cache=True, nogil=True)
def int32_at(buffer: Bytes, place: int) -> int:
    """The little-endian int32 at a place that has four bytes."""
    value = np.uint32(byte_at(buffer, place))
    value |= np.uint32(byte_at(buffer, place + 1)) << np.uint32(8)
    value |= np.uint32(byte_at(buffer, place + 2)) << np.uint32(16)
    value |= np.uint32(byte_at(buffer, place + 3)) << np.uint32(24)
    return int(np.int64(np.int32(value)))


@njit(cache=True, nogil=True)
def word_at(buffer: Bytes, place: int) -> np.uint64:
    """The little-endian uint64 at a place that has eight bytes."""
    low, high = int32_at(buffer, place), int32_at(buffer, place + 4)
    return np.uint64(low & 0xFFFFFFFF) | np.uint64(high) << np.uint64(32)


@njit(cache=True, nogil=True)
def int64_at(buffer: Bytes, place: int) -> int:
    """The little-endian int64 at a place that has eight bytes."""
    return int(np.int64(word_at(buffer, place)))


@njit(cache=True, nogil=True)
def same_bytes(first: Bytes, place: int, second: Bytes, start: int, length: int) -> bool:
    """Whether so many bytes at ``place`` of the first buffer are those at ``start`` of the second."""
    compared = 0
    while compared + 8 <= length:
        if word_at(first, place + compared) != word_at(second, start + compared):
            return False
        compared += 8
    while compared < length:
        if byte_at(first, place + compared) != byte_at(second, start + compared):
            return False
        compared += 1
    return True


@njit(cache=True, nogil=True)
def hash_of(buffer: Bytes, place: int, size: int) -> int:
    """A hash of the bytes, eight at once; the high bits, which depend on all of them, come last."""
    value, end = _OFFSET, place + size
    while place + 8 <= end:
        value = (value ^ word_at(buffer, place)) * _PRIME
        value ^= value >> np.uint64(29)  # another number than below: twice the same would be nothing
        place += 8
    while place < end:
        value = (value ^ np.uint64(byte_at(buffer, place))) * _PRIME
        place += 1
    return int(np.int64(value ^ (value >> np.uint64(32))))


@njit(cache=True, nogil=True)
def slots_for(items: int) -> int:
    """A power of two at least twice as large."""
    slots = 2
    while slots < 2 * items:
        slots *= 2
    return slots


@njit(cache=True, nogil=True)
def slot_of(buffer: Bytes, start: int, end: int, hashes: Numbers, counts: Numbers) -> int:
    """The place of the bytes from ``start`` to ``end`` among those seen, by hash; the last if all are taken.

    ``hashes`` and ``counts`` have a power of two of places, and one more.
    """
    value, places = hash_of(buffer, start, end - start), len(counts) - 1
    for step in range(places):
        at = ((value & (places - 1)) + step) & (places - 1)
        if counts[at] == 0 or hashes[at] == value:
            hashes[at] = value
            return int(at)
    return places
