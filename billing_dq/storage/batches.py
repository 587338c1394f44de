"""Stored tables that grow with the ledger, as the batches that the stages of a night walk."""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from billing_dq.reconcile.inputs import OrganizationBatch
from billing_dq.storage.arrow import arrow_schema, explode_keys, to_pandas
from billing_dq.storage.lake import Lake
from billing_dq.storage.stored_table import StoredTable, merge_by_organization
from billing_dq.tables import LEDGER_ENTRIES, WEEKLY_USAGE, Table

#: The columns of ledger entries that rules of batches read.
_ENTRY_COLUMNS = ["organization_id", "position", "entry_id", "kind", "amount", "ref_id", "at"]


def organization_batches(weekly_usage: StoredTable, ledger_entries: StoredTable) -> Iterator[OrganizationBatch]:
    """Usage and ledger entries side by side, in organization order; one batch is held at a time."""
    for usage, entries in merge_by_organization(weekly_usage, ledger_entries, _ENTRY_COLUMNS):
        yield _batch(usage, entries)


@dataclass(frozen=True)
class UsageAndEntries:
    """A table of usage documents and one of ledger entries, about the same weeks."""

    usage: StoredTable
    entries: StoredTable


def followed_batches(
    window: UsageAndEntries, older: UsageAndEntries, followed_weeks: pd.DataFrame
) -> Iterator[OrganizationBatch]:
    """Everything of the organizations with a followed week, from there on; one batch is held at a time.

    Args:
        window: of the night's weeks, in organization order.
        older: of these organizations, behind the window.
        followed_weeks: `FOLLOWED_WEEKS`.
    """
    remaining = set(followed_weeks["organization_id"])
    if not remaining:
        return
    for usage, entries in merge_by_organization(window.usage, window.entries, _ENTRY_COLUMNS):
        in_batch = {*usage.column("organization_id").to_pylist(), *entries.column("organization_id").to_pylist()}
        organizations = remaining & in_batch
        if organizations:
            remaining -= organizations
            yield _with_older((_only(usage, organizations), _only(entries, organizations)), older, organizations)
    if remaining:  # nothing of them is in the window
        no_usage, no_entries = (arrow_schema(table).empty_table() for table in (WEEKLY_USAGE, LEDGER_ENTRIES))
        yield _with_older((no_usage, no_entries.select(_ENTRY_COLUMNS)), older, remaining)


def _with_older(
    window: tuple[pa.Table, pa.Table], older: UsageAndEntries, organizations: set[str]
) -> OrganizationBatch:
    """The rows (usage, entries) of the window and the older ones of some organizations, as one batch."""
    usage = pa.concat_tables([window[0], older.usage.of_organizations(organizations)])
    older_entries = older.entries.of_organizations(organizations).select(_ENTRY_COLUMNS)
    entries = pa.concat_tables([window[1], older_entries])
    return _batch(usage.sort_by(_ascending("week_key")), entries.sort_by(_ascending("position")))


def _batch(usage: pa.Table, entries: pa.Table) -> OrganizationBatch:
    return OrganizationBatch(
        to_pandas(WEEKLY_USAGE, usage.drop_columns(["attribution_keys"])),
        explode_keys(usage),
        to_pandas(LEDGER_ENTRIES, entries),
    )


def _only(rows: pa.Table, organizations: set[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows.column("organization_id"), value_set=pa.array(sorted(organizations), pa.string())))


def _ascending(column: str) -> list[tuple[str, str]]:
    return [("organization_id", "ascending"), (column, "ascending")]


def rows_of_organizations(
    lake: Lake, night: str, tables: Sequence[Table], organizations: Sequence[str]
) -> pd.DataFrame:
    """The rows of some organizations in a table of a night, and in the tables of what is behind its window.

    Args:
        lake: the stored nights.
        night: YYYY-MM-DD.
        tables: the table, and others with its columns, which old nights lack.
        organizations: 24 hexadecimal digits each.

    Raises:
        SourceError: the night does not have the first table.
    """
    others = (lake.stored(table, night) for table in tables[1:])
    parts = [lake.require(tables[0], night), *(stored for stored in others if stored is not None)]
    return pd.concat([part.where("organization_id", organizations) for part in parts], ignore_index=True)


def frames_by_batch(stored: StoredTable, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """A table by row group; each holds whole organizations."""
    for batch in stored.batches(columns):
        yield to_pandas(stored.table, batch)
