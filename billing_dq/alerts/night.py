"""A stored night as an occasion: its findings, and whether Stripe was read."""

from datetime import datetime

import pandas as pd

from billing_dq.alerts import matters
from billing_dq.alerts.desk import Occasion, steps_of
from billing_dq.report.night import read_absent, read_findings, read_undecided
from billing_dq.report.verdicts import verdicts
from billing_dq.report.words import headline
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import FINDINGS, NIGHTLY_REPORT


def occasion_of_night(settings: Settings, night: str) -> Occasion | None:
    """What a night has to tell; None where a later night is stored, which has told all there is.

    Raises:
        SourceError: the night is not stored.
    """
    lake = Lake(settings.home)
    if lake.nights(FINDINGS)[-1:] > [night]:
        return None
    findings = read_findings(lake, night)
    verdict = verdicts(findings, read_undecided(lake, night))
    stripe = StripeReadingRecord.require(settings.home, night)
    return Occasion(
        origin="night",
        about=f"night of {night}",
        matters=pd.concat([matters.of_findings(findings, verdict, night), _sources(stripe)], ignore_index=True),
        steps=steps_of(settings),
        lead=" ".join(headline(findings, verdict, stripe, night, read_absent(lake, night))),
        link=report_link(settings, night),
    )


def occasion_of_missing_nights(settings: Settings, now: datetime) -> Occasion:
    """Whether the nights that were due by now are concluded, and the newest was in time."""
    newest = next(iter(reversed(Lake(settings.home).nights(NIGHTLY_REPORT))), None)
    facts = None if newest is None else SnapshotFactsRecord.of(settings.home, newest)
    as_of = None if facts is None else facts.as_of
    found = matters.of_nights(now, settings.alerts.night_due, newest, as_of, settings.first_night)
    return Occasion("nights", "the nights", found)


def report_link(settings: Settings, night: str) -> str:
    """Where the report of a night is: where `billing-dq serve` answers, else its path."""
    base = settings.serve_url
    return f"{base}/nights/{night}" if base else str(Lake(settings.home).report_path(night))


def _sources(stripe: StripeReadingRecord) -> pd.DataFrame:
    failed = stripe.state == "failed"
    said = f"Stripe could not be read: {stripe.reason}"
    return matters.of_operations([matters.operation("source_unreadable", "Stripe", said)] if failed else [])
