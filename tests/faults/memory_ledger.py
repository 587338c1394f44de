"""One balance document in memory, behind the driver's own methods that the writer of credits calls.

The guard and the change of an update are carried out as MongoDB does, in one step. Before it and after it the answer
may be lost, and a write that was given up may still be carried out later.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from types import SimpleNamespace
from typing import Self

from pymongo.errors import AutoReconnect, NetworkTimeout, NotPrimaryError, OperationFailure

Document = dict[str, object]


class MemoryLedger:
    """The document, and what people and the application do to it."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self.document = dict(deepcopy(document))
        self.late: list[tuple[Document, Document]] = []

    @property
    def entries(self) -> list[Document]:
        """The ledger."""
        found = self.document["ledger"]
        assert isinstance(found, list)
        return found

    def push(self, entry: Document) -> None:
        """What the application does: one atomic update, guarded by the reference."""
        if all(one.get("refId") != entry["refId"] for one in self.entries):
            self._add(entry)

    def update(self, guard: Document, change: Document) -> int:
        """An update of MongoDB; how many documents it changed."""
        assert set(guard) == {"organization", "ledger.refId", "ledger"}
        wanted, size = guard["ledger.refId"], guard["ledger"]
        assert isinstance(wanted, dict)
        assert isinstance(size, dict)
        assert guard["organization"] == self.document["organization"]
        if any(one.get("refId") == wanted["$ne"] for one in self.entries) or len(self.entries) != size["$size"]:
            return 0
        pushed, moved = change["$push"], change["$inc"]
        assert isinstance(pushed, dict)
        assert isinstance(moved, dict)
        assert moved["cachedBalance"] == pushed["ledger"]["amount"]
        self._add(pushed["ledger"])
        return 1

    def land_late(self) -> None:
        """Carry out what was given up."""
        while self.late:
            self.update(*self.late.pop())

    def _add(self, entry: Document) -> None:
        self.entries.append(dict(entry))
        self.document["cachedBalance"] += entry["amount"]  # pyright: ignore


class MemoryCollection:
    """The collection as one applier sees it; ``step`` is told of each operation, and says how it ends."""

    def __init__(self, ledger: MemoryLedger, step: Callable[[str], str]) -> None:
        self._ledger = ledger
        self._step = step

    def with_options(self, *_: object, **__: object) -> Self:
        return self

    def find_one(self, *_: object, **__: object) -> Document:
        if self._step("find") == "lost":
            raise AutoReconnect("connection closed")
        return deepcopy(self._ledger.document)

    def update_one(self, guard: Document, change: Document, upsert: bool) -> SimpleNamespace:
        assert not upsert
        match self._step("update"):
            case "lost":
                raise AutoReconnect("connection closed")
            case "not primary":
                raise NotPrimaryError("not primary", {"code": 10107})
            case "conflict":
                raise OperationFailure("write conflict", 112)
            case "late":
                self._ledger.late.append((deepcopy(guard), deepcopy(change)))
                raise NetworkTimeout("timed out")
            case "answer lost":
                self._ledger.update(guard, change)
                raise NetworkTimeout("timed out")
            case "not by the majority":
                self._ledger.update(guard, change)
                raise OperationFailure("interrupted due to replication state change", 11602)
        changed = self._ledger.update(guard, change)
        self._step("updated")
        return SimpleNamespace(modified_count=changed)
