"""Which tables of a night can be trusted: what is expected of them, judged before anything rests on them.

Each table is read and judged once, in this step, so that Great Expectations is imported by one step of a night; the
checks report the results. Dagster's own blocking checks would fail the run and stop everything that follows, the
findings too. Here only the results stop that rest on a broken table (`reconcile.soundness`).
Not here: what is expected (`rules/suites`).
"""

from collections.abc import Sequence

import dagster as dg

from billing_dq.defs.declarations import night_asset
from billing_dq.defs.nights import after_the_nights_before, ends_with_the_manifest
from billing_dq.rules import results
from billing_dq.rules.judging import NightTables, judge_rules, judge_suite
from billing_dq.rules.suites import Rule, suite_of
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, SoundTablesRecord, StripeReadingRecord
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE


def is_judged_first(rule: Rule) -> bool:
    """Whether a rule is judged with the suites: all that it reads was read by the night, and nothing was computed."""
    return set(rule.reads) <= {*OF_MONGODB, *OF_STRIPE}


def soundness_asset(nights: dg.PartitionsDefinition, rules: Sequence[Rule]) -> dg.AssetsDefinition:
    """The asset of the record; ``rules`` are those of analysts."""
    early_rules = [rule for rule in rules if is_judged_first(rule)]
    upstream = [*OF_MONGODB, "unreadable_keys", StripeReadingRecord.name]

    @night_asset(SoundTablesRecord.name, nights, "mongodb", upstream)
    def sound_tables(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        billing_dq_settings: dg.ResourceParam[Settings],
        billing_dq_lake: dg.ResourceParam[Lake],
    ) -> dg.Output[SoundTablesRecord]:
        """Judge every table that the night has read, and store Great Expectations' results."""
        night = context.partition_key
        after_the_nights_before(billing_dq_lake, night, ends_with_the_manifest(context.run))
        tables = NightTables(billing_dq_lake, night, snapshot_facts.as_of, tuple(sorted(billing_dq_settings.plans)))
        broken: dict[str, tuple[str, ...]] = {}
        results.remove(billing_dq_lake, night)
        for table in (*OF_MONGODB, *OF_STRIPE):
            if table in OF_STRIPE and tables.stored(table) is None:
                continue
            judged = judge_suite(tables, table, suite_of(table))
            judged += judge_rules(tables, table, [rule for rule in early_rules if rule.table == table])
            results.store(billing_dq_lake, night, table, snapshot_facts.as_of, judged)
            stopping = tuple(verdict.name for verdict in results.verdicts_of(judged) if verdict.stops)
            if stopping and table in OF_MONGODB:
                broken[table] = stopping
                context.log.warning(f"{table} breaks {', '.join(stopping)}: what rests on it is not computed")
        record = SoundTablesRecord(broken=broken)
        return dg.Output(record, metadata={"tables_broken": len(broken), "broken": dg.MetadataValue.json(broken)})

    return sound_tables
