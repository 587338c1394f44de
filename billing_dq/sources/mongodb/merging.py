"""The parts of a night's reading come together: the very tables that one reading would have written."""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from upath import UPath

from billing_dq import tables
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.collection_tables import ASKED_AT_ONCE, TABLES_OF
from billing_dq.sources.mongodb.counted_shapes import shape_table
from billing_dq.sources.mongodb.facts import Part, Server, Snapshot, facts_of, shapes_of
from billing_dq.sources.mongodb.quarantine import all_named
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.followed import Followed
from billing_dq.storage.stored_table import StoredTable, TableWriter
from billing_dq.tables import Table
from billing_dq.weeks import NightWeeks

#: What grows with the ledger, all of which must be there of an organization that is compared.
_WHOLE = (*TABLES_OF["billingusages"], *TABLES_OF["billingextrabalances"])


def merged(
    parts: Sequence[Part], server: Server, settings: Settings, night: NightWeeks, followed: Followed, directory: Path
) -> Snapshot:
    """The snapshot of a night, written to ``directory``.

    A single part that came whole has the tables already that grow with the ledger, and keeps them. Of a reading that
    ended early only those organizations are kept all of which was read. Usage is read before balances, both in the
    order of the organizations: that is up to the last balance of the part that ended first.

    Args:
        parts: of all ranges of organizations, in their order.
        server: what they were read from.
        settings: names of collections, organizations of a row group.
        night: its weeks.
        followed: the weeks behind them that were read, too.
        directory: made where it is not there.

    Raises:
        SourceError: there are fewer documents than were read in the same snapshot.
    """
    directory.mkdir(exist_ok=True)
    until = _whole_until(parts)
    facts = [part.facts for part in parts]
    stored: dict[str, StoredTable] = {}

    def write(table: Table, batches: Iterable[pa.Table]) -> None:
        path = UPath(directory / f"{table.name}.parquet")
        with TableWriter(table, path, settings.batch_organizations) as writer:
            for batch in batches:
                ends = until is not None and table in _WHOLE
                writer.write(batch.filter(pc.less_equal(batch.column("organization_id"), until)) if ends else batch)
        stored[table.name] = StoredTable(table, path)

    only = parts[0].tables if len(parts) == 1 and until is None else {}
    for table in chain.from_iterable(TABLES_OF.values()):
        if table is tables.LEDGER_SEALS:
            continue
        if table.name in only:
            stored[table.name] = only[table.name]
        else:
            write(table, _rows(table, parts, night, followed))
    weeks = followed.weeks if until is None else followed.weeks[followed.weeks["organization_id"] <= until]
    for table, frame in (
        (tables.FOLLOWED_WEEKS, weeks.reset_index(drop=True)),
        (tables.LEDGER_SEALS, _seals(parts, until, followed)),
        (tables.QUARANTINED_DOCUMENTS, _quarantined(tables.QUARANTINED_DOCUMENTS, parts)),
        (tables.UNREADABLE_KEYS, _quarantined(tables.UNREADABLE_KEYS, parts)),
        (tables.DOCUMENT_SHAPES, shape_table(shapes_of(facts))),
    ):
        write(table, [to_arrow(table, frame)])
    return Snapshot(stored, facts_of(facts, server, settings, night, until))


def _whole_until(parts: Sequence[Part]) -> str | None:
    """The last organization all of which was read, empty where there is none; None: all of them."""
    last = ""
    for part in parts:
        for batch in part.tables[tables.EXTRAS_BALANCES.name].batches(["organization_id"]):
            last = batch.column("organization_id")[-1].as_py()
        if "billingextrabalances" in part.facts.not_read:
            return last
    return None


def _rows(table: Table, parts: Sequence[Part], night: NightWeeks, followed: Followed) -> Iterator[pa.Table]:
    """The rows of a table in the order in which one reading writes them."""
    stored = [part.tables[table.name] for part in parts]
    if table is not tables.FOLLOWED_USAGE:
        for part in stored:
            yield from part.batches()
        return
    for organizations, _ in followed.usage_to_read(night, ASKED_AT_ONCE):
        for part in stored:
            yield part.of_organizations(organizations)


def _seals(parts: Sequence[Part], until: str | None, followed: Followed) -> pd.DataFrame:
    """`ledger_seals`, and the earlier seals of ledgers that did not come: `unread` ones, and those that are `gone`."""
    frames = [part.tables[tables.LEDGER_SEALS.name].frame() for part in parts]
    seals = pd.concat(frames, ignore_index=True).drop_duplicates("organization_id")
    if until is not None:
        seals = seals[seals["organization_id"] <= until]
    earlier = followed.seals[~followed.seals["organization_id"].isin(seals["organization_id"])]
    if earlier.empty:
        return seals.reset_index(drop=True)
    keys = pd.concat([part.tables[tables.UNREADABLE_KEYS.name].frame() for part in parts])
    dark = keys.loc[keys["collection"] == "billingextrabalances", "organization_id"]
    organizations = earlier["organization_id"]
    # a document that names no organization may be any ledger's
    unread = organizations.isin(dark) | bool(dark.isna().any())
    if until is not None:
        unread |= organizations > until
    carried = pd.DataFrame(
        {
            "organization_id": organizations,
            "reading": unread.map({True: "unread", False: "gone"}),
            "entry_count": 0,
            "ledger_sum": 0.0,
            "digest": None,
            "earlier_count": earlier["entry_count"],
            "earlier_sum": earlier["ledger_sum"],
            "earlier_digest": earlier["digest"],
            "first_sum": 0.0,
            "first_digest": None,
        }
    )
    together = pd.concat([seals, tables.LEDGER_SEALS.conform(carried)]).sort_values("organization_id")
    return tables.LEDGER_SEALS.conform(together)


def _quarantined(table: Table, parts: Sequence[Part]) -> pd.DataFrame:
    """Read plainly, a document may have been read by two parts: it moved meanwhile."""
    together = pd.concat([part.tables[table.name].frame() for part in parts], ignore_index=True)
    return all_named(table.conform(together.drop_duplicates(list(table.key) or None)))
