"""A night's reading in several parts, each a range of organizations and by itself, on whatever machine.

The plan looks at the server once, cuts the organizations and names the instant of the snapshot in which all parts read.
`merging` brings them together.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bson import ObjectId, Timestamp

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.connection import Client, database_of
from billing_dq.sources.mongodb.facts import Part, Server
from billing_dq.sources.mongodb.politeness import Budget
from billing_dq.sources.mongodb.reader import Reader, probed, reader_at
from billing_dq.sources.mongodb.snapshot import Reading, connected, facts_of_part, look, read_tables
from billing_dq.storage.organization_ranges import OrganizationRange, ranges_between


@dataclass(frozen=True)
class ReadingPlan:
    """How the parts of a night are to be read.

    Attributes:
        as_of: the instant of the night.
        server: what it is read from.
        boundaries: where the ranges of organizations meet.
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
        boundaries = _boundaries(client, settings)
        if settings.mongodb_snapshot != "off":
            with client.start_session(snapshot=True) as session:
                found = probed(client, settings, server.probe, session)
            cluster_time, because = (None, found) if isinstance(found, str) else ((found.time, found.inc), "")
    return ReadingPlan(as_of, server, boundaries, cluster_time, because, ends_at)


def _boundaries(client: Client, settings: Settings) -> tuple[str, ...]:
    """Ids that cut the organizations into parts of the same size: one walk over the index of `_id`, no document."""
    collection = database_of(client, settings)[settings.collections.organizations]
    there, shards = collection.estimated_document_count(), settings.shards
    found: list[ObjectId] = []
    place = 0
    for wanted in sorted({there * number // shards for number in range(1, shards)} - {0}):
        ids = collection.find(
            {"_id": {"$gt": found[-1]} if found else {"$type": "objectId"}},
            {"_id": 1},
            sort=[("_id", 1)],
            skip=wanted - place - 1 if found else wanted,
            limit=1,
            hint="_id_",
            max_time_ms=round(settings.mongodb_timeout_seconds * 1000),
        )
        boundary = next(ids, None)
        if boundary is None:
            break
        found.append(ObjectId(str(boundary["_id"])))
        place = wanted
    return tuple(map(str, found))


def read_part(reading: Reading, plan: ReadingPlan) -> Part:
    """Read one range, and write its tables to the directory of the reading.

    Raises:
        TransientSourceError: the server cannot be reached or is too slow.
        SourceError: not authorized, or documents out of order.
    """
    left = None if plan.ends_at is None else max(0.0, (plan.ends_at - datetime.now(UTC)).total_seconds())
    budget = Budget(left)
    with connected(reading.settings) as client:
        opened = _reader(client, reading.settings, plan, budget)
        written, reader = read_tables(client, reading, plan.server, opened, budget)
    written.write_quarantine(of_a_part=True)
    return Part(written.stored, facts_of_part(written, reader))


def _reader(client: Client, settings: Settings, plan: ReadingPlan, budget: Budget) -> AbstractContextManager[Reader]:
    if plan.cluster_time is None:
        return nullcontext(Reader(client, settings, None, plan.read_plainly_because, budget))
    return reader_at(client, settings, Timestamp(*plan.cluster_time), budget)
