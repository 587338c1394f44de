"""How often each text of a field is there, without making Python text of it."""

import numpy as np

from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.compiled import compiled
from billing_dq.sources.mongodb.bson.types import Bytes

#: Different texts that are told apart in one batch; an enumeration has a handful.
WORDS = 64
_OFFSET, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


@compiled
def tally(
    buffer: Bytes, kinds: np.ndarray, places: np.ndarray, sizes: np.ndarray, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """How often each text of at most ``longest`` bytes is there, and the row of its first.

    Returns:
        counts and first rows, `WORDS` each; 0 where a place is not used. The last place counts all other texts.
    """
    hashes = np.zeros(WORDS, dtype=np.uint64)
    counts = np.zeros(WORDS, dtype=np.int64)
    firsts = np.zeros(WORDS, dtype=np.int64)
    last = WORDS - 1
    for row in range(len(kinds)):
        if kinds[row] != bson.TEXT and kinds[row] != bson.SYMBOL:
            continue
        slot = last
        if sizes[row] <= longest:
            value = _OFFSET
            for byte in range(places[row], places[row] + sizes[row]):
                value = (value ^ np.uint64(buffer[byte])) * _PRIME
            for step in range(last):
                at = (np.int64(value & np.uint64(0xFFFF)) + step) % last
                if counts[at] == 0 or hashes[at] == value:
                    hashes[at], slot = value, at
                    break
        if counts[slot] == 0:
            firsts[slot] = row
        counts[slot] += 1
    return counts, firsts
