"""Stored tables that grow with the ledger, as the batches that the stages of a night walk."""

from collections.abc import Iterator

import pandas as pd

from billing_dq.reconcile.inputs import OrganizationBatch
from billing_dq.storage.arrow import explode_keys, to_pandas
from billing_dq.storage.stored_table import StoredTable, merge_by_organization
from billing_dq.tables import LEDGER_ENTRIES, WEEKLY_USAGE


def organization_batches(weekly_usage: StoredTable, ledger_entries: StoredTable) -> Iterator[OrganizationBatch]:
    """Usage and ledger entries side by side, in organization order; one batch is held at a time."""
    for usage, entries in merge_by_organization(weekly_usage, ledger_entries):
        yield OrganizationBatch(
            to_pandas(WEEKLY_USAGE, usage.drop_columns(["attribution_keys"])),
            explode_keys(usage),
            to_pandas(LEDGER_ENTRIES, entries),
        )


def frames_by_batch(stored: StoredTable, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """A table by row group; each holds whole organizations."""
    for batch in stored.batches(columns):
        yield to_pandas(stored.table, batch)
