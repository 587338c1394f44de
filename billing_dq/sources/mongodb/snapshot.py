"""The MongoDB source: one snapshot of the five collections as the tables of frames.py, and what could not be read.

Soundness first: the server names the documents that break the contract, these few are explained and quarantined.
All others stream as raw BSON in organization order into Arrow columns and on to Parquet, a batch of organizations at a
time.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from billing_dq.errors import SourceError
from billing_dq.progress import Progress
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.connection import clear_errors, connect
from billing_dq.sources.mongodb.contract import contracts
from billing_dq.sources.mongodb.diagnosis import Diagnosis, diagnose
from billing_dq.sources.mongodb.reader import open_reader
from billing_dq.sources.mongodb.sounding import Counts, Sounding
from billing_dq.sources.mongodb.tables import SnapshotTables
from billing_dq.storage.stored_table import StoredTable
from billing_dq.weeks import NightWeeks

__all__ = ["Counts", "Diagnosis", "Snapshot", "SnapshotFacts", "connect", "diagnose", "read_snapshot"]

#: Collections that an application may not have made yet; that is told, not refused.
_MAY_BE_MISSING = {"billingextrabalances", "processedstripeevents"}


@dataclass(frozen=True)
class SnapshotFacts:
    """What is to be told about a snapshot; ``counts`` by the collections' names in docs/domain.md.

    ``seconds`` by stage: server (waiting for it), decode, write, and total.
    """

    server_version: str
    topology: str
    one_snapshot: bool
    missing_collections: tuple[str, ...]
    counts: dict[str, Counts]
    seconds: dict[str, float]


@dataclass(frozen=True)
class Snapshot:
    """The MongoDB tables of a night, by name, in Parquet files, and the facts."""

    tables: dict[str, StoredTable]
    facts: SnapshotFacts


def read_snapshot(settings: Settings, night: NightWeeks, directory: Path, progress: Progress) -> Snapshot:
    """Read everything that a night needs from MongoDB, and write it to ``directory``, a file for each table.

    Raises:
        TransientSourceError: the server cannot be reached or is too slow.
        SourceError: not authorized, the wrong database, a missing collection, or documents that do not add up.
    """
    started = time.perf_counter()
    uri = address(settings)
    names = settings.collections.model_dump()
    with clear_errors(uri, settings), connect(uri, settings) as client:
        present = set(client[settings.mongodb_database].list_collection_names())
        missing = _missing(present, names, settings)
        server_version = str(client.server_info()["version"])
        with open_reader(client, settings, next(name for name in names.values() if name in present)) as reader:
            sounding = Sounding(reader, night, contracts(names, tuple(settings.plans), night.as_of))
            tables = SnapshotTables(reader, sounding, night, directory, settings.batch_organizations, progress)
            for collection in names:
                if collection in missing:
                    tables.write_empty(collection)
                else:
                    tables.write(collection)
            tables.write_quarantine()
        topology = client.topology_description.topology_type_name
    seconds: dict[str, float] = {**reader.seconds, "total": time.perf_counter() - started}
    facts = SnapshotFacts(server_version, topology, reader.one_snapshot, tuple(missing), dict(sounding.counts), seconds)
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
