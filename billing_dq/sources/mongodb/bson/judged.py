"""A batch of raw documents judged by a contract: where its fields are, and which documents break it.

The contract is the one list of fields of `contract`; here it is applied to bytes, in `explained` to the few documents
that break it. Both must agree, which the tests hold them to.
"""

# numpy does not tell a type checker how many dimensions remain of an array that is indexed:
# pyright: reportArgumentType=false

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from billing_dq.errors import SourceError
from billing_dq.loops.raw_bytes import Bytes, int32_at
from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.contract import WEEKS_BY_YEAR, CollectionContract, Field
from billing_dq.sources.mongodb.bson.contract_table import ACCEPTED, FieldTable, field_table
from billing_dq.sources.mongodb.bson.texts import not_utf8, week_codes, word_codes
from billing_dq.sources.mongodb.bson.walker import Cells, Items, Walk, documents, items, walk

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

_WEEKS_BY_YEAR = np.array(WEEKS_BY_YEAR, dtype=np.int64)


class Words:
    """A list of words as compiled code reads it."""

    def __init__(self, words: tuple[str, ...]) -> None:
        encoded = [word.encode() for word in words]
        self._text = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        self._ends = np.cumsum([len(word) for word in encoded], dtype=np.int64)

    def codes(self, buffer: Bytes, cells: Cells) -> np.ndarray:
        """The place of each text in the list; -1 for others."""
        return word_codes(buffer, cells, self._text, self._ends)


@dataclass(frozen=True)
class Level:
    """The fields of a document, or of the objects of a list."""

    fields: tuple[Field, ...]

    @cached_property
    def table(self) -> FieldTable:
        """The fields as compiled code reads them."""
        return field_table(self.fields)

    @cached_property
    def words(self) -> dict[str, Words]:
        """The lists of values, by field."""
        return {field.name: Words(field.one_of) for field in self.fields if field.one_of is not None}

    @cached_property
    def below(self) -> dict[str, "Level"]:
        """The levels of lists of objects, by field."""
        return {field.name: Level(field.fields) for field in self.fields if field.fields}

    def place(self, name: str) -> int:
        """The row of a field among the cells of a walk."""
        return next(place for place, field in enumerate(self.fields) if field.name == name)


@dataclass(frozen=True)
class Rows:
    """Objects of one level in a buffer, one a row.

    Attributes:
        lists: the items of each field that is a list, of lists of objects the objects; or the values of an object.
        objects: the items of a list of objects, as rows.
        broken: which rows break the contract.
    """

    buffer: Bytes
    level: Level
    starts: np.ndarray
    walk: Walk
    lists: dict[str, Items]
    objects: dict[str, "Rows"]
    broken: Mask

    def raw(self, row: int) -> bytes:
        """The bytes of an object."""
        start = int(self.starts[row])
        return self.buffer[start : start + int32_at(self.buffer, start)].tobytes()

    def document_sizes(self) -> np.ndarray:
        """Bytes of each document of a collection: they lie one after the other."""
        return np.diff(np.append(self.starts, len(self.buffer)))

    def cells(self, name: str) -> Cells:
        """The cells of a field."""
        place = self.level.place(name)
        return Cells(*(part[place] for part in self.walk.cells))


def judge_documents(level: Level, contract: CollectionContract, data: bytes) -> Rows:
    """Documents that lie one after the other, judged by their contract.

    Raises:
        SourceError: the bytes are no documents.
    """
    buffer = np.frombuffer(data, dtype=np.uint8)
    places = documents(buffer)
    if places[-1] != len(buffer):
        raise SourceError(f"{contract.name}: the server sent bytes that are no documents")
    return _judge(buffer, places[:-1], level)


def _judge(buffer: Bytes, starts: np.ndarray, level: Level) -> Rows:
    walked = walk(buffer, starts, level.table)
    rows = Rows(buffer, level, starts, walked, {}, {}, walked.broken.copy())
    for field in level.fields:
        cells = rows.cells(field.name)
        if field.type == "string":
            np.logical_or(rows.broken, _unfit_text(buffer, cells, field, level), out=rows.broken)
        elif field.items is not None:
            _judge_items(rows, field, cells)
    return rows


def _unfit_text(buffer: Bytes, cells: Cells, field: Field, level: Level) -> Mask:
    """Which texts are not what the field may hold."""
    present = cells.are(bson.TEXTS)
    if field.one_of is not None:
        return present & (level.words[field.name].codes(buffer, cells) < 0)
    if field.week:
        return present & (week_numbers(buffer, cells) < 0)
    return not_utf8(buffer, cells)


def _judge_items(rows: Rows, field: Field, cells: Cells) -> None:
    """Judge the items of a list, or the values of an object; a broken item breaks its row."""
    children = items(rows.buffer, cells)
    rows.lists[field.name] = children
    assert field.items is not None
    unfit = ~children.cells.are(ACCEPTED[field.items])
    if field.items == "string":
        unfit |= not_utf8(rows.buffer, children.cells)
    elif field.items == "number":
        unfit |= ~np.isfinite(children.cells.values.view(np.float64))
    elif field.items == "object":
        objects = np.flatnonzero(~unfit)
        inner = _judge(rows.buffer, children.cells.values[objects], rows.level.below[field.name])
        rows.objects[field.name] = inner
        rows.lists[field.name] = _only(children, objects)
        unfit[objects[inner.broken]] = True
    broken = rows.broken
    broken |= children.broken
    broken[parents(children)[unfit]] = True


def _only(children: Items, chosen: np.ndarray) -> Items:
    """The chosen items of lists."""
    firsts = np.searchsorted(chosen, children.firsts)
    return Items(firsts, Cells(*(part[chosen] for part in children.cells)), children.broken)


def week_numbers(buffer: Bytes, cells: Cells) -> np.ndarray:
    """Week keys as numbers, 2026-W47 as 202647; -1 for what is no possible week."""
    return week_codes(buffer, cells, _WEEKS_BY_YEAR)


def parents(children: Items) -> np.ndarray:
    """The row of each item."""
    return np.repeat(np.arange(len(children.firsts) - 1), np.diff(children.firsts))
