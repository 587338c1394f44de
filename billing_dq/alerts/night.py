"""The alerts of a stored night: its findings, and whether its sources were read."""

from datetime import datetime

import pandas as pd

from billing_dq.alerts import current_alerts
from billing_dq.alerts.notifier import AlertBatch, steps_of
from billing_dq.report.night import Lacks, read_absent, read_findings, read_undecided
from billing_dq.report.verdicts import verdicts
from billing_dq.report.words import headline
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import FINDINGS, NIGHTLY_REPORT


def alerts_of_night(settings: Settings, night: str) -> AlertBatch | None:
    """The alerts of a night; None where a later night is stored, which has all that is still open.

    Raises:
        SourceError: the night is not stored.
    """
    lake = Lake(settings.home)
    if lake.nights(FINDINGS)[-1:] > [night]:
        return None
    findings = read_findings(lake, night)
    verdict = verdicts(findings, read_undecided(lake, night))
    stripe = StripeReadingRecord.require(settings.home, night)
    snapshot = SnapshotFactsRecord.require(settings.home, night)
    return AlertBatch(
        origin="night",
        about=f"night of {night}",
        alerts=pd.concat(
            [current_alerts.of_findings(findings, verdict, night), _sources(stripe, snapshot)], ignore_index=True
        ),
        steps=steps_of(settings),
        lead=" ".join(
            headline(findings, verdict, stripe, night, Lacks(snapshot.incomplete_because, read_absent(lake, night)))
        ),
        link=report_link(settings, night),
    )


def alerts_of_missing_nights(settings: Settings, now: datetime) -> AlertBatch:
    """Whether the nights that were due by now are concluded, and the newest was in time."""
    newest = next(iter(reversed(Lake(settings.home).nights(NIGHTLY_REPORT))), None)
    facts = None if newest is None else SnapshotFactsRecord.of(settings.home, newest)
    as_of = None if facts is None else facts.as_of
    alerts = current_alerts.of_nights(now, settings.alerts.night_due, newest, as_of, settings.first_night)
    return AlertBatch("nights", "the nights", alerts)


def report_link(settings: Settings, night: str) -> str:
    """Where the report of a night is: where `billing-dq serve` answers, else its path."""
    base = settings.serve_url
    return f"{base}/nights/{night}" if base else str(Lake(settings.home).report_path(night))


def _sources(stripe: StripeReadingRecord, snapshot: SnapshotFactsRecord) -> pd.DataFrame:
    if snapshot.incomplete_because and not snapshot.not_read:
        sentence = f"The night is not to be trusted: {snapshot.incomplete_because}"
        alert = current_alerts.operation("too_little_examined", "MongoDB", sentence, severity="critical")
        return current_alerts.of_operations([alert])
    if snapshot.incomplete_because:  # Stripe was not asked then
        sentence = f"MongoDB was not read to its end: {snapshot.incomplete_because}"
        return current_alerts.of_operations([current_alerts.operation("source_unreadable", "MongoDB", sentence)])
    if stripe.state != "failed":
        return current_alerts.of_operations([])
    sentence = f"Stripe could not be read: {stripe.reason}"
    return current_alerts.of_operations([current_alerts.operation("source_unreadable", "Stripe", sentence)])
