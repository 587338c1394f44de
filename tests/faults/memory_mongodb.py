"""A MongoDB in memory, as far as a night reads one, that fails when a plan says so.

It stands where `sources.mongodb.server` connects. What it answers is raw BSON, so everything behind the driver is the
real code.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace, TracebackType
from typing import Self

import bson
from bson import Timestamp
from pymongo import ReadPreference
from pymongo.errors import (
    AutoReconnect,
    CursorNotFound,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from billing_dq.sources.mongodb.bson.contract import is_week_key
from tests.faults.plan import Edge

Document = dict[str, object]

#: What a server, or the way to it, may answer with; each is told by the driver in this very way.
MOODS: dict[str, Exception] = {
    "server_killed": AutoReconnect("connection closed"),
    "server_down": ServerSelectionTimeoutError("connection refused"),
    "server_silent": NetworkTimeout("timed out"),
    "server_slow": ExecutionTimeout("operation exceeded time limit", 50),
    "cursor_lost": CursorNotFound("cursor id 77 not found", 43),
    "primary_changed": NotPrimaryError("not primary", {"code": 10107}),
    "stepping_down": OperationFailure("interrupted at shutdown", 11600),
    "recovering": OperationFailure("node is recovering", 13436),
    "snapshot_gone": OperationFailure("snapshot too old", 239),
    "snapshot_unavailable": OperationFailure("snapshot unavailable", 246),
    "right_taken": OperationFailure("not authorized on app to execute command", 13),
    "password_changed": OperationFailure("Authentication failed.", 18),
    "refused": OperationFailure("odd", 2),
}


class MemoryMongo:
    """The client of such a server; `edge` is passed at everything that would cross the wire.

    Replies hold at most ``reply_documents`` documents, so that a small company takes several.
    """

    def __init__(
        self,
        documents: Mapping[str, Sequence[Document]],
        edge: Edge,
        snapshots: bool = True,
        reply_documents: int = 3,
    ) -> None:
        self.documents = documents
        self.edge = edge
        self.snapshots = snapshots
        self.reply_documents = reply_documents
        self.topology_description = SimpleNamespace(topology_type_name="ReplicaSetWithPrimary")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __getitem__(self, name: str) -> "_Database":
        return _Database(self)

    def get_database(self, name: str, **_: object) -> "_Database":
        return self[name]

    def server_info(self) -> Document:
        self.edge.crossed()
        return {"version": "8.0.0"}

    def start_session(self, snapshot: bool) -> "MemoryMongo":
        return self


class _Database:
    read_preference = ReadPreference.PRIMARY

    def __init__(self, client: MemoryMongo) -> None:
        self._client = client

    def list_collection_names(self, authorizedCollections: bool) -> list[str]:
        self._client.edge.crossed()
        return list(self._client.documents)

    def command(self, *_: object, **__: object) -> Document:
        self._client.edge.crossed()
        return {"cursor": {"atClusterTime": Timestamp(1, 1)} if self._client.snapshots else {}}

    def __getitem__(self, name: str) -> "_Collection":
        return _Collection(self._client, self._client.documents[name])


class _Collection:
    def __init__(self, client: MemoryMongo, documents: Sequence[Document]) -> None:
        self._client = client
        self._documents = documents

    def estimated_document_count(self, **_: object) -> int:
        self._client.edge.crossed()
        return len(self._documents)

    def aggregate(self, *_: object, **__: object) -> list[Document]:
        """The names and types of fields: this server cannot tell."""
        self._client.edge.crossed()
        return []

    def find_raw_batches(
        self,
        query: Mapping[str, object],
        projection: Mapping[str, int] | None,
        sort: Sequence[tuple[str, int]] | None,
        **_: object,
    ) -> Iterator[bytes]:
        """The answer to what a night asks: all, weeks (of some organizations), and weeks that are none."""
        found = [document for document in self._documents if _matches(document, query)]
        for name, _direction in reversed(sort or ()):
            found.sort(key=lambda document, name=name: str(document.get(name)))
        if projection is not None:
            found = [{name: value for name, value in one.items() if name in {*projection, "_id"}} for one in found]
        return self._replies(found)

    def _replies(self, found: Sequence[Document]) -> Iterator[bytes]:
        replies = range(0, max(1, len(found)), self._client.reply_documents)
        return _Replies(self._client.edge, [found[at : at + self._client.reply_documents] for at in replies])


class _Replies:
    """A cursor; unlike a generator it can be asked again after an error, as a driver's can."""

    def __init__(self, edge: Edge, replies: list[Sequence[Document]]) -> None:
        self._edge = edge
        self._replies = iter(replies)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._edge.crossed()
        return b"".join(bson.encode(document) for document in next(self._replies))


def _matches(document: Document, query: Mapping[str, object]) -> bool:
    week = document.get("weekKey")
    if "$or" in query:
        return week is not None and not is_week_key(week)
    if "weekKey" not in query:
        return True
    chosen = query.get("organizationId")
    if isinstance(chosen, dict) and "$in" in chosen and document.get("organizationId") not in chosen["$in"]:
        return False
    condition = query["weekKey"]
    assert isinstance(condition, dict)
    if "$in" in condition:
        return week in condition["$in"]
    raise AssertionError(f"nobody asks for {query}")
