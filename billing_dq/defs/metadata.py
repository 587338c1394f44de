"""What the UI shows of a table: its columns with their meaning, its rows, its worst rows, where it is stored."""

from collections.abc import Callable, Mapping, Sequence

import dagster as dg
import pandas as pd

from billing_dq.report.figures import Plain
from billing_dq.storage.lake import Lake
from billing_dq.tables import TABLES, Table

Metadata = dict[str, dg.MetadataValue | Plain]
_TYPES = {"str": "string", "time": "timestamp", "float64": "float", "int64": "int", "Int64": "int", "boolean": "bool"}


def column_schema(table: Table) -> dg.TableSchema:
    """The contract of a table as Dagster shows it."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                _TYPES.get(column.dtype, column.dtype),
                description=column.doc,
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=table.key == (column.name,)),
            )
            for column in table.columns
        ]
    )


def table_out(name: str, required: bool = True, group: str | None = None) -> dg.AssetOut:
    """The declaration of a table's asset; where it is not required and not yielded, what hangs on it is skipped."""
    table = TABLES[name]
    return dg.AssetOut(
        description=f"One row: {table.one_row}.",
        is_required=required,
        metadata={"dagster/column_schema": column_schema(table)},
        kinds={"parquet"},
        group_name=group,
    )


def table_asset(
    name: str, nights: dg.PartitionsDefinition, group: str, ins: Mapping[str, dg.AssetIn] | None = None
) -> Callable[[Callable[..., dg.Output[pd.DataFrame]]], dg.AssetsDefinition]:
    """A decorator for the asset of one table; ``ins`` are the tables that it takes as ``**frames``."""
    out = table_out(name)
    return dg.asset(
        name=name,
        partitions_def=nights,
        ins=ins,
        group_name=group,
        description=out.description,
        metadata=out.metadata,
        kinds=set(out.kinds or ()),
    )


def stored(lake: Lake, night: str, table: str, rows: int) -> Metadata:
    """What is said of every stored table: rows of the night, place."""
    return {
        "dagster/partition_row_count": rows,
        "storage_path": dg.MetadataValue.path(str(lake.root / table / f"{night}.parquet")),
    }


def table_of(rows: Sequence[Mapping[str, Plain]]) -> dg.MetadataValue:
    """Plain rows as a table; a sentence where there are none."""
    if not rows:
        return dg.MetadataValue.text("none")
    records = [dg.TableRecord({name: _shown(value) for name, value in row.items()}) for row in rows]
    schema = dg.TableSchema(columns=[dg.TableColumn(name, _type(rows, name)) for name in rows[0]])
    return dg.MetadataValue.table(records=records, schema=schema)


def runbook(settings_url: str, kind: str) -> dg.MetadataValue:
    """The section of RUNBOOKS.md about a kind of finding."""
    link = f"{settings_url}#{kind.replace('_', '-')}"
    return dg.MetadataValue.url(link) if link.startswith("http") else dg.MetadataValue.text(link)


def _shown(value: Plain) -> str | int | float | bool:
    return "" if value is None else value


def _type(rows: Sequence[Mapping[str, Plain]], name: str) -> str:
    kinds = {type(row[name]) for row in rows}
    return "string" if str in kinds or type(None) in kinds else "float" if float in kinds else "int"
