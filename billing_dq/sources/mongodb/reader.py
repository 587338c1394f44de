"""Reads of one database, inside one snapshot where the server offers it, with the time spent by stage."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, cast

import pyarrow as pa
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError, OperationFailure

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson_tables import Columns, decode
from billing_dq.sources.mongodb.connection import Client
from billing_dq.sources.mongodb.contract import CollectionContract

Stage = Literal["server", "decode", "write"]
Query = dict[str, object]

#: What servers answer to a snapshot read that they do not offer: a standalone server, or one that is too old.
_NO_SNAPSHOT = {20, 72, 123, 263}


class Reader:
    """Reads with server time-outs; ``seconds`` are those waited for the server, spent decoding and writing."""

    def __init__(self, client: Client, settings: Settings, session: ClientSession | None) -> None:
        self.seconds: dict[Stage, float] = {"server": 0.0, "decode": 0.0, "write": 0.0}
        self._database = client[settings.mongodb_database]
        self._session = session
        self._limit = round(settings.mongodb_timeout_seconds * 1000)

    @property
    def one_snapshot(self) -> bool:
        """Whether all reads see the database at one instant."""
        return self._session is not None

    def count(self, contract: CollectionContract, query: Query) -> int:
        """The number of documents that match."""
        with self.timed("server"):
            return self._collection(contract).count_documents(query, session=self._session, maxTimeMS=self._limit)

    def documents(
        self, contract: CollectionContract, query: Query, fields: Sequence[str]
    ) -> Iterator[dict[str, object]]:
        """The documents that match, with these fields and their `_id`; for the few that need a closer look."""
        yield from self._collection(contract).find(
            query, dict.fromkeys(fields, 1), session=self._session, max_time_ms=self._limit
        )

    def rows(self, contract: CollectionContract, pipeline: list[Query]) -> list[dict[str, object]]:
        """The few result rows of a pipeline."""
        with self.timed("server"):
            return list(
                self._collection(contract).aggregate(
                    pipeline, session=self._session, allowDiskUse=True, maxTimeMS=self._limit
                )
            )

    def stream(
        self, contract: CollectionContract, pipeline: list[Query], columns: Columns, required: Sequence[str]
    ) -> Iterator[pa.Table]:
        """The result of a pipeline as Arrow tables, one for each raw batch of the server.

        Raises:
            Undecodable: a value that ``columns`` cannot take, or a null in a required column.
        """
        with self.timed("server"):
            batches = iter(
                self._collection(contract).aggregate_raw_batches(
                    pipeline, session=self._session, allowDiskUse=True, maxTimeMS=self._limit
                )
            )
        while True:
            with self.timed("server"):
                batch = next(batches, None)
            if not batch:  # the end, or the one empty batch of an empty result
                return
            with self.timed("decode"):
                table = decode(cast(bytes, batch), columns, required)
            yield table

    def unique_keys(self, contract: CollectionContract) -> list[list[str]]:
        """The fields of each full unique index."""
        with self.timed("server"):
            indexes = self._collection(contract).index_information().values()
        return [
            [name for name, _ in index["key"]]
            for index in indexes
            if index.get("unique") and "partialFilterExpression" not in index and not index.get("sparse")
        ]

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started

    def _collection(self, contract: CollectionContract) -> Collection[dict[str, object]]:
        return self._database[contract.name]


@contextmanager
def open_reader(client: Client, settings: Settings, probe: str) -> Iterator[Reader]:
    """A reader inside one snapshot where the server offers it, else one that reads plainly.

    ``probe`` is the name of a collection, to find out.
    """
    with client.start_session(snapshot=True) as session:
        if _offers_snapshots(client, settings, probe, session):
            yield Reader(client, settings, session)
            return
    yield Reader(client, settings, None)


def _offers_snapshots(client: Client, settings: Settings, probe: str, session: ClientSession) -> bool:
    try:
        client[settings.mongodb_database][probe].find_one({}, {"_id": 1}, session=session)
    except ConfigurationError:
        return False
    except OperationFailure as error:
        if error.code in _NO_SNAPSHOT:
            return False
        raise
    return True
