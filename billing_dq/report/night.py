"""All that the report of a night is made of, read from the stored nights."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from billing_dq.reconcile.findings.acceptance import with_acceptances
from billing_dq.reconcile.meter.waterfall import Waterfall, waterfall
from billing_dq.report.verdicts import in_order_of_work, verdicts
from billing_dq.settings import Settings
from billing_dq.storage.acceptances import AcceptanceLog
from billing_dq.storage.arrow import to_pandas
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import ReconciliationRecord, SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import (
    FINDINGS,
    LEDGER_ENTRIES,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    NIGHTLY_REPORT,
    SUBSCRIPTIONS,
    WEEKLY_USAGE,
    Table,
)
from billing_dq.weeks import Week

#: Nights that the report looks back on, itself included.
NIGHTS = 30
#: Findings whose weeks are told in full; `billing-dq explain` tells the others.
WEEKS = 100


@dataclass(frozen=True)
class ReportNight:
    """A stored night and what the report needs of the nights before.

    Attributes:
        night: YYYY-MM-DD.
        findings: `FINDINGS`, in the order in which to look at them.
        verdict: of each finding, one of `VERDICTS`.
        previous: `FINDINGS` of the newest earlier night; None: there is none.
        history: ``night``, ``name``, ``value`` of `NIGHTLY_REPORT` of the last nights, oldest first.
        weeks: the waterfall of organization and week, of the first findings about weeks.
        runbook: RUNBOOKS.md.
        absent: the results that the night could not compute, with the reasons.
    """

    night: str
    snapshot: SnapshotFactsRecord
    stripe: StripeReadingRecord
    deltas: pd.DataFrame
    evidence: pd.DataFrame
    findings: pd.DataFrame
    verdict: "pd.Series[str]"
    previous: pd.DataFrame | None
    history: pd.DataFrame
    weeks: Mapping[tuple[str, str], Waterfall]
    runbook: str
    absent: Mapping[str, str]


def read_night(settings: Settings, night: str | None = None) -> ReportNight:
    """A stored night, the newest by default.

    Raises:
        SourceError: it is not stored, or in part only.
    """
    lake = Lake(settings.home)
    night, _ = lake.choose(NIGHTLY_REPORT, night)
    deltas, evidence = (lake.frame_or_empty(table, night) for table in (METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE))
    reconciliation = ReconciliationRecord.of(settings.home, night)
    stored = lake.require(FINDINGS, night).frame()
    stored = with_acceptances(stored, stored, AcceptanceLog(settings.home).read().frame, night)  # since it was taken
    findings = in_order_of_work(stored, verdicts(stored, deltas))
    earlier = [one for one in lake.nights(FINDINGS) if one < night]
    return ReportNight(
        night=night,
        snapshot=SnapshotFactsRecord.require(settings.home, night),
        stripe=StripeReadingRecord.require(settings.home, night),
        deltas=deltas,
        evidence=evidence,
        findings=findings,
        verdict=verdicts(findings, deltas),
        previous=lake.require(FINDINGS, earlier[-1]).frame() if earlier else None,
        history=_history(lake, night),
        weeks=_weeks(lake, night, deltas, evidence, findings, settings.quota_of_plan),
        runbook=runbook_text(),
        absent={} if reconciliation is None else reconciliation.absent,
    )


def runbook_text() -> str:
    """RUNBOOKS.md, as it came with the package; from the checkout where the package is used in place."""
    shipped = resources.files("billing_dq.report") / "RUNBOOKS.md"
    if shipped.is_file():
        return shipped.read_text(encoding="utf-8")
    return (Path(__file__).parents[2] / "RUNBOOKS.md").read_text(encoding="utf-8")


def _history(lake: Lake, night: str) -> pd.DataFrame:
    nights = [one for one in lake.nights(NIGHTLY_REPORT) if one <= night][-NIGHTS:]
    frames = [lake.require(NIGHTLY_REPORT, one).frame(["name", "value"]).assign(night=one) for one in nights]
    return pd.concat(frames, ignore_index=True)


def _weeks(
    lake: Lake,
    night: str,
    deltas: pd.DataFrame,
    evidence: pd.DataFrame,
    findings: pd.DataFrame,
    quota_of_plan: Mapping[str, float],
) -> dict[tuple[str, str], Waterfall]:
    """The waterfalls of the first findings about weeks that this night looked at."""
    about_weeks = findings[(findings["kind"] == "meter_extras_divergence") & (findings["state"] != "resolved")]
    wanted = about_weeks.head(WEEKS)[["organization_id", "subject"]].set_axis(["organization_id", "week_key"], axis=1)
    rows = wanted.merge(deltas, on=["organization_id", "week_key"])
    organizations = sorted(set(rows["organization_id"]))
    of_usage, of_ledger, of_subscriptions = (
        _by_organization(lake, table, night, organizations) for table in (WEEKLY_USAGE, LEDGER_ENTRIES, SUBSCRIPTIONS)
    )
    of_evidence = dict(iter(evidence.groupby(["organization_id", "week_key"])))
    found: dict[tuple[str, str], Waterfall] = {}
    for row in rows.to_dict("records"):
        organization, week = str(row["organization_id"]), Week.parse(str(row["week_key"]))
        found[organization, week.key] = waterfall(
            {str(name): value for name, value in row.items()},
            of_evidence.get((organization, week.key), evidence.iloc[:0]),
            of_usage.get(organization, WEEKLY_USAGE.empty()),
            of_ledger.get(organization, LEDGER_ENTRIES.empty()),
            (week.start, week.end),
            plan_quotas(of_subscriptions.get(organization, SUBSCRIPTIONS.empty()), week, quota_of_plan),
        )
    return found


def plan_quotas(subscription: pd.DataFrame, week: Week, quota_of_plan: Mapping[str, float]) -> list[float]:
    """Quotas of the subscription's plan; of all plans where one was set by hand in the week: it may be gone by now."""
    if bool(subscription["admin_updated_at"].between(week.start, week.end, inclusive="left").any()):
        return list(quota_of_plan.values())
    return [quota_of_plan[plan] for plan in subscription["plan"] if plan in quota_of_plan]


def _by_organization(lake: Lake, table: Table, night: str, organizations: list[str]) -> dict[str, pd.DataFrame]:
    """The rows of some organizations; only the row groups that may hold them are read."""
    if not organizations:  # Arrow knows no type of an empty list, and refuses to filter by it
        return {}
    with lake.require(table, night).path.open("rb") as file:
        rows = to_pandas(table, pq.read_table(file, filters=[("organization_id", "in", organizations)]))
    return {str(organization): group for organization, group in rows.groupby("organization_id")}
