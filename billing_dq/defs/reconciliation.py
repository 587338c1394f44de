"""The rules over the night's MongoDB tables. What grows with the ledger is walked by batches of organizations.

A result that rests on a table which breaks a critical expectation is not computed, and absent. `reconciliation` is
always there and says which results are absent and why, and what concludes the night hangs on it: so everything else is
found and told all the same.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
from upath import UPath

from billing_dq.defs.inputs import stripe_tables, whole
from billing_dq.defs.metadata import Metadata, record_out, short, table_out, told
from billing_dq.defs.runbook import runbook
from billing_dq.policy import policy_of
from billing_dq.reconcile.findings.incidents import INCIDENT_COLUMNS, incidents
from billing_dq.reconcile.followed_weeks import in_window
from billing_dq.reconcile.inputs import QUOTA_COLUMNS, ApplicationTables, LargeTables, OrganizationBatch, StripeTables
from billing_dq.reconcile.meter.meter_extras import MeterResult
from billing_dq.reconcile.night import followed_meter_stage, ledger_stage, meter_stage, runaway_stage
from billing_dq.reconcile.soundness import RESTS_ON, stopped_by
from billing_dq.report.figures import rows_of, worst, worst_weeks
from billing_dq.report.verdicts import coverage
from billing_dq.settings import Settings
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.batches import UsageAndEntries, followed_batches, frames_by_batch, organization_batches
from billing_dq.storage.history import earlier_evidence
from billing_dq.storage.lake import Lake
from billing_dq.storage.organization_ranges import EVERYTHING, OrganizationRange
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
_SHOWN = ("delta_units", "cause", "grade", "week_key", "organization_id")
_PIECE = ("units", "cause", "confidence", "week_key", "organization_id")
_CONFIDENCES = ("proved", "consistent", "guess")


@dataclass(frozen=True)
class NightRules:
    """What the rules of a night are given."""

    key: str
    weeks: NightWeeks
    stripe: StripeReadingRecord
    read: UsageAndEntries
    followed: UsageAndEntries
    expiring_ledgers: StoredTable
    frames: Mapping[str, pd.DataFrame]
    settings: Settings
    lake: Lake
    of: OrganizationRange = EVERYTHING

    @cached_property
    def ours(self) -> ApplicationTables:
        """The tables that are held whole."""
        return ApplicationTables(self.weeks, self.frames)

    @cached_property
    def theirs(self) -> StripeTables | None:
        """Stripe's tables; None where it was not read."""
        return stripe_tables(self.lake, self.key, self.stripe)

    @property
    def batches(self) -> Iterator[OrganizationBatch]:
        """Usage and entries of the night's own weeks."""
        return organization_batches(self.read.usage, self.read.entries)

    @property
    def followed_batches(self) -> Iterator[OrganizationBatch]:
        """Usage and entries of the organizations with a followed week, back to it."""
        weeks = self.ours.followed_weeks
        return followed_batches(
            self.read, self.followed, weeks[weeks["organization_id"].map(self.of.holds).astype(bool)]
        )


FRAMES = ("subscriptions", "extras_balances", "ledger_suspects", "unreadable_keys", "followed_weeks")
_FOLLOWED = ("followed_weeks", "followed_usage", "followed_entries")


def rule_outs() -> dict[str, dg.AssetOut]:
    """The assets of the rules: the results, any of which may be absent, and which ones are."""
    tables = [table.name for _, tables in RESULTS for table in tables]
    return {
        **{name: table_out(name, required=False) for name in tables},
        ReconciliationRecord.name: record_out(ReconciliationRecord.name),
    }


def rule_deps() -> dict[str, set[dg.AssetKey]]:
    """What each of these assets hangs on."""
    records = _keys(SnapshotFactsRecord.name, StripeReadingRecord.name, SoundTablesRecord.name)
    rests_on = {table.name: records | _keys(*RESTS_ON[result]) for result, tables in RESULTS for table in tables}
    return {
        **{name: keys | _keys(*_FOLLOWED, "unreadable_keys") for name, keys in rests_on.items()},
        ReconciliationRecord.name: records | _keys(*rests_on),
    }


def reconciliation_assets(nights: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets that need no reading of Stripe; the meter takes evidence from one where there is one."""

    @dg.multi_asset(
        name="rules",
        partitions_def=nights,
        ins=whole(*FRAMES),
        outs=rule_outs(),
        internal_asset_deps=rule_deps(),
        group_name=GROUP,
    )
    def rules(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        stripe_reading: StripeReadingRecord,
        sound_tables: SoundTablesRecord,
        weekly_usage: StoredTable,
        ledger_entries: StoredTable,
        followed_usage: StoredTable,
        followed_entries: StoredTable,
        expiring_ledgers: StoredTable,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
        **frames: pd.DataFrame,
    ) -> Iterator[dg.Output]:
        """Hold the night to its rules, but for those that rest on a table which breaks a critical expectation."""
        read = UsageAndEntries(weekly_usage, ledger_entries)
        followed = UsageAndEntries(followed_usage, followed_entries)
        large = (read, followed, expiring_ledgers)
        key, weeks = context.partition_key, snapshot_facts.weeks
        night = NightRules(key, weeks, stripe_reading, *large, frames, settings, lake)
        yield from unless_stopped(context, night, sound_tables, _STAGES)

    return [rules]


def unless_stopped(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    night: NightRules,
    sound_tables: SoundTablesRecord,
    stages: Mapping[Result, Callable[[NightRules], Iterator[dg.Output]]],
) -> Iterator[dg.Output]:
    """The outputs of the stages whose tables are sound, and at last which results are absent."""
    absent: dict[str, str] = {}
    for result, tables in RESULTS:
        stopped = stopped_by(result, sound_tables.unsound)
        if not stopped:
            yield from stages[result](night)
            continue
        for table in tables:
            night.lake.remove(table, night.key)  # what a run before this one left behind
            absent[table.name] = sound_tables.reason(stopped)
            context.log.warning(f"no {table.name} tonight: {absent[table.name]}")
    shown: Metadata = {"results_absent": len(absent), "absent": dg.MetadataValue.json(absent)}
    yield dg.Output(ReconciliationRecord(absent=absent), ReconciliationRecord.name, metadata=shown)


def meter_results(night: NightRules) -> tuple[Iterator[MeterResult], Iterator[MeterResult]]:
    """What the meter says should have been debited against what was, for every organization and week: of the window, at
    last the unreadable weeks that no batch has; and of the followed weeks.
    """
    ours, theirs, policy = night.ours, night.theirs, policy_of(night.settings)
    earlier = earlier_evidence(replace(night.lake, of=night.of), night.key, ours)
    return (
        meter_stage(night.batches, ours, theirs, policy, earlier),
        followed_meter_stage(night.followed_batches, ours, theirs, policy, earlier),
    )


def _meter(night: NightRules) -> Iterator[dg.Output]:
    yield from meter_outputs(night, map(arrow_of, chain(*meter_results(night))))


def arrow_of(result: MeterResult) -> tuple[pa.Table, pa.Table]:
    """A result as it is stored."""
    return to_arrow(METER_EXTRAS_DELTAS, result.deltas), to_arrow(METER_EXTRAS_EVIDENCE, result.evidence)


def meter_outputs(night: NightRules, rows: Iterable[tuple[pa.Table, pa.Table]]) -> Iterator[dg.Output]:
    """The outputs of the meter: the rows of `METER_EXTRAS_DELTAS` and of `METER_EXTRAS_EVIDENCE`, by batch."""
    with tempfile.TemporaryDirectory(prefix="billing_dq_") as directory:
        deltas = StoredTable(METER_EXTRAS_DELTAS, UPath(Path(directory) / "deltas.parquet"))
        evidence = StoredTable(METER_EXTRAS_EVIDENCE, UPath(Path(directory) / "evidence.parquet"))
        with TableWriter(deltas.table, deltas.path) as compared, TableWriter(evidence.table, evidence.path) as proofs:
            for found, proved in rows:
                compared.write(found)
                proofs.write(proved)
        shown = _of_deltas(night.lake, night.key, deltas.frame(), night.weeks, night.settings)
        yield dg.Output(deltas, deltas.table.name, metadata=shown)
        proof = _of_evidence(night.lake, night.key, evidence.frame())
        yield dg.Output(evidence, evidence.table.name, metadata=proof)


def runaway_outputs(night: NightRules) -> Iterator[dg.Output]:
    """Balances that fell below a multiple of the week's quota."""
    usage = frames_by_batch(night.read.usage, QUOTA_COLUMNS)
    frame = runaway_stage(usage, night.ours, policy_of(night.settings))
    yield dg.Output(frame, RUNAWAY_BALANCES.name, metadata=_of_runaway(night.lake, night.key, frame, night.settings))


def violations(night: NightRules) -> pd.DataFrame:
    """Every ledger held to its rules: sums, references, signs, dates, expiry, settlements, size."""
    large = LargeTables(night.batches, frames_by_batch(night.expiring_ledgers), night.followed_batches)
    return ledger_stage(large, night.ours, night.theirs, policy_of(night.settings))


def violation_outputs(night: NightRules, frame: pd.DataFrame) -> Iterator[dg.Output]:
    """The output of the ledgers' rules."""
    shown = _of_violations(night.lake, night.key, frame, night.settings)
    yield dg.Output(frame, LEDGER_VIOLATIONS.name, metadata=shown)


#: The results in the order in which they are computed, with the tables that hold them.
RESULTS: tuple[tuple[Result, tuple[Table, ...]], ...] = (
    ("deltas", (METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE)),
    ("runaway", (RUNAWAY_BALANCES,)),
    ("violations", (LEDGER_VIOLATIONS,)),
)
_STAGES: dict[Result, Callable[[NightRules], Iterator[dg.Output]]] = {
    "deltas": _meter,
    "runaway": runaway_outputs,
    "violations": lambda night: violation_outputs(night, violations(night)),
}


def _keys(*names: str) -> set[dg.AssetKey]:
    return {dg.AssetKey(name) for name in names}


def _of_deltas(lake: Lake, night: str, deltas: pd.DataFrame, weeks: NightWeeks, settings: Settings) -> Metadata:
    """The figures are of the night's own weeks; the worst weeks are of the followed ones too."""
    of_night = in_window(deltas, weeks)
    units = of_night["unexplained_units"].where(of_night["grade"] == "unexplained", 0.0)
    figures = {
        "units_owed_to_us": float(units.clip(lower=0).sum()),
        "units_owed_to_customers": float(-units.clip(upper=0).sum()),
        "undecided_units": float(of_night.loc[of_night["grade"] == "undecided", "unexplained_units"].abs().sum()),
        **{f"weeks_{share.grade}": share.weeks for share in coverage(of_night)},
    }
    rows = [{name: row[name] for name in _SHOWN} | {"why": short(row["explanation"])} for row in worst_weeks(deltas)]
    told_of = told(lake, night, METER_EXTRAS_DELTAS, figures, rows)
    followed = len(deltas) - len(of_night)
    return {**told_of, "followed_weeks": followed, "runbook": runbook(settings, "meter_extras_divergence")}


def _of_evidence(lake: Lake, night: str, evidence: pd.DataFrame) -> Metadata:
    """Incidents first: what many organizations lost at once is one thing to look for."""
    together = incidents(evidence)
    sure = evidence["confidence"].value_counts()
    figures = {
        "pieces": len(evidence),
        "incidents": len(together),
        "units_lost_in_incidents": float(together["units"].sum()),
        **{name: int(sure.get(name, 0)) for name in _CONFIDENCES},
    }
    rows = rows_of(together, INCIDENT_COLUMNS) or worst(evidence, "units", _PIECE)
    return told(lake, night, METER_EXTRAS_EVIDENCE, figures, rows)


def _of_runaway(lake: Lake, night: str, balances: pd.DataFrame, settings: Settings) -> Metadata:
    figures = {
        "balances": len(balances),
        "units_below_zero": float(-balances["cached_balance"].sum()),
        "units_below_threshold": float((balances["threshold_units"] - balances["cached_balance"]).sum()),
    }
    columns = ("cached_balance", "threshold_units", "rule", "organization_id", "meter_quota")
    rows = worst(balances, "cached_balance", columns)
    return {**told(lake, night, RUNAWAY_BALANCES, figures, rows), "runbook": runbook(settings, "runaway_balance")}


def _of_violations(lake: Lake, night: str, violations: pd.DataFrame, settings: Settings) -> Metadata:
    is_open = violations["compensated_by"].isna()
    rules = violations["rule"].value_counts().sort_index()
    figures = {
        "not_made_good": int(is_open.sum()),
        "made_good": int((~is_open).sum()),
        "units_not_made_good": float(violations.loc[is_open, "units"].abs().sum()),
        **{f"rule_{rule}": int(count) for rule, count in rules.items()},
    }
    rows = worst(violations[is_open], "units", ("units", "rule", "organization_id", "detail"))
    shown = [{**row, "detail": short(row["detail"])} for row in rows]
    return {
        **told(lake, night, LEDGER_VIOLATIONS, figures, shown),
        "runbook": runbook(settings, "ledger_violation"),
    }
