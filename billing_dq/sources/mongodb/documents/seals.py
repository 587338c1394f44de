"""The seal of a ledger: a digest of its entries in order, which the next night can compute again for as many of them.

Digested is what an entry says (id, kind, amount, reference, session and both dates) and not its bytes: a number may
change its BSON type, and a field that is none of these may come, without changing the ledger.
"""

# numpy does not tell a type checker how many dimensions remain of an array that is indexed:
# pyright: reportArgumentType=false

from hashlib import sha256
from typing import NamedTuple

import numpy as np
from numba import njit

from billing_dq.loops.raw_bytes import Bytes, Numbers, byte_at, int32_at, int64_at
from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.texts import is_text
from billing_dq.sources.mongodb.bson.walker import Cells

#: The id, amount, `at`, `expiresAt` and the lengths of three texts, in words of eight bytes.
_FIXED_WORDS = 2 + 3 + 3
#: What stands for an `expiresAt` that is missing or null: no date has it.
_NEVER = np.int64(np.iinfo(np.int64).min)


class EntryCells(NamedTuple):
    """The cells of ledger entries, by field."""

    ids: Cells
    kinds: Cells
    amounts: Cells
    refs: Cells
    sessions: Cells
    at: Cells
    expires_at: Cells


class Digests(NamedTuple):
    """By ledger the digest of its entries, and that of its first ones; None where it has fewer."""

    ledgers: list[str]
    firsts: list[str | None]


def digests(buffer: Bytes, entries: EntryCells, ends: Numbers, first_entries: Numbers) -> Digests:
    """The digests of ledgers (docs/domain.md, "Ledger", `history_changed`).

    Args:
        buffer: the raw documents.
        entries: the entries of all ledgers, in commit order.
        ends: where each ledger's entries end, from 0 on: one more than there are ledgers.
        first_entries: by ledger, of how many entries an earlier night has the digest; 0: of none.

    Returns:
        SHA-256 as hex text: of each ledger's entries, and of so many of its first ones.
    """
    sizes = np.full(len(entries.ids.kinds), _FIXED_WORDS, dtype=np.int64)
    for cells in (entries.kinds, entries.refs, entries.sessions):
        sizes += np.where(cells.are(bson.TEXTS), (cells.sizes + 7) // 8, 0)
    places = np.concatenate([[0], np.cumsum(sizes)])
    content = memoryview(_contents(buffer, entries, places))
    ledgers: list[str] = []
    firsts: list[str | None] = []
    # hashlib digests one text after the other; a ledger costs it microseconds beside its bytes
    for ledger, first_count in enumerate(first_entries.tolist()):
        start, end = int(ends[ledger]), int(ends[ledger + 1])
        middle = min(start + first_count, end)
        digest = sha256(content[places[start] : places[middle]])
        firsts.append(digest.hexdigest() if 0 < first_count <= end - start else None)
        digest.update(content[places[middle] : places[end]])
        ledgers.append(digest.hexdigest())
    return Digests(ledgers, firsts)


@njit(cache=True, nogil=True)
def _contents(buffer: Bytes, entries: EntryCells, places: Numbers) -> Numbers:
    """What the entries say as words of eight bytes, one entry after the other, each at its place."""
    _, ids, _ = entries.ids
    _, amounts, _ = entries.amounts
    _, at, _ = entries.at
    expires_kinds, expires_at, _ = entries.expires_at
    kind_kinds, kind_places, kind_sizes = entries.kinds
    ref_kinds, ref_places, ref_sizes = entries.refs
    session_kinds, session_places, session_sizes = entries.sessions
    words = np.empty(places[-1], dtype=np.int64)
    for row in range(len(ids)):
        place = places[row]
        words[place] = int64_at(buffer, ids[row])
        words[place + 1] = int32_at(buffer, ids[row] + 8)
        words[place + 2] = amounts[row]
        words[place + 3] = at[row]
        words[place + 4] = expires_at[row] if expires_kinds[row] == bson.DATE else _NEVER
        place = _put_text(words, place + 5, buffer, kind_kinds[row], kind_places[row], kind_sizes[row])
        place = _put_text(words, place, buffer, ref_kinds[row], ref_places[row], ref_sizes[row])
        _put_text(words, place, buffer, session_kinds[row], session_places[row], session_sizes[row])
    return words


@njit(cache=True, nogil=True)
def _put_text(words: Numbers, place: int, buffer: Bytes, kind: int, start: int, size: int) -> int:
    """Write the length of a text, -1 where there is none, and the text, filled up with zeros; the place after it."""
    if not is_text(kind):
        words[place] = -1
        return place + 1
    words[place] = size
    place += 1
    end = start + size
    while start + 8 <= end:
        words[place] = int64_at(buffer, start)
        place, start = place + 1, start + 8
    if start < end:
        word = 0
        for byte in range(end - start):
            word |= byte_at(buffer, start + byte) << (8 * byte)
        words[place] = word
        place += 1
    return place
