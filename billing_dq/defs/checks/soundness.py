"""Which tables of a night can be trusted: what is expected of them, judged before anything rests on them.

Each table is read and judged once, for the critical expectations and the others alike; the checks say what came of it.
Dagster's own blocking checks would fail the run and stop everything that follows, the findings too. Here only the
results stop that rest on a broken table (`reconcile.soundness`).
"""

from collections.abc import Sequence

import dagster as dg

from billing_dq.defs.pages.metadata import Metadata, tags_of
from billing_dq.defs.pages.texts import OWNERS, TEXTS
from billing_dq.rules.contracts import expectations
from billing_dq.rules.evaluation import NightTables, judge_contract
from billing_dq.rules.expectation import Outcome
from billing_dq.rules.rule import Rule
from billing_dq.rules.running import judge_rule
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, SoundTablesRecord
from billing_dq.tables import TABLES
from billing_dq.tables.sources import OF_MONGODB

GROUP = "mongodb"


def soundness_asset(nights: dg.PartitionsDefinition, rules: Sequence[Rule]) -> dg.AssetsDefinition:
    """The asset of the record; ``rules`` are those of analysts."""
    critical = [rule for rule in rules if rule.severity == "critical" and rule.table in OF_MONGODB]

    @dg.asset(
        name=SoundTablesRecord.name,
        partitions_def=nights,
        deps=[*OF_MONGODB, "unreadable_keys"],
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
        """Judge every table that was read from MongoDB."""
        night, plans = NightTables(lake, context.partition_key), tuple(sorted(settings.plans))
        broken: dict[str, tuple[str, ...]] = {}
        outcomes: dict[str, dict[str, Outcome]] = {}
        for name in OF_MONGODB:
            expected = expectations(TABLES[name], plans, snapshot_facts.as_of)
            of_table = [rule for rule in critical if rule.table == name]
            found = judge_contract(night, name, expected)
            found |= {rule.name: judge_rule(rule, night, snapshot_facts.as_of) for rule in of_table}
            outcomes[name] = found
            stops = [one.name for one in (*expected, *of_table) if one.severity == "critical"]
            red = tuple(check for check in stops if not found[check].passed)
            if red:
                broken[name] = red
                context.log.warning(f"{name} breaks {', '.join(red)}: what rests on it is not computed")
        record = SoundTablesRecord(broken=broken, outcomes=outcomes)
        told: Metadata = {"tables_broken": len(broken), "broken": dg.MetadataValue.json(broken)}
        return dg.Output(record, metadata=told)

    return sound_tables
