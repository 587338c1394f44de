"""The rules over the night's MongoDB tables in shards: a step for each range of organizations holds their meter and
their ledgers to them, from the stored tables.

The assets are those of `reconciliation`. Balances that ran away are found at the end: that reads three columns.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
from pydantic import TypeAdapter
from upath import UPath

from billing_dq.defs.graph_assets import graph_assets
from billing_dq.defs.io_manager import PARTS
from billing_dq.defs.reconciliation import (
    FRAMES,
    GROUP,
    NightRules,
    arrow_of,
    meter_outputs,
    meter_results,
    rule_deps,
    rule_outs,
    runaway_outputs,
    unless_stopped,
    violation_outputs,
    violations,
)
from billing_dq.defs.snapshot import RETRIES
from billing_dq.reconcile.meter.meter_extras import MeterResult
from billing_dq.reconcile.soundness import stopped_by
from billing_dq.settings import Settings
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.batches import UsageAndEntries
from billing_dq.storage.lake import Lake
from billing_dq.storage.organization_ranges import EVERYTHING, OrganizationRange, ranges_between
from billing_dq.storage.records import SnapshotFactsRecord, SoundTablesRecord, StripeReadingRecord
from billing_dq.storage.shard_parts import ShardPart, remove_parts
from billing_dq.storage.stored_table import StoredTable, TableWriter
from billing_dq.tables import (
    EXPIRING_LEDGERS,
    FOLLOWED_ENTRIES,
    FOLLOWED_USAGE,
    LEDGER_ENTRIES,
    LEDGER_VIOLATIONS,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    TABLES,
    UNREADABLE_KEYS,
    WEEKLY_USAGE,
    Table,
)

_RANGE = TypeAdapter(OrganizationRange)


@dataclass(frozen=True)
class _Written:
    """How many rows of deltas and of evidence are of the window, of the unreadable weeks that no batch of it has, and
    of the followed weeks: in this order the rows of a night are stored, and so are those of a shard.
    """

    rows: list[tuple[int, int]]


_WRITTEN = TypeAdapter(_Written)


def sharded_reconciliation_assets(nights: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets of the rules, each shard held to them by a step of its own."""
    outs = rule_outs()
    names = sorted({key.path[-1] for keys in rule_deps().values() for key in keys} - outs.keys() | {*FRAMES})

    @dg.op(ins={name: dg.In(dg.Nothing) for name in names}, out=dg.DynamicOut(io_manager_key=PARTS))
    def plan_rules(
        context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings], lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.DynamicOutput]:
        """Cut the stored organizations."""
        remove_parts(lake.home)
        firsts = _stored(lake, WEEKLY_USAGE, context.partition_key).first_organizations()
        cuts = (
            [firsts[len(firsts) * number // settings.shards] for number in range(1, settings.shards)] if firsts else []
        )
        for number, of in enumerate(ranges_between(cuts)):
            yield dg.DynamicOutput(ShardPart(_RANGE.dump_json(of).decode()), mapping_key=f"{number:03}")

    @dg.op(out=dg.Out(io_manager_key=PARTS), retry_policy=dg.RetryPolicy(max_retries=RETRIES))
    def hold_shard_to_rules(
        context: dg.OpExecutionContext,
        task: ShardPart,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> Iterator[dg.Output]:
        """Hold the organizations of a range to the rules."""
        night = _night(lake, context.partition_key, settings, _RANGE.validate_json(task.said))
        unsound = SoundTablesRecord.require(lake.home, night.key).unsound
        with tempfile.TemporaryDirectory(prefix="billing_dq_rules_") as directory:
            written, tables = _Written([]), dict[str, StoredTable]()
            if not stopped_by("deltas", unsound):
                written = _write_meter(night, Path(directory), tables)
            if not stopped_by("violations", unsound):
                rows = to_arrow(LEDGER_VIOLATIONS, violations(night))
                with _writer(LEDGER_VIOLATIONS, Path(directory), tables) as writer:
                    writer.write(rows)
            yield dg.Output(ShardPart(_WRITTEN.dump_json(written).decode(), tables))

    @dg.op(out={name: dg.Out(is_required=out.is_required) for name, out in outs.items()})
    def join_rules(
        context: dg.OpExecutionContext,
        parts: list[ShardPart],
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> Iterator[dg.Output]:
        """Bring together what was found of all shards."""
        night = _night(lake, context.partition_key, settings, EVERYTHING)
        sound_tables = SoundTablesRecord.require(lake.home, night.key)
        yield from unless_stopped(
            context,
            night,
            sound_tables,
            {
                "deltas": lambda night: meter_outputs(night, _joined(parts)),
                "runaway": runaway_outputs,
                "violations": lambda night: violation_outputs(night, _violations(parts)),
            },
        )
        remove_parts(lake.home)

    @dg.graph(name="rules", ins={name: dg.GraphIn() for name in names}, out={name: dg.GraphOut() for name in outs})
    def rules(**stored: object) -> dict[str, object]:
        found = join_rules(plan_rules(**stored).map(hold_shard_to_rules).collect())
        return {name: getattr(found, name) for name in outs}

    return [graph_assets(rules, outs, nights, GROUP, rule_deps())]


def _night(lake: Lake, key: str, settings: Settings, of: OrganizationRange) -> NightRules:
    """What the rules are given of a range: of what tells whose a subscription at Stripe is, and of the followed weeks,
    all; of documents that cannot be read also those that name no organization.
    """
    own = Lake(lake.home, of)
    frames = {name: _stored(own, TABLES[name], key).frame() for name in ("extras_balances", "ledger_suspects")}
    for name in ("subscriptions", "followed_weeks"):
        frames[name] = _stored(lake, TABLES[name], key).frame()
    unreadable = _stored(lake, UNREADABLE_KEYS, key).frame()
    here = [pd.isna(one) or of.holds(str(one)) for one in unreadable["organization_id"]]
    frames[UNREADABLE_KEYS.name] = unreadable[pd.Series(here, unreadable.index, dtype="bool")]
    reading = StripeReadingRecord.require(lake.home, key)
    return NightRules(
        key,
        SnapshotFactsRecord.require(lake.home, key).weeks,
        reading,
        UsageAndEntries(_stored(own, WEEKLY_USAGE, key), _stored(own, LEDGER_ENTRIES, key)),
        UsageAndEntries(_stored(own, FOLLOWED_USAGE, key), _stored(own, FOLLOWED_ENTRIES, key)),
        _stored(own, EXPIRING_LEDGERS, key),
        frames,
        settings,
        lake,
        of,
    )


def _stored(lake: Lake, table: Table, night: str) -> StoredTable:
    found = lake.stored(table, night)
    if found is None:
        raise dg.Failure(f"{table.name} of {night} is not stored under {lake.root}", allow_retries=False)
    return found


def _write_meter(night: NightRules, directory: Path, tables: dict[str, StoredTable]) -> _Written:
    window, followed = meter_results(night)
    written: list[tuple[int, int]] = []
    with (
        _writer(METER_EXTRAS_DELTAS, directory, tables) as deltas,
        _writer(METER_EXTRAS_EVIDENCE, directory, tables) as evidence,
    ):
        for results in chain(_batches_and_last(window), [followed]):
            for result in results:
                found, proved = arrow_of(result)
                deltas.write(found)
                evidence.write(proved)
            written.append((deltas.rows, evidence.rows))
    return _Written(written)


def _batches_and_last(results: Iterator[MeterResult]) -> Iterator[Iterator[MeterResult]]:
    """All results but the last, and the last."""
    last: list[MeterResult] = []

    def before_the_last() -> Iterator[MeterResult]:
        for result in results:
            yield from last
            last[:] = [result]

    yield before_the_last()
    yield iter(last)


def _writer(table: Table, directory: Path, tables: dict[str, StoredTable]) -> TableWriter:
    path = UPath(directory / f"{table.name}.parquet")
    tables[table.name] = StoredTable(table, path)
    return TableWriter(table, path)


def _joined(parts: Sequence[ShardPart]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The rows of the meter in the order in which one step writes them."""
    ends = [_WRITTEN.validate_json(part.said).rows for part in parts]
    nothing = [to_arrow(table, table.empty()) for table in (METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE)]
    for place in range(3):
        for part, rows in zip(parts, ends, strict=True):
            start, end = rows[place - 1] if place else (0, 0), rows[place]
            for batch in _rows(part.tables[METER_EXTRAS_DELTAS.name], start[0], end[0]):
                yield batch, nothing[1]
            for batch in _rows(part.tables[METER_EXTRAS_EVIDENCE.name], start[1], end[1]):
                yield nothing[0], batch


def _rows(stored: StoredTable, start: int, end: int) -> Iterator[pa.Table]:
    """The rows of a table from one place to another."""
    place = 0
    for batch in stored.batches():
        first, last = max(start - place, 0), min(end - place, batch.num_rows)
        if first < last:
            yield batch.slice(first, last - first)
        place += batch.num_rows


def _violations(parts: Sequence[ShardPart]) -> pd.DataFrame:
    found = [part.tables[LEDGER_VIOLATIONS.name].frame() for part in parts]
    return LEDGER_VIOLATIONS.conform(pd.concat(found))
