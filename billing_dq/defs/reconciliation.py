"""The rules over the night's MongoDB tables. What grows with the ledger is walked by batches of organizations."""

import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import dagster as dg
import pandas as pd
from upath import UPath

from billing_dq.defs.inputs import stripe_tables, whole
from billing_dq.defs.metadata import Metadata, runbook, stored, table_asset, table_of, table_out
from billing_dq.policy import policy_of
from billing_dq.reconcile.findings.incidents import INCIDENT_COLUMNS, incidents
from billing_dq.reconcile.followed_weeks import in_window
from billing_dq.reconcile.inputs import QUOTA_COLUMNS, ApplicationTables, LargeTables
from billing_dq.reconcile.night import followed_meter_stage, ledger_stage, meter_stage, runaway_stage
from billing_dq.report.figures import deltas_summary, rows_of, week_picture, worst, worst_weeks
from billing_dq.settings import Settings
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.batches import UsageAndEntries, followed_batches, frames_by_batch, organization_batches
from billing_dq.storage.history import earlier_evidence
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.storage.stored_table import StoredTable, TableWriter
from billing_dq.tables import METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE
from billing_dq.weeks import NightWeeks

GROUP = "reconciliation"


def reconciliation_assets(nights: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets that need no reading of Stripe; the meter takes evidence from one where there is one."""

    @dg.multi_asset(
        name="meter_extras",
        partitions_def=nights,
        ins=whole("subscriptions", "extras_balances", "unreadable_keys", "followed_weeks"),
        outs={name: table_out(name) for name in (METER_EXTRAS_DELTAS.name, METER_EXTRAS_EVIDENCE.name)},
        group_name=GROUP,
    )
    def meter_extras(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        stripe_reading: StripeReadingRecord,
        weekly_usage: StoredTable,
        ledger_entries: StoredTable,
        followed_usage: StoredTable,
        followed_entries: StoredTable,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
        **frames: pd.DataFrame,
    ) -> Iterator[dg.Output]:
        """Compare what the meter says should have been debited with what was, for every organization and week."""
        key, weeks = context.partition_key, snapshot_facts.weeks
        ours, theirs = ApplicationTables(weeks, frames), stripe_tables(lake, key, stripe_reading)
        policy, earlier = policy_of(settings), earlier_evidence(lake, key, ours)
        window, older = UsageAndEntries(weekly_usage, ledger_entries), UsageAndEntries(followed_usage, followed_entries)
        results = chain(
            meter_stage(organization_batches(weekly_usage, ledger_entries), ours, theirs, policy, earlier),
            followed_meter_stage(followed_batches(window, older, ours.followed_weeks), ours, theirs, policy, earlier),
        )
        with tempfile.TemporaryDirectory(prefix="billing_dq_") as directory:
            deltas = StoredTable(METER_EXTRAS_DELTAS, UPath(Path(directory) / "deltas.parquet"))
            evidence = StoredTable(METER_EXTRAS_EVIDENCE, UPath(Path(directory) / "evidence.parquet"))
            with TableWriter(deltas.table, deltas.path) as rows, TableWriter(evidence.table, evidence.path) as proofs:
                for result in results:
                    rows.write(to_arrow(deltas.table, result.deltas))
                    proofs.write(to_arrow(evidence.table, result.evidence))
            shown: Metadata = {
                **stored(lake, key, deltas.table.name, deltas.rows),
                **_deltas_metadata(deltas, weeks, settings),
            }
            yield dg.Output(deltas, deltas.table.name, metadata=shown)
            proved: Metadata = {
                **stored(lake, key, evidence.table.name, evidence.rows),
                "incidents": table_of(rows_of(incidents(evidence.frame()), INCIDENT_COLUMNS)),
            }
            yield dg.Output(evidence, evidence.table.name, metadata=proved)

    @table_asset("runaway_balances", nights, GROUP, ins=whole("subscriptions", "extras_balances", "unreadable_keys"))
    def runaway(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        weekly_usage: StoredTable,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
        **frames: pd.DataFrame,
    ) -> dg.Output[pd.DataFrame]:
        """Find balances that fell below a multiple of the week's quota."""
        frame = runaway_stage(
            frames_by_batch(weekly_usage, QUOTA_COLUMNS),
            ApplicationTables(snapshot_facts.weeks, frames),
            policy_of(settings),
        )
        columns = ("organization_id", "rule", "cached_balance", "threshold_units", "meter_quota")
        return dg.Output(
            frame,
            metadata={
                **stored(lake, context.partition_key, "runaway_balances", len(frame)),
                "worst": table_of(worst(frame, "cached_balance", columns)),
                "units_below_zero": float(-frame["cached_balance"].sum()),
                "runbook": runbook(settings.runbook_url, "runaway_balance"),
            },
        )

    of_ledgers = whole("ledger_suspects", "extras_balances", "subscriptions", "unreadable_keys", "followed_weeks")

    @table_asset("ledger_violations", nights, GROUP, ins=of_ledgers)
    def ledger(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        stripe_reading: StripeReadingRecord,
        weekly_usage: StoredTable,
        ledger_entries: StoredTable,
        followed_usage: StoredTable,
        followed_entries: StoredTable,
        expiring_ledgers: StoredTable,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
        **frames: pd.DataFrame,
    ) -> dg.Output[pd.DataFrame]:
        """Hold every ledger to its rules: sums, references, signs, dates, expiry, settlements, size."""
        ours = ApplicationTables(snapshot_facts.weeks, frames)
        theirs = stripe_tables(lake, context.partition_key, stripe_reading)
        window, older = UsageAndEntries(weekly_usage, ledger_entries), UsageAndEntries(followed_usage, followed_entries)
        large = LargeTables(
            organization_batches(weekly_usage, ledger_entries),
            frames_by_batch(expiring_ledgers),
            followed_batches(window, older, ours.followed_weeks),
        )
        frame = ledger_stage(large, ours, theirs, policy_of(settings))
        return dg.Output(
            frame,
            metadata={
                **stored(lake, context.partition_key, "ledger_violations", len(frame)),
                "by_rule": dg.MetadataValue.json({str(k): int(v) for k, v in frame["rule"].value_counts().items()}),
                "worst": table_of(worst(frame, "units", ("organization_id", "rule", "units", "detail"))),
                "runbook": runbook(settings.runbook_url, "ledger_violation"),
            },
        )

    return [meter_extras, runaway, ledger]


def _deltas_metadata(deltas: StoredTable, weeks: NightWeeks, settings: Settings) -> Metadata:
    frame = deltas.frame()
    of_night = in_window(frame, weeks)
    return {
        **deltas_summary(of_night),
        "followed_weeks": len(frame) - len(of_night),
        "worst": table_of(worst_weeks(frame)),
        "weeks": dg.MetadataValue.md(week_picture(of_night) or "no weeks"),
        "runbook": runbook(settings.runbook_url, "meter_extras_divergence"),
    }
