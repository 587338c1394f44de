"""What the night's data is like, beside the nights before: the measures, the profiles of the tables, their page.

Not here: what is usual (`quality/`), and which check is red for it (`checks/data_checks`).
"""

from datetime import timedelta

import dagster as dg
import pandas as pd

from billing_dq.defs.asset_names import DATA_PAGE, MANIFEST, asset_key
from billing_dq.defs.declarations import night_asset
from billing_dq.defs.nights import NIGHT_BEFORE, after_the_nights_before
from billing_dq.defs.pages.metadata import first_rows, scalar_columns, table_metadata
from billing_dq.quality.judgement import is_unusual, judged
from billing_dq.quality.measures import CollectionReading, WeekAmounts, measures
from billing_dq.quality.profiles import profile, profiles
from billing_dq.report.figures import rows_of
from billing_dq.storage.batches import frames_by_batch
from billing_dq.storage.lake import Lake
from billing_dq.storage.quality_history import night_before, nights_before
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.storage.stored_table import StoredTable
from billing_dq.storage.week_amounts import entries_by_week, usage_by_week
from billing_dq.tables import COLUMN_PROFILES, DOCUMENT_SHAPES, NIGHT_MEASURES, NIGHTLY_REPORT, TABLES

#: What is written later, or about the data itself.
_NOT_PROFILED = {NIGHTLY_REPORT.name, NIGHT_MEASURES.name, COLUMN_PROFILES.name, DOCUMENT_SHAPES.name}
_MEASURE_COLUMNS = ("collection", "measure", "week_key", "value", "unit", "lowest", "highest", "verdict")


def quality_assets(nights: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets that show what the data of a night is like."""
    of_the_night_before = dg.AssetIn(
        asset_key(NIGHT_MEASURES.name), partition_mapping=NIGHT_BEFORE, dagster_type=dg.Nothing
    )

    @night_asset(NIGHT_MEASURES.name, nights, "quality", ins={"night_before": of_the_night_before})
    def night_measures(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        extras_balances: pd.DataFrame,
        weekly_usage: StoredTable,
        ledger_entries: StoredTable,
        billing_dq_lake: dg.ResourceParam[Lake],
    ) -> dg.Output[pd.DataFrame]:
        """Measure the night's data, and judge what of it is unusual."""
        night, weeks = context.partition_key, snapshot_facts.weeks
        after_the_nights_before(billing_dq_lake, night)
        amounts = WeekAmounts(usage_by_week(weekly_usage, weeks), entries_by_week(ledger_entries, weeks))
        table = measured(billing_dq_lake, night, snapshot_facts, amounts, float(extras_balances["entry_count"].sum()))
        unusual = is_unusual(table)
        figures = {
            "unusual": int(unusual.sum()),
            "not_judged": int((table["verdict"] == "not_judged").sum()),
            "measures": len(table),
        }
        rows = rows_of(pd.concat([table[unusual], table[~unusual]]), _MEASURE_COLUMNS)
        return dg.Output(table, metadata=table_metadata(billing_dq_lake, night, NIGHT_MEASURES, figures, rows))

    findings_in = dg.AssetIn(asset_key("findings"), dagster_type=dg.Nothing)

    @night_asset(COLUMN_PROFILES.name, nights, "quality", ins={"findings": findings_in})
    def column_profiles(
        context: dg.AssetExecutionContext, night_measures: pd.DataFrame, billing_dq_lake: dg.ResourceParam[Lake]
    ) -> dg.Output[pd.DataFrame]:
        """Profile every table that the night has, once all of them stand."""
        night = context.partition_key
        stored = [billing_dq_lake.stored(table, night) for name, table in TABLES.items() if name not in _NOT_PROFILED]
        table = profiles(
            row
            for rows in stored
            if rows is not None
            for row in profile(rows.table, frames_by_batch(rows, scalar_columns(rows.table)))
        )
        figures = {"tables": table["table_name"].nunique(), "facts": len(table)}
        metadata = table_metadata(billing_dq_lake, night, COLUMN_PROFILES, figures, first_rows(table, COLUMN_PROFILES))
        return dg.Output(table, metadata=metadata)

    upstream = [MANIFEST, NIGHT_MEASURES.name, DOCUMENT_SHAPES.name, COLUMN_PROFILES.name]

    @night_asset(DATA_PAGE, nights, "quality", upstream, kinds=["html"])
    def data_page(
        context: dg.AssetExecutionContext,
        billing_dq_night_lock: dg.ResourceParam[None],
        billing_dq_lake: dg.ResourceParam[Lake],
    ) -> dg.MaterializeResult:
        """Write the page from the stored tables."""
        from billing_dq.report.data_page import store_data_page  # its pictures cost a second

        return dg.MaterializeResult(
            metadata={"page": dg.MetadataValue.path(store_data_page(billing_dq_lake, context.partition_key))}
        )

    return [night_measures, column_profiles, data_page]


def measured(
    lake: Lake, night: str, facts: SnapshotFactsRecord, amounts: WeekAmounts, ledger_entries: float
) -> pd.DataFrame:
    """`NIGHT_MEASURES` of a night, judged by the nights before; ``ledger_entries`` are those of all ledgers."""
    weeks, readings, history = facts.weeks, readings_of(facts), nights_before(lake, NIGHT_MEASURES, night)
    of_night = measures(readings, amounts, ledger_entries, facts.as_of, night_before(lake, night, history))
    examined = {name: float(reading.examined) for name, reading in readings.items()}
    closed = {
        week.key: (week.end + timedelta(hours=weeks.settling_hours)).date() + timedelta(days=1)
        for week in weeks.weeks
        if weeks.states()[week.key] == "closed"
    }
    return judged(of_night, examined, closed, pd.Timestamp(night).date(), history)


def readings_of(facts: SnapshotFactsRecord) -> dict[str, CollectionReading]:
    """What a night read, by collection; those that are missing are left out."""
    return {
        name: CollectionReading(
            count.counted, count.read + count.quarantined, count.quarantined, facts.newest.get(name)
        )
        for name, count in facts.counts.items()
        if name not in facts.missing_collections
    }
