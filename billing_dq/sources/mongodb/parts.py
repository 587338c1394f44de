"""A night's reading in parts (one, where `shards` is 1), each a range of organizations, on whatever machine.

The plan looks at the server once, cuts the organizations and names the instant of the snapshot in which all parts read.
Each collection crosses the wire once, as raw BSON in organization order. One walk over the bytes finds the fields and
the documents that break the contract; these few are explained and quarantined, all others go on to Parquet. `merging`
brings the parts together.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bson import ObjectId, Timestamp
from pymongo.errors import OperationFailure

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.connection import SNAPSHOT_GONE, Client, database_of
from billing_dq.sources.mongodb.facts import Part, Server
from billing_dq.sources.mongodb.politeness import Budget
from billing_dq.sources.mongodb.reader import Reader, reader_at, snapshot_instant
from billing_dq.sources.mongodb.server import connected, look
from billing_dq.sources.progress import Progress
from billing_dq.storage.followed import Followed
from billing_dq.storage.organization_ranges import EVERYTHING, OrganizationRange, ranges_between
from billing_dq.weeks import NightWeeks


@dataclass(frozen=True)
class ReadingPlan:
    """How the parts of a night are to be read.

    Attributes:
        as_of: the instant of the night.
        server: what it is read from.
        boundaries: where the ranges of organizations meet; none: there is one range.
        cluster_time: the instant of the snapshot in which all parts read, as the server names it; None: they read
            plainly, for the reason in ``read_plainly_because``.
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

    @property
    def instant(self) -> Timestamp | str:
        """That of the snapshot, or why there is none."""
        return self.read_plainly_because if self.cluster_time is None else Timestamp(*self.cluster_time)


@dataclass(frozen=True)
class Reading:
    """What is to be read: the weeks of a night and the followed ones, of a range of organizations; and where to."""

    settings: Settings
    night: NightWeeks
    followed: Followed
    directory: Path
    progress: Progress
    organizations: OrganizationRange = EVERYTHING


def plan_reading(settings: Settings, as_of: datetime) -> ReadingPlan:
    """Look at the server, cut the organizations into as many ranges as the settings say, and name the instant.

    Raises:
        TransientSourceError: the server cannot be reached or is too slow.
        SourceError: not authorized, the wrong database, or a missing collection.
    """
    budget = settings.mongodb_budget_seconds
    ends_at = None if budget is None else datetime.now(UTC) + timedelta(seconds=budget)
    with connected(settings) as client:
        server = look(client, settings)
        boundaries = () if settings.shards == 1 else _boundaries(client, settings)
        instant = snapshot_instant(client, settings, server.probe)
    if isinstance(instant, str):
        return ReadingPlan(as_of, server, boundaries, None, instant, ends_at)
    return ReadingPlan(as_of, server, boundaries, (instant.time, instant.inc), "", ends_at)


def _boundaries(client: Client, settings: Settings) -> tuple[str, ...]:
    """Ids that cut the organizations into parts of the same size: one walk over the index of `_id`, no document."""
    collection = database_of(client, settings)[settings.collections.organizations]
    count, shards = collection.estimated_document_count(), settings.shards
    boundaries: list[ObjectId] = []
    earlier_place = 0
    for place in sorted({count * number // shards for number in range(1, shards)} - {0}):
        ids = collection.find(
            {"_id": {"$gt": boundaries[-1]} if boundaries else {"$type": "objectId"}},
            {"_id": 1},
            sort=[("_id", 1)],
            skip=place - earlier_place - 1 if boundaries else place,
            limit=1,
            hint="_id_",
            max_time_ms=round(settings.mongodb_timeout_seconds * 1000),
        )
        boundary = next(ids, None)
        if boundary is None:
            break
        boundaries.append(ObjectId(str(boundary["_id"])))
        earlier_place = place
    return tuple(map(str, boundaries))


def read_part(reading: Reading, plan: ReadingPlan) -> Part:
    """Read one range, and write its tables to the directory of the reading.

    Raises:
        TransientSourceError: the server cannot be reached or is too slow.
        SourceError: not authorized, or documents out of order.
    """
    # numba costs half a second, which a code location that only shows the assets need not pay
    from billing_dq.sources.mongodb.tables import write_part

    settings, missing = reading.settings, plan.server.missing
    seconds = None if plan.ends_at is None else max(0.0, (plan.ends_at - datetime.now(UTC)).total_seconds())
    budget = Budget(seconds)
    with connected(settings) as client:
        with reader_at(client, settings, plan.instant, budget) as reader:
            try:
                return write_part(reader, reading, missing)
            except OperationFailure as error:
                if not reader.one_snapshot or error.code not in SNAPSHOT_GONE:
                    raise
                because = f"the server did not keep the snapshot (error {error.code})"
        # the night takes longer than the server keeps a snapshot: better read plainly than not at all
        return write_part(Reader(client, settings, None, because, budget), reading, missing)
