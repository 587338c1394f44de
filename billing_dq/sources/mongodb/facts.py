"""The account of a reading: of a part of the organizations, and of a night from all its parts (mostly one)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_dq.errors import SourceError
from billing_dq.sources.mongodb.counted_shapes import CountedShape, added_up
from billing_dq.sources.mongodb.counts import Counts
from billing_dq.storage.stored_table import StoredTable

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
    """What is to be told about the reading of a part, by the collections' names in docs/domain.md.

    Attributes:
        read_plainly_because: empty where all was read inside the night's snapshot.
        sorted: how the documents that came were sorted.
        there: how many documents of all parts there are, as the server keeps count, where they were not all asked for.
        shapes: what they looked like, by query; of collections that were read to their end.
        not_read: the collections that the budget did not reach the end of.
        seconds: by stage.
    """

    read_plainly_because: str
    sorted: dict[str, Counts]
    there: dict[str, int]
    shapes: dict[str, list[CountedShape]]
    not_read: list[str]
    seconds: dict[str, float]


@dataclass(frozen=True)
class SnapshotFacts:
    """What is to be told about a snapshot; ``counts``, and ``newest`` (when it was last written as far as its documents
    tell) and ``later`` (the newest such date after the snapshot), by the collections' names in docs/domain.md.

    ``not_read`` are the collections that the budget did not reach the end of, and ``whole_until`` the last organization
    all of which was read then (None: all of them, empty: none). ``read_plainly_because`` is empty where all tables are
    of one instant. ``seconds`` by stage: server (waiting for it), decode, write.
    """

    server_version: str
    topology: str
    one_snapshot: bool
    read_plainly_because: str
    missing_collections: tuple[str, ...]
    counts: dict[str, Counts]
    newest: dict[str, datetime]
    later: dict[str, datetime]
    not_read: tuple[str, ...]
    whole_until: str | None
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
    facts: SnapshotFacts


def facts_of(
    parts: Sequence[PartFacts], server: Server, names: Mapping[str, str], whole_until: str | None
) -> SnapshotFacts:
    """The account of a night.

    Args:
        parts: of its ranges, in their order.
        server: what it was read from.
        names: the collections' names in this database, by their names in docs/domain.md.
        whole_until: see `SnapshotFacts`.

    Raises:
        SourceError: a document was neither read nor quarantined nor out of scope, or more than one of these.
    """
    plainly = next((part.read_plainly_because for part in parts if part.read_plainly_because), "")
    not_read = tuple(name for name in names if any(name in part.not_read for part in parts))
    seconds: Counter[str] = Counter()
    for part in parts:
        seconds.update(part.seconds)
    shapes = shapes_of(parts)
    return SnapshotFacts(
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


def refuse_a_living_database(facts: SnapshotFacts, as_of: datetime, now: datetime) -> None:
    """An instant in the past is meant for a database as it was then.

    Documents of several collections that are newer prove that this one went on living. Dates that are too late by a
    time zone at most are another matter: a clock that is wrong (docs/domain.md, "Ledger").

    Args:
        facts: of the snapshot.
        as_of: the instant of the snapshot, UTC.
        now: the machine's time, UTC.

    Raises:
        SourceError: the database is a living one.
    """
    living = {name: at for name, at in facts.later.items() if as_of + WIDEST_TIME_ZONE < at <= now}
    if len(living) > 1:
        raise SourceError(
            f"documents of {', '.join(living)} were written up to {max(living.values()):%Y-%m-%d %H:%M} UTC, after the "
            f"instant of the snapshot, {as_of:%Y-%m-%d %H:%M}: the database went on living, and a past night cannot be "
            "read any more (as_of is for simulated and restored databases)"
        )


def shapes_of(parts: Sequence[PartFacts]) -> list[CountedShape]:
    """The shapes of the collections that were read to their end; what a query found first comes first."""
    not_read = {name for part in parts for name in part.not_read}
    shapes: list[CountedShape] = []
    for name in parts[0].shapes:  # the first part reads all collections, the others not the events
        if name in not_read:
            continue
        by_part = [part.shapes[name] for part in parts if name in part.shapes]
        shapes.append(added_up([shape for query in zip(*by_part, strict=True) for shape in query]))
    return shapes


def _counts(name: str, parts: Sequence[PartFacts], called: str, complete: bool) -> Counts:
    """How a collection was sorted; the documents that were not asked for (usage of other weeks) are the rest of all."""
    sorted_ = [part.sorted[name] for part in parts if name in part.sorted]
    seen, read = sum(counts.counted for counts in sorted_), sum(counts.read for counts in sorted_)
    quarantined = sum(counts.quarantined for counts in sorted_)
    out_of_scope = sum(counts.out_of_scope for counts in sorted_)
    if seen != read + quarantined + out_of_scope:
        raise SourceError(
            f"{called}: {seen} documents counted, but {read} read, {quarantined} "
            f"quarantined and {out_of_scope} out of scope; the night is not to be trusted"
        )
    there = next((part.there[name] for part in parts if name in part.there), 0) if complete else 0
    unasked = max(0, there - seen)
    return Counts(counted=seen + unasked, read=read, quarantined=quarantined, out_of_scope=out_of_scope + unasked)
