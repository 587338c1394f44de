"""A collection cut into pieces of whole organizations, every document of it sorted: read, quarantined or out of scope.

Documents come in the order of their key, so that duplicates are neighbours, and nothing is asked of the server twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from billing_dq.errors import SourceError
from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.contract import CollectionContract
from billing_dq.sources.mongodb.bson.explained import faults
from billing_dq.sources.mongodb.bson.judged import Level, Mask, Rows, judge_documents, week_numbers
from billing_dq.sources.mongodb.bson.raw_document import readable_fields
from billing_dq.sources.mongodb.documents.duplicates import neighbours_alike, newest_first, out_of_order
from billing_dq.sources.mongodb.quarantine import DUPLICATE, Quarantine
from billing_dq.sources.mongodb.queries import KEYS
from billing_dq.sources.mongodb.shapes import Shape
from billing_dq.weeks import NightWeeks

#: The collections whose documents for one key may each hold a part.
_IN_PARTS = ("billingusages", "billingextrabalances")


@dataclass(frozen=True)
class Piece:
    """Judged documents, of which the ``chosen`` rows are read: sound, in scope, one for each key, in its order. ``key``
    is the field that names the organization (of events the event).
    """

    rows: Rows
    chosen: np.ndarray
    key: str

    def split(self, organizations: int) -> Iterator["Piece"]:
        """The same rows, so many organizations at a time; nothing where no row is read."""
        if len(self.chosen):
            starts = np.flatnonzero(~neighbours_alike(self.rows, (self.key,), self.chosen))
            for chosen in np.split(self.chosen, starts[organizations::organizations]):
                yield Piece(self.rows, chosen, self.key)


class Sorting:
    """Sorts the documents of one collection, and counts them.

    Attributes:
        seen: the documents so far; each of them was read, quarantined or out of scope.
        shape: what they looked like.
    """

    def __init__(self, contract: CollectionContract, night: NightWeeks, quarantine: Quarantine) -> None:
        self.seen = 0
        self.read = 0
        self.quarantined = 0
        self.out_of_scope = 0
        self.shape = Shape(contract.domain_name, night.as_of)
        self._contract = contract
        self._level = Level(contract.fields)
        self._key = KEYS[contract.domain_name]
        self._weeks = np.array([int(key.replace("-W", "")) for key in night.matching_keys])
        self._quarantine = quarantine
        self._waiting = b""

    def add(self, batch: bytes) -> list[Piece]:
        """Sort the next documents, raw and in the order of the key; those of the last organization wait for more.

        Raises:
            SourceError: the bytes are no documents, or not in that order.
        """
        piece, self._waiting = self._cut(self._waiting + batch, last=False)
        return piece

    def end(self) -> list[Piece]:
        """Sort the documents that waited."""
        piece, self._waiting = self._cut(self._waiting, last=True)
        return piece

    def _cut(self, data: bytes, last: bool) -> tuple[list[Piece], bytes]:
        """A piece (or none yet), and the bytes of the last organization, of which more may come."""
        rows = judge_documents(self._level, self._contract, data)
        outside = self._outside(rows)
        chosen = np.flatnonzero(~rows.broken & ~outside)
        if out_of_order(rows, self._key[0], chosen):
            raise SourceError(f"{self._contract.name}: the server sent documents out of order")
        until = len(rows.starts)
        if not last:
            alike = neighbours_alike(rows, self._key[:1], chosen)
            starts = chosen[~alike]
            until = int(starts[-1]) if len(starts) else until
        if until == 0:
            return [], data
        place = int(rows.starts[until]) if until < len(rows.starts) else len(data)
        return [self._sorted(rows, chosen[chosen < until], outside, until)], data[place:]

    def _sorted(self, rows: Rows, chosen: np.ndarray, outside: Mask, until: int) -> Piece:
        self.seen += until
        self.shape.add(rows, until)
        broken = np.flatnonzero(rows.broken[:until] & ~outside[:until])
        for row in broken:
            self._set_aside(rows.raw(int(row)))
        superseded = self._superseded(rows, chosen)
        chosen = np.setdiff1d(chosen, superseded, assume_unique=True)
        self.read += len(chosen)
        self.quarantined += len(broken) + len(superseded)
        self.out_of_scope += int(outside[:until].sum())
        return Piece(rows, chosen, self._key[0])

    def _outside(self, rows: Rows) -> Mask:
        """Usage documents whose week is none of the night's, or that have none (monthly ones)."""
        if self._contract.domain_name != "billingusages":
            return np.zeros(len(rows.starts), dtype=np.bool_)
        cells = rows.cells("weekKey")
        weeks = week_numbers(rows.buffer, cells)
        return ~rows.walk.malformed & (cells.are(bson.NOTHING) | ((weeks >= 0) & ~np.isin(weeks, self._weeks)))

    def _set_aside(self, raw: bytes) -> None:
        reasons = faults(self._contract, raw)
        if not reasons:
            raise AssertionError(f"{self._contract.name}: a document breaks the contract and nothing tells why")
        self._quarantine.add(self._contract, readable_fields(raw), reasons)

    def _superseded(self, rows: Rows, chosen: np.ndarray) -> np.ndarray:
        """Of several documents for one key, those that are not read: all but the newest, and of balances all.

        Each of two balance documents may hold a part of the ledger, so that neither is the ledger; and each of two
        documents of a week a part of its keys, so that the week cannot be judged.
        """
        alike = neighbours_alike(rows, self._key, chosen)
        set_aside: list[int] = []
        group = np.cumsum(~alike)
        for number in np.unique(group[alike]):
            documents = {int(row): readable_fields(rows.raw(int(row))) for row in chosen[group == number]}
            newest_last = newest_first(documents)[::-1]
            for row in newest_last if self._contract.domain_name == "billingextrabalances" else newest_last[:-1]:
                self._duplicate(documents[row])
                set_aside.append(row)
        return np.array(sorted(set_aside), dtype=np.int64)

    def _duplicate(self, document: Mapping[str, object]) -> None:
        if self._contract.domain_name in _IN_PARTS:
            self._quarantine.add(self._contract, document, {self._key[-1]: DUPLICATE})
        else:
            self._quarantine.add_duplicate(self._contract, document, self._key[-1])
