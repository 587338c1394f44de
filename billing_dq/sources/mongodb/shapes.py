"""The shape of each collection as it was read: fields, their types, words of enumerations, and the newest dates.

The fields of a contract are counted over all documents, from the walk that reads them. Balance and usage documents come
whole, so their other fields are counted there, too. Of the other collections only the contract's fields cross the wire:
what else they hold is told by the server, names and types of the newest documents, and never a value.
"""

# numpy does not tell a type checker how many dimensions remain of an array that is indexed:
# pyright: reportArgumentType=false

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from billing_dq.loops.raw_bytes import Bytes
from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.contract import CLOCK_TOLERANCE, Field
from billing_dq.sources.mongodb.bson.contract_table import ACCEPTED, milliseconds
from billing_dq.sources.mongodb.bson.judged import Rows, parents
from billing_dq.sources.mongodb.bson.raw_document import readable_fields
from billing_dq.sources.mongodb.bson.tally import WORDS, tally
from billing_dq.sources.mongodb.bson.types import after_zero
from billing_dq.sources.mongodb.bson.walker import UNKNOWN_FIELDS, Cells, walk
from billing_dq.sources.mongodb.counted_shapes import CountedShape, Key
from billing_dq.sources.mongodb.sampled_fields import SampledField, shown_name
from billing_dq.vocabulary.statuses import ENTRY_KINDS

#: What stands for words that are not named: too long, or of other letters than words of the domain have.
LONG_TEXT, OTHER_TEXT = "(long text)", "(text)"
LONGEST_WORD = 40
FURTHER_FIELDS = "(further fields)"
#: The date of each collection that tells when it was last written.
WRITTEN = {
    "billingusages": "updatedAt",
    "billingextrabalances": "ledger.at",
    "processedstripeevents": "processedAt",
}

_WORD = re.compile(r"[A-Za-z0-9_.:-]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Milliseconds that no `datetime` holds any more.
_LAST = 253_402_300_800_000
#: The words of enumerations that have no list in the contract: an unknown one is no broken document.
_WORDS: dict[str, tuple[str, ...]] = {
    "ledger.kind": ENTRY_KINDS,
    "ledger.source": ("signup_grant", "referral", "adjustment"),
}


@dataclass
class Shape:
    """Counts the shape of one collection, batch by batch.

    Attributes:
        collection: its name in docs/domain.md.
        as_of: the instant of the snapshot; dates after it are not taken for the newest.
        newest: the newest date that tells of a write (`WRITTEN`), None where there is none.
        later: the newest of those after the snapshot, likewise.
    """

    collection: str
    as_of: datetime
    newest: datetime | None = None
    later: datetime | None = None
    _counts: Counter[Key] = field(default_factory=Counter[Key])
    _populations: Counter[str] = field(default_factory=Counter[str])
    _declared: set[Key] = field(default_factory=set[Key])
    _examples: dict[Key, str] = field(default_factory=dict[Key, str])
    _sampled: list[SampledField] = field(default_factory=list[SampledField])

    def add(self, rows: Rows, until: int) -> None:
        """Count the first ``until`` documents; those after them come again."""
        self._level(rows, "", until, np.arange(until), rows)
        for name, below in rows.objects.items():
            documents = parents(rows.lists[name])
            self._level(below, f"{name}.", int(np.searchsorted(documents, until)), documents, rows)

    def sample(self, sampled: list[SampledField], fields: tuple[Field, ...]) -> None:
        """Add the sampled fields that are not in the contract."""
        in_contract = {"_id", *(field.name for field in fields)}
        self._sampled = [field for field in sampled if field.name not in in_contract]

    def counted(self) -> CountedShape:
        """What was counted so far."""
        counts = [(*key, count, key in self._declared, self._examples.get(key)) for key, count in self._counts.items()]
        return CountedShape(self.collection, counts, dict(self._populations), self._sampled, self.newest, self.later)

    def _level(self, level: Rows, prefix: str, until: int, documents: np.ndarray, top: Rows) -> None:
        self._populations[prefix.rstrip(".")] += until
        for place, contract_field in enumerate(level.level.fields):
            cells = Cells(*(part[place, :until] for part in level.walk.cells))
            path = prefix + contract_field.name
            self._types(path, contract_field, cells.kinds, documents, top)
            words = contract_field.one_of or _WORDS.get(path)
            if words is not None:
                self._values(path, words, cells, documents, top)
            if path == WRITTEN.get(self.collection):
                self._dates(cells.kinds, cells.values)
        self._unknown_fields(level, prefix, until, documents, top)

    def _types(self, path: str, contract_field: Field, kinds: np.ndarray, documents: np.ndarray, top: Rows) -> None:
        for kind, count in _counted(kinds).items():
            key = (path, "type", bson.NAMES[kind][0])
            optional = kind in bson.NOTHING and not contract_field.required
            if optional or kind in ACCEPTED[contract_field.type]:
                self._declared.add(key)
            elif key not in self._examples:
                self._example(key, int(documents[np.argmax(kinds == kind)]), top)
            self._counts[key] += count

    def _values(self, path: str, words: tuple[str, ...], cells: Cells, documents: np.ndarray, top: Rows) -> None:
        counts, firsts = tally(top.buffer, cells, LONGEST_WORD)
        for slot in np.flatnonzero(counts):
            row = int(firsts[slot])
            place = cells.values[row]
            text = top.buffer[place : place + cells.sizes[row]].tobytes().decode(errors="replace")
            word = LONG_TEXT if slot == WORDS else text if _WORD.fullmatch(text) else OTHER_TEXT
            key = (path, "value", word)
            if word in words:
                self._declared.add(key)
            elif key not in self._examples:
                self._example(key, int(documents[row]), top)
            self._counts[key] += int(counts[slot])

    def _unknown_fields(self, level: Rows, prefix: str, until: int, documents: np.ndarray, top: Rows) -> None:
        """Fields that no contract has; what the walk counted of the rows after ``until`` is taken off again."""
        unknown = level.walk.unknown
        counts = {int(slot): int(unknown.counts[slot]) for slot in np.flatnonzero(unknown.counts)}
        if counts and until < len(level.starts):
            later = walk(level.buffer, level.starts[until:], level.level.table).unknown
            # the hash of the last place, which is of many kinds of fields, is 0
            later_counts = {int(later.hashes[slot]): int(later.counts[slot]) for slot in np.flatnonzero(later.counts)}
            counts = {slot: count - later_counts.get(int(unknown.hashes[slot]), 0) for slot, count in counts.items()}
        for slot, count in counts.items():
            name, kind = _named(level.buffer, int(unknown.places[slot]))
            if count <= 0 or (not prefix and name == "_id"):
                continue
            key = (prefix + (FURTHER_FIELDS if slot == UNKNOWN_FIELDS else name), "type", bson.NAMES[kind][0])
            if key not in self._examples:
                self._example(key, int(documents[int(unknown.rows[slot])]), top)
            self._counts[key] += count

    def _dates(self, kinds: np.ndarray, values: np.ndarray) -> None:
        latest, dates = milliseconds(self.as_of + CLOCK_TOLERANCE), values[kinds == bson.DATE]
        self.newest = _newest(self.newest, dates[dates <= latest])
        self.later = _newest(self.later, dates[(dates > latest) & (dates < _LAST)])

    def _example(self, key: Key, row: int, top: Rows) -> None:
        self._examples[key] = _identity(top.raw(row))


def _newest(earlier: datetime | None, dates: np.ndarray) -> datetime | None:
    """The newest of a date and of these, in milliseconds."""
    if not len(dates):
        return earlier
    newest = _EPOCH + timedelta(milliseconds=max(0, int(dates.max())))
    return newest if earlier is None else max(earlier, newest)


def _counted(kinds: np.ndarray) -> dict[int, int]:
    """How often each BSON type is there. Mostly all are of one type, which is quick to find out."""
    counts: dict[int, int] = {}
    while len(kinds):
        kind, before = int(kinds[0]), len(kinds)
        kinds = kinds[kinds != kind]
        counts[kind] = before - len(kinds)
    return counts


def _identity(raw: bytes) -> str:
    """The text of a document's `_id`."""
    return str(readable_fields(raw).get("_id", "(no _id)"))


def _named(buffer: Bytes, place: int) -> tuple[str, int]:
    """The name and the type of the element at a place."""
    end = after_zero(buffer, place + 1, len(buffer)) - 1
    return shown_name(buffer[place + 1 : end].tobytes().decode(errors="replace")), int(buffer[place])
