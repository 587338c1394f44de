"""The evidence of one finding, or of the first of a night, from the stored nights."""

import pandas as pd

from billing_dq.errors import SourceError
from billing_dq.reconcile.findings.acceptance import with_acceptances
from billing_dq.reconcile.findings.finding import records
from billing_dq.reconcile.findings.standing import is_open, seen_open
from billing_dq.report.evidence.build import Night, evidence_of
from billing_dq.report.evidence.frames import Row, read_frames
from billing_dq.report.evidence.record import Evidence
from billing_dq.report.figures import rows_of
from billing_dq.settings import Settings
from billing_dq.storage.acceptances import AcceptanceLog
from billing_dq.storage.lake import Lake
from billing_dq.tables import FINDINGS

#: Nights that the life of a finding looks back on.
NIGHTS = 30


def read_evidence(settings: Settings, lake: Lake, finding_id: str, night: str | None = None) -> Evidence:
    """The evidence of a finding, as the newest night has it that lists it.

    What was last seen on an earlier night, because it is resolved or could not be examined since, is told from the
    tables of that night.

    Args:
        settings: packs, plans, links.
        lake: the stored nights.
        finding_id: the finding, or the beginning of its id where no other begins so.
        night: YYYY-MM-DD; None: the newest.

    Raises:
        SourceError: no stored night lists it, several begin so, or a table that it needs is damaged.
    """
    chosen, _ = lake.choose(FINDINGS, night)
    nights = [name for name in lake.nights(FINDINGS) if name <= chosen][-NIGHTS:]
    for name in reversed(nights):
        findings = lake.require(FINDINGS, name).frame()
        rows = findings[findings["finding_id"].str.startswith(finding_id)]
        if len(rows) > 1:
            raise SourceError(f"{len(rows)} findings of {name} begin with {finding_id}: give more of the id")
        if len(rows):
            findings = with_acceptances(findings, findings, AcceptanceLog(lake.home).read(), name)
            return _evidence(settings, lake, name, findings, findings[findings.index == rows.index[0]])[0]
    raise SourceError(
        f"no finding {finding_id} in the last {len(nights)} nights up to {chosen}: `billing-dq findings` lists the ids"
    )


def evidence_of_first(settings: Settings, lake: Lake, night: str, findings: pd.DataFrame, count: int) -> list[Evidence]:
    """The evidence of the first findings of a night that it saw itself.

    Args:
        settings: packs, plans, links.
        lake: the stored nights.
        night: YYYY-MM-DD.
        findings: `FINDINGS`, in the order in which to look at them.
        count: how many.
    """
    return _evidence(settings, lake, night, findings, seen_open(findings, night).head(count))


def _evidence(settings: Settings, lake: Lake, night: str, findings: pd.DataFrame, rows: pd.DataFrame) -> list[Evidence]:
    told_by = night
    if len(rows) == 1 and rows["last_seen"].iloc[0] in lake.nights(FINDINGS):
        told_by = str(rows["last_seen"].iloc[0])
    of_night = Night(read_frames(lake, told_by, rows), _others(findings, rows), _earlier(lake, night, findings, rows))
    return [evidence_of(row, of_night, settings) for row in rows_of(rows, FINDINGS.column_names)]


def _others(findings: pd.DataFrame, rows: pd.DataFrame) -> list[Row]:
    """The open findings of the organizations of some findings, and those of the same money."""
    beside = findings["organization_id"].isin(rows["organization_id"].dropna())
    if "same_money_as" in findings.columns:
        family = {*rows["finding_id"], *rows["same_money_as"].dropna()}
        beside |= findings["finding_id"].isin(family) | findings["same_money_as"].isin(family)
    return records(findings[beside & is_open(findings)])


def _earlier(lake: Lake, night: str, findings: pd.DataFrame, rows: pd.DataFrame) -> dict[str, list[Row]]:
    """Some findings on this night and on the nights before it, by id."""
    nights = [name for name in lake.nights(FINDINGS) if name < night][-NIGHTS + 1 :]
    columns = ["finding_id", "state", "severity", "units", "usd_cents", "last_seen"]
    ids = set(rows["finding_id"])
    stored = [lake.require(FINDINGS, name).where("finding_id", ids, columns).assign(night=name) for name in nights]
    tonight = findings.loc[findings["finding_id"].isin(ids), columns].assign(night=night)
    by_finding: dict[str, list[Row]] = {}
    for row in records(pd.concat([*stored, tonight], ignore_index=True)):
        by_finding.setdefault(str(row["finding_id"]), []).append(row)
    return by_finding
