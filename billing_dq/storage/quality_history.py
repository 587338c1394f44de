"""What earlier nights measured and saw of the shape of documents, from the stored tables."""

from datetime import date, timedelta

import pandas as pd
import pyarrow as pa

from billing_dq.quality.measures import Before
from billing_dq.storage.arrow import arrow_schema, to_pandas
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.tables import Table

#: Days that a night looks back: eight weeks, for the pictures; the rules look back four.
DAYS = 56


def nights_before(lake: Lake, table: Table, night: str, days: int = DAYS) -> pd.DataFrame:
    """A table of the earlier nights of some days, with the column ``night`` (a date), oldest first.

    An incomplete night knows some organizations only: it is compared with no night, and no night with it.
    """
    first = (date.fromisoformat(night) - timedelta(days=days)).isoformat()
    nights = [earlier for earlier in lake.nights(table) if first <= earlier < night and is_complete(lake, earlier)]
    tables = {
        date.fromisoformat(earlier): stored.arrow()
        for earlier in (nights if is_complete(lake, night) else [])
        if (stored := lake.stored(table, earlier)) is not None
    }
    # a column that the table did not have yet is null
    rows = pa.concat_tables([arrow_schema(table).empty_table(), *tables.values()], promote_options="default")
    night_of_row = [earlier for earlier, stored in tables.items() for _ in range(stored.num_rows)]
    return to_pandas(table, rows).assign(night=pd.Series(night_of_row, dtype=object))


def is_complete(lake: Lake, night: str) -> bool:
    """Whether MongoDB was read to its end in a night; also of one of whose reading no record is left."""
    facts = SnapshotFactsRecord.of(lake.home, night)
    return facts is None or not facts.incomplete_because


def night_before(lake: Lake, night: str, history: pd.DataFrame) -> Before | None:
    """The newest earlier night in ``history``: `NIGHT_MEASURES` of the nights before, with ``night``."""
    if history.empty:
        return None
    newest = history["night"].max()
    facts = SnapshotFactsRecord.of(lake.home, newest.isoformat())
    if facts is None:
        return None
    rows = history[history["night"] == newest]
    keys = zip(rows["collection"], rows["measure"], rows["week_key"], strict=True)
    return Before(dict(zip(keys, rows["value"], strict=True)), facts.as_of)
