"""How often each text of a field is there, without making Python text of it."""

import numpy as np
from numba import njit

from billing_dq.loops.raw_bytes import Bytes, Numbers, same_bytes, slot_of
from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.walker import Cells

#: Different texts that are told apart in one batch, a power of two; an enumeration has a handful.
WORDS = 64


@njit(cache=True, nogil=True)
def tally(buffer: Bytes, cells: Cells, longest: int) -> tuple[Numbers, Numbers]:
    """How often each text of at most ``longest`` bytes is there, and the row of its first.

    Returns:
        counts and first rows, `WORDS` and one more each; 0 where a place is not used. The last place counts all other
        texts.
    """
    kinds, places, sizes = cells
    hashes = np.zeros(WORDS + 1, dtype=np.int64)
    counts = np.zeros(WORDS + 1, dtype=np.int64)
    firsts = np.zeros(WORDS + 1, dtype=np.int64)
    before, slot = -1, WORDS  # the row before with a text, which mostly is the same one, and its place
    for row in range(len(kinds)):
        if kinds[row] != bson.TEXT and kinds[row] != bson.SYMBOL:
            continue
        size, place = sizes[row], places[row]
        alike = before >= 0 and sizes[before] == size
        if not (alike and same_bytes(buffer, places[before], buffer, place, size)):
            slot = WORDS
            if size <= longest:
                slot = slot_of(buffer, place, place + size, hashes, counts)
        if counts[slot] == 0:
            firsts[slot] = row
        counts[slot] += 1
        before = row
    return counts, firsts
