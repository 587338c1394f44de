"""The MongoDB source: one snapshot of the five collections as the tables of a night, and what could not be read.

Each collection crosses the wire once, as raw BSON in organization order. One walk over the bytes finds the fields and
the documents that break the contract; these few are explained and quarantined, all others go on to Parquet.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr
from pymongo.errors import OperationFailure

from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import contracts
from billing_dq.sources.mongodb.connection import SNAPSHOT_GONE, Client, clear_errors, connect
from billing_dq.sources.mongodb.facts import Part, PartFacts, Server, Snapshot, facts_of
from billing_dq.sources.mongodb.merging import merged
from billing_dq.sources.mongodb.politeness import Budget
from billing_dq.sources.mongodb.reader import Reader, open_reader
from billing_dq.sources.progress import Progress
from billing_dq.storage.followed import Followed
from billing_dq.storage.organization_ranges import EVERYTHING, OrganizationRange
from billing_dq.weeks import NightWeeks

if TYPE_CHECKING:
    from billing_dq.sources.mongodb.tables import SnapshotTables

#: Collections that an application may not have made yet; that is told, not refused.
_MAY_BE_MISSING = {"billingextrabalances", "processedstripeevents"}


@dataclass(frozen=True)
class Reading:
    """What is to be read: the weeks of a night and the followed ones, of a range of organizations, and where to."""

    settings: Settings
    night: NightWeeks
    followed: Followed
    directory: Path
    progress: Progress
    of: OrganizationRange = EVERYTHING


def read_snapshot(
    settings: Settings, night: NightWeeks, directory: Path, progress: Progress, followed: Followed | None = None
) -> Snapshot:
    """Read everything that a night needs from MongoDB, and write it to ``directory``, a file for each table.

    ``followed`` are the weeks behind its window that it reads again; none without it.

    Raises:
        TransientSourceError: the server cannot be reached or is too slow.
        SourceError: not authorized, the wrong database, a missing collection, or documents that do not add up.
    """
    started = time.perf_counter()
    budget = Budget(settings.mongodb_budget_seconds)
    reading = Reading(settings, night, followed or Followed(), directory, progress)
    with connected(settings) as client:
        server = look(client, settings)
        tables, reader = read_tables(
            client, reading, server, open_reader(client, settings, server.probe, budget), budget
        )
    tables.write_quarantine(of_a_part=bool(tables.not_read))
    tables.write_followed_weeks()
    tables.write_shapes()
    part = Part(tables.stored, facts_of_part(tables, reader))
    if tables.not_read:  # of the last organization that was read, more might have come
        snapshot = merged([part], server, settings, night, reading.followed, directory / "whole")
    else:
        snapshot = Snapshot(part.tables, facts_of([part.facts], server, settings.collections.model_dump(), None))
    seconds = {**snapshot.facts.seconds, "total": time.perf_counter() - started}
    return Snapshot(snapshot.tables, replace(snapshot.facts, seconds=seconds))


@contextmanager
def connected(settings: Settings) -> Iterator[Client]:
    """A client; errors of the driver become one clear line.

    Raises:
        TransientSourceError: the server cannot be reached or is too slow.
        SourceError: no address is set, or the server refuses.
    """
    uri = address(settings)
    with clear_errors(uri, settings), connect(uri, settings) as client:
        yield client


def look(client: Client, settings: Settings) -> Server:
    """What server there is, and what it holds.

    Raises:
        SourceError: the wrong database, or a missing collection.
    """
    names = settings.collections.model_dump()
    # a user may have been granted single collections
    present = set(client[settings.mongodb_database].list_collection_names(authorizedCollections=True))
    missing = _missing(present, names, settings)
    version = str(client.server_info()["version"])
    probe = next(one for one in names.values() if one in present)
    return Server(version, client.topology_description.topology_type_name, tuple(missing), probe)


def read_tables(
    client: Client,
    reading: Reading,
    server: Server,
    opened: AbstractContextManager[Reader],
    budget: Budget,
) -> tuple["SnapshotTables", Reader]:
    """Read all collections with the reader that is opened, or plainly where the server does not keep its snapshot.

    Returns:
        What was written, and the reader that read it.
    """
    with opened as reader:
        try:
            return _write_all(reading, server, reader), reader
        except OperationFailure as error:
            if not reader.one_snapshot or error.code not in SNAPSHOT_GONE:
                raise
            # the night takes longer than the server keeps a snapshot: better read plainly than not at all
            because = f"the server did not keep the snapshot (error {error.code})"
    reader = Reader(client, reading.settings, None, because, budget)
    return _write_all(reading, server, reader), reader


def _write_all(reading: Reading, server: Server, reader: Reader) -> "SnapshotTables":
    # LLVM costs a tenth of a second, which a code location that only shows the assets need not pay
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


def facts_of_part(tables: "SnapshotTables", reader: Reader) -> PartFacts:
    """The account of what was read of a part."""
    return PartFacts(
        reader.plainly_because, tables.sorted, tables.there, tables.shapes, tables.not_read, {**reader.seconds}
    )


def address(settings: Settings) -> SecretStr:
    """The address to read from.

    Raises:
        SourceError: none is set.
    """
    if settings.mongodb_uri is None:
        raise SourceError("no MongoDB to read from: set BILLING_DQ_MONGODB_URI (a read-only user is enough)")
    return settings.mongodb_uri


def _missing(present: set[str], names: dict[str, str], settings: Settings) -> list[str]:
    missing = [collection for collection, name in names.items() if name not in present]
    database = settings.mongodb_database
    if len(missing) == len(names):
        others = f"it holds {', '.join(sorted(present)[:5])}" if present else "it is empty or does not exist"
        raise SourceError(
            f"database {database} has none of the collections of the application ({others}); "
            "check mongodb_database and [collections]"
        )
    needed = [collection for collection in missing if collection not in _MAY_BE_MISSING]
    if needed:
        raise SourceError(
            f"database {database} has no collection {', '.join(names[one] for one in needed)}; "
            "check mongodb_database and [collections]"
        )
    return missing
