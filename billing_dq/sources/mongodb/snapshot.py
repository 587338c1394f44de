"""The MongoDB source: one snapshot of the five collections as the tables of a night, and what could not be read.

Each collection crosses the wire once, as raw BSON in organization order. One walk over the bytes finds the fields and
the documents that break the contract; these few are explained and quarantined, all others go on to Parquet.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr
from pymongo.errors import OperationFailure

from billing_dq.errors import SourceError
from billing_dq.followed import Followed
from billing_dq.progress import Progress
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import contracts
from billing_dq.sources.mongodb.connection import SNAPSHOT_GONE, clear_errors, connect
from billing_dq.sources.mongodb.counts import Counts
from billing_dq.sources.mongodb.politeness import Budget
from billing_dq.sources.mongodb.reader import Reader, open_reader
from billing_dq.storage.stored_table import StoredTable
from billing_dq.weeks import NightWeeks

#: Collections that an application may not have made yet; that is told, not refused.
_MAY_BE_MISSING = {"billingextrabalances", "processedstripeevents"}


@dataclass(frozen=True)
class SnapshotFacts:
    """What is to be told about a snapshot; ``counts``, and ``newest`` (when it was last written as far as its documents
    tell), by the collections' names in docs/domain.md.

    ``not_read`` are the collections that the budget did not reach the end of, and ``whole_until`` the last organization
    all of which was read then (None: all of them, empty: none). ``read_plainly_because`` is empty where all tables are
    of one instant. ``seconds`` by stage: server (waiting for it), decode, write, and total.
    """

    server_version: str
    topology: str
    one_snapshot: bool
    read_plainly_because: str
    missing_collections: tuple[str, ...]
    counts: dict[str, Counts]
    newest: dict[str, datetime]
    not_read: tuple[str, ...]
    whole_until: str | None
    seconds: dict[str, float]


@dataclass(frozen=True)
class Snapshot:
    """The MongoDB tables of a night, by name, in Parquet files, and the facts."""

    tables: dict[str, StoredTable]
    facts: SnapshotFacts


def read_snapshot(
    settings: Settings, night: NightWeeks, directory: Path, progress: Progress, followed: Followed | None = None
) -> Snapshot:
    """Read everything that a night needs from MongoDB, and write it to ``directory``, a file for each table.

    ``followed`` are the weeks behind its window that it reads again; none without it.

    Raises:
        TransientSourceError: the server cannot be reached or is too slow.
        SourceError: not authorized, the wrong database, a missing collection, or documents that do not add up.
    """
    # LLVM costs a tenth of a second, which a code location that only shows the assets need not pay
    from billing_dq.sources.mongodb.tables import SnapshotTables

    started = time.perf_counter()
    budget = Budget(settings.mongodb_budget_seconds)
    uri = address(settings)
    names = settings.collections.model_dump()

    def write_all(reader: Reader) -> SnapshotTables:
        tables = SnapshotTables(
            reader, night, followed or Followed(), directory, settings.batch_organizations, progress
        )
        for collection, contract in contracts(names, tuple(settings.plans), night.as_of).items():
            if collection in missing:
                tables.write_empty(collection)
            elif tables.not_read:
                tables.write_empty(collection)
                tables.not_read.append(collection)
            else:
                tables.write(contract)
        tables.write_followed_weeks()
        tables.write_quarantine()
        tables.write_shapes()
        return tables

    with clear_errors(uri, settings), connect(uri, settings) as client:
        # a user may have been granted single collections
        present = set(client[settings.mongodb_database].list_collection_names(authorizedCollections=True))
        missing = _missing(present, names, settings)
        server_version = str(client.server_info()["version"])
        try:
            with open_reader(
                client, settings, probe=next(one for one in names.values() if one in present), budget=budget
            ) as reader:
                tables = write_all(reader)
        except OperationFailure as error:
            if not reader.one_snapshot or error.code not in SNAPSHOT_GONE:
                raise
            # the night takes longer than the server keeps a snapshot: better read plainly than not at all
            reader = Reader(
                client, settings, None, f"the server did not keep the snapshot (error {error.code})", budget
            )
            tables = write_all(reader)
        topology = client.topology_description.topology_type_name
    facts = SnapshotFacts(
        server_version=server_version,
        topology=topology,
        one_snapshot=reader.one_snapshot,
        read_plainly_because=reader.plainly_because,
        missing_collections=tuple(missing),
        counts=tables.counts,
        newest=tables.newest,
        not_read=tuple(tables.not_read),
        whole_until=tables.keep_whole_organizations() if tables.not_read else None,
        seconds={**reader.seconds, "total": time.perf_counter() - started},
    )
    return Snapshot(tables.stored, facts)


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
