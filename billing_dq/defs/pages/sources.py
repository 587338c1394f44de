"""What the pages of the sources show: documents and objects, what became of them, and what the reading cost.

Not here: what is read.
"""

import dagster as dg
import pandas as pd

from billing_dq.defs.outside import COLLECTIONS, RESOURCES
from billing_dq.defs.pages.metadata import Metadata, first_rows, head_of, table_metadata, table_of
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import Table


def snapshot_table_page(lake: Lake, night: str, table: StoredTable, facts: SnapshotFactsRecord) -> Metadata:
    """The table, and what became of the documents that it is made of."""
    names = COLLECTIONS.get(table.table.name, tuple(facts.counts))
    counts = [facts.counts[name] for name in names if name in facts.counts]
    figures = {
        "rows": table.rows,
        "documents_read": sum(count.read for count in counts),
        "documents_quarantined": sum(count.quarantined for count in counts),
        "documents_of_other_weeks": sum(count.out_of_scope for count in counts),
    }
    return table_metadata(lake, night, table.table, figures, head_of(table))


def snapshot_page(facts: SnapshotFactsRecord) -> Metadata:
    """How the reading went: counts, seconds, one snapshot or not, and what is not there."""
    counts = [{"collection": name, **count.model_dump()} for name, count in facts.counts.items()]
    return {
        "documents_counted": sum(count.counted for count in facts.counts.values()),
        "documents_quarantined": sum(count.quarantined for count in facts.counts.values()),
        "seconds_in_all": round(float(sum(facts.seconds.values())), 3),
        "as_of": facts.as_of.isoformat(),
        "weeks": ", ".join(facts.weeks.keys),
        "server": facts.server_version,
        "topology": facts.topology,
        "one_snapshot": facts.one_snapshot,
        "read_plainly_because": facts.read_plainly_because or "it is one snapshot",
        "state": "incomplete" if facts.incomplete_because else "complete",
        "examined_share": min(facts.examined.values(), default=0.0),
        "not_read": ", ".join(facts.not_read) or "none",
        "missing_collections": ", ".join(facts.missing_collections) or "none",
        "counts": table_of(counts),
        "seconds": dg.MetadataValue.json({stage: round(float(took), 3) for stage, took in facts.seconds.items()}),
    }


def stripe_table_page(
    lake: Lake, night: str, table: Table, frame: pd.DataFrame, reading: StripeReadingRecord
) -> Metadata:
    """The table, and what it cost to read it."""
    statuses = frame["status"].value_counts().sort_index() if "status" in frame.columns else pd.Series(dtype="int64")
    figures = {
        "rows": len(frame),
        "requests": reading.requests.get(RESOURCES.get(table.name, ""), 0),
        "requests_in_all": sum(reading.requests.values()),
        **{f"status_{name}": float(count) for name, count in statuses.items()},
    }
    return table_metadata(lake, night, table, figures, first_rows(frame, table))


def stripe_page(record: StripeReadingRecord) -> Metadata:
    """Whether Stripe was read, by how many requests, and what is not there."""
    return {
        "requests_in_all": sum(record.requests.values()),
        "invoices_not_read": len(record.invoices_not_read),
        "tables_absent": len(record.absent),
        "state": record.state,
        "reason": record.reason or "read",
        "livemode": str(record.livemode),
        "requests": dg.MetadataValue.json(record.requests),
        "not_read": dg.MetadataValue.json(record.not_read),
        "absent": dg.MetadataValue.json(record.absent),
        "events_since": str(record.events_since),
    }
