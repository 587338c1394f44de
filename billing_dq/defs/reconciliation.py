"""The rules over the night's MongoDB tables. What grows with the ledger is walked by batches of organizations."""

import tempfile
from collections.abc import Iterator
from itertools import chain, cycle
from pathlib import Path

import dagster as dg
import pandas as pd
from upath import UPath

from billing_dq.defs.inputs import stripe_tables, whole
from billing_dq.defs.metadata import Metadata, short, table_asset, table_out, told
from billing_dq.defs.runbook import runbook
from billing_dq.policy import policy_of
from billing_dq.reconcile.findings.incidents import INCIDENT_COLUMNS, incidents
from billing_dq.reconcile.followed_weeks import in_window
from billing_dq.reconcile.inputs import QUOTA_COLUMNS, ApplicationTables, LargeTables
from billing_dq.reconcile.night import followed_meter_stage, ledger_stage, meter_stage, runaway_stage
from billing_dq.report.colours import GRADE_COLOURS
from billing_dq.report.figures import rows_of, worst, worst_weeks
from billing_dq.report.inline_pictures import bar
from billing_dq.report.verdicts import coverage
from billing_dq.settings import Settings
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.batches import UsageAndEntries, followed_batches, frames_by_batch, organization_batches
from billing_dq.storage.history import earlier_evidence
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.storage.stored_table import StoredTable, TableWriter
from billing_dq.tables import LEDGER_VIOLATIONS, METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE, RUNAWAY_BALANCES
from billing_dq.weeks import NightWeeks

GROUP = "reconciliation"
_SHOWN = ("delta_units", "cause", "grade", "week_key", "organization_id")
_PIECE = ("units", "cause", "confidence", "week_key", "organization_id")
#: How sure a piece of evidence is, and its colour.
_SURE = {
    "proved": GRADE_COLOURS["explained"],
    "consistent": GRADE_COLOURS["undecided"],
    "guess": GRADE_COLOURS["unexplained"],
}


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
            shown = _of_deltas(lake, key, deltas.frame(), weeks, settings)
            yield dg.Output(deltas, deltas.table.name, metadata=shown)
            yield dg.Output(evidence, evidence.table.name, metadata=_of_evidence(lake, key, evidence.frame()))

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
        columns = ("cached_balance", "threshold_units", "rule", "organization_id", "meter_quota")
        return dg.Output(
            frame,
            metadata={
                **told(
                    lake,
                    context.partition_key,
                    RUNAWAY_BALANCES,
                    {
                        "balances": len(frame),
                        "units_below_zero": float(-frame["cached_balance"].sum()),
                        "units_below_threshold": float((frame["threshold_units"] - frame["cached_balance"]).sum()),
                    },
                    worst(frame, "cached_balance", columns),
                ),
                "runbook": runbook(settings, "runaway_balance"),
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
        return dg.Output(frame, metadata=_of_violations(lake, context.partition_key, frame, settings))

    return [meter_extras, runaway, ledger]


def _of_deltas(lake: Lake, night: str, deltas: pd.DataFrame, weeks: NightWeeks, settings: Settings) -> Metadata:
    """The figures and the picture are of the night's own weeks; the worst weeks are of the followed ones too."""
    of_night = in_window(deltas, weeks)
    units = of_night["unexplained_units"].where(of_night["grade"] == "unexplained", 0.0)
    figures = {
        "units_owed_to_us": float(units.clip(lower=0).sum()),
        "units_owed_to_customers": float(-units.clip(upper=0).sum()),
        "undecided_units": float(of_night.loc[of_night["grade"] == "undecided", "unexplained_units"].abs().sum()),
    }
    grades = {one.grade: one.weeks for one in coverage(of_night)}
    rows = [{name: row[name] for name in _SHOWN} | {"why": short(row["explanation"])} for row in worst_weeks(deltas)]
    told_of = told(lake, night, METER_EXTRAS_DELTAS, figures, rows, bar(grades, GRADE_COLOURS))
    followed = len(deltas) - len(of_night)
    return {**told_of, "followed_weeks": followed, "runbook": runbook(settings, "meter_extras_divergence")}


def _of_evidence(lake: Lake, night: str, evidence: pd.DataFrame) -> Metadata:
    """Incidents first: what many organizations lost at once is one thing to look for."""
    together = incidents(evidence)
    figures = {
        "pieces": len(evidence),
        "incidents": len(together),
        "units_lost_in_incidents": float(together["units"].sum()),
    }
    sure = evidence["confidence"].value_counts()
    picture = bar({name: int(sure.get(name, 0)) for name in _SURE}, _SURE)
    rows = rows_of(together, INCIDENT_COLUMNS) or worst(evidence, "units", _PIECE)
    return told(lake, night, METER_EXTRAS_EVIDENCE, figures, rows, picture)


def _of_violations(lake: Lake, night: str, violations: pd.DataFrame, settings: Settings) -> Metadata:
    is_open = violations["compensated_by"].isna()
    figures = {
        "not_made_good": int(is_open.sum()),
        "made_good": int((~is_open).sum()),
        "units_not_made_good": float(violations.loc[is_open, "units"].abs().sum()),
    }
    rules = violations["rule"].value_counts().sort_index()
    picture = bar(
        {str(rule): int(count) for rule, count in rules.items()},
        dict(zip(map(str, rules.index), cycle(GRADE_COLOURS.values()), strict=False)),
    )
    rows = worst(violations[is_open], "units", ("units", "rule", "organization_id", "detail"))
    shown = [{**row, "detail": short(row["detail"])} for row in rows]
    return {
        **told(lake, night, LEDGER_VIOLATIONS, figures, shown, picture),
        "runbook": runbook(settings, "ledger_violation"),
    }
