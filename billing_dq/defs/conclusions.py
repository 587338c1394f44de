"""What the night concludes: the comparison with Stripe, the findings with their life, the headline figures.

One step for the comparison and the findings: without a reading of Stripe, `subscription_drift` and `dispute_positions`
do not exist that night, and the findings are made all the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pandas as pd

from billing_dq.defs.metadata import runbook, stored, table_asset, table_of, table_out
from billing_dq.defs.stripe import TABLES as STRIPE_TABLES
from billing_dq.policy import rules_of
from billing_dq.reconcile.disputes.positions import PositionResult
from billing_dq.reconcile.findings.ageing import findings_of_night, seen_open
from billing_dq.reconcile.findings.cumulative_drift import cumulative_drift
from billing_dq.reconcile.findings.night_findings import FindingInputs
from billing_dq.reconcile.ledger.balances import orphan_balances
from billing_dq.reconcile.night import compare_with_stripe
from billing_dq.reconcile.subscriptions.markers import stale_past_due
from billing_dq.report.figures import findings_by_kind, headlines, rows_of, trend_picture, worst_findings
from billing_dq.settings import Settings
from billing_dq.storage.history import closed_weeks, findings_before
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import DISPUTE_POSITIONS, FINDINGS, NIGHTLY_REPORT, SUBSCRIPTION_DRIFT, TABLES

GROUP = "conclusions"


@dataclass(frozen=True)
class _Compared:
    """The comparison with Stripe; None where Stripe was not read."""

    drift: pd.DataFrame | None = None
    disputes: PositionResult | None = None
    quarantined: pd.DataFrame | None = None


def conclusion_assets(nights: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets that people read first."""
    subscriptions_key, unreadable_key = dg.AssetKey("subscriptions"), dg.AssetKey("unreadable_keys")
    facts_key, stripe_key = dg.AssetKey(SnapshotFactsRecord.name), dg.AssetKey(StripeReadingRecord.name)
    compared = {subscriptions_key, unreadable_key, facts_key, stripe_key}
    of_disputes = {
        dg.AssetKey(name) for name in ("dispute_entries", "pack_purchases", "organizations", "extras_balances")
    }
    of_findings = {
        dg.AssetKey(name)
        for name in (
            "meter_extras_deltas",
            "meter_extras_evidence",
            "runaway_balances",
            "ledger_violations",
            "dead_lettered_events",
            "quarantined_documents",
            "organizations",
            "extras_balances",
            SUBSCRIPTION_DRIFT.name,
            DISPUTE_POSITIONS.name,
        )
    }

    @dg.multi_asset(
        name="conclusions",
        partitions_def=nights,
        outs={
            SUBSCRIPTION_DRIFT.name: table_out(SUBSCRIPTION_DRIFT.name, required=False),
            DISPUTE_POSITIONS.name: table_out(DISPUTE_POSITIONS.name, required=False),
            FINDINGS.name: table_out(FINDINGS.name),
        },
        internal_asset_deps={
            SUBSCRIPTION_DRIFT.name: compared,
            DISPUTE_POSITIONS.name: compared | of_disputes,
            FINDINGS.name: compared | of_findings,
        },
        group_name=GROUP,
    )
    def conclusions(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        stripe_reading: StripeReadingRecord,
        organizations: pd.DataFrame,
        subscriptions: pd.DataFrame,
        extras_balances: pd.DataFrame,
        unreadable_keys: pd.DataFrame,
        dispute_entries: pd.DataFrame,
        pack_purchases: pd.DataFrame,
        dead_lettered_events: pd.DataFrame,
        quarantined_documents: pd.DataFrame,
        meter_extras_deltas: pd.DataFrame,
        meter_extras_evidence: pd.DataFrame,
        runaway_balances: pd.DataFrame,
        ledger_violations: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> Iterator[dg.Output]:
        """Compare with Stripe where it was read, then turn every result into findings and give them their life."""
        key, weeks = context.partition_key, snapshot_facts.weeks
        for table in (SUBSCRIPTION_DRIFT, DISPUTE_POSITIONS):  # what a replaced reading left behind
            lake.remove(table, key)
        against_stripe = _Compared()
        stale = stale_past_due(subscriptions, unreadable_keys)
        if stripe_reading.state == "read":
            theirs = {name: _stored_frame(lake, key, name) for name in STRIPE_TABLES}
            ours = {
                "organizations": organizations,
                "subscriptions": subscriptions,
                "extras_balances": extras_balances,
                "dispute_entries": dispute_entries,
                "pack_purchases": pack_purchases,
                "unreadable_keys": unreadable_keys,
            }
            drift, disputes = compare_with_stripe(
                ours, theirs, bool(stripe_reading.livemode), rules_of(settings, weeks)
            )
            against_stripe = _Compared(drift, disputes, theirs["quarantined_stripe_objects"])
            yield from _comparison(against_stripe, stale, settings, lake, key)
        inputs = FindingInputs(
            deltas=meter_extras_deltas,
            evidence=meter_extras_evidence,
            drift=cumulative_drift(closed_weeks(lake, key, meter_extras_deltas), settings.meter_tolerance),
            runaway=runaway_balances,
            orphans=orphan_balances(extras_balances, organizations, subscriptions, unreadable_keys),
            violations=ledger_violations,
            balances=extras_balances,
            subscription_drift=against_stripe.drift,
            subscriptions=subscriptions,
            pending_minutes=settings.stripe_pending_minutes,
            invoices_not_read=frozenset(stripe_reading.invoices_not_read),
            stale_past_due=stale,
            disputes=against_stripe.disputes.findings if against_stripe.disputes else None,
            dispute_positions=against_stripe.disputes.positions if against_stripe.disputes else None,
            dead_lettered=dead_lettered_events,
            quarantined=quarantined_documents,
            quarantined_stripe=against_stripe.quarantined,
            unreadable=unreadable_keys,
        )
        findings = findings_of_night(
            inputs,
            findings_before(lake, key),
            key,
            weeks,
            settings.dollars_to_units,
            settings.runbook_url,
        )
        seen = seen_open(findings, key)
        yield dg.Output(
            findings,
            FINDINGS.name,
            metadata={
                **stored(lake, key, FINDINGS.name, len(findings)),
                "open": len(seen),
                "resolved": int((findings["state"] == "resolved").sum()),
                "by_kind": table_of(findings_by_kind(seen)),
                "worst": table_of(worst_findings(seen)),
                "runbook": settings.runbook_url,
            },
        )

    @table_asset(NIGHTLY_REPORT.name, nights, GROUP)
    def nightly_report(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        stripe_reading: StripeReadingRecord,
        meter_extras_deltas: pd.DataFrame,
        findings: pd.DataFrame,
        lake: dg.ResourceParam[Lake],
    ) -> dg.Output[pd.DataFrame]:
        """Put the night in figures, and beside the nights before it."""
        key = context.partition_key
        seen = seen_open(findings, key)
        tables = {name: lake.stored(table, key) for name, table in TABLES.items() if name != NIGHTLY_REPORT.name}
        rows = {name: table.rows for name, table in tables.items() if table is not None}
        resolved = int((findings["state"] == "resolved").sum())
        report = headlines(snapshot_facts, stripe_reading, rows, meter_extras_deltas, seen, resolved)
        return dg.Output(
            report,
            metadata={
                **stored(lake, key, NIGHTLY_REPORT.name, len(report)),
                "figures": table_of(rows_of(report, ("name", "value", "unit"))),
                "trend": dg.MetadataValue.md(_trend(lake, key, seen)),
            },
        )

    return [conclusions, nightly_report]


def _stored_frame(lake: Lake, night: str, name: str) -> pd.DataFrame:
    stored_table = lake.stored(TABLES[name], night)
    if stored_table is None:
        raise dg.Failure(f"{name} of {night} is gone from {lake.root}, though stripe_reading says that it was read")
    return stored_table.frame()


def _comparison(
    compared: _Compared, stale: pd.DataFrame, settings: Settings, lake: Lake, night: str
) -> Iterator[dg.Output]:
    if compared.drift is None or compared.disputes is None:
        return
    drift = SUBSCRIPTION_DRIFT.conform(pd.concat([compared.drift, stale], ignore_index=True))
    positions = compared.disputes.positions
    yield dg.Output(
        drift,
        SUBSCRIPTION_DRIFT.name,
        metadata={
            **stored(lake, night, SUBSCRIPTION_DRIFT.name, len(drift)),
            "by_kind": dg.MetadataValue.json({str(k): int(v) for k, v in drift["kind"].value_counts().items()}),
            "drift": table_of(rows_of(drift.head(20), SUBSCRIPTION_DRIFT.column_names)),
            "runbook": runbook(settings.runbook_url, "subscription_status"),
        },
    )
    shown = (
        "dispute_id",
        "organization_id",
        "status",
        "fraction",
        "clawed_back_units",
        "due_units",
        "decision",
        "reason",
    )
    yield dg.Output(
        positions,
        DISPUTE_POSITIONS.name,
        metadata={
            **stored(lake, night, DISPUTE_POSITIONS.name, len(positions)),
            "by_decision": dg.MetadataValue.json(
                {str(k): int(v) for k, v in positions["decision"].value_counts().items()}
            ),
            "due_units": float(positions["due_units"].sum()),
            "positions": table_of(rows_of(positions.sort_values("due_units", ascending=False).head(20), shown)),
            "runbook": runbook(settings.runbook_url, "dispute_credit_due"),
        },
    )


def _trend(lake: Lake, night: str, seen: pd.DataFrame) -> str:
    errors: dict[str, int] = {}
    warnings: dict[str, int] = {}
    for earlier in [stored_night for stored_night in lake.nights(FINDINGS) if stored_night < night][-29:]:
        stored_table = lake.stored(FINDINGS, earlier)
        if stored_table is not None:
            errors[earlier], warnings[earlier] = _severe(seen_open(stored_table.frame(), earlier))
    errors[night], warnings[night] = _severe(seen)
    return trend_picture(list(errors), list(errors.values()), list(warnings.values()))


def _severe(findings: pd.DataFrame) -> tuple[int, int]:
    severity = findings["severity"]
    return int(severity.isin(["error", "critical"]).sum()), int((severity == "warning").sum())
