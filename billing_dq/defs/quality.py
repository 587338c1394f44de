"""What the night's data is like, beside the nights before: the measures, the profiles of the tables, their page."""

from datetime import timedelta

import dagster as dg
import pandas as pd

from billing_dq.defs.jobs import MANIFEST
from billing_dq.defs.nights import NIGHT_BEFORE, after_the_nights_before
from billing_dq.defs.pages.metadata import first_rows, table_asset, table_metadata, tags_of
from billing_dq.defs.pages.texts import OWNERS, TEXTS
from billing_dq.quality.judgement import is_unusual, judged
from billing_dq.quality.measures import Read, Weeks, measures
from billing_dq.quality.profiles import profile, profiles
from billing_dq.report.figures import rows_of
from billing_dq.storage.batches import frames_by_batch
from billing_dq.storage.lake import Lake
from billing_dq.storage.quality_history import measures_before, night_before
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.storage.stored_table import StoredTable
from billing_dq.storage.week_amounts import entries_by_week, usage_by_week
from billing_dq.tables import COLUMN_PROFILES, DOCUMENT_SHAPES, NIGHT_MEASURES, NIGHTLY_REPORT, TABLES

GROUP = "quality"
PAGE = "data_page"
#: What is written later, or about the data itself.
_NOT_PROFILED = {NIGHTLY_REPORT.name, NIGHT_MEASURES.name, COLUMN_PROFILES.name, DOCUMENT_SHAPES.name}
_SHOWN = ("collection", "measure", "week_key", "value", "unit", "lowest", "highest", "verdict")


def quality_assets(nights: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets that tell what the data of a night is like."""
    of_the_night_before = dg.AssetIn(NIGHT_MEASURES.name, partition_mapping=NIGHT_BEFORE, dagster_type=dg.Nothing)

    @table_asset(NIGHT_MEASURES.name, nights, GROUP, ins={"night_before": of_the_night_before})
    def night_measures(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        extras_balances: pd.DataFrame,
        weekly_usage: StoredTable,
        ledger_entries: StoredTable,
        lake: dg.ResourceParam[Lake],
    ) -> dg.Output[pd.DataFrame]:
        """Measure the night's data, and say what of it is unusual."""
        key = context.partition_key
        after_the_nights_before(lake, key)
        table = measured(lake, key, snapshot_facts, (weekly_usage, ledger_entries), extras_balances)
        unusual = table[is_unusual(table)]
        return dg.Output(
            table,
            metadata=table_metadata(
                lake,
                key,
                NIGHT_MEASURES,
                {
                    "unusual": len(unusual),
                    "not_judged": int((table["verdict"] == "not_judged").sum()),
                    "measures": len(table),
                },
                rows_of(pd.concat([unusual, table[~is_unusual(table)]]), _SHOWN),
            ),
        )

    @table_asset(COLUMN_PROFILES.name, nights, GROUP, ins={"findings": dg.AssetIn(dagster_type=dg.Nothing)})
    def column_profiles(
        context: dg.AssetExecutionContext, night_measures: pd.DataFrame, lake: dg.ResourceParam[Lake]
    ) -> dg.Output[pd.DataFrame]:
        """Profile every table that the night has, once all of them stand."""
        key = context.partition_key
        tables = {name: lake.stored(TABLES[name], key) for name in TABLES if name not in _NOT_PROFILED}
        rows = [
            row
            for stored in tables.values()
            if stored is not None
            for row in profile(stored.table, frames_by_batch(stored, _profiled_columns(stored)))
        ]
        table = profiles(rows)
        figures = {"tables": table["table_name"].nunique(), "facts": len(table)}
        shown = table_metadata(lake, key, COLUMN_PROFILES, figures, first_rows(table, COLUMN_PROFILES))
        return dg.Output(table, metadata=shown)

    @dg.asset(
        name=PAGE,
        partitions_def=nights,
        group_name=GROUP,
        deps=[MANIFEST, NIGHT_MEASURES.name, DOCUMENT_SHAPES.name, COLUMN_PROFILES.name],
        kinds={"html"},
        description=TEXTS[PAGE].markdown(),
        owners=list(OWNERS),
        tags=tags_of(PAGE),
    )
    def data_page(
        context: dg.AssetExecutionContext, night_lock: dg.ResourceParam[None], lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult:
        """Write the page from the stored tables."""
        from billing_dq.report.data_page import store_data_page

        return dg.MaterializeResult(
            metadata={"page": dg.MetadataValue.path(store_data_page(lake, context.partition_key))}
        )

    return [night_measures, column_profiles, data_page]


def measured(
    lake: Lake,
    night: str,
    facts: SnapshotFactsRecord,
    grown: tuple[StoredTable, StoredTable],
    extras_balances: pd.DataFrame,
) -> pd.DataFrame:
    """`NIGHT_MEASURES` of a night, judged by the nights before; ``grown`` are `weekly_usage` and `ledger_entries`."""
    weeks, read, history = facts.weeks, reads_of(facts), measures_before(lake, night)
    amounts = Weeks(usage_by_week(grown[0], weeks), entries_by_week(grown[1], weeks))
    entries = float(extras_balances["entry_count"].sum())
    found = measures(read, amounts, entries, facts.as_of, night_before(lake, night, history))
    examined = {name: float(one.examined) for name, one in read.items()}
    closed = {
        week.key: (week.end + timedelta(hours=weeks.settling_hours)).date() + timedelta(days=1)
        for week in weeks.weeks
        if weeks.states()[week.key] == "closed"
    }
    return judged(found, examined, closed, pd.Timestamp(night).date(), history)


def _profiled_columns(table: StoredTable) -> list[str]:
    """All columns but lists: only their rows count."""
    return [column.name for column in table.table.columns if not column.dtype.startswith("list")]


def reads_of(facts: SnapshotFactsRecord) -> dict[str, Read]:
    """What a night read, by collection; those that are missing are left out."""
    return {
        name: Read(one.counted, one.read + one.quarantined, one.quarantined, facts.newest.get(name))
        for name, one in facts.counts.items()
        if name not in facts.missing_collections
    }
