"""The MongoDB tables of a night, collection by collection, streamed to Parquet."""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from billing_dq import tables
from billing_dq.progress import Progress
from billing_dq.sources.mongodb import ledgers
from billing_dq.sources.mongodb import queries as mongo_queries
from billing_dq.sources.mongodb.bson_tables import (
    NUMBER,
    OBJECT_ID,
    TEXT,
    TEXTS,
    TIME,
    Columns,
    seconds_to_time,
    whole_organizations,
)
from billing_dq.sources.mongodb.reader import Query, Reader
from billing_dq.sources.mongodb.sounding import Sounding
from billing_dq.storage.arrow import arrow_table, to_arrow
from billing_dq.storage.stored_table import StoredTable, TableWriter
from billing_dq.tables import Table
from billing_dq.weeks import NightWeeks

#: Rows of a row group, unless a single organization has more: ledgers differ by a factor of ten thousand.
_GROUP_ROWS = 200_000
_ADDRESS = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+")
_ERROR_LENGTH = 200

TABLES_OF: dict[str, tuple[Table, ...]] = {
    "organizations": (tables.ORGANIZATIONS,),
    "subscriptions": (tables.SUBSCRIPTIONS,),
    "billingusages": (tables.WEEKLY_USAGE,),
    "billingextrabalances": (
        tables.EXTRAS_BALANCES,
        tables.LEDGER_ENTRIES,
        tables.EXPIRING_LEDGERS,
        tables.LEDGER_SUSPECTS,
        tables.DISPUTE_ENTRIES,
        tables.PACK_PURCHASES,
        tables.REFUND_ENTRIES,
    ),
    "processedstripeevents": (tables.DEAD_LETTERED_EVENTS,),
}


class SnapshotTables:
    """Writes the tables of a snapshot; ``stored`` has those written so far, by name."""

    def __init__(
        self,
        reader: Reader,
        sounding: Sounding,
        night: NightWeeks,
        directory: Path,
        batch_organizations: int,
        progress: Progress,
    ) -> None:
        self.stored: dict[str, StoredTable] = {}
        self._reader = reader
        self._sounding = sounding
        self._night = night
        self._directory = directory
        self._batch = batch_organizations
        self._progress = progress

    def write(self, collection: str) -> None:
        """Read a collection, by its name in docs/domain.md, and write its tables."""
        writers: dict[str, Callable[[Query], int]] = {
            "organizations": self._organizations,
            "subscriptions": self._subscriptions,
            "billingusages": self._usage,
            "billingextrabalances": self._balances,
            "processedstripeevents": self._events,
        }
        self._sounding.read(collection, writers[collection])

    def write_empty(self, collection: str) -> None:
        """Write the tables of a collection that does not exist."""
        for table in TABLES_OF[collection]:
            self._store(table, [])

    def write_quarantine(self) -> None:
        """Write what was quarantined."""
        documents, unreadable = self._sounding.quarantine.tables()
        self._store(tables.QUARANTINED_DOCUMENTS, [to_arrow(tables.QUARANTINED_DOCUMENTS, documents)])
        self._store(tables.UNREADABLE_KEYS, [to_arrow(tables.UNREADABLE_KEYS, unreadable)])

    def _organizations(self, sound: Query) -> int:
        columns: Columns = {"organization": OBJECT_ID, "plan": TEXT}
        rows = self._stream("organizations", mongo_queries.organizations(sound), columns, ["organization"])
        return self._store(tables.ORGANIZATIONS, map(_organizations, rows))

    def _subscriptions(self, sound: Query) -> int:
        columns: Columns = {
            "organization": OBJECT_ID,
            "stripeCustomerId": TEXT,
            "stripeSubscriptionId": TEXT,
            "plan": TEXT,
            "status": TEXT,
            "currentPeriodStart": TIME,
            "pastDueSince": TIME,
            "lastInvoiceEventCreatedAt": NUMBER,
            "lastSubscriptionEventCreatedAt": NUMBER,
            "adminUpdatedAt": TIME,
            "updatedAt": TIME,
        }
        rows = self._stream("subscriptions", mongo_queries.subscriptions(sound), columns, ["organization"])
        return self._store(tables.SUBSCRIPTIONS, map(_subscriptions, rows))

    def _usage(self, sound: Query) -> int:
        columns: Columns = {
            "organization": OBJECT_ID,
            "weekKey": TEXT,
            "meterUsed": NUMBER,
            "meterQuota": NUMBER,
            "planVersion": TEXT,
            "breakdown": NUMBER,
            "updatedAt": TIME,
            "keys": TEXTS,
        }
        required = ["organization", "weekKey", "meterUsed", "meterQuota", "keys"]
        rows = self._stream("billingusages", mongo_queries.usage(sound), columns, required)
        return self._store(tables.WEEKLY_USAGE, map(_usage, rows))

    def _balances(self, sound: Query) -> int:
        """Every ledger, whole, one reply of the server at a time: the night's entries are kept, and of all others those
        that a rule, a dispute, a purchase or an expiry needs.
        """
        contract = self._sounding.contracts["billingextrabalances"]
        replies = self._reader.stream(contract, mongo_queries.balances(sound), ledgers.DOCUMENT, ledgers.REQUIRED)
        with ExitStack() as open_files, self._progress.stage("reading ledgers", None) as advance:
            writers = {
                table.name: open_files.enter_context(self._writer(table)) for table in TABLES_OF["billingextrabalances"]
            }
            for documents in replies:
                for first in range(0, documents.num_rows, self._batch):
                    with self._reader.timed("decode"):
                        rows = ledgers.tables_of(documents.slice(first, self._batch), self._night)
                    with self._reader.timed("write"):
                        for name, found in rows.items():
                            writers[name].write(found)
                advance(documents.num_rows)
        return writers[tables.EXTRAS_BALANCES.name].rows

    def _events(self, sound: Query) -> int:
        columns: Columns = {"eventId": TEXT, "type": TEXT, "lastError": TEXT, "attempts": NUMBER, "processedAt": TIME}
        contract = self._sounding.contracts["processedstripeevents"]
        rows = self._reader.stream(contract, mongo_queries.dead_letters(sound), columns, ["eventId"])
        dead = self._store(tables.DEAD_LETTERED_EVENTS, map(_events, rows))
        return dead + self._reader.count(contract, {"$and": [{"deadLetter": {"$ne": True}}, sound]})

    def _stream(
        self, collection: str, pipeline: list[Query], columns: Columns, required: Iterable[str]
    ) -> Iterator[pa.Table]:
        """The result of a pipeline in batches of whole organizations."""
        contract = self._sounding.contracts[collection]
        batches = self._reader.stream(contract, pipeline, columns, list(required))
        return whole_organizations(batches, self._batch, _GROUP_ROWS)

    def _store(self, table: Table, batches: Iterable[pa.Table]) -> int:
        """Write a table, a row group for each batch; the value is its number of rows."""
        with self._writer(table) as writer, self._progress.stage(f"reading {table.name}", None) as advance:
            for batch in batches:
                with self._reader.timed("write"):
                    writer.write(batch)
                advance(batch.num_rows)
        return writer.rows

    def _writer(self, table: Table) -> TableWriter:
        path = UPath(self._directory / f"{table.name}.parquet")
        self.stored[table.name] = StoredTable(table, path)
        return TableWriter(table, path)


def _organizations(rows: pa.Table) -> pa.Table:
    return arrow_table(tables.ORGANIZATIONS, rows.columns)


def _subscriptions(rows: pa.Table) -> pa.Table:
    for marker in ("lastInvoiceEventCreatedAt", "lastSubscriptionEventCreatedAt"):
        place = rows.column_names.index(marker)
        rows = rows.set_column(place, marker, seconds_to_time(rows.column(marker)))
    return arrow_table(tables.SUBSCRIPTIONS, rows.columns)


def _usage(rows: pa.Table) -> pa.Table:
    # the settlement's share: 0 without one, null where the document does not tell the rest
    units = pc.fill_null(pc.subtract(rows.column("meterUsed"), rows.column("breakdown")), 0.0)
    units = pc.if_else(pc.is_inf(units), pa.scalar(None, pa.float64()), units)
    first = [rows.column(name) for name in ("organization", "weekKey", "meterUsed", "meterQuota", "planVersion")]
    return arrow_table(tables.WEEKLY_USAGE, [*first, units, rows.column("updatedAt"), rows.column("keys")])


def _events(rows: pa.Table) -> pa.Table:
    errors = [None if error is None else _without_addresses(error) for error in rows.column("lastError").to_pylist()]
    told = rows.set_column(2, "lastError", pa.array(errors, pa.string()))
    return arrow_table(tables.DEAD_LETTERED_EVENTS, told.columns)


def _without_addresses(error: str) -> str:
    return _ADDRESS.sub("<address>", error)[:_ERROR_LENGTH]
