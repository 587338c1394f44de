"""Many organizations whose debits were lost in the same few minutes are one incident, not forty findings.

A key without a debit has no time of its own, but the ObjectId of its history has (CAUSES.md, "Known real incidents").
"""

from datetime import timedelta

import pandas as pd

from billing_dq.reconcile.causes import Cause
from billing_dq.reconcile.quotas import created

#: Lost debits further apart than this belong to different incidents.
GAP = timedelta(minutes=5)

#: Fewer organizations are no incident.
LEAST_ORGANIZATIONS = 5

INCIDENT_COLUMNS = ("started", "ended", "organizations", "units")


def incidents(evidence: pd.DataFrame) -> pd.DataFrame:
    """Groups of lost debits of several organizations that follow each other closely.

    Args:
        evidence: METER_EXTRAS_EVIDENCE of a night.

    Returns:
        ``started`` and ``ended`` (UTC), ``organizations`` (how many), ``units`` (that were not debited), oldest first.
    """
    lost = evidence[(evidence["cause"] == Cause.MISSING_DEBIT) & evidence["ref_id"].notna()]
    seconds = lost["ref_id"].map(created).astype("Int64")
    known = pd.DataFrame(
        {"organization_id": lost["organization_id"], "units": lost["units"], "seconds": seconds}
    ).dropna(subset=["seconds"])
    known = known.sort_values("seconds", kind="stable")
    group = known["seconds"].diff().gt(GAP.total_seconds()).fillna(False).cumsum()
    found = known.groupby(group).agg(
        started=("seconds", "min"),
        ended=("seconds", "max"),
        organizations=("organization_id", "nunique"),
        units=("units", "sum"),
    )
    found = found[found["organizations"] >= LEAST_ORGANIZATIONS].reset_index(drop=True)
    for column in ("started", "ended"):
        found[column] = pd.to_datetime(found[column].astype("int64"), unit="s", utc=True)
    return found
