"""What a table's contract is: columns, dtypes, units, key, nullability. A frame that breaks it does not get past it.

Conventions, the same in every table: ``organization_id`` is 24 hex characters, times are UTC, units of the meter are
float64, ``*_cents`` and ``*_minor`` are integers of a currency's minor unit, text is pandas' ``str``. Each table is a
module constant of a sibling module; `billing_dq.tables.TABLES` has them all by name. A test snapshots their columns.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import pandas as pd
from pandas._typing import DtypeObj
from pandas.api.types import pandas_dtype

Dtype = Literal["str", "float64", "int64", "Int64", "bool", "boolean", "time", "list<str>", "list<movement>"]

_PANDAS: dict[Dtype, str] = {"time": "datetime64[ms, UTC]", "list<str>": "object", "list<movement>": "object"}


class FrameError(ValueError):
    """A table broke its contract; the message names the table, the column and the reason."""


@dataclass(frozen=True)
class Column:
    """One column: its dtype, whether it may hold nulls, and what it means, with the unit.

    What its values should be is no part of it: that is said by the suite of the table (`billing_dq.rules`).

    Attributes:
        unit: what a number counts or is measured in; every number has one.
    """

    name: str
    dtype: Dtype
    doc: str
    nullable: bool = False
    unit: str | None = None

    @property
    def pandas_dtype(self) -> DtypeObj:
        """The dtype of the column in a pandas frame; lists are objects."""
        return _pandas_dtype(self.dtype)


@cache
def _pandas_dtype(dtype: Dtype) -> DtypeObj:
    return pandas_dtype(_PANDAS.get(dtype, dtype))


@dataclass(frozen=True)
class Table:
    """One table: what a row is, the columns with the key first, and the names that make the key (none: no key)."""

    name: str
    one_row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def column_names(self) -> list[str]:
        """The columns, in order."""
        return [column.name for column in self.columns]

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns by which a person finds a row: the key, else the organization and the entry."""
        return self.key or tuple(name for name in ("organization_id", "entry_id") if name in self.column_names)

    def column(self, name: str) -> Column:
        """The column of a name.

        Raises:
            KeyError: there is none.
        """
        return {column.name: column for column in self.columns}[name]

    def empty(self) -> pd.DataFrame:
        """A frame without rows that keeps the contract."""
        return _empty(self).copy()

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame in the contract's column order and dtypes, with a fresh index.

        Raises:
            FrameError: a column is missing, unknown or does not convert, holds a null it may not, or a key repeats.
        """
        self._check_columns(frame.columns)
        data: dict[str, pd.Series] = {}
        for column in self.columns:
            try:
                data[column.name] = frame[column.name].astype(column.pandas_dtype)
            except (TypeError, ValueError, OverflowError) as error:
                raise FrameError(f"{self.name}.{column.name} is no {column.dtype}: {error}") from None
        conformed = pd.DataFrame(data, columns=self.column_names, copy=False).reset_index(drop=True)
        self._check_nulls(conformed)
        self._check_key(conformed)
        return conformed

    def from_rows(self, rows: Iterable[dict[str, object]]) -> pd.DataFrame:
        """A conforming frame of rows given as mappings; meant for small tables."""
        return self.conform(pd.DataFrame.from_records(list(rows), columns=self.column_names))

    def _check_columns(self, columns: Iterable[str]) -> None:
        present = list(columns)
        missing = [name for name in self.column_names if name not in present]
        extra = [name for name in present if name not in self.column_names]
        if missing or extra:
            raise FrameError(f"{self.name}: missing columns {missing}, unexpected columns {extra}")

    def _check_nulls(self, frame: pd.DataFrame) -> None:
        for column in self.columns:
            if not column.nullable:
                nulls = int(frame[column.name].isna().sum())
                if nulls:
                    raise FrameError(f"{self.name}.{column.name} holds {nulls} nulls and may hold none")

    def _check_key(self, frame: pd.DataFrame) -> None:
        if self.key and bool(frame.duplicated(list(self.key)).any()):
            row = frame.loc[frame.duplicated(list(self.key)), list(self.key)].iloc[0].to_dict()
            raise FrameError(f"{self.name}: more than one row for {row}")


@cache
def _empty(table: Table) -> pd.DataFrame:
    return table.conform(pd.DataFrame(columns=table.column_names))
