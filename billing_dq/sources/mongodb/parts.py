"""A night's reading in parts (one, where `shards` is 1), each a range of organizations, on whatever machine.

The plan looks at the server once, cuts the organizations and names the instant of the snapshot in which all parts read.
Each collection crosses the wire once, as raw BSON in organization order. One walk over the bytes finds the fields and
the documents that break the contract; these few are explained and quarantined, all others go on to Parquet. `merging`
brings the parts together.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bson import ObjectId, Timestamp
from pymongo.errors import OperationFailure

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import contracts
from billing_dq.sources.mongodb.connection import SNAPSHOT_GONE, Client, database_of
from billing_dq.sources.mongodb.facts import Part, PartFacts, Server
from billing_dq.sources.mongodb.politeness import Budget
from billing_dq.sources.mongodb.reader import Reader, probed, reader_at
from billing_dq.sources.mongodb.server import connected, look
from billing_dq.sources.progress import Progress
from billing_dq.storage.followed import Followed
from billing_dq.storage.organization_ranges import EVERYTHING, OrganizationRange, ranges_between
from billing_dq.weeks import NightWeeks

if TYPE_CHECKING:
    from billing_dq.sources.mongodb.tables import SnapshotTables


@dataclass(frozen=True)
class ReadingPlan:
    """How the parts of a night are to be read.

    Attributes:
        as_of: the instant of the night.
        server: what it is read from.
        boundaries: where the ranges of organizations meet; none: there is one range.
        cluster_time: the instant of the snapshot in which all parts read, as the server names it; None: they read
            plainly.
        read_plainly_because: why.
        ends_at: when the budget of the night is spent; None: never.
    """

    as_of: datetime
    server: Server
    boundaries: tuple[str, ...]
    cluster_time: tuple[int, int] | None
    read_plainly_because: str
    ends_at: datetime | None

    @property
    def ranges(self) -> list[OrganizationRange]:
        """The organizations of each part."""
        return ranges_between(self.boundaries)


@dataclass(frozen=True)
class Reading:
    """What is to be read: the weeks of a night and the followed ones, of a range of organizations, and where to."""

    settings: Settings
    night: NightWeeks
    followed: Followed
    directory: Path
    progress: Progress
    of: OrganizationRange = EVERYTHING


def plan_reading(settings: Settings, as_of: datetime) -> ReadingPlan:
    """Look at the server, cut the organizations into as many ranges as the settings say, and name the instant.

    Raises:
        TransientSourceError: the server cannot be reached or is too slow.
        SourceError: not authorized, the wrong database, or a missing collection.
    """
    budget = settings.mongodb_budget_seconds
    ends_at = None if budget is None else datetime.now(UTC) + timedelta(seconds=budget)
    cluster_time, because = None, "mongodb_snapshot is off"
    with connected(settings) as client:
        server = look(client, settings)
        boundaries = () if settings.shards == 1 else _boundaries(client, settings)
        if settings.mongodb_snapshot != "off":
            with client.start_session(snapshot=True) as session:
                instant = probed(client, settings, server.probe, session)
            cluster_time, because = (None, instant) if isinstance(instant, str) else ((instant.time, instant.inc), "")
    return ReadingPlan(as_of, server, boundaries, cluster_time, because, ends_at)


def _boundaries(client: Client, settings: Settings) -> tuple[str, ...]:
    """Ids that cut the organizations into parts of the same size: one walk over the index of `_id`, no document."""
    collection = database_of(client, settings)[settings.collections.organizations]
    there, shards = collection.estimated_document_count(), settings.shards
    boundaries: list[ObjectId] = []
    place = 0
    for wanted in sorted({there * number // shards for number in range(1, shards)} - {0}):
        ids = collection.find(
            {"_id": {"$gt": boundaries[-1]} if boundaries else {"$type": "objectId"}},
            {"_id": 1},
            sort=[("_id", 1)],
            skip=wanted - place - 1 if boundaries else wanted,
            limit=1,
            hint="_id_",
            max_time_ms=round(settings.mongodb_timeout_seconds * 1000),
        )
        boundary = next(ids, None)
        if boundary is None:
            break
        boundaries.append(ObjectId(str(boundary["_id"])))
        place = wanted
    return tuple(map(str, boundaries))


def read_part(reading: Reading, plan: ReadingPlan) -> Part:
    """Read one range, and write its tables to the directory of the reading.

    Raises:
        TransientSourceError: the server cannot be reached or is too slow.
        SourceError: not authorized, or documents out of order.
    """
    left = None if plan.ends_at is None else max(0.0, (plan.ends_at - datetime.now(UTC)).total_seconds())
    budget = Budget(left)
    with connected(reading.settings) as client:
        written, reader = _read_tables(client, reading, plan, budget)
    written.write_quarantine()
    facts = PartFacts(
        reader.plainly_because, written.sorted, written.there, written.shapes, written.not_read, {**reader.seconds}
    )
    return Part(written.stored, facts)


def _read_tables(
    client: Client, reading: Reading, plan: ReadingPlan, budget: Budget
) -> tuple["SnapshotTables", Reader]:
    """Read all collections at the instant of the plan, or plainly where the server does not keep its snapshot."""
    with _reader(client, reading.settings, plan, budget) as reader:
        try:
            return _write_all(reading, plan.server, reader), reader
        except OperationFailure as error:
            if not reader.one_snapshot or error.code not in SNAPSHOT_GONE:
                raise
            # the night takes longer than the server keeps a snapshot: better read plainly than not at all
            because = f"the server did not keep the snapshot (error {error.code})"
    reader = Reader(client, reading.settings, None, because, budget)
    return _write_all(reading, plan.server, reader), reader


def _reader(client: Client, settings: Settings, plan: ReadingPlan, budget: Budget) -> AbstractContextManager[Reader]:
    if plan.cluster_time is None:
        return nullcontext(Reader(client, settings, None, plan.read_plainly_because, budget))
    return reader_at(client, settings, Timestamp(*plan.cluster_time), budget)


def _write_all(reading: Reading, server: Server, reader: Reader) -> "SnapshotTables":
    # numba costs half a second, which a code location that only shows the assets need not pay
    from billing_dq.sources.mongodb.tables import SnapshotTables

    settings, night = reading.settings, reading.night
    tables = SnapshotTables(
        reader, night, reading.followed, reading.directory, settings.batch_organizations, reading.progress, reading.of
    )
    names = settings.collections.model_dump()
    for collection, contract in contracts(names, tuple(settings.plans), night.as_of).items():
        if collection in server.missing:
            tables.write_empty(collection)
        elif tables.not_read:
            tables.write_empty(collection)
            tables.not_read.append(collection)
        else:
            tables.write(contract)
    return tables
