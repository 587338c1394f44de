"""Tables between pandas and Arrow, in the dtypes of their contracts."""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from billing_dq.tables import Column, Dtype, Table

#: One movement of a dispute's money: a Stripe balance transaction, classified by the sign of its amount.
MOVEMENT = pa.struct(
    [
        pa.field("amount_minor", pa.int64()),
        pa.field("currency", pa.string()),
        pa.field("exchange_rate", pa.float64()),
        pa.field("reporting_category", pa.string()),
        pa.field("created", pa.timestamp("ms", "UTC")),
    ]
)

_ARROW: dict[Dtype, pa.DataType] = {
    "str": pa.string(),
    "float64": pa.float64(),
    "int64": pa.int64(),
    "Int64": pa.int64(),
    "bool": pa.bool_(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("ms", "UTC"),
    "list<str>": pa.list_(pa.string()),
    "list<movement>": pa.list_(MOVEMENT),
}


def arrow_schema(table: Table) -> pa.Schema:
    """The schema of a table in Arrow and Parquet."""
    return pa.schema([pa.field(column.name, _ARROW[column.dtype], column.nullable) for column in table.columns])


def arrow_table(table: Table, columns: Iterable[object]) -> pa.Table:
    """Columns in the contract's order as an Arrow table of it."""
    return pa.table(list(columns), schema=arrow_schema(table))


def to_arrow(table: Table, frame: pd.DataFrame) -> pa.Table:
    """A conforming frame as an Arrow table of the contract's schema."""
    return pa.table([_array(column, frame[column.name]) for column in table.columns], schema=arrow_schema(table))


def to_pandas(table: Table, data: pa.Table) -> pd.DataFrame:
    """An Arrow table with (some of) the contract's columns as a pandas frame in the contract's dtypes."""
    present = [column for column in table.columns if column.name in data.column_names]
    return pd.DataFrame({column.name: _series(column, data.column(column.name)) for column in present}, copy=False)


def _array(column: Column, values: pd.Series) -> pa.Array:
    if column.dtype == "time":  # pyarrow's own conversion drops the time zone in a way that pandas is about to change
        return pa.array(values.dt.tz_convert(None).to_numpy(), from_pandas=True).cast(_ARROW["time"])
    return pa.array(values, type=_ARROW[column.dtype], from_pandas=True)


def _series(column: Column, values: pa.ChunkedArray) -> pd.Series:
    if not len(values):  # pyarrow would give text without any chunk, and pandas cannot merge two such columns
        return pd.Series(dtype=column.pandas_dtype)
    return values.to_pandas().astype(column.pandas_dtype)


def explode_keys(usage: pa.Table) -> pd.DataFrame:
    """The attribution keys of a `weekly_usage` batch, one a row: ``row`` (int64, the usage row), ``key`` (str)."""
    keys = usage.column("attribution_keys").combine_chunks()
    if isinstance(keys, pa.ChunkedArray):  # no rows: nothing to combine
        return pd.DataFrame({"row": pd.Series(dtype="int64"), "key": pd.Series(dtype="str")})
    return pd.DataFrame(
        {
            "row": pc.list_parent_indices(keys).to_pandas().astype("int64"),
            "key": pc.list_flatten(keys).to_pandas().astype("str"),
        },
        copy=False,
    )
