"""A stored night that was never read from anywhere: what the alerts need of it, written straight into the lake."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from upath import UPath

from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import StripeReadingRecord
from billing_dq.storage.stored_table import TableWriter
from billing_dq.tables import FINDINGS, METER_EXTRAS_DELTAS, NIGHTLY_REPORT, Table
from tests.support.snapshot_facts import snapshot_facts


def store(home: Path, night: str, findings: pd.DataFrame, stripe: str = "read", hour: int = 2) -> None:
    """Store a night with some findings, read at an hour, with a Stripe that was read, failed or not asked."""
    _table(home, FINDINGS, night, findings)
    _table(home, METER_EXTRAS_DELTAS, night, METER_EXTRAS_DELTAS.empty())
    _table(home, NIGHTLY_REPORT, night, NIGHTLY_REPORT.empty())
    year, month, day = (int(part) for part in night.split("-"))
    facts = snapshot_facts(datetime(year, month, day, hour, 15, tzinfo=UTC))
    reading = StripeReadingRecord(
        state=stripe,  # type: ignore[arg-type]
        reason="" if stripe == "read" else "Stripe answered 401",
        livemode=True,
        requests={},
        invoices_not_read=(),
    )
    for record in (facts, reading):
        path = type(record).path(str(home), night)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.model_dump_json(), encoding="utf-8")


def _table(home: Path, table: Table, night: str, frame: pd.DataFrame) -> None:
    path = UPath(Lake(str(home)).root / table.name / f"{night}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    with TableWriter(table, path) as writer:
        writer.write(to_arrow(table, table.conform(frame)))
