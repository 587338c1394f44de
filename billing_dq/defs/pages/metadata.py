"""What the UI shows of a table: first the figures that matter, then ten rows, and how to load it.

Figures are plain numbers under steady names, so that Dagster plots them over the nights.
Not here: what one table's page shows (the modules beside this one).
"""

from collections.abc import Mapping, Sequence

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from billing_dq.report.figures import Plain, rows_of
from billing_dq.report.words import owed
from billing_dq.storage.arrow import to_pandas
from billing_dq.storage.lake import Lake
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import FINDINGS, Table

Metadata = dict[str, dg.MetadataValue | Plain]
#: Rows that are shown of a table, and the longest sentence in one.
ROWS, SENTENCE = 10, 80
_TYPES = {"str": "string", "time": "timestamp", "float64": "float", "int64": "int", "Int64": "int", "boolean": "bool"}


def column_schema(table: Table) -> dg.TableSchema:
    """The contract of a table as Dagster shows it; the unit of a number is a tag of its column."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                _TYPES.get(column.dtype, column.dtype),
                description=column.doc,
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=table.key == (column.name,)),
                tags={"unit": column.unit} if column.unit else None,
            )
            for column in table.columns
        ]
    )


def table_metadata(
    lake: Lake,
    night: str,
    table: Table,
    figures: Mapping[str, float],
    rows: Sequence[Mapping[str, Plain]],
) -> Metadata:
    """The metadata of a stored table, in the order in which people look: figures, rows, how to load it."""
    return {
        **{name: int(value) if float(value).is_integer() else float(value) for name, value in figures.items()},
        "first_rows": table_of(rows[:ROWS]),
        "load_it": dg.MetadataValue.md(loading(lake, night, table)),
        "storage_path": dg.MetadataValue.path(str(lake.root / table.name / f"{night}.parquet")),
    }


def loading(lake: Lake, night: str, table: Table) -> str:
    """How to load a table, as Markdown to copy from: the night with pandas, all nights with DuckDB."""
    directory = str(lake.root / table.name)
    this_night, every_night = f"{directory}/{night}.parquet", f"{directory}/*.parquet"
    return (
        f"pandas, this night:\n\n```python\nimport pandas as pd\nframe = pd.read_parquet({this_night!r})\n```\n\n"
        f"DuckDB, every night:\n\n```sql\nSELECT * FROM read_parquet('{every_night}', filename = true)\n```"
    )


def head_of(stored: StoredTable) -> list[dict[str, Plain]]:
    """The first rows of a table that is not read for them; lists are left out."""
    columns = scalar_columns(stored.table)
    with stored.path.open("rb") as file:
        batches = pq.ParquetFile(file).iter_batches(batch_size=ROWS, columns=columns)
        batch = next(batches, None)
    return [] if batch is None else rows_of(to_pandas(stored.table, pa.Table.from_batches([batch])), columns)


def first_rows(frame: pd.DataFrame, table: Table) -> list[dict[str, Plain]]:
    """The first rows of a frame; lists are left out."""
    return rows_of(frame.head(ROWS), scalar_columns(table))


def scalar_columns(table: Table) -> list[str]:
    """The columns of a table that are no lists."""
    return [column.name for column in table.columns if not column.dtype.startswith("list")]


def finding_rows(findings: pd.DataFrame) -> list[dict[str, Plain]]:
    """The first of `FINDINGS` in short columns, the sentence last."""
    return [
        {
            "owed": owed(float(row["usd_cents"] or 0)),
            "kind": row["kind"],
            "nights": row["nights_open"],
            "severity": row["severity"],
            "organization": row["organization_id"],
            "subject": row["subject"],
            "why": short(row["explanation"]),
        }
        for row in rows_of(findings.head(ROWS), FINDINGS.column_names)
    ]


def short(sentence: Plain) -> str:
    """A sentence that leaves a row of a table low; the report has all of it."""
    text = str(sentence or "")
    return text if len(text) <= SENTENCE else f"{text[:SENTENCE].rstrip()} …"


def table_of(rows: Sequence[Mapping[str, Plain]]) -> dg.MetadataValue:
    """Plain rows as a table; a sentence where there are none."""
    if not rows:
        return dg.MetadataValue.text("none")
    records = [dg.TableRecord({name: "" if value is None else value for name, value in row.items()}) for row in rows]
    schema = dg.TableSchema(columns=[dg.TableColumn(name, _type(rows, name)) for name in rows[0]])
    return dg.MetadataValue.table(records=records, schema=schema)


def _type(rows: Sequence[Mapping[str, Plain]], name: str) -> str:
    kinds = {type(row[name]) for row in rows}
    return "string" if str in kinds or type(None) in kinds else "float" if float in kinds else "int"
