"""The MongoDB tables of a night, collection by collection, streamed to Parquet."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
from upath import UPath

from billing_dq import tables
from billing_dq.sources.mongodb.bson.contract import CollectionContract
from billing_dq.sources.mongodb.bson.pieces import Piece, Sorting
from billing_dq.sources.mongodb.collection_tables import ASKED_AT_ONCE, TABLES_OF
from billing_dq.sources.mongodb.counted_shapes import CountedShape
from billing_dq.sources.mongodb.counts import Counts
from billing_dq.sources.mongodb.documents.by_collection import tables_of_piece
from billing_dq.sources.mongodb.documents.usage import weekly_usage
from billing_dq.sources.mongodb.politeness import BudgetSpent
from billing_dq.sources.mongodb.quarantine import Quarantine
from billing_dq.sources.mongodb.queries import Query, documents_of, odd_weeks, usage_of
from billing_dq.sources.mongodb.reader import Documents
from billing_dq.sources.mongodb.shapes import Shape
from billing_dq.sources.progress import Progress
from billing_dq.storage.arrow import arrow_schema, to_arrow
from billing_dq.storage.followed import Followed
from billing_dq.storage.organization_ranges import EVERYTHING, OrganizationRange
from billing_dq.storage.stored_table import StoredTable, TableWriter
from billing_dq.tables import Table
from billing_dq.weeks import NightWeeks


class SnapshotTables:
    """Writes the tables of a snapshot, or of a range of its organizations.

    Attributes:
        stored: the tables written so far, by name.
        sorted: how the documents that came were sorted, by the collection's name in docs/domain.md.
        there: how many documents a collection has, as the server keeps count, where they were not all asked for; of all
            organizations.
        shapes: what the documents of a collection looked like, by query.
        not_read: the collections that were not read to their end, because the budget was spent.
    """

    def __init__(
        self,
        reader: Documents,
        night: NightWeeks,
        followed: Followed,
        directory: Path,
        batch_organizations: int,
        progress: Progress,
        of: OrganizationRange = EVERYTHING,
    ) -> None:
        self.stored: dict[str, StoredTable] = {}
        self.sorted: dict[str, Counts] = {}
        self.there: dict[str, int] = {}
        self.shapes: dict[str, list[CountedShape]] = {}
        self.not_read: list[str] = []
        self._reader = reader
        self._night = night
        self._followed = followed
        self._directory = directory
        self._batch = batch_organizations
        self._progress = progress
        self._of = of
        self._begins = of.first is None
        self._quarantine = Quarantine()

    def write(self, contract: CollectionContract) -> None:
        """Read a collection and write its tables.

        Raises:
            SourceError: the server sent no documents, or in another order than asked.
        """
        name = contract.domain_name
        if contract.organization is None and not self._begins:  # the part that begins reads what no organization has
            self.write_empty(name)
            return
        weeks = self._night.matching_keys
        asked = [(documents_of(contract, weeks, self._of), self._sorting(contract))]
        if name == "billingusages":
            asked.append((odd_weeks(contract, weeks, self._of), self._sorting(contract)))
        older = Sorting(contract, self._followed.window(self._night), self._quarantine)
        with ExitStack() as open_files, self._progress.stage(f"reading {contract.name}", None) as advance:
            made = {table.name: open_files.enter_context(self._writer(table)) for table in TABLES_OF[name]}
            try:
                for query, sorting in asked:
                    self._write_pieces(contract, self._pieces(contract, query, sorting), made, advance)
                if name == "billingusages":
                    self._write_older(contract, older, made)
                    if self._begins:
                        self.there[name] = self._reader.count(contract)
            except BudgetSpent:
                self.not_read.append(name)  # of the last organization more might have come
        sortings = [*(sorting for _, sorting in asked), older]
        self.sorted[name] = Counts(
            counted=sum(one.seen for one in sortings),
            read=sum(one.read for one in sortings),
            quarantined=sum(one.quarantined for one in sortings),
            out_of_scope=sum(one.out_of_scope for one in sortings),
        )
        if not self.not_read:
            self._keep_shapes(contract, [sorting.shape for _, sorting in asked])

    def _sorting(self, contract: CollectionContract) -> Sorting:
        return Sorting(contract, self._night, self._quarantine)

    def _write_pieces(
        self,
        contract: CollectionContract,
        pieces: Iterator[Piece],
        made: dict[str, TableWriter],
        advance: Callable[[int], None],
    ) -> None:
        for piece in pieces:
            with self._reader.timed("decode"):
                found = tables_of_piece(contract.domain_name, piece, self._night, self._followed)
            with self._reader.timed("write"):
                for name, table in found.items():
                    made[name].write(table)
            advance(len(piece.chosen))

    def _write_older(self, contract: CollectionContract, older: Sorting, made: dict[str, TableWriter]) -> None:
        """The usage documents behind the window, of organizations with a followed week."""
        for followed, weeks in self._followed.usage_to_read(self._night, ASKED_AT_ONCE):
            mine = [organization for organization in followed if self._of.holds(organization)]
            for piece in self._pieces(contract, usage_of(contract, mine, weeks), older) if mine else ():
                with self._reader.timed("decode"):
                    usage = weekly_usage(piece.rows, piece.chosen)
                with self._reader.timed("write"):
                    made[tables.FOLLOWED_USAGE.name].write(usage)

    def write_empty(self, collection: str) -> None:
        """Write the tables of a collection that does not exist."""
        for table in TABLES_OF[collection]:
            self._store(table, arrow_schema(table).empty_table())

    def write_quarantine(self) -> None:
        """Write what was quarantined of this part; `merging` names the documents of the night."""
        for table, rows in zip(
            (tables.QUARANTINED_DOCUMENTS, tables.UNREADABLE_KEYS), self._quarantine.tables(), strict=True
        ):
            self._store(table, to_arrow(table, rows))

    def _keep_shapes(self, contract: CollectionContract, shapes: list[Shape]) -> None:
        if self._begins and documents_of(contract, ()).fields is not None:  # else the documents came whole
            shapes[0].sample(self._reader.fields_of_the_newest(contract), contract.fields)
        self.shapes[contract.domain_name] = [shape.counted() for shape in shapes]

    def _pieces(self, contract: CollectionContract, query: Query, sorting: Sorting) -> Iterator[Piece]:
        """The documents of a query in pieces of so many whole organizations at most."""
        for batch in self._reader.batches(contract, query):
            yield from self._whole_organizations(lambda batch=batch: sorting.add(batch))
        yield from self._whole_organizations(sorting.end)

    def _whole_organizations(self, sort: Callable[[], list[Piece]]) -> list[Piece]:
        with self._reader.timed("decode"):
            return [part for piece in sort() for part in piece.split(self._batch)]

    def _store(self, table: Table, rows: pa.Table) -> None:
        with self._writer(table) as writer:
            writer.write(rows)

    def _writer(self, table: Table) -> TableWriter:
        path = UPath(self._directory / f"{table.name}.parquet")
        self.stored[table.name] = StoredTable(table, path)
        return TableWriter(table, path, self._batch)
