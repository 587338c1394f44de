"""The rules over the night's MongoDB tables. What grows with the ledger is walked by batches of organizations.

A result that rests on a table which breaks a critical expectation is not computed, and absent. The record
`reconciliation` always exists and says which results are absent and why, and what concludes the night hangs on it: so
all other findings are made all the same.

One step holds all organizations to the rules, or one for each range of them (`shards`).
Not here: any rule; each is called as a stage of `reconcile/night.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pandas as pd
import pyarrow as pa
from pydantic import TypeAdapter
from upath import UPath

from billing_dq.defs.asset_names import asset_keys
from billing_dq.defs.declarations import asset_out
from billing_dq.defs.inputs import OF_EVERY_RESULT, NightEvidence
from billing_dq.defs.io_manager import stored_evidence
from billing_dq.defs.pages.results import deltas_page, evidence_page, runaway_page, violations_page
from billing_dq.defs.shards import NightStep, Shard, ShardedWork, sharded_assets
from billing_dq.policy import policy_of
from billing_dq.reconcile.inputs import QUOTA_COLUMNS, LargeTables, Policy
from billing_dq.reconcile.meter.meter_extras import MeterResult
from billing_dq.reconcile.night import followed_meter_stage, ledger_stage, meter_stage, runaway_stage
from billing_dq.reconcile.soundness import RESTS_ON, stopped_by
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.batches import frames_by_batch
from billing_dq.storage.history import earlier_evidence
from billing_dq.storage.organization_ranges import OrganizationRange, ranges_between
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
    WEEKLY_USAGE,
    Table,
)
from billing_dq.vocabulary.kinds import Result

#: The results in the order in which they are stored, with the tables that hold them.
RESULTS: tuple[tuple[Result, tuple[Table, ...]], ...] = (
    ("deltas", (METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE)),
    ("runaway", (RUNAWAY_BALANCES,)),
    ("violations", (LEDGER_VIOLATIONS,)),
)
_METER = (METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE)
#: A page of rows, by the table that it shows.
_PAGES = {RUNAWAY_BALANCES: runaway_page, LEDGER_VIOLATIONS: violations_page}


class MeterRows(NamedTuple):
    """How many rows of deltas and of evidence are stored up to a place."""

    deltas: int
    evidence: int


#: Where the rows of a shard end that are of the window, of the unreadable weeks that no batch of it has, and of the
#: followed weeks: in this order the rows of a night are stored. Empty where the meter was not computed.
MeterEnds = list[MeterRows]
RuleShards = Sequence[Shard[OrganizationRange, MeterEnds]]


def reconciliation_assets(nights: dg.PartitionsDefinition, shards: int) -> dg.AssetsDefinition:
    """The assets that need no reading of Stripe; the meter takes evidence from one where there is one."""
    work = ShardedWork(
        name="rules",
        steps=("plan_rules", "hold_shard_to_rules", "join_rules"),
        outs={
            **{table.name: asset_out(table.name, required=False) for _, tables in RESULTS for table in tables},
            ReconciliationRecord.name: asset_out(ReconciliationRecord.name),
        },
        deps=_deps(),
        group="reconciliation",
        resources=frozenset(),
        plan=_plan,
        do=_hold_to_rules,
        join=_join,
        types=(TypeAdapter(OrganizationRange), TypeAdapter(MeterEnds)),
    )
    return sharded_assets(work, nights, shards)


def _deps() -> dict[str, set[dg.AssetKey]]:
    """What each of these assets hangs on."""
    records = asset_keys(SnapshotFactsRecord.name, StripeReadingRecord.name, SoundTablesRecord.name)
    rests_on = {table.name: records | asset_keys(*RESTS_ON[result]) for result, tables in RESULTS for table in tables}
    return {
        **{name: keys | asset_keys(*OF_EVERY_RESULT) for name, keys in rests_on.items()},
        ReconciliationRecord.name: records | asset_keys(*rests_on),
    }


def _plan(step: NightStep) -> list[OrganizationRange]:
    """Cut the stored organizations."""
    shards, usage = step.settings.shards, stored_evidence(step.lake, WEEKLY_USAGE, step.key)
    firsts = usage.first_organizations()
    return ranges_between(firsts[len(firsts) * number // shards] for number in range(1, shards) if firsts)


def _hold_to_rules(
    step: NightStep, organizations: OrganizationRange, directory: Path
) -> tuple[MeterEnds, Mapping[str, StoredTable]]:
    """Hold the organizations of a range to their rules, but for those that rest on a table which breaks a critical
    expectation.
    """
    night, policy = NightEvidence(step.lake, step.key, organizations), policy_of(step.settings)
    unsound = SoundTablesRecord.require(step.lake.home, step.key).unsound
    ends, tables = MeterEnds(), dict[str, StoredTable]()
    if not stopped_by("deltas", unsound):
        ends = _store_meter(night, policy, directory, tables)
    if not stopped_by("runaway", unsound):
        usage = frames_by_batch(night.window.usage, QUOTA_COLUMNS)
        _store(RUNAWAY_BALANCES, runaway_stage(usage, night.ours, policy), directory, tables)
    if not stopped_by("violations", unsound):
        large = LargeTables(night.batches, frames_by_batch(night.expiring_ledgers), night.followed_batches)
        violations = ledger_stage(large, night.ours, night.at_stripe, policy)
        _store(LEDGER_VIOLATIONS, violations, directory, tables)
    return ends, tables


def _join(step: NightStep, shards: RuleShards, directory: Path) -> Iterator[dg.Output]:
    """Bring together what was computed of all shards; at last, which results are absent."""
    lake, night, settings = step.lake, step.key, step.settings
    sound_tables = SoundTablesRecord.require(lake.home, night)
    absent: dict[str, str] = {}
    for result, tables in RESULTS:
        stopped = stopped_by(result, sound_tables.unsound)
        for table in tables if stopped else ():
            lake.remove(table, night)  # what a run before this one left behind
            absent[table.name] = sound_tables.reason(stopped)
            step.context.log.warning(f"no {table.name} tonight: {absent[table.name]}")
    if METER_EXTRAS_DELTAS.name not in absent:
        deltas, evidence = _meter_of_all(shards, directory)
        weeks = SnapshotFactsRecord.require(lake.home, night).weeks
        metadata = deltas_page(lake, night, deltas.frame(), weeks, settings)
        yield dg.Output(deltas, METER_EXTRAS_DELTAS.name, metadata=metadata)
        yield dg.Output(evidence, METER_EXTRAS_EVIDENCE.name, metadata=evidence_page(lake, night, evidence.frame()))
    for table, page in _PAGES.items():
        if table.name not in absent:
            rows = table.conform(pd.concat([shard.tables[table.name].frame() for shard in shards]))
            yield dg.Output(rows, table.name, metadata=page(lake, night, rows, settings))
    metadata = {"results_absent": len(absent), "absent": dg.MetadataValue.json(absent)}
    yield dg.Output(ReconciliationRecord(absent=absent), ReconciliationRecord.name, metadata=metadata)


def _store_meter(night: NightEvidence, policy: Policy, directory: Path, tables: dict[str, StoredTable]) -> MeterEnds:
    """The meter against the extras, for every organization and week of a range; a batch at a time."""
    earlier = earlier_evidence(night.lake, night.key, night.ours)
    window = meter_stage(night.batches, night.ours, night.at_stripe, policy, earlier)
    followed = followed_meter_stage(night.followed_batches, night.ours, night.at_stripe, policy, earlier)
    ends = MeterEnds()
    with (
        _writer(METER_EXTRAS_DELTAS, directory, tables) as deltas,
        _writer(METER_EXTRAS_EVIDENCE, directory, tables) as evidence,
    ):
        for results in (*_batches_and_last(window), followed):
            for result in results:
                deltas.write(to_arrow(METER_EXTRAS_DELTAS, result.deltas))
                evidence.write(to_arrow(METER_EXTRAS_EVIDENCE, result.evidence))
            ends.append(MeterRows(deltas.rows, evidence.rows))
    return ends


def _batches_and_last(results: Iterator[MeterResult]) -> tuple[Iterator[MeterResult], Iterator[MeterResult]]:
    """All results but the last, and the last: walk them in this order."""
    last: list[MeterResult] = []

    def before_the_last() -> Iterator[MeterResult]:
        for result in results:
            yield from last
            last[:] = [result]

    return before_the_last(), iter(last)


def _store(table: Table, rows: pd.DataFrame, directory: Path, tables: dict[str, StoredTable]) -> None:
    with _writer(table, directory, tables) as writer:
        writer.write(to_arrow(table, rows))


def _writer(table: Table, directory: Path, tables: dict[str, StoredTable]) -> TableWriter:
    path = UPath(directory / f"{table.name}.parquet")
    tables[table.name] = StoredTable(table, path)
    return TableWriter(table, path)


def _meter_of_all(shards: RuleShards, directory: Path) -> tuple[StoredTable, StoredTable]:
    """The deltas and the evidence of all shards, in the order in which one shard has them."""
    if len(shards) == 1:
        deltas, evidence = (shards[0].tables[table.name] for table in _METER)
        return deltas, evidence
    tables: dict[str, StoredTable] = {}
    for column, table in enumerate(_METER):
        with _writer(table, directory, tables) as writer:
            for place in range(3):
                for shard in shards:
                    start = shard.account[place - 1][column] if place else 0
                    for rows in _rows_between(shard.tables[table.name], start, shard.account[place][column]):
                        writer.write(rows)
    deltas, evidence = (tables[table.name] for table in _METER)
    return deltas, evidence


def _rows_between(stored: StoredTable, start: int, end: int) -> Iterator[pa.Table]:
    """The rows of a table from one place to another."""
    place = 0
    for batch in stored.batches():
        first, last = max(start - place, 0), min(end - place, batch.num_rows)
        if first < last:
            yield batch.slice(first, last - first)
        place += batch.num_rows
