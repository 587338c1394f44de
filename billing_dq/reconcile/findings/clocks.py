"""Entries that lie ahead of the snapshot by a time zone at most: one clock that is wrong, and one finding.

See docs/domain.md, "Ledger", rule `future_entry`.
"""

from datetime import datetime, timedelta

import pandas as pd

from billing_dq.reconcile.findings import severity
from billing_dq.reconcile.findings.finding import Finding

#: How much a clock is wrong at most that shows the time of another zone.
WIDEST_TIME_ZONE = timedelta(hours=14)
#: Fewer entries are told one by one.
LEAST_ENTRIES = 3
_RULE = "future_entry"


def of_a_wrong_clock(
    violations: pd.DataFrame, suspects: pd.DataFrame | None, as_of: datetime
) -> tuple["pd.Series[bool]", Finding | None]:
    """Of each violation, whether the one finding tells of it; and that finding, None where there is none.

    Args:
        violations: LEDGER_VIOLATIONS.
        suspects: LEDGER_SUSPECTS, which date the entries; None: they were not read.
        as_of: the instant of the snapshot.
    """
    nothing = pd.Series(data=False, index=violations.index)
    if suspects is None:
        return nothing, None
    entry = ["organization_id", "entry_id"]
    dated = suspects.drop_duplicates(entry).set_index(entry)["at"]
    at = pd.Series(dated.reindex(pd.MultiIndex.from_frame(violations[entry])).to_numpy(), index=violations.index)
    at = pd.to_datetime(at, utc=True)
    ahead = (violations["rule"] == _RULE) & (at <= pd.Timestamp(as_of + WIDEST_TIME_ZONE))
    if int(ahead.sum()) < LEAST_ENTRIES:
        return nothing, None
    first, last, organizations = at[ahead].min(), at[ahead].max(), violations.loc[ahead, "organization_id"].nunique()
    hours = (last - pd.Timestamp(as_of)).total_seconds() / 3600
    return ahead, Finding(
        kind="ledger_violation",
        organization_id=None,
        subject="clock",
        severity=severity.OF_KIND["ledger_violation"],
        units=0.0,
        cause=_RULE,
        explanation=f"{int(ahead.sum()):,} entries of {organizations:,} organizations are dated after the snapshot, "
        f"from {first:%F %T} to {last:%F %T}: a clock is at least {hours:.1f} hours ahead, as one is that writes local "
        "time",
        aspect=_RULE,
    )
