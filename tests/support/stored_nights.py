"""Nights of the sample as a nightly run stores them, made by the pure rules: no server, no Dagster."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
from upath import UPath

from billing_dq.policy import policy_of
from billing_dq.reconcile.findings.standing import seen_open
from billing_dq.reconcile.inputs import Earlier, StripeTables
from billing_dq.reconcile.night import NightResult, reconcile_night
from billing_dq.report.figures import headlines
from billing_dq.report.night import read_night
from billing_dq.report.storing import store_report
from billing_dq.settings import Settings
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.records import CollectionCounts, SnapshotFactsRecord, StripeReadingRecord
from billing_dq.storage.stored_table import TableWriter
from billing_dq.tables import TABLES
from billing_dq_simulation import local_stripe
from tests.support.pure_night import SAMPLE_STRIPE, application_tables, sample_settings, stripe_tables
from tests.support.sample_faults import AS_OF, Documents, balance, quiet_debits
from tests.support.snapshot_facts import snapshot_facts

NIGHTS = ("2026-11-21", "2026-11-22")


def store(home: Path, table: str, night: str, frame: pd.DataFrame) -> None:
    """A table of a night."""
    path = home / "lake" / table / f"{night}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    with TableWriter(TABLES[table], UPath(path)) as writer:
        writer.write(to_arrow(TABLES[table], frame))


def store_record(home: Path, record: SnapshotFactsRecord | StripeReadingRecord, night: str) -> None:
    """A record of a night."""
    path = record.path(str(home), night)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.model_dump_json(), encoding="utf-8")


def store_sample(home: Path, documents: Documents) -> str:
    """Two nights: the sample as it is, and the sample after two of its debits were lost.

    Returns:
        An organization that lost one in 2026-W46.
    """
    theirs = stripe_tables(local_stripe.load(SAMPLE_STRIPE), AS_OF)
    settings = sample_settings(home=str(home))
    first = _store_night(settings, documents, theirs, AS_OF, Earlier())
    lost = [quiet_debits(documents, quota=quota)[0] for quota in (False, True)]
    for organization, entry in lost:
        ledger = balance(documents, organization)
        ledger["ledger"].remove(entry)
        ledger["cachedBalance"] -= entry["amount"]
    _store_night(settings, documents, theirs, AS_OF + timedelta(days=1), Earlier(findings=first.findings))
    return str(lost[0][0])


def _store_night(
    settings: Settings, documents: Documents, theirs: StripeTables, as_of: datetime, earlier: Earlier
) -> NightResult:
    ours = application_tables(documents, as_of)
    result = reconcile_night(ours, theirs, policy_of(settings), earlier)
    facts = _snapshot(as_of, {name: len(rows) for name, rows in documents.items()})
    stripe = StripeReadingRecord(state="read", reason="", livemode=True, requests={"disputes": 1}, invoices_not_read=())
    store_night(settings, facts, stripe, {**ours.frames, **theirs.frames}, result)
    store_report(settings, read_night(settings, as_of.date().isoformat()))
    return result


def store_night(
    settings: Settings,
    facts: SnapshotFactsRecord,
    stripe: StripeReadingRecord,
    sources: Mapping[str, pd.DataFrame],
    result: NightResult,
) -> None:
    """Everything that a nightly run stores of a night but what Dagster adds."""
    night, home = facts.as_of.date().isoformat(), Path(settings.home)
    tables = {**sources, **result_tables(result)}
    for name, frame in tables.items():
        store(home, name, night, frame)
    store_record(home, facts, night)
    store_record(home, stripe, night)
    rows = {name: len(frame) for name, frame in tables.items()}
    resolved = int((result.findings["state"] == "resolved").sum())
    figures = headlines(facts, stripe, rows, result.meter.deltas, seen_open(result.findings, night), resolved)
    store(home, "nightly_report", night, figures)


def result_tables(result: NightResult) -> dict[str, pd.DataFrame]:
    """The result tables of a night by name; those that compare with Stripe are absent where it was not read."""
    tables = {
        "meter_extras_deltas": result.meter.deltas,
        "meter_extras_evidence": result.meter.evidence,
        "runaway_balances": result.runaway,
        "ledger_violations": result.violations,
        "subscription_drift": result.drift,
        "dispute_positions": None if result.disputes is None else result.disputes.positions,
        "findings": result.findings,
    }
    return {name: frame for name, frame in tables.items() if frame is not None}


def _snapshot(as_of: datetime, counted: Mapping[str, int]) -> SnapshotFactsRecord:
    return snapshot_facts(
        as_of,
        counts={
            name: CollectionCounts(counted=count, read=count, quarantined=0, out_of_scope=0)
            for name, count in counted.items()
        },
    )
