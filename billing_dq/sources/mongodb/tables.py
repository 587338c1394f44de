"""The MongoDB tables of a night, collection by collection, streamed to Parquet."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from upath import UPath

from billing_dq import tables
from billing_dq.errors import SourceError
from billing_dq.followed import Followed
from billing_dq.progress import Progress
from billing_dq.sources.mongodb.bson.contract import CollectionContract
from billing_dq.sources.mongodb.bson.pieces import Piece, Sorting
from billing_dq.sources.mongodb.counts import Counts
from billing_dq.sources.mongodb.documents.accounts import dead_lettered_events, organizations, subscriptions
from billing_dq.sources.mongodb.documents.ledgers import ledger_tables
from billing_dq.sources.mongodb.documents.usage import weekly_usage
from billing_dq.sources.mongodb.quarantine import Quarantine
from billing_dq.sources.mongodb.queries import documents_of, odd_weeks, usage_of
from billing_dq.sources.mongodb.reader import Documents
from billing_dq.sources.mongodb.shapes import Shape, shape_table
from billing_dq.storage.arrow import arrow_schema, to_arrow
from billing_dq.storage.stored_table import StoredTable, TableWriter
from billing_dq.tables import Table
from billing_dq.weeks import NightWeeks

TABLES_OF: dict[str, tuple[Table, ...]] = {
    "organizations": (tables.ORGANIZATIONS,),
    "subscriptions": (tables.SUBSCRIPTIONS,),
    "billingusages": (tables.WEEKLY_USAGE, tables.FOLLOWED_USAGE),
    "billingextrabalances": (
        tables.EXTRAS_BALANCES,
        tables.LEDGER_ENTRIES,
        tables.FOLLOWED_ENTRIES,
        tables.EXPIRING_LEDGERS,
        tables.LEDGER_SUSPECTS,
        tables.DISPUTE_ENTRIES,
        tables.PACK_PURCHASES,
        tables.REFUND_ENTRIES,
    ),
    "processedstripeevents": (tables.DEAD_LETTERED_EVENTS,),
}

#: Organizations of one query for older usage documents: each costs the server a seek, and the query some bytes.
_ASKED_AT_ONCE = 5_000


class SnapshotTables:
    """Writes the tables of a snapshot.

    Attributes:
        stored: the tables written so far, by name.
        counts: how the documents were sorted, by the collection's name in docs/domain.md.
        newest: when each collection was last written, as far as its documents tell.
    """

    def __init__(
        self,
        reader: Documents,
        night: NightWeeks,
        followed: Followed,
        directory: Path,
        batch_organizations: int,
        progress: Progress,
    ) -> None:
        self.stored: dict[str, StoredTable] = {}
        self.counts: dict[str, Counts] = {}
        self.newest: dict[str, datetime] = {}
        self._reader = reader
        self._night = night
        self._followed = followed
        self._directory = directory
        self._batch = batch_organizations
        self._progress = progress
        self._quarantine = Quarantine()
        self._shapes: list[Shape] = []

    def write(self, contract: CollectionContract) -> None:
        """Read a collection and write its tables.

        Raises:
            SourceError: the server sent no documents, or in another order than asked.
        """
        sorting = Sorting(contract, self._night, self._quarantine)
        older = Sorting(contract, self._followed.window(self._night), self._quarantine)
        with ExitStack() as open_files, self._progress.stage(f"reading {contract.name}", None) as advance:
            made = {
                table.name: open_files.enter_context(self._writer(table)) for table in TABLES_OF[contract.domain_name]
            }
            for piece in self._pieces(contract, sorting):
                with self._reader.timed("decode"):
                    found = self._tables(contract.domain_name, piece)
                with self._reader.timed("write"):
                    for name, table in found.items():
                        made[name].write(table)
                advance(len(piece.chosen))
            for piece in self._older_pieces(contract, older):
                with self._reader.timed("decode"):
                    usage = weekly_usage(piece.rows, piece.chosen)
                with self._reader.timed("write"):
                    made[tables.FOLLOWED_USAGE.name].write(usage)
        self._account(contract, sorting, older)
        self._keep_shape(contract, sorting.shape)

    def write_followed_weeks(self) -> None:
        """Write which weeks were followed."""
        self._store(tables.FOLLOWED_WEEKS, to_arrow(tables.FOLLOWED_WEEKS, self._followed.weeks))

    def write_empty(self, collection: str) -> None:
        """Write the tables of a collection that does not exist."""
        for table in TABLES_OF[collection]:
            self._store(table, arrow_schema(table).empty_table())

    def write_quarantine(self) -> None:
        """Write what was quarantined."""
        documents, unreadable = self._quarantine.tables()
        self._store(tables.QUARANTINED_DOCUMENTS, to_arrow(tables.QUARANTINED_DOCUMENTS, documents))
        self._store(tables.UNREADABLE_KEYS, to_arrow(tables.UNREADABLE_KEYS, unreadable))

    def write_shapes(self) -> None:
        """Write what the documents looked like."""
        self._store(tables.DOCUMENT_SHAPES, to_arrow(tables.DOCUMENT_SHAPES, shape_table(self._shapes)))

    def _keep_shape(self, contract: CollectionContract, shape: Shape) -> None:
        if documents_of(contract, ()).fields is not None:  # else the documents came whole
            shape.sample(self._reader.fields_of_the_newest(contract), contract.fields)
        self._shapes.append(shape)
        if shape.newest is not None:
            self.newest[contract.domain_name] = shape.newest

    def _pieces(self, contract: CollectionContract, sorting: Sorting) -> Iterator[Piece]:
        """The collection in pieces of so many whole organizations at most."""
        weeks = self._night.matching_keys
        queries = [documents_of(contract, weeks)]
        if contract.domain_name == "billingusages":
            queries.append(odd_weeks(contract, weeks))
        for query in queries:
            for batch in self._reader.batches(contract, query):
                yield from self._whole_organizations(lambda batch=batch: sorting.add(batch))
            yield from self._whole_organizations(sorting.end)

    def _older_pieces(self, contract: CollectionContract, sorting: Sorting) -> Iterator[Piece]:
        """The usage documents behind the window, of organizations with a followed week."""
        if contract.domain_name != "billingusages":
            return
        for followed, weeks in self._followed.usage_to_read(self._night, _ASKED_AT_ONCE):
            for batch in self._reader.batches(contract, usage_of(contract, followed, weeks)):
                yield from self._whole_organizations(lambda batch=batch: sorting.add(batch))
            yield from self._whole_organizations(sorting.end)

    def _whole_organizations(self, sort: Callable[[], list[Piece]]) -> list[Piece]:
        with self._reader.timed("decode"):
            return [part for piece in sort() for part in piece.split(self._batch)]

    def _tables(self, collection: str, piece: Piece) -> dict[str, pa.Table]:
        """The tables, by name, that a piece of a collection comes to."""
        rows, chosen = piece.rows, piece.chosen
        match collection:
            case "organizations":
                return {tables.ORGANIZATIONS.name: organizations(rows, chosen)}
            case "subscriptions":
                return {tables.SUBSCRIPTIONS.name: subscriptions(rows, chosen)}
            case "billingusages":
                return {tables.WEEKLY_USAGE.name: weekly_usage(rows, chosen)}
            case "billingextrabalances":
                return ledger_tables(rows, chosen, self._night, self._followed)
            case _:
                return {tables.DEAD_LETTERED_EVENTS.name: dead_lettered_events(rows, chosen)}

    def _account(self, contract: CollectionContract, *sortings: Sorting) -> None:
        """Count what was sorted; of usage the documents of other weeks, which were not asked for, are the rest of all.

        Raises:
            SourceError: there are fewer documents than were read in the same snapshot.
        """
        read, quarantined = sum(one.read for one in sortings), sum(one.quarantined for one in sortings)
        out_of_scope = sum(one.out_of_scope for one in sortings)
        seen = read + quarantined + out_of_scope
        unasked = 0
        if contract.domain_name == "billingusages":
            there = self._reader.count(contract)
            # without a snapshot the application goes on writing while we read
            if there < seen and self._reader.one_snapshot:
                raise SourceError(
                    f"{contract.name}: {there} documents counted, but {read} read, {quarantined} "
                    f"quarantined and {out_of_scope} out of scope; the night is not to be trusted"
                )
            unasked = max(0, there - seen)
        self.counts[contract.domain_name] = Counts(
            counted=seen + unasked,
            read=read,
            quarantined=quarantined,
            out_of_scope=out_of_scope + unasked,
        )

    def _store(self, table: Table, rows: pa.Table) -> None:
        with self._writer(table) as writer:
            writer.write(rows)

    def _writer(self, table: Table) -> TableWriter:
        path = UPath(self._directory / f"{table.name}.parquet")
        self.stored[table.name] = StoredTable(table, path)
        return TableWriter(table, path)
