"""The MongoDB tables of a night, collection by collection, streamed to Parquet."""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from bson import ObjectId
from upath import UPath

from billing_dq import frames
from billing_dq.frames import Table
from billing_dq.lake import StoredTable, TableWriter, arrow_schema, to_arrow
from billing_dq.progress import Progress
from billing_dq.sources import ledger_rules, mongo_queries
from billing_dq.sources.bson_tables import (
    BOOL,
    COUNT,
    NUMBER,
    OBJECT_ID,
    TEXT,
    TEXTS,
    TIME,
    Columns,
    seconds_to_time,
    whole_organizations,
)
from billing_dq.sources.mongo_reader import Query, Reader
from billing_dq.sources.mongo_sounding import Sounding
from billing_dq.weeks import NightWeeks

#: Rows of a row group, unless a single organization has more: ledgers differ by a factor of ten thousand.
_GROUP_ROWS = 200_000
_ADDRESS = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+")
_ERROR_LENGTH = 200

_ENTRY: Columns = {
    "organization": OBJECT_ID,
    "position": COUNT,
    "entry": OBJECT_ID,
    "kind": TEXT,
    "amount": NUMBER,
    "ref": TEXT,
    "session": TEXT,
    "source": TEXT,
    "at": TIME,
    "expires": TIME,
}
_ENTRY_REQUIRED = ("organization", "position", "entry", "kind", "amount", "at")

TABLES_OF: dict[str, tuple[Table, ...]] = {
    "organizations": (frames.ORGANIZATIONS,),
    "subscriptions": (frames.SUBSCRIPTIONS,),
    "billingusages": (frames.WEEKLY_USAGE,),
    "billingextrabalances": (
        frames.EXTRAS_BALANCES,
        frames.LEDGER_ENTRIES,
        frames.EXPIRING_LEDGERS,
        frames.LEDGER_SUSPECTS,
        frames.DISPUTE_ENTRIES,
        frames.PACK_PURCHASES,
    ),
    "processedstripeevents": (frames.DEAD_LETTERED_EVENTS,),
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
        """Read a collection, by its name in DOMAIN.md, and write its tables."""
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
        self._store(frames.QUARANTINED_DOCUMENTS, [to_arrow(frames.QUARANTINED_DOCUMENTS, documents)])
        self._store(frames.UNREADABLE_KEYS, [to_arrow(frames.UNREADABLE_KEYS, unreadable)])

    def _organizations(self, sound: Query) -> int:
        columns: Columns = {"organization": OBJECT_ID, "plan": TEXT}
        rows = self._stream("organizations", mongo_queries.organizations(sound), columns, ["organization"])
        return self._store(frames.ORGANIZATIONS, map(_organizations, rows))

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
        return self._store(frames.SUBSCRIPTIONS, map(_subscriptions, rows))

    def _usage(self, sound: Query) -> int:
        columns: Columns = {
            "organization": OBJECT_ID,
            "weekKey": TEXT,
            "meterUsed": NUMBER,
            "meterQuota": NUMBER,
            "planVersion": TEXT,
            "settled": BOOL,
            "breakdown": NUMBER,
            "updatedAt": TIME,
            "keys": TEXTS,
        }
        required = ["organization", "weekKey", "meterUsed", "meterQuota", "settled", "keys"]
        rows = self._stream("billingusages", mongo_queries.usage(sound), columns, required)
        return self._store(frames.WEEKLY_USAGE, map(_usage, rows))

    def _balances(self, sound: Query) -> int:
        columns: Columns = {
            "organization": OBJECT_ID,
            "cachedBalance": NUMBER,
            "cachedBalanceAt": TIME,
            "sum": NUMBER,
            "count": COUNT,
            "bytes": COUNT,
            "distinct": COUNT,
        }
        required = [name for name in columns if name != "cachedBalanceAt"]
        repeating: list[str] = []

        def balances() -> Iterator[pa.Table]:
            pipeline = mongo_queries.balances(sound)
            for row in self._stream("billingextrabalances", pipeline, columns, required):
                fewer = pc.less(row.column("distinct"), row.column("count"))
                repeating.extend(row.filter(fewer).column("organization").to_pylist())
                yield _balances(row)

        read = self._store(frames.EXTRAS_BALANCES, balances())
        expiring: list[str] = []
        with self._writer(frames.LEDGER_SUSPECTS) as suspects:
            self._store(frames.LEDGER_ENTRIES, self._entries(sound, suspects, expiring))
            for organizations in _chunks(repeating, self._batch):
                suspects.write(self._repeated(organizations, sound))
        self._store(frames.EXPIRING_LEDGERS, self._whole_ledgers(expiring, sound))
        return read

    def _entries(self, sound: Query, suspects: TableWriter, expiring: list[str]) -> Iterator[pa.Table]:
        """The night's entries. What a rule, a dispute or a purchase needs of whole ledgers goes to the tables of these,
        and the organizations whose lots have to be replayed to ``expiring``.
        """
        night = self._night
        pipeline = mongo_queries.entries(sound, night)
        with self._writer(frames.DISPUTE_ENTRIES) as disputes, self._writer(frames.PACK_PURCHASES) as bought:
            for batch in map(_entries, self._stream("billingextrabalances", pipeline, _ENTRY, _ENTRY_REQUIRED)):
                purchases = ledger_rules.purchases(batch)
                again = ledger_rules.labelled(ledger_rules.further_purchases(purchases), "duplicate_session")
                found = pa.concat_tables([ledger_rules.suspects(batch, night.as_of), again])
                with self._reader.timed("write"):
                    suspects.write(found)
                    disputes.write(_table(frames.DISPUTE_ENTRIES, ledger_rules.naming_a_dispute(batch)))
                    bought.write(_table(frames.PACK_PURCHASES, purchases))
                expiring += ledger_rules.organizations_with_expiry(batch, night.as_of)
                yield _table(
                    frames.LEDGER_ENTRIES, ledger_rules.between(batch, night.entries_from, night.entries_until)
                )

    def _repeated(self, organizations: list[str], sound: Query) -> pa.Table:
        """Every further entry with a refId that its ledger has before, as `ledger_suspects`."""
        contract = self._sounding.contracts["billingextrabalances"]
        ids = [ObjectId(one) for one in organizations]
        groups = self._reader.rows(contract, mongo_queries.repeated_references(ids, sound))
        references = sorted({str(group["ref"]) for group in groups})
        rows = self._reader.stream(
            contract, mongo_queries.entries_with(ids, references, sound), _ENTRY, _ENTRY_REQUIRED
        )
        entries = pa.concat_tables([arrow_schema(frames.LEDGER_ENTRIES).empty_table(), *map(_entries, rows)])
        return ledger_rules.labelled(ledger_rules.further_references(entries), "duplicate_ref")

    def _whole_ledgers(self, organizations: list[str], sound: Query) -> Iterator[pa.Table]:
        for chunk in _chunks(organizations, self._batch):
            pipeline = mongo_queries.whole_ledgers([ObjectId(one) for one in chunk], sound)
            yield from map(_entries, self._stream("billingextrabalances", pipeline, _ENTRY, _ENTRY_REQUIRED))

    def _events(self, sound: Query) -> int:
        columns: Columns = {"eventId": TEXT, "type": TEXT, "lastError": TEXT, "attempts": NUMBER, "processedAt": TIME}
        contract = self._sounding.contracts["processedstripeevents"]
        rows = self._reader.stream(contract, mongo_queries.dead_letters(sound), columns, ["eventId"])
        dead = self._store(frames.DEAD_LETTERED_EVENTS, map(_events, rows))
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


def _chunks(values: list[str], size: int) -> Iterator[list[str]]:
    for first in range(0, len(values), size):
        yield values[first : first + size]


def _table(table: Table, rows: pa.Table) -> pa.Table:
    """The contract's columns of rows that have them by name."""
    return rows.select(table.column_names).cast(arrow_schema(table))


def _named(table: Table, columns: Iterable[pa.ChunkedArray]) -> pa.Table:
    """Columns in the contract's order as a table of it."""
    return pa.table(list(columns), schema=arrow_schema(table))


def _organizations(rows: pa.Table) -> pa.Table:
    return _named(frames.ORGANIZATIONS, rows.columns)


def _subscriptions(rows: pa.Table) -> pa.Table:
    for marker in ("lastInvoiceEventCreatedAt", "lastSubscriptionEventCreatedAt"):
        place = rows.column_names.index(marker)
        rows = rows.set_column(place, marker, seconds_to_time(rows.column(marker)))
    return _named(frames.SUBSCRIPTIONS, rows.columns)


def _usage(rows: pa.Table) -> pa.Table:
    used, settled = rows.column("meterUsed"), rows.column("settled")
    units = pc.if_else(settled, pc.subtract(used, rows.column("breakdown")), 0.0)
    first = [rows.column(name) for name in ("organization", "weekKey", "meterUsed", "meterQuota", "planVersion")]
    return _named(frames.WEEKLY_USAGE, [*first, units, rows.column("updatedAt"), rows.column("keys")])


def _balances(rows: pa.Table) -> pa.Table:
    names = ("organization", "cachedBalance", "sum", "count", "bytes", "cachedBalanceAt")
    return _named(frames.EXTRAS_BALANCES, [rows.column(name) for name in names])


def _entries(rows: pa.Table) -> pa.Table:
    return _named(frames.LEDGER_ENTRIES, rows.columns)


def _events(rows: pa.Table) -> pa.Table:
    errors = [None if error is None else _without_addresses(error) for error in rows.column("lastError").to_pylist()]
    told = rows.set_column(2, "lastError", pa.array(errors, pa.string()))
    return _named(frames.DEAD_LETTERED_EVENTS, told.columns)


def _without_addresses(error: str) -> str:
    return _ADDRESS.sub("<address>", error)[:_ERROR_LENGTH]
