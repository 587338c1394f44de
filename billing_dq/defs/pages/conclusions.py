"""What the pages that people read first show: the night in one sentence, the money, what to look at first.

Not here: what is concluded.
"""

import re
from collections.abc import Mapping

import dagster as dg
import pandas as pd

from billing_dq.defs.pages.metadata import Metadata, finding_rows, table_metadata, table_of
from billing_dq.defs.pages.runbook import runbook
from billing_dq.reconcile.findings.standing import is_new, seen_open, verdicts
from billing_dq.report.figures import findings_by_kind, rows_of
from billing_dq.report.verdicts import in_order_of_work, sums
from billing_dq.report.words import command
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.tables import DISPUTE_POSITIONS, FINDINGS, NIGHTLY_REPORT, SUBSCRIPTION_DRIFT

#: Figures of `nightly_report` that its page shows first.
_FIRST = ("findings.critical", "findings.error", "findings.warning", "findings.new", "findings.resolved")
_DECISIONS = ("due", "parked", "refused", "nothing_due")
_DRIFT_COLUMNS = ("kind", "organization_id", "stripe_subscription_id", "in_database", "in_stripe")
_POSITION_COLUMNS = (
    *("dispute_id", "organization_id", "status", "decision"),
    *("due_units", "clawed_back_units", "reason"),
)


def owed_either_way(cents: pd.Series) -> dict[str, float]:
    """Dollars that are owed to us, and to customers."""
    return {
        "usd_owed_to_us": float(cents.clip(lower=0).sum()) / 100,
        "usd_owed_to_customers": float(-cents.clip(upper=0).sum()) / 100,
    }


def money(open_findings: pd.DataFrame) -> dict[str, float]:
    """The three figures that matter: dollars owed either way by what needs somebody, and how much of it is new."""
    breaks = open_findings[verdicts(open_findings) == "unexplained"]
    return {**owed_either_way(breaks["usd_cents"]), "new_breaks": int(is_new(breaks).sum())}


def sentence_of(verdict: str, sentence: str) -> dg.MetadataValue:
    """The night in one sentence, a line each part."""
    parts = re.split(r"; |\. | and (?=\$)|, (?=since)", sentence.removesuffix("."))
    return dg.MetadataValue.md(f"**{verdict}**\n\n" + "\n".join(f"- {part}" for part in parts))


def link_to_report(settings: Settings, night: str) -> dg.MetadataValue:
    """Where the report of a night is: a link where `billing-dq serve` answers, else the file, to be copied."""
    if settings.serve_url is not None:
        return dg.MetadataValue.url(f"{settings.serve_url}/nights/{night}")
    return dg.MetadataValue.path(str(Lake(settings.home).report_path(night)))


def report_page(lake: Lake, night: str, report: pd.DataFrame, figures: Mapping[str, float]) -> Metadata:
    """The money, findings by severity and change, and organization-weeks by grade; the table has the others."""
    is_first = report["name"].isin(_FIRST) | report["name"].str.startswith("meter.grade_")
    rows = rows_of(report[is_first], NIGHTLY_REPORT.column_names)
    return table_metadata(lake, night, NIGHTLY_REPORT, figures, rows)


def findings_page(lake: Lake, night: str, findings: pd.DataFrame, settings: Settings) -> Metadata:
    """The findings that a night saw open, in the order in which to work, and where to begin."""
    open_findings = seen_open(findings, night)
    verdict = verdicts(open_findings)
    figures = money(open_findings)
    figures |= {name: amounts.findings for name, amounts in sums(open_findings, verdict).items()}
    in_order = in_order_of_work(open_findings, verdict)
    metadata = table_metadata(lake, night, FINDINGS, figures, finding_rows(in_order))
    if len(in_order):
        (first,) = rows_of(in_order.head(1), FINDINGS.column_names)
        page = f"{settings.serve_url}/findings/{first['finding_id']}?night={night}"
        metadata["look_at_the_first"] = dg.MetadataValue.url(page) if settings.serve_url else command(first, night)
        metadata["runbook"] = runbook(settings, str(first["kind"]))
    return {**metadata, "by_kind": table_of(findings_by_kind(open_findings))}


def drift_page(drift: pd.DataFrame, settings: Settings, lake: Lake, night: str) -> Metadata:
    """The differences from Stripe by kind."""
    kinds = {str(kind): int(count) for kind, count in drift["kind"].value_counts().sort_index().items()}
    figures = {
        "differences": len(drift),
        "organizations": int(drift["organization_id"].nunique()),
        "unknown_here": int(drift["organization_id"].isna().sum()),
        **kinds,
    }
    metadata = table_metadata(lake, night, SUBSCRIPTION_DRIFT, figures, rows_of(drift.head(10), _DRIFT_COLUMNS))
    return {**metadata, "runbook": runbook(settings, "subscription_status")}


def positions_page(positions: pd.DataFrame, settings: Settings, lake: Lake, night: str) -> Metadata:
    """The decisions about disputes, what is due first."""
    decisions = positions["decision"].value_counts()
    figures = {
        **{name: int(decisions.get(name, 0)) for name in _DECISIONS},
        "due_units": float(positions["due_units"].sum()),
        "for_a_person": int(decisions.get("parked", 0) + decisions.get("refused", 0)),
    }
    in_order = positions.sort_values(["due_units", "dispute_id"], ascending=[False, True])
    rows = rows_of(in_order.head(10), _POSITION_COLUMNS)
    metadata = table_metadata(lake, night, DISPUTE_POSITIONS, figures, rows)
    return {**metadata, "runbook": runbook(settings, "dispute_credit_due")}
