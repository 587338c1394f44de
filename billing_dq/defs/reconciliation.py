"""The rules over the night's MongoDB tables. What grows with the ledger is walked by batches of organizations.

A result that rests on a table which breaks a critical expectation is not computed, and absent. `reconciliation` is
always there and says which results are absent and why, and what concludes the night hangs on it: so everything else is
found and told all the same.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pandas as pd
from upath import UPath

from billing_dq.defs.inputs import stripe_tables, whole
from billing_dq.defs.metadata import Metadata, runbook, stored, table_of, table_out
from billing_dq.policy import policy_of
from billing_dq.reconcile.findings.incidents import INCIDENT_COLUMNS, incidents
from billing_dq.reconcile.inputs import QUOTA_COLUMNS, ApplicationTables, LargeTables
from billing_dq.reconcile.night import ledger_stage, meter_stage, runaway_stage
from billing_dq.reconcile.soundness import RESTS_ON, stopped_by
from billing_dq.report.figures import deltas_summary, rows_of, week_picture, worst, worst_weeks
from billing_dq.settings import Settings
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.batches import frames_by_batch, organization_batches
from billing_dq.storage.history import earlier_evidence
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import (
    ReconciliationRecord,
    SnapshotFactsRecord,
    SoundTablesRecord,
    StripeReadingRecord,
)
from billing_dq.storage.stored_table import StoredTable, TableWriter
from billing_dq.tables import (
    LEDGER_VIOLATIONS,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    RUNAWAY_BALANCES,
    Table,
)
from billing_dq.vocabulary.kinds import Result
from billing_dq.weeks import NightWeeks

GROUP = "reconciliation"


@dataclass(frozen=True)
class _Night:
    """What the rules of a night are given."""

    key: str
    weeks: NightWeeks
    stripe: StripeReadingRecord
    weekly_usage: StoredTable
    ledger_entries: StoredTable
    expiring_ledgers: StoredTable
    frames: Mapping[str, pd.DataFrame]
    settings: Settings
    lake: Lake

    @property
    def ours(self) -> ApplicationTables:
        """The tables that are held whole."""
        return ApplicationTables(self.weeks, self.frames)


def reconciliation_assets(nights: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets that need no reading of Stripe; the meter takes evidence from one where there is one."""
    frames = ("subscriptions", "extras_balances", "ledger_suspects", "unreadable_keys")
    records = {dg.AssetKey(record.name) for record in (SnapshotFactsRecord, StripeReadingRecord, SoundTablesRecord)}
    rests_on = {table.name: records | _keys(*RESTS_ON[result]) for result, tables in _RESULTS for table in tables}

    @dg.multi_asset(
        name="rules",
        partitions_def=nights,
        ins=whole(*frames),
        outs={
            **{name: table_out(name, required=False) for name in rests_on},
            ReconciliationRecord.name: dg.AssetOut(
                description="Which results of this night could not be computed, and why. It is always there.",
                kinds={"json"},
            ),
        },
        internal_asset_deps={
            **{name: keys | _keys("unreadable_keys") for name, keys in rests_on.items()},
            ReconciliationRecord.name: records | _keys(*rests_on),
        },
        group_name=GROUP,
    )
    def rules(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        stripe_reading: StripeReadingRecord,
        sound_tables: SoundTablesRecord,
        weekly_usage: StoredTable,
        ledger_entries: StoredTable,
        expiring_ledgers: StoredTable,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
        **frames: pd.DataFrame,
    ) -> Iterator[dg.Output]:
        """Hold the night to its rules, but for those that rest on a table which breaks a critical expectation."""
        key = context.partition_key
        large = (weekly_usage, ledger_entries, expiring_ledgers)
        night = _Night(key, snapshot_facts.weeks, stripe_reading, *large, frames, settings, lake)
        absent: dict[str, str] = {}
        for result, tables in _RESULTS:
            stopped = stopped_by(result, sound_tables.unsound)
            if not stopped:
                yield from _STAGES[result](night)
                continue
            for table in tables:
                lake.remove(table, key)  # what a run before this one left behind
                absent[table.name] = sound_tables.reason(stopped)
                context.log.warning(f"no {table.name} tonight: {absent[table.name]}")
        told: Metadata = {"absent": dg.MetadataValue.json(absent)}
        yield dg.Output(ReconciliationRecord(absent=absent), ReconciliationRecord.name, metadata=told)

    return [rules]


def _meter(night: _Night) -> Iterator[dg.Output]:
    """Compare what the meter says should have been debited with what was, for every organization and week."""
    results = meter_stage(
        organization_batches(night.weekly_usage, night.ledger_entries),
        night.ours,
        stripe_tables(night.lake, night.key, night.stripe),
        policy_of(night.settings),
        earlier_evidence(night.lake, night.key, night.weeks, night.frames["subscriptions"]),
    )
    with tempfile.TemporaryDirectory(prefix="billing_dq_") as directory:
        deltas = StoredTable(METER_EXTRAS_DELTAS, UPath(Path(directory) / "deltas.parquet"))
        evidence = StoredTable(METER_EXTRAS_EVIDENCE, UPath(Path(directory) / "evidence.parquet"))
        with TableWriter(deltas.table, deltas.path) as rows, TableWriter(evidence.table, evidence.path) as proofs:
            for result in results:
                rows.write(to_arrow(deltas.table, result.deltas))
                proofs.write(to_arrow(evidence.table, result.evidence))
        shown: Metadata = {
            **stored(night.lake, night.key, deltas.table.name, deltas.rows),
            **_deltas_metadata(deltas, night.settings),
        }
        yield dg.Output(deltas, deltas.table.name, metadata=shown)
        proved: Metadata = {
            **stored(night.lake, night.key, evidence.table.name, evidence.rows),
            "incidents": table_of(rows_of(incidents(evidence.frame()), INCIDENT_COLUMNS)),
        }
        yield dg.Output(evidence, evidence.table.name, metadata=proved)


def _runaway(night: _Night) -> Iterator[dg.Output]:
    """Find balances that fell below a multiple of the week's quota."""
    usage = frames_by_batch(night.weekly_usage, QUOTA_COLUMNS)
    frame = runaway_stage(usage, night.ours, policy_of(night.settings))
    columns = ("organization_id", "rule", "cached_balance", "threshold_units", "meter_quota")
    shown: Metadata = {
        **stored(night.lake, night.key, RUNAWAY_BALANCES.name, len(frame)),
        "worst": table_of(worst(frame, "cached_balance", columns)),
        "units_below_zero": float(-frame["cached_balance"].sum()),
        "runbook": runbook(night.settings.runbook_url, "runaway_balance"),
    }
    yield dg.Output(frame, RUNAWAY_BALANCES.name, metadata=shown)


def _ledger(night: _Night) -> Iterator[dg.Output]:
    """Hold every ledger to its rules: sums, references, signs, dates, expiry, settlements, size."""
    batches = organization_batches(night.weekly_usage, night.ledger_entries)
    large = LargeTables(batches, frames_by_batch(night.expiring_ledgers))
    frame = ledger_stage(large, night.ours, policy_of(night.settings))
    shown: Metadata = {
        **stored(night.lake, night.key, LEDGER_VIOLATIONS.name, len(frame)),
        "by_rule": dg.MetadataValue.json({str(k): int(v) for k, v in frame["rule"].value_counts().items()}),
        "worst": table_of(worst(frame, "units", ("organization_id", "rule", "units", "detail"))),
        "runbook": runbook(night.settings.runbook_url, "ledger_violation"),
    }
    yield dg.Output(frame, LEDGER_VIOLATIONS.name, metadata=shown)


#: The results in the order in which they are computed, with the tables that hold them.
_RESULTS: tuple[tuple[Result, tuple[Table, ...]], ...] = (
    ("deltas", (METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE)),
    ("runaway", (RUNAWAY_BALANCES,)),
    ("violations", (LEDGER_VIOLATIONS,)),
)
_STAGES: dict[Result, Callable[[_Night], Iterator[dg.Output]]] = {
    "deltas": _meter,
    "runaway": _runaway,
    "violations": _ledger,
}


def _keys(*names: str) -> set[dg.AssetKey]:
    return {dg.AssetKey(name) for name in names}


def _deltas_metadata(deltas: StoredTable, settings: Settings) -> Metadata:
    frame = deltas.frame()
    return {
        **deltas_summary(frame),
        "worst": table_of(worst_weeks(frame)),
        "weeks": dg.MetadataValue.md(week_picture(frame) or "no weeks"),
        "runbook": runbook(settings.runbook_url, "meter_extras_divergence"),
    }
