"""What the night concludes: the comparison with Stripe, the findings with their ageing, the headline figures.

One step for the comparison and the findings: without a reading of Stripe, `subscription_drift` and `dispute_positions`
do not exist that night, and the findings are made all the same.
"""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from billing_dq.defs.inputs import stripe_tables, whole
from billing_dq.defs.manifest import MANIFEST
from billing_dq.defs.metadata import runbook, stored, table_asset, table_of, table_out
from billing_dq.policy import policy_of
from billing_dq.reconcile.findings.acceptance import is_accepted
from billing_dq.reconcile.findings.ageing import seen_open
from billing_dq.reconcile.inputs import ApplicationTables
from billing_dq.reconcile.meter.meter_extras import MeterResult
from billing_dq.reconcile.night import NightResults, drift_table, findings_stage, stripe_stage
from billing_dq.report.figures import findings_by_kind, headlines, rows_of, trend_picture, worst_findings
from billing_dq.report.night import read_night
from billing_dq.report.verdicts import verdicts
from billing_dq.report.words import headline
from billing_dq.settings import Settings
from billing_dq.storage.history import earlier_than
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import (
    DEAD_LETTERED_EVENTS,
    DISPUTE_ENTRIES,
    DISPUTE_POSITIONS,
    EXTRAS_BALANCES,
    FINDINGS,
    LEDGER_VIOLATIONS,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    NIGHTLY_REPORT,
    ORGANIZATIONS,
    PACK_PURCHASES,
    QUARANTINED_DOCUMENTS,
    REFUND_ENTRIES,
    RUNAWAY_BALANCES,
    SUBSCRIPTION_DRIFT,
    SUBSCRIPTIONS,
    TABLES,
    UNREADABLE_KEYS,
    Table,
)

GROUP = "conclusions"
PAGE = "report"


#: What each output rests on; the whole step is given all of it.
_COMPARED = (SUBSCRIPTIONS, UNREADABLE_KEYS)
_OF_DISPUTES = (DISPUTE_ENTRIES, PACK_PURCHASES, ORGANIZATIONS, EXTRAS_BALANCES)
_OF_PAYMENTS = (PACK_PURCHASES, REFUND_ENTRIES)
_RESULTS = (METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE, RUNAWAY_BALANCES, LEDGER_VIOLATIONS)
_OF_FINDINGS = (*_RESULTS, *_OF_PAYMENTS, DEAD_LETTERED_EVENTS, QUARANTINED_DOCUMENTS, ORGANIZATIONS, EXTRAS_BALANCES)


def conclusion_assets(nights: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets that people read first."""
    records = {dg.AssetKey(SnapshotFactsRecord.name), dg.AssetKey(StripeReadingRecord.name)}
    compared = records | _keys(*_COMPARED)

    @dg.multi_asset(
        name="conclusions",
        partitions_def=nights,
        ins=whole(*dict.fromkeys(table.name for table in (*_COMPARED, *_OF_DISPUTES, *_OF_FINDINGS))),
        outs={
            SUBSCRIPTION_DRIFT.name: table_out(SUBSCRIPTION_DRIFT.name, required=False),
            DISPUTE_POSITIONS.name: table_out(DISPUTE_POSITIONS.name, required=False),
            FINDINGS.name: table_out(FINDINGS.name),
        },
        internal_asset_deps={
            SUBSCRIPTION_DRIFT.name: compared,
            DISPUTE_POSITIONS.name: compared | _keys(*_OF_DISPUTES),
            FINDINGS.name: compared | _keys(*_OF_FINDINGS, SUBSCRIPTION_DRIFT, DISPUTE_POSITIONS),
        },
        group_name=GROUP,
    )
    def conclusions(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        stripe_reading: StripeReadingRecord,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
        **frames: pd.DataFrame,
    ) -> Iterator[dg.Output]:
        """Compare with Stripe where it was read, then turn every result into findings with their state."""
        key, weeks, policy = context.partition_key, snapshot_facts.weeks, policy_of(settings)
        for table in (SUBSCRIPTION_DRIFT, DISPUTE_POSITIONS):  # what a replaced reading left behind
            lake.remove(table, key)
        ours, theirs = ApplicationTables(weeks, frames), stripe_tables(lake, key, stripe_reading)
        results = NightResults(
            meter=MeterResult(frames[METER_EXTRAS_DELTAS.name], frames[METER_EXTRAS_EVIDENCE.name]),
            runaway=frames[RUNAWAY_BALANCES.name],
            violations=frames[LEDGER_VIOLATIONS.name],
            comparison=None if theirs is None else stripe_stage(ours, theirs, policy),
        )
        if results.comparison is not None:
            yield _drift(drift_table(results.comparison, ours, policy), settings, lake, key)
            yield _positions(results.comparison.disputes.positions, settings, lake, key)
        findings = findings_stage(results, ours, theirs, policy, earlier_than(lake, key, weeks))
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
        night_lock: dg.ResourceParam[None],
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
                "in_one_sentence": " ".join(headline(seen, verdicts(seen, meter_extras_deltas), stripe_reading, key)),
                "page": dg.MetadataValue.path(str(lake.report_path(key))),
                **stored(lake, key, NIGHTLY_REPORT.name, len(report)),
                "figures": table_of(rows_of(report, ("name", "value", "unit"))),
                "trend": dg.MetadataValue.md(_trend(lake, key, seen)),
            },
        )

    @dg.asset(
        name=PAGE,
        partitions_def=nights,
        group_name=GROUP,
        deps=[MANIFEST, NIGHTLY_REPORT.name, FINDINGS.name, METER_EXTRAS_DELTAS.name, METER_EXTRAS_EVIDENCE.name],
        kinds={"html", "markdown"},
        description="The night as one page for people, and as Markdown for a ticket.",
    )
    def page(
        context: dg.AssetExecutionContext, night_lock: dg.ResourceParam[None], settings: dg.ResourceParam[Settings]
    ) -> dg.MaterializeResult:
        """Write the report from the stored tables: a step of its own, so that they stand whatever becomes of it."""
        from billing_dq.report.storing import store_report  # Altair costs a second

        told = read_night(settings, context.partition_key)
        path = store_report(settings, told)
        verdict, sentence = headline(told.findings, told.verdict, told.stripe, told.night)
        return dg.MaterializeResult(
            metadata={
                "in_one_sentence": f"{verdict} {sentence}",
                "page": dg.MetadataValue.path(str(path)),
                "open_it": f"billing-dq report {told.night} --open",
            }
        )

    return [conclusions, nightly_report, page]


def _keys(*tables: Table) -> set[dg.AssetKey]:
    return {dg.AssetKey(table.name) for table in tables}


def _drift(drift: pd.DataFrame, settings: Settings, lake: Lake, night: str) -> dg.Output[pd.DataFrame]:
    return dg.Output(
        drift,
        SUBSCRIPTION_DRIFT.name,
        metadata={
            **stored(lake, night, SUBSCRIPTION_DRIFT.name, len(drift)),
            "by_kind": dg.MetadataValue.json({str(k): int(v) for k, v in drift["kind"].value_counts().items()}),
            "drift": table_of(rows_of(drift.head(20), SUBSCRIPTION_DRIFT.column_names)),
            "runbook": runbook(settings.runbook_url, "subscription_status"),
        },
    )


def _positions(positions: pd.DataFrame, settings: Settings, lake: Lake, night: str) -> dg.Output[pd.DataFrame]:
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
    return dg.Output(
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
    severity = findings.loc[~is_accepted(findings), "severity"]
    return int(severity.isin(["error", "critical"]).sum()), int((severity == "warning").sum())
