"""Which tables of a night can be trusted: what is expected of them, judged before anything rests on them.

Each table is read and judged once, in this step, so that Great Expectations is imported by one step of a night; the
checks say what came of it. Dagster's own blocking checks would fail the run and stop everything that follows, the
findings too. Here only the results stop that rest on a broken table (`reconcile.soundness`).
"""

from collections.abc import Sequence

import dagster as dg

from billing_dq.defs.nights import after_the_nights_before, ends_with_the_manifest
from billing_dq.defs.pages.metadata import tags_of
from billing_dq.defs.pages.texts import OWNERS, TEXTS
from billing_dq.rules import results
from billing_dq.rules.judging import NightTables, judge_rules, judge_suite
from billing_dq.rules.rule import Rule
from billing_dq.rules.suites import suite_of
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, SoundTablesRecord, StripeReadingRecord
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE

GROUP = "mongodb"


def is_judged_first(rule: Rule) -> bool:
    """Whether a rule is judged with the suites: all that it reads was read by the night, and nothing was computed."""
    return set(rule.reads) <= {*OF_MONGODB, *OF_STRIPE}


def soundness_asset(nights: dg.PartitionsDefinition, rules: Sequence[Rule]) -> dg.AssetsDefinition:
    """The asset of the record; ``rules`` are those of analysts."""
    first = [rule for rule in rules if is_judged_first(rule)]

    @dg.asset(
        name=SoundTablesRecord.name,
        partitions_def=nights,
        deps=[*OF_MONGODB, "unreadable_keys", StripeReadingRecord.name],
        group_name=GROUP,
        kinds={"json"},
        description=TEXTS[SoundTablesRecord.name].markdown(),
        owners=list(OWNERS),
        tags=tags_of(SoundTablesRecord.name),
    )
    def sound_tables(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> dg.Output[SoundTablesRecord]:
        """Judge every table that the night has read, and store Great Expectations' results."""
        key, as_of = context.partition_key, snapshot_facts.as_of
        after_the_nights_before(lake, key, ends_with_the_manifest(context.run))
        night = NightTables(lake, key, as_of, tuple(sorted(settings.plans)))
        broken: dict[str, tuple[str, ...]] = {}
        results.forget(lake, key)
        for table in (*OF_MONGODB, *OF_STRIPE):
            if table in OF_STRIPE and night.table(table) is None:
                continue
            judged = judge_suite(night, table, suite_of(table))
            judged += judge_rules(night, table, [rule for rule in first if rule.table == table])
            results.store(lake, key, results.of_suite(table, key, as_of, judged))
            red = tuple(verdict.name for verdict in results.verdicts_of(judged) if verdict.stops)
            if red and table in OF_MONGODB:
                broken[table] = red
                context.log.warning(f"{table} breaks {', '.join(red)}: what rests on it is not computed")
        record = SoundTablesRecord(broken=broken)
        return dg.Output(record, metadata={"tables_broken": len(broken), "broken": dg.MetadataValue.json(broken)})

    return sound_tables
