"""Texts of organizations as numbers: the same number where organization and text are the same.

A text is compared where it lies in its column: hashes find, bytes decide. No text is made, and none is copied alone.
"""

# numpy does not tell a type checker how many dimensions remain of an array that is indexed:
# pyright: reportArgumentType=false

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from numba import njit

from billing_dq.loops.raw_bytes import Bytes, Flags, Numbers, hash_of, same_bytes, slots_for

Codes = npt.NDArray[np.int64]


class _Column(NamedTuple):
    """Texts one after the other: text ``n`` is ``content[ends[n] : ends[n + 1]]``; a null is not ``present``."""

    content: Bytes
    ends: Numbers
    present: Flags


def pair_codes(texts: tuple[pd.Series, pd.Series], organizations: tuple[Codes, Codes]) -> tuple[Codes, Codes]:
    """The codes of two columns of text, from 0 on, by text and organization; -1 for null texts.

    Args:
        texts: two columns, such as keys and references.
        organizations: the organization code of each text; texts of no organization (-1) get -1.
    """
    first, second = (_column(part) for part in texts)
    together = _Column(
        np.concatenate([first.content, second.content]),
        np.concatenate([first.ends, second.ends[1:] + first.ends[-1]]),
        np.concatenate([first.present, second.present]),
    )
    owners = np.concatenate(organizations)
    # batches come in organization order, so this is two sorted parts: an organization's texts lie near each other
    codes = _codes(together, owners, np.argsort(owners, kind="stable"))
    return codes[: len(first.present)], codes[len(first.present) :]


def _column(texts: pd.Series) -> _Column:
    array = pa.array(texts, pa.large_string())
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    present = texts.notna().to_numpy(dtype=np.bool_)
    _, ends, content = array.buffers()
    if ends is None or content is None or not len(present):
        return _Column(np.zeros(0, dtype=np.uint8), np.zeros(len(present) + 1, dtype=np.int64), present)
    cut = np.frombuffer(ends, dtype=np.int64)[array.offset : array.offset + len(present) + 1]
    return _Column(np.frombuffer(content, dtype=np.uint8)[cut[0] : cut[-1]], cut - cut[0], present)


@njit(cache=True, nogil=True)
def _codes(column: _Column, owners: Numbers, order: Numbers) -> Numbers:
    """The codes of texts, organization by organization: a table of one is small enough for the nearest memory."""
    content, ends = column.content, column.ends
    codes = np.full(len(column.present), -1, dtype=np.int64)
    table = np.empty(slots_for(len(order)), dtype=np.int64)
    count, first = 0, 0
    while first < len(order):
        owner, until = owners[order[first]], first
        while until < len(order) and owners[order[until]] == owner:
            until += 1
        slots = slots_for(until - first)
        table[:slots] = -1
        for number in range(first, until if owner >= 0 else first):
            item = order[number]
            if column.present[item]:
                place = ends[item]
                size = ends[item + 1] - place
                slot = hash_of(content, place, size) & (slots - 1)
                while codes[item] < 0:
                    earlier = table[slot]
                    if earlier < 0:
                        table[slot], codes[item] = item, count
                        count += 1
                    else:
                        start = ends[earlier]
                        if ends[earlier + 1] - start == size and same_bytes(content, start, content, place, size):
                            codes[item] = codes[earlier]
                    slot = (slot + 1) & (slots - 1)
        first = until
    return codes
