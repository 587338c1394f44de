"""How much of usage and of debits falls into each week of a night, over the stored tables, a batch at a time."""

import numpy as np
import pandas as pd

from billing_dq.storage.stored_table import StoredTable
from billing_dq.weeks import NightWeeks


def usage_by_week(usage: StoredTable, weeks: NightWeeks) -> pd.DataFrame:
    """Documents and units used by week of the night: ``rows``, ``units``, indexed by week key, oldest first."""
    total = _zeros(weeks)
    for batch in usage.batches(["week_key", "meter_used"]):
        total += _summed(batch.column("week_key").to_numpy(), batch.column("meter_used").to_numpy(), weeks)
    return total


def entries_by_week(entries: StoredTable, weeks: NightWeeks) -> pd.DataFrame:
    """Ledger entries of every kind, and units debited, by week of the night in which they are dated; likewise."""
    total, keys = _zeros(weeks), np.array([*weeks.keys, ""], dtype=object)
    starts = [*(week.start for week in weeks.weeks), weeks.weeks[-1].end]
    edges = np.array([start.timestamp() * 1000 for start in starts])
    for batch in entries.batches(["kind", "amount", "at"]):
        place = np.searchsorted(edges, batch.column("at").cast("int64").to_numpy(), side="right") - 1
        debited = np.where(batch.column("kind").to_numpy() == "debit", np.abs(batch.column("amount").to_numpy()), 0.0)
        total += _summed(keys[np.where(place < len(weeks.keys), place, -1)], debited, weeks)
    return total


def _zeros(weeks: NightWeeks) -> pd.DataFrame:
    return pd.DataFrame(0.0, index=pd.Index(weeks.keys, dtype="str"), columns=["rows", "units"])


def _summed(week: np.ndarray, units: np.ndarray, weeks: NightWeeks) -> pd.DataFrame:
    grouped = pd.Series(units).groupby(week).agg(["size", "sum"]).set_axis(["rows", "units"], axis=1)
    return grouped.reindex(weeks.keys).fillna(0.0).astype("float64").set_axis(pd.Index(weeks.keys, dtype="str"))
