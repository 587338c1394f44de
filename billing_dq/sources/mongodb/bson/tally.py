"""How often each text of a field is there, without making Python text of it."""

import numpy as np

from billing_dq.compiled import Bytes, Numbers, Sizes, compiled, compiled_part
from billing_dq.raw_bytes import hash_of, same_bytes
from billing_dq.sources.mongodb.bson import types as bson

#: Different texts that are told apart in one batch, a power of two; an enumeration has a handful.
WORDS = 64


def tally(
    buffer: Bytes, kinds: np.ndarray, places: np.ndarray, sizes: np.ndarray, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """How often each text of at most ``longest`` bytes is there, and the row of its first.

    Returns:
        counts and first rows, `WORDS` and one more each; 0 where a place is not used. The last place counts all other
        texts.
    """
    hashes, counts, firsts = (np.zeros(WORDS + 1, dtype=np.int64) for _ in range(3))
    _count(buffer, kinds, places, sizes, longest, hashes, counts, firsts)
    return counts, firsts


@compiled
def _count(
    buffer: Bytes,
    kinds: Bytes,
    places: Numbers,
    sizes: Sizes,
    longest: int,
    hashes: Numbers,
    counts: Numbers,
    firsts: Numbers,
) -> int:
    last = len(counts) - 1
    before, slot = -1, last  # the row before with a text, which mostly is the same one, and its place
    for row in range(len(kinds)):
        if kinds[row] != bson.TEXT and kinds[row] != bson.SYMBOL:
            continue
        size = int(sizes[row])
        alike = before >= 0 and sizes[before] == size
        if not (alike and same_bytes(buffer, places[before], buffer, places[row], size)):
            slot = last
            if size <= longest:
                slot = slot_of(buffer, places[row], places[row] + size, hashes, counts)
        if counts[slot] == 0:
            firsts[slot] = row
        counts[slot] += 1
        before = row
    return 0


@compiled_part
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
