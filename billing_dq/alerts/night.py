"""The alerts of a stored night: its findings, and whether its sources were read."""

from datetime import datetime

import pandas as pd

from billing_dq.alerts.current_alerts import of_findings, of_nights, operation
from billing_dq.alerts.notifier import AlertBatch, steps_of
from billing_dq.reconcile.findings.standing import verdicts
from billing_dq.report.night import Lacks, read_absent, read_findings
from billing_dq.report.words import headline
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import ALERTS, FINDINGS, NIGHTLY_REPORT


def alerts_of_night(settings: Settings, night: str) -> AlertBatch | None:
    """The alerts of a night; None where a later night is stored, which has all that is still open.

    Raises:
        SourceError: the night is not stored.
    """
    lake, base = Lake(settings.home), settings.serve_url
    if lake.nights(FINDINGS)[-1:] > [night]:
        return None
    findings = read_findings(lake, night)
    verdict = verdicts(findings)
    stripe = StripeReadingRecord.require(settings.home, night)
    snapshot = SnapshotFactsRecord.require(settings.home, night)
    return AlertBatch(
        origin="night",
        topic=f"night of {night}",
        alerts=pd.concat([of_findings(findings, verdict, night), _sources(stripe, snapshot)], ignore_index=True),
        steps=steps_of(settings),
        lead=" ".join(
            headline(findings, verdict, stripe, night, Lacks(snapshot.incomplete_because, read_absent(lake, night)))
        ),
        link=f"{base}/nights/{night}" if base else str(lake.report_path(night)),
    )


def alerts_of_missing_nights(settings: Settings, instant: datetime) -> AlertBatch:
    """Whether the nights that were due by now are concluded, and the newest was in time."""
    newest = next(reversed(Lake(settings.home).nights(NIGHTLY_REPORT)), None)
    facts = SnapshotFactsRecord.of(settings.home, newest) if newest else None
    due, as_of = settings.alerts.night_due, facts.as_of if facts else None
    return AlertBatch("nights", "the nights", of_nights(instant, due, newest, as_of, settings.first_night))


def _sources(stripe: StripeReadingRecord, snapshot: SnapshotFactsRecord) -> pd.DataFrame:
    if snapshot.incomplete_because and not snapshot.not_read:
        sentence = f"The night is not to be trusted: {snapshot.incomplete_because}"
        rows = [operation("too_little_examined", "MongoDB", sentence, severity="critical")]
    elif snapshot.incomplete_because:  # Stripe was not asked then
        sentence = f"MongoDB was not read to its end: {snapshot.incomplete_because}"
        rows = [operation("source_unreadable", "MongoDB", sentence)]
    elif stripe.state == "failed":
        rows = [operation("source_unreadable", "Stripe", f"Stripe could not be read: {stripe.reason}")]
    else:
        rows = []
    return ALERTS.from_rows(rows)
