"""The account of a reading: of a part of the organizations, and of a night from all its parts (mostly one)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.counted_shapes import CountedShape, added_up
from billing_dq.storage.records import CollectionCounts, SnapshotFactsRecord
from billing_dq.storage.stored_table import StoredTable
from billing_dq.weeks import NightWeeks

#: How much a clock is wrong at most that shows the time of another zone.
WIDEST_TIME_ZONE = timedelta(hours=14)


@dataclass(frozen=True)
class Server:
    """The server of a night: its version and topology, which collections it misses, and the name of one that it has."""

    version: str
    topology: str
    missing: tuple[str, ...]
    probe: str


@dataclass(frozen=True)
class PartFacts:
    """The account of the reading of a part, by the collections' names in docs/domain.md.

    Attributes:
        read_plainly_because: empty where all was read inside the night's snapshot.
        sorted: how the documents that came were sorted.
        in_collection: how many documents the collection has, as the server keeps count, where not all were asked for.
        shapes: what they looked like, by query; of collections that were read to their end.
        not_read: the collections that the budget did not reach the end of.
        seconds: by stage.
    """

    read_plainly_because: str
    sorted: dict[str, CollectionCounts]
    in_collection: dict[str, int]
    shapes: dict[str, list[CountedShape]]
    not_read: list[str]
    seconds: dict[str, float]


@dataclass(frozen=True)
class Part:
    """What was read of a range of organizations: its tables, by name, in Parquet files, and the account of it."""

    tables: dict[str, StoredTable]
    facts: PartFacts


@dataclass(frozen=True)
class Snapshot:
    """The MongoDB tables of a night, by name, in Parquet files, and the account of them."""

    tables: dict[str, StoredTable]
    facts: SnapshotFactsRecord


def facts_of(
    parts: Sequence[PartFacts], server: Server, settings: Settings, night: NightWeeks, whole_until: str | None
) -> SnapshotFactsRecord:
    """The account of a night.

    Args:
        parts: of its ranges, in their order.
        server: what it was read from.
        settings: the collections' names in this database, and the least that must be examined.
        night: its weeks.
        whole_until: the last organization all of which was read; empty: none, None: all of them.

    Raises:
        SourceError: a document was neither read nor quarantined nor out of scope, or more than one of these.
    """
    names = settings.collections.model_dump()
    plainly = next((part.read_plainly_because for part in parts if part.read_plainly_because), "")
    not_read = tuple(name for name in names if any(name in part.not_read for part in parts))
    seconds: Counter[str] = Counter()
    for part in parts:
        seconds.update(part.seconds)
    shapes = shapes_of(parts)
    return SnapshotFactsRecord(
        as_of=night.as_of,
        weeks_back=night.weeks_back,
        settling_hours=night.settling_hours,
        least_examined=settings.least_examined,
        server_version=server.version,
        topology=server.topology,
        one_snapshot=not plainly,
        read_plainly_because=plainly,
        missing_collections=server.missing,
        counts={
            name: _counts(name, parts, names[name], complete=name not in not_read)
            for name in names
            if any(name in part.sorted for part in parts)
        },
        newest={shape.collection: shape.newest for shape in shapes if shape.newest is not None},
        later={shape.collection: shape.later for shape in shapes if shape.later is not None},
        not_read=not_read,
        whole_until=whole_until,
        seconds=dict(seconds),
    )


def refuse_a_living_database(facts: SnapshotFactsRecord, instant: datetime) -> None:
    """An ``as_of`` in the past is meant for a database as it was then.

    Documents of several collections that are newer prove that this one went on living. Dates that are too late by a
    time zone at most are another matter: a clock that is wrong (docs/domain.md, "Ledger").

    Args:
        facts: of the snapshot.
        instant: the machine's time, UTC.

    Raises:
        SourceError: the database is a living one.
    """
    living = {name: at for name, at in facts.later.items() if facts.as_of + WIDEST_TIME_ZONE < at <= instant}
    if len(living) > 1:
        raise SourceError(
            f"documents of {', '.join(living)} were written up to {max(living.values()):%Y-%m-%d %H:%M} UTC, after the "
            f"instant of the snapshot, {facts.as_of:%Y-%m-%d %H:%M}: the database went on living, and a past night "
            "cannot be read any more (as_of is for simulated and restored databases)"
        )


def shapes_of(parts: Sequence[PartFacts]) -> list[CountedShape]:
    """The shapes of the collections that were read to their end, by collection and query, added up over the parts."""
    not_read = {name for part in parts for name in part.not_read}
    shapes: list[CountedShape] = []
    for name in parts[0].shapes:  # the first part reads all collections, the others not the events
        if name not in not_read:
            by_part = [part.shapes[name] for part in parts if name in part.shapes]
            shapes.append(added_up([shape for query in zip(*by_part, strict=True) for shape in query]))
    return shapes


def _counts(name: str, parts: Sequence[PartFacts], collection: str, complete: bool) -> CollectionCounts:
    """How a collection was sorted; the documents that were not asked for (usage of other weeks) are the rest of all."""
    sums: Counter[str] = Counter()
    for part in parts:
        if name in part.sorted:
            sums.update(part.sorted[name].model_dump())
    counted, read, quarantined, outside = (sums[key] for key in CollectionCounts.model_fields)
    if counted != read + quarantined + outside:
        raise SourceError(
            f"{collection}: {counted} documents counted, but {read} read, {quarantined} "
            f"quarantined and {outside} out of scope; the night is not to be trusted"
        )
    in_collection = next((part.in_collection[name] for part in parts if name in part.in_collection), 0)
    unasked = max(0, in_collection - counted) if complete else 0
    return CollectionCounts(
        counted=counted + unasked, read=read, quarantined=quarantined, out_of_scope=outside + unasked
    )
