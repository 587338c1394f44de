"""Reads of one database as raw batches, inside one snapshot where the server gives one.

A thread fetches the next replies while earlier ones are worked on.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, cast

from bson import Timestamp
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.cursor import RawBatchCursor
from pymongo.errors import ConfigurationError, ExecutionTimeout, OperationFailure

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.ahead import fetched_ahead
from billing_dq.sources.mongodb.bson.contract import CollectionContract
from billing_dq.sources.mongodb.connection import SNAPSHOT_GONE, Client, database_of, is_transient
from billing_dq.sources.mongodb.politeness import Budget, BudgetSpent, Pace
from billing_dq.sources.mongodb.queries import Query
from billing_dq.sources.mongodb.sampled_fields import SampledField, field_names, sampled

Stage = Literal["server", "decode", "write"]

#: What servers answer to a snapshot read that they do not offer: a standalone server, or one that is too old.
_NO_SNAPSHOT = frozenset({20, 72, 123, 263})

#: Bytes that are worked on at once, where an organization has no more: compiled code pays a little for each call.
PIECE_BYTES = 8 * 1024 * 1024


class Documents(ABC):
    """Where the documents of a night come from.

    Attributes:
        plainly_because: why the reads are not of one instant; empty where they are.
        seconds: by stage: waited for the server, spent decoding and writing.
    """

    def __init__(self, plainly_because: str = "") -> None:
        self.plainly_because = plainly_because
        self.seconds: dict[Stage, float] = {"server": 0.0, "decode": 0.0, "write": 0.0}

    @abstractmethod
    def count(self, contract: CollectionContract) -> int:
        """How many documents a collection has, as the server keeps count of them."""

    @abstractmethod
    def batches(self, contract: CollectionContract, query: Query) -> Iterator[bytes]:
        """The documents of a query, raw, one after the other, some megabytes at a time."""

    @abstractmethod
    def fields_of_the_newest(self, contract: CollectionContract) -> list[SampledField]:
        """Names and types of the fields of a collection's newest documents; none where they cannot be had."""

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started


class Reader(Documents):
    """Reads from a server, with its time-outs, a budget and a pace."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        session: ClientSession | None,
        plainly_because: str = "",
        budget: Budget | None = None,
    ) -> None:
        super().__init__(plainly_because)
        self._database = database_of(client, settings)
        self._session = session
        self._budget = budget or Budget(None)
        self._pace = Pace(settings.mongodb_bytes_per_second)
        self._reply_documents = settings.mongodb_reply_documents
        self._limit = round(settings.mongodb_timeout_seconds * 1000)

    @property
    def one_snapshot(self) -> bool:
        """Whether all reads see the database at one instant."""
        return self._session is not None

    def count(self, contract: CollectionContract) -> int:
        """See `Documents.count`; to have them counted would cost a scan.

        It is the present number, not that of the snapshot. A cluster counts documents that it is moving twice.
        """
        with self.timed("server"), self._within_budget():
            return self._collection(contract).estimated_document_count(maxTimeMS=self._budget.limit(self._limit))

    def batches(self, contract: CollectionContract, query: Query) -> Iterator[bytes]:
        """See `Documents.batches`."""
        replies: list[bytes] = []
        for reply in self._replies(self._find(contract, query)):
            replies.append(reply)
            if sum(map(len, replies)) >= PIECE_BYTES:
                yield b"".join(replies)
                replies.clear()
        yield b"".join(replies)

    def fields_of_the_newest(self, contract: CollectionContract) -> list[SampledField]:
        """See `Documents.fields_of_the_newest`. No value crosses the wire."""
        with self.timed("server"):
            try:
                fields = self._collection(contract).aggregate(
                    field_names(), session=self._session, maxTimeMS=self._limit, allowDiskUse=True
                )
                return sampled(list(fields))
            except OperationFailure as error:
                if error.code in SNAPSHOT_GONE or is_transient(error):
                    raise
                return []

    def _find(self, contract: CollectionContract, query: Query) -> RawBatchCursor[dict[str, object]]:
        return self._collection(contract).find_raw_batches(
            query.filter,
            query.projection,
            sort=[(name, 1) for name in query.order] or None,
            batch_size=min(query.reply_documents, self._reply_documents),
            allow_disk_use=True if query.order else None,
            max_time_ms=self._budget.limit(self._limit),
            session=self._session,
        )

    @contextmanager
    def _within_budget(self) -> Iterator[None]:
        """Work of the server that ends with the budget.

        Raises:
            BudgetSpent: the budget ended first; an answer that came in time counts.
        """
        self._budget.require()
        try:
            yield
        except TimeoutError:
            raise BudgetSpent from None
        except ExecutionTimeout:
            self._budget.require()
            raise

    def _replies(self, cursor: RawBatchCursor[dict[str, object]]) -> Iterator[bytes]:
        """The replies of the server; while one is worked on, a thread fetches the next ones."""
        size = 0

        def fetch() -> bytes | None:
            nonlocal size
            self._pace.read(size)
            reply = cast(bytes | None, next(cursor, None))
            size = len(reply or b"")
            return reply

        with fetched_ahead(fetch, PIECE_BYTES) as coming:
            while True:
                with self.timed("server"), self._within_budget():
                    reply = coming(self._budget.left)
                if not reply:  # the end, or the one empty reply of an empty result
                    return
                yield reply

    def _collection(self, contract: CollectionContract) -> Collection[dict[str, object]]:
        return self._database[contract.name]


@contextmanager
def reader_at(
    client: Client, settings: Settings, instant: Timestamp | str, budget: Budget | None = None
) -> Iterator[Reader]:
    """A reader inside the snapshot of an instant, or one that reads plainly, for the reason in its place.

    The server may have named the instant to another client (`snapshot_instant`).
    """
    if isinstance(instant, str):
        yield Reader(client, settings, None, instant, budget)
        return
    with client.start_session(snapshot=True) as session:
        session._snapshot_time = instant  # what the driver does itself with the first answer; it offers no other way
        yield Reader(client, settings, session, budget=budget)


def snapshot_instant(client: Client, settings: Settings, collection: str) -> Timestamp | str:
    """The instant of a snapshot as the server names it, or why there is none to read in.

    That the server takes the read concern says nothing: some take it and pay no heed to it. A server that gives a
    snapshot names its instant. ``collection`` is the name of one that there is.
    """
    if settings.mongodb_snapshot == "off":
        return "mongodb_snapshot is off"
    database = database_of(client, settings)
    try:
        with client.start_session(snapshot=True) as session:
            reply = database.command(
                "find",
                collection,
                projection={"_id": 1},
                limit=1,
                singleBatch=True,
                maxTimeMS=round(settings.mongodb_timeout_seconds * 1000),
                session=session,
                read_preference=database.read_preference,
            )
    except ConfigurationError:
        return "the server offers no snapshots"
    except OperationFailure as error:
        if error.code in _NO_SNAPSHOT | SNAPSHOT_GONE:
            return f"the server offers no snapshots (error {error.code})"
        raise
    return reply["cursor"].get("atClusterTime") or "the server takes the read concern and names no instant"
