"""The MongoDB tables of a night, collection by collection, streamed to Parquet."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack

import pyarrow as pa
from upath import UPath

from billing_dq import tables
from billing_dq.sources.mongodb.bson.contract import CollectionContract, contracts
from billing_dq.sources.mongodb.bson.pieces import Piece, Sorting
from billing_dq.sources.mongodb.collection_tables import ASKED_AT_ONCE, TABLES_OF
from billing_dq.sources.mongodb.counted_shapes import CountedShape
from billing_dq.sources.mongodb.documents.by_collection import tables_of_piece
from billing_dq.sources.mongodb.documents.usage import weekly_usage
from billing_dq.sources.mongodb.facts import Part, PartFacts
from billing_dq.sources.mongodb.parts import Reading
from billing_dq.sources.mongodb.politeness import BudgetSpent
from billing_dq.sources.mongodb.quarantine import Quarantine
from billing_dq.sources.mongodb.queries import Query, documents_of, odd_weeks, usage_of
from billing_dq.sources.mongodb.reader import Documents
from billing_dq.storage.arrow import arrow_schema, to_arrow
from billing_dq.storage.records import CollectionCounts
from billing_dq.storage.stored_table import StoredTable, TableWriter
from billing_dq.tables import Table


def write_part(documents: Documents, reading: Reading, missing: Collection[str] = ()) -> Part:
    """Read the collections of a range of organizations, and write their tables to the directory of the reading.

    Args:
        documents: where to read.
        reading: the weeks, the organizations and the directory.
        missing: collections that do not exist, by their names in docs/domain.md; their tables are empty.

    Raises:
        SourceError: the server sent no documents, or in another order than asked.
    """
    settings = reading.settings
    tables = _PartTables(documents, reading)
    names = settings.collections.model_dump()
    for collection, contract in contracts(names, tuple(settings.plans), reading.night.as_of).items():
        if collection in missing:
            tables.write_empty(collection)
        elif tables.not_read:
            tables.write_empty(collection)
            tables.not_read.append(collection)
        else:
            tables.write(contract)
    tables.write_quarantine()
    facts = PartFacts(
        documents.plainly_because,
        tables.sorted,
        tables.in_collection,
        tables.shapes,
        tables.not_read,
        {**documents.seconds},
    )
    return Part(tables.stored, facts)


class _PartTables:
    """Writes the tables of a range of organizations. The attributes are those of `Part` and `PartFacts`."""

    def __init__(self, documents: Documents, reading: Reading) -> None:
        self.stored: dict[str, StoredTable] = {}
        self.sorted: dict[str, CollectionCounts] = {}
        self.in_collection: dict[str, int] = {}
        self.shapes: dict[str, list[CountedShape]] = {}
        self.not_read: list[str] = []
        self._documents = documents
        self._night, self._followed = reading.night, reading.followed
        self._reading = reading
        self._organizations = reading.organizations
        self._is_first = reading.organizations.first is None
        self._quarantine = Quarantine()

    def write(self, contract: CollectionContract) -> None:
        """Read a collection and write its tables."""
        name = contract.domain_name
        if contract.organization is None and not self._is_first:  # the first part reads what no organization has
            self.write_empty(name)
            return
        weeks = self._night.matching_keys
        queries = [documents_of(contract, weeks, self._organizations)]
        if name == "billingusages":
            queries.append(odd_weeks(contract, weeks, self._organizations))
        sortings = [Sorting(contract, self._night, self._quarantine) for _ in queries]
        older = Sorting(contract, self._followed.window(self._night), self._quarantine)
        with ExitStack() as open_files, self._reading.progress.stage(f"reading {contract.name}", None) as advance:
            writers = {table.name: open_files.enter_context(self._writer(table)) for table in TABLES_OF[name]}
            try:
                for query, sorting in zip(queries, sortings, strict=True):
                    for piece in self._pieces(contract, query, sorting):
                        with self._documents.timed("decode"):
                            tables_by_name = tables_of_piece(name, piece, self._night, self._followed)
                        with self._documents.timed("write"):
                            for table_name, table in tables_by_name.items():
                                writers[table_name].write(table)
                        advance(len(piece.chosen))
                if name == "billingusages":
                    self._write_older(contract, older, writers[tables.FOLLOWED_USAGE.name])
                    if self._is_first:
                        self.in_collection[name] = self._documents.count(contract)
            except BudgetSpent:
                self.not_read.append(name)  # of the last organization more might have come
        every_sorting = [*sortings, older]
        self.sorted[name] = CollectionCounts(
            counted=sum(sorting.seen for sorting in every_sorting),
            read=sum(sorting.read for sorting in every_sorting),
            quarantined=sum(sorting.quarantined for sorting in every_sorting),
            out_of_scope=sum(sorting.out_of_scope for sorting in every_sorting),
        )
        if not self.not_read:
            shapes = [sorting.shape for sorting in sortings]
            if self._is_first and queries[0].fields is not None:  # else the documents came with all of their fields
                shapes[0].sample(self._documents.fields_of_the_newest(contract), contract.fields)
            self.shapes[name] = [shape.counted() for shape in shapes]

    def _write_older(self, contract: CollectionContract, older: Sorting, writer: TableWriter) -> None:
        """The usage documents behind the window, of organizations with a followed week."""
        for followed, weeks in self._followed.usage_to_read(self._night, ASKED_AT_ONCE):
            organizations = [name for name in followed if self._organizations.holds(name)]
            query = usage_of(contract, organizations, weeks)
            for piece in self._pieces(contract, query, older) if organizations else ():
                with self._documents.timed("decode"):
                    usage = weekly_usage(piece.rows, piece.chosen)
                with self._documents.timed("write"):
                    writer.write(usage)

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

    def _pieces(self, contract: CollectionContract, query: Query, sorting: Sorting) -> Iterator[Piece]:
        """The documents of a query in pieces of so many whole organizations at most."""
        for batch in self._documents.batches(contract, query):
            yield from self._whole_organizations(lambda batch=batch: sorting.add(batch))
        yield from self._whole_organizations(sorting.end)

    def _whole_organizations(self, sort: Callable[[], list[Piece]]) -> list[Piece]:
        with self._documents.timed("decode"):
            return [part for piece in sort() for part in piece.split(self._reading.settings.batch_organizations)]

    def _store(self, table: Table, rows: pa.Table) -> None:
        with self._writer(table) as writer:
            writer.write(rows)

    def _writer(self, table: Table) -> TableWriter:
        path = UPath(self._reading.directory / f"{table.name}.parquet")
        self.stored[table.name] = StoredTable(table, path)
        return TableWriter(table, path, self._reading.settings.batch_organizations)
