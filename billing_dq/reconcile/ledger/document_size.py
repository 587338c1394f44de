"""Documents near MongoDB's 16 MiB, past which every write is refused: debits of a ledger, steps of a week's usage.

See docs/domain.md, "Ledger", and docs/causes.md, "Known incidents".
"""

from collections.abc import Collection

import numpy as np
import pandas as pd

from billing_dq.reconcile.ledger.violation_rows import violations_of

LIMIT_BYTES = 16 * 1024 * 1024
WARN_BYTES = LIMIT_BYTES // 2
CRITICAL_BYTES = LIMIT_BYTES * 4 // 5


def document_size_violations(balances: pd.DataFrame, entries_in_window: pd.DataFrame, weeks: float) -> pd.DataFrame:
    """The balance documents of at least half the limit, with a forecast, in `LEDGER_VIOLATIONS`.

    Args:
        balances: `EXTRAS_BALANCES` rows.
        entries_in_window: organization_id, entries: ledger entries written in the night's weeks; absent: none.
        weeks: how many weeks those are; the open one counts with the part of it that has passed.

    Returns:
        Rule `document_size`, one row an organization. No money is at stake yet: units are 0.
    """
    large = balances.loc[balances["document_bytes"] >= WARN_BYTES]
    size = large["document_bytes"]
    entries = large["organization_id"].map(entries_in_window.set_index("organization_id")["entries"]).astype("float64")
    bytes_a_week = size / large["entry_count"] * entries / weeks
    weeks_to_full = ((LIMIT_BYTES - size) / bytes_a_week).where(entries > 0)
    sentences = [
        f"the document has {bytes_:,.0f} bytes, {bytes_ / LIMIT_BYTES:.0%} of 16 MiB, with {count:,} entries; "
        + ("it did not grow in the night's weeks" if np.isnan(full) else f"at its pace it is full in {full:.1f} weeks")
        for bytes_, count, full in zip(size, large["entry_count"], weeks_to_full, strict=True)
    ]
    return violations_of(large, "document_size", 0.0, sentences)


def usage_size_violations(usage: pd.DataFrame, weeks: Collection[str]) -> pd.DataFrame:
    """The usage documents of at least half the limit, in `LEDGER_VIOLATIONS`.

    Args:
        usage: `WEEKLY_USAGE` rows; those of other weeks are there for matching only.
        weeks: keys of the night's weeks.

    Returns:
        Rule `usage_document_size`, one row an organization and week, which is its ``ref_id``; units are 0.
    """
    large = usage.loc[(usage["document_bytes"].fillna(0) >= WARN_BYTES) & usage["week_key"].isin(weeks)]
    sentences = [
        f"the usage document of {week} has {size:,} bytes, {size / LIMIT_BYTES:.0%} of 16 MiB; when it is full no step "
        "of that week is metered any more"
        for week, size in zip(large["week_key"], large["document_bytes"], strict=True)
    ]
    return violations_of(large.assign(ref_id=large["week_key"]), "usage_document_size", 0.0, sentences)
