"""The rules over the night's MongoDB tables. What grows with the ledger is walked by batches of organizations."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
from upath import UPath

from billing_dq.defs.metadata import Metadata, runbook, stored, table_asset, table_of, table_out
from billing_dq.reconcile.findings.incidents import INCIDENT_COLUMNS, incidents
from billing_dq.reconcile.ledger.balances import runaway_balances
from billing_dq.reconcile.ledger.document_size import document_size_violations
from billing_dq.reconcile.ledger.expiry import expiry_violations
from billing_dq.reconcile.ledger.settlements import settlement_violations
from billing_dq.reconcile.ledger.violations import one_violation_each, whole_ledger_violations
from billing_dq.reconcile.meter.meter_extras import MeterContext, reconcile_meter, unreadable_elsewhere
from billing_dq.report.figures import deltas_summary, rows_of, week_picture, worst, worst_weeks
from billing_dq.settings import Settings
from billing_dq.storage.history import earlier_quotas
from billing_dq.storage.lake import (
    Lake,
    StoredTable,
    TableWriter,
    explode_keys,
    merge_by_organization,
    to_arrow,
    to_pandas,
)
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.tables import LEDGER_ENTRIES, METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE, WEEKLY_USAGE

GROUP = "reconciliation"


def reconciliation_assets(nights: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets that need MongoDB only."""

    @dg.multi_asset(
        name="meter_extras",
        partitions_def=nights,
        outs={name: table_out(name) for name in (METER_EXTRAS_DELTAS.name, METER_EXTRAS_EVIDENCE.name)},
        group_name=GROUP,
    )
    def meter_extras(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        weekly_usage: StoredTable,
        ledger_entries: StoredTable,
        subscriptions: pd.DataFrame,
        extras_balances: pd.DataFrame,
        unreadable_keys: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> Iterator[dg.Output]:
        """Compare what the meter says should have been debited with what was, for every organization and week."""
        key = context.partition_key
        rules = MeterContext(
            night=snapshot_facts.weeks,
            tolerance=settings.meter_tolerance,
            quota_of_plan=settings.quota_of_plan,
            subscriptions=subscriptions,
            balances=extras_balances,
            unreadable=unreadable_keys,
            earlier_quotas=earlier_quotas(lake, key, snapshot_facts.weeks.keys),
        )
        with tempfile.TemporaryDirectory(prefix="billing_dq_") as directory:
            deltas = StoredTable(METER_EXTRAS_DELTAS, UPath(Path(directory) / "deltas.parquet"))
            evidence = StoredTable(METER_EXTRAS_EVIDENCE, UPath(Path(directory) / "evidence.parquet"))
            with TableWriter(deltas.table, deltas.path) as rows, TableWriter(evidence.table, evidence.path) as proofs:
                in_batches: set[str] = set()
                for usage, entries in merge_by_organization(weekly_usage, ledger_entries):
                    for side in (usage, entries):
                        in_batches.update(side.column("organization_id").to_pylist())
                    result = reconcile_meter(
                        to_pandas(WEEKLY_USAGE, usage.drop_columns(["attribution_keys"])),
                        explode_keys(usage),
                        to_pandas(LEDGER_ENTRIES, entries),
                        rules,
                    )
                    rows.write(to_arrow(deltas.table, result.deltas))
                    proofs.write(to_arrow(evidence.table, result.evidence))
                rows.write(to_arrow(deltas.table, unreadable_elsewhere(in_batches, rules)))
            shown: Metadata = {
                **stored(lake, key, deltas.table.name, deltas.rows),
                **_deltas_metadata(deltas, settings),
            }
            yield dg.Output(deltas, deltas.table.name, metadata=shown)
            proved: Metadata = {
                **stored(lake, key, evidence.table.name, evidence.rows),
                "incidents": table_of(rows_of(incidents(evidence.frame()), INCIDENT_COLUMNS)),
            }
            yield dg.Output(evidence, evidence.table.name, metadata=proved)

    @table_asset("runaway_balances", nights, GROUP)
    def runaway(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        weekly_usage: StoredTable,
        subscriptions: pd.DataFrame,
        extras_balances: pd.DataFrame,
        unreadable_keys: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> dg.Output[pd.DataFrame]:
        """Find balances that fell below a multiple of the week's quota."""
        frame = runaway_balances(
            extras_balances,
            weekly_usage.frame(["organization_id", "week_key", "meter_used", "meter_quota"]),
            subscriptions,
            snapshot_facts.weeks.keys[-1],
            settings.quota_of_plan,
            settings.runaway.quota_multiple,
            settings.runaway.floor_units,
            unreadable_keys,
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

    @table_asset("ledger_violations", nights, GROUP)
    def ledger(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        weekly_usage: StoredTable,
        ledger_entries: StoredTable,
        expiring_ledgers: StoredTable,
        ledger_suspects: pd.DataFrame,
        extras_balances: pd.DataFrame,
        unreadable_keys: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> dg.Output[pd.DataFrame]:
        """Hold every ledger to its rules: sums, references, signs, dates, expiry, settlements, size."""
        weeks = snapshot_facts.weeks
        found = [whole_ledger_violations(extras_balances, ledger_suspects, unreadable_keys)]
        for batch in expiring_ledgers.batches():
            found.append(expiry_violations(to_pandas(expiring_ledgers.table, batch), snapshot_facts.as_of))
        counts: list[pd.DataFrame] = []
        for usage, entries in merge_by_organization(weekly_usage, ledger_entries):
            frame = to_pandas(LEDGER_ENTRIES, entries)
            found.append(
                settlement_violations(
                    to_pandas(WEEKLY_USAGE, usage.drop_columns(["attribution_keys"])),
                    explode_keys(usage),
                    frame,
                    weeks,
                    unreadable_keys,
                )
            )
            counts.append(frame.groupby("organization_id", as_index=False).agg(entries=("entry_id", "size")))
        in_window = (
            pd.concat(counts, ignore_index=True) if counts else pd.DataFrame({"organization_id": [], "entries": []})
        )
        found.append(document_size_violations(extras_balances, in_window, weeks.weeks_of_entries))
        frame = one_violation_each(found)
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


def _deltas_metadata(deltas: StoredTable, settings: Settings) -> Metadata:
    frame = deltas.frame()
    return {
        **deltas_summary(frame),
        "worst": table_of(worst_weeks(frame)),
        "weeks": dg.MetadataValue.md(week_picture(frame) or "no weeks"),
        "runbook": runbook(settings.runbook_url, "meter_extras_divergence"),
    }
