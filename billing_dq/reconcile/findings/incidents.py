"""Many organizations whose debits were lost in the same few minutes are one incident, not forty findings.

A key without a debit has no time of its own, but the ObjectId of its history has (docs/causes.md, "Known incidents").
"""

from datetime import timedelta

import pandas as pd

from billing_dq.reconcile.meter.causes import Cause
from billing_dq.reconcile.meter.quota.facts import begin_seconds

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
    columns = list(INCIDENT_COLUMNS)
    return _losses(evidence)[["incident", *columns]].drop_duplicates("incident")[columns].reset_index(drop=True)


def incident_sentences(evidence: pd.DataFrame) -> dict[tuple[str, str], str]:
    """By organization and week: the incident that its lost debits are part of, in words; none where there is none.

    Args:
        evidence: METER_EXTRAS_EVIDENCE of a night.
    """
    first = _losses(evidence).drop_duplicates(["organization_id", "week_key"])
    columns = ["organization_id", "week_key", "started", "ended", "organizations"]
    return {
        (organization, week): f"One incident: {organizations} organizations lost debits of steps begun from "
        f"{started:%Y-%m-%d %H:%M} to {ended:%H:%M} UTC."
        for organization, week, started, ended, organizations in first[columns].itertuples(index=False, name=None)
    }


def _losses(evidence: pd.DataFrame) -> pd.DataFrame:
    """The lost debits that are part of an incident, oldest first: ``organization_id``, ``week_key``, ``incident`` (a
    number) and the columns of `incidents`.

    A week that lost a debit lists the keys that may be the lost one, so the units are those of the week, once each.
    """
    missing = evidence[evidence["cause"] == Cause.MISSING_DEBIT]
    week = ["organization_id", "week_key"]
    lost = missing.assign(units=missing.groupby(week)["units"].transform("sum")).dropna(subset=["ref_id"])
    begun_at = pd.to_datetime(lost["ref_id"].map(begin_seconds).astype("float64"), unit="s", utc=True)
    known = lost[[*week, "units"]].assign(begun=begun_at).dropna().sort_values("begun")
    known["incident"] = known["begun"].diff().gt(GAP).cumsum()
    groups = known.groupby("incident")
    once = known["units"].mask(known.duplicated(["incident", *week]), 0.0)
    known = known.assign(
        started=groups["begun"].transform("min"),
        ended=groups["begun"].transform("max"),
        organizations=groups["organization_id"].transform("nunique"),
        units=once.groupby(known["incident"]).transform("sum"),
    )
    return known[known["organizations"] >= LEAST_ORGANIZATIONS]
