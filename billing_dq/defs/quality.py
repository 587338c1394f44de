"""What the night's data is like, beside the nights before: the measures, the profiles of the tables, their page."""

from datetime import timedelta

import dagster as dg
import pandas as pd

from billing_dq.defs.metadata import stored, table_asset, table_of
from billing_dq.quality.judgement import is_unusual, judged
from billing_dq.quality.measures import Read, Weeks, measures
from billing_dq.report.figures import rows_of
from billing_dq.storage.lake import Lake
from billing_dq.storage.quality_history import measures_before, night_before
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.storage.stored_table import StoredTable
from billing_dq.storage.week_amounts import entries_by_week, usage_by_week
from billing_dq.tables import EXTRAS_BALANCES, NIGHT_MEASURES

GROUP = "quality"
_SHOWN = ("collection", "measure", "week_key", "value", "unit", "lowest", "highest", "verdict")


def quality_assets(nights: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets that tell what the data of a night is like."""
    frame = dg.PythonObjectDagsterType(pd.DataFrame)

    @table_asset(NIGHT_MEASURES.name, nights, GROUP, ins={EXTRAS_BALANCES.name: dg.AssetIn(dagster_type=frame)})
    def night_measures(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        extras_balances: pd.DataFrame,
        weekly_usage: StoredTable,
        ledger_entries: StoredTable,
        lake: dg.ResourceParam[Lake],
    ) -> dg.Output[pd.DataFrame]:
        """Measure the night's data, and say what of it is unusual."""
        key, weeks = context.partition_key, snapshot_facts.weeks
        history = measures_before(lake, key)
        amounts = Weeks(usage_by_week(weekly_usage, weeks), entries_by_week(ledger_entries, weeks))
        entries = float(extras_balances["entry_count"].sum())
        found = measures(
            reads_of(snapshot_facts), amounts, entries, snapshot_facts.as_of, night_before(lake, key, history)
        )
        examined = {name: float(one.examined) for name, one in reads_of(snapshot_facts).items()}
        closed = {
            week.key: (week.end + timedelta(hours=weeks.settling_hours)).date() + timedelta(days=1)
            for week in weeks.weeks
            if weeks.states()[week.key] == "closed"
        }
        table = judged(found, examined, closed, pd.Timestamp(key).date(), history)
        unusual = table[is_unusual(table)]
        return dg.Output(
            table,
            metadata={
                **stored(lake, key, NIGHT_MEASURES.name, len(table)),
                "unusual": len(unusual),
                "not_judged": int((table["verdict"] == "not_judged").sum()),
                "measures": table_of(rows_of(table, _SHOWN)),
            },
        )

    return [night_measures]


def reads_of(facts: SnapshotFactsRecord) -> dict[str, Read]:
    """What a night read, by collection; those that are missing are left out."""
    return {
        name: Read(one.counted, one.read + one.quarantined, one.quarantined, facts.newest.get(name))
        for name, one in facts.counts.items()
        if name not in facts.missing_collections
    }
