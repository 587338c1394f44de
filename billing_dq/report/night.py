"""All that the report of a night is made of, read from the stored nights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.findings.acceptance import with_acceptances
from billing_dq.reconcile.findings.standing import verdicts
from billing_dq.reconcile.followed_weeks import in_window
from billing_dq.report.evidence.reading import evidence_of_first
from billing_dq.report.evidence.record import Evidence
from billing_dq.report.runbook import runbook_text
from billing_dq.report.verdicts import in_order_of_work
from billing_dq.settings import Settings
from billing_dq.storage.acceptances import AcceptanceLog
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import (
    AuditAnchorRecord,
    ReconciliationRecord,
    SnapshotFactsRecord,
    StripeReadingRecord,
)
from billing_dq.tables import (
    FINDINGS,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    NIGHT_MEASURES,
    NIGHTLY_REPORT,
)

#: Nights that the report looks back on, itself included.
NIGHTS = 30
#: Findings whose evidence the report holds; `billing-dq explain` shows that of the others.
EVIDENCE = 50


@dataclass(frozen=True)
class Lacks:
    """What a night could not do.

    Attributes:
        incomplete_because: why MongoDB was not read to its end; empty where it was.
        absent: the results that were not computed, with the reasons.
    """

    incomplete_because: str
    absent: Mapping[str, str]


@dataclass(frozen=True)
class ReportNight:
    """A stored night and what the report needs of the nights before.

    Attributes:
        night: YYYY-MM-DD.
        findings: `FINDINGS`, in the order in which to look at them.
        verdict: of each finding, one of `VERDICTS`.
        previous: `FINDINGS` of the newest earlier night; None: there is none.
        deltas: `METER_EXTRAS_DELTAS`, and ``evidence`` with it, of the night's own weeks and the followed ones.
        history: ``night``, ``name``, ``value`` of `NIGHTLY_REPORT` of the last nights, oldest first.
        evidence_of_first: of the first findings that the night itself saw.
        runbook: RUNBOOKS.md.
        audit: the anchor of the credits' audit log, as it was on the night.
        credits_mode: what is done with a credit that is due: off, propose or apply.
        is_measured: there is a page about its data; nights that an older version took have none.
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
    evidence_of_first: Sequence[Evidence]
    runbook: str
    absent: Mapping[str, str]
    audit: str
    credits_mode: str
    is_measured: bool

    @property
    def lacks(self) -> Lacks:
        """What the night could not do."""
        return Lacks(self.snapshot.incomplete_because, self.absent)

    @property
    def deltas_in_window(self) -> pd.DataFrame:
        """`METER_EXTRAS_DELTAS` of the night's own weeks: every organization's."""
        return in_window(self.deltas, self.snapshot.weeks)

    @property
    def followed(self) -> int:
        """How many older weeks were looked at again for an open finding."""
        return len(self.deltas) - len(self.deltas_in_window)


def read_night(settings: Settings, night: str | None = None) -> ReportNight:
    """A stored night, the newest by default.

    Raises:
        SourceError: it is not stored, or in part only.
    """
    lake = Lake(settings.home)
    night, _ = lake.choose(NIGHTLY_REPORT, night)
    deltas, evidence = (lake.frame_or_empty(table, night) for table in (METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE))
    stored = read_findings(lake, night)
    findings = in_order_of_work(stored, verdicts(stored))
    earlier = [one for one in lake.nights(FINDINGS) if one < night]
    audit = AuditAnchorRecord.of(settings.home, night)
    return ReportNight(
        night=night,
        snapshot=SnapshotFactsRecord.require(settings.home, night),
        stripe=StripeReadingRecord.require(settings.home, night),
        deltas=deltas,
        evidence=evidence,
        findings=findings,
        verdict=verdicts(findings),
        previous=lake.require(FINDINGS, earlier[-1]).frame() if earlier else None,
        history=read_history(lake, night),
        evidence_of_first=evidence_of_first(settings, lake, night, findings, EVIDENCE),
        runbook=runbook_text(),
        audit=audit.anchor if audit else "none was told",
        absent=read_absent(lake, night),
        credits_mode=settings.credits.mode,
        is_measured=lake.stored(NIGHT_MEASURES, night) is not None,
    )


def read_findings(lake: Lake, night: str) -> pd.DataFrame:
    """`FINDINGS` of a stored night, with what was accepted since it was taken.

    Raises:
        SourceError: it is not stored.
    """
    stored = lake.require(FINDINGS, night).frame()
    return with_acceptances(stored, stored, AcceptanceLog(lake.home).read(), night)


def read_absent(lake: Lake, night: str) -> Mapping[str, str]:
    """The results that a stored night could not compute, with the reasons; none for a night before the record was."""
    record = ReconciliationRecord.of(lake.home, night)
    return {} if record is None else record.absent


def read_history(lake: Lake, night: str) -> pd.DataFrame:
    """``night``, ``name``, ``value`` of `NIGHTLY_REPORT` of a stored night and the nights before it, oldest first."""
    nights = [one for one in lake.nights(NIGHTLY_REPORT) if one <= night][-NIGHTS:]
    frames = [lake.require(NIGHTLY_REPORT, one).frame(["name", "value"]).assign(night=one) for one in nights]
    return pd.concat(frames, ignore_index=True)
