"""How often each text of a field is there, without making Python text of it."""

import numpy as np

from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.compiled import compiled
from billing_dq.sources.mongodb.bson.types import Bytes

#: Different texts that are told apart in one batch, a power of two; an enumeration has a handful.
WORDS = 64
_OFFSET, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


@compiled
def tally(
    buffer: Bytes, kinds: np.ndarray, places: np.ndarray, sizes: np.ndarray, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """How often each text of at most ``longest`` bytes is there, and the row of its first.

    Returns:
        counts and first rows, `WORDS` and one more each; 0 where a place is not used. The last place counts all other
        texts.
    """
    hashes = np.zeros(WORDS, dtype=np.uint64)
    counts = np.zeros(WORDS + 1, dtype=np.int64)
    firsts = np.zeros(WORDS + 1, dtype=np.int64)
    before, slot = -1, WORDS  # the row before with a text, which mostly is the same one, and its place
    for row in range(len(kinds)):
        if kinds[row] != bson.TEXT and kinds[row] != bson.SYMBOL:
            continue
        if before < 0 or not _same(buffer, places, sizes, before, row):
            slot = WORDS
            if sizes[row] <= longest:
                slot = _slot(buffer, places[row], places[row] + sizes[row], hashes, counts)
        if counts[slot] == 0:
            firsts[slot] = row
        counts[slot] += 1
        before = row
    return counts, firsts


@compiled
def _slot(buffer: Bytes, start: int, end: int, hashes: np.ndarray, counts: np.ndarray) -> int:
    """The place of a text among those seen; `WORDS` where all are taken."""
    value = _OFFSET
    for byte in range(start, end):
        value = (value ^ np.uint64(buffer[byte])) * _PRIME
    for step in range(WORDS):
        at = (np.int64(value & np.uint64(WORDS - 1)) + step) & (WORDS - 1)
        if counts[at] == 0 or hashes[at] == value:
            hashes[at] = value
            return int(at)
    return WORDS


@compiled
def _same(buffer: Bytes, places: np.ndarray, sizes: np.ndarray, one: int, other: int) -> bool:
    size, alike = sizes[one], 0
    if size == sizes[other]:
        while alike < size and buffer[places[one] + alike] == buffer[places[other] + alike]:
            alike += 1
        return alike == size
    return False
