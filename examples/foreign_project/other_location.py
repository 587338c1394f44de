"""A project in a code location, and a Python, of its own: it knows of billing_dq the key of an asset and its nights.

Try it: dagster dev -f examples/foreign_project/other_location.py, beside the location that has the nights.
"""

import dagster as dg
import pandas as pd

#: A night is a date in UTC, and the date of tonight exists from 00:00 on.
NIGHTS = dg.DailyPartitionsDefinition("2026-11-01", timezone="UTC", end_offset=1)
findings = dg.AssetSpec(dg.AssetKey(["billing_dq", "findings"]), partitions_def=NIGHTS)


@dg.asset(
    partitions_def=NIGHTS,  # in UTC as well: Dagster maps no day to one of another time zone
    deps=[findings],
    automation_condition=dg.AutomationCondition.any_deps_updated(),
)
def findings_of_the_day(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """How many findings the night of this date has; its Parquet file is where the newest materialization says."""
    wanted = dg.AssetRecordsFilter(asset_key=findings.key, asset_partitions=[context.partition_key])
    materialization = context.instance.fetch_materializations(wanted, limit=1).records[0].asset_materialization
    if materialization is None:
        raise dg.Failure(f"the night of {context.partition_key} has no findings yet")
    rows = pd.read_parquet(str(materialization.metadata["dagster/uri"].value))
    return dg.MaterializeResult(metadata={"dagster/row_count": len(rows)})


defs = dg.Definitions(assets=[findings, findings_of_the_day])
