"""Columns that a suite names and no table has: they take another row, another table, or a calculation."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from billing_dq.vocabulary.collections import Collection

#: The columns of a table of the night by its name; None where the night has no such table.
ReadColumns = Callable[[str, list[str]], pd.DataFrame | None]
FRACTION, ORDER = "fraction_of_", "seconds_since_the_entry_before"


@dataclass(frozen=True)
class Reference:
    """A column whose values, where there are any, stand in another table.

    Attributes:
        column: the column that refers.
        table: name of the table that is referred to.
        collection: the collection of which a quarantined document may be the missing row; None: of none.
        through: a key of both tables. With it, ``column`` is that of the row there with the same key, and rows whose
            key is not there are not judged.
    """

    column: str
    table: str
    collection: Collection | None = None
    through: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that refers."""
        return (self.column,) if self.through is None else (self.column, self.through)


#: By the name of the derived column, which says whether a row's reference leads somewhere.
REFERENCES = {
    "organization_id_is_in_organizations": Reference("organization_id", "organizations", "organizations"),
    "organization_id_is_in_extras_balances": Reference("organization_id", "extras_balances", "billingextrabalances"),
    "organization_id_is_that_in_stripe_charges": Reference("organization_id", "stripe_charges", through="charge_id"),
}


class DerivedColumn(NamedTuple):
    """A column that is computed.

    Attributes:
        name: of the column.
        columns: of the table, that it is computed from.
        compute: its values for a frame that holds all rows of its organizations; what is null is not judged.
    """

    name: str
    columns: tuple[str, ...]
    compute: Callable[[pd.DataFrame], pd.Series]


def derived_columns(names: Iterable[str], read: ReadColumns, unreadable: pd.DataFrame) -> list[DerivedColumn]:
    """Those of some columns that are derived.

    Args:
        names: columns of a table, and derived ones.
        read: what references lead to.
        unreadable: `UNREADABLE_KEYS` of the night: the row that is missing may be of such a document.
    """
    columns: list[DerivedColumn] = []
    for name in names:
        if name == ORDER:
            columns.append(DerivedColumn(name, ("organization_id", "at"), _seconds_since_the_row_before))
        elif name.startswith(FRACTION):
            column = name.removeprefix(FRACTION)
            columns.append(DerivedColumn(name, (column,), partial(_fraction, column)))
        elif name in REFERENCES:
            reference = REFERENCES[name]
            compute = partial(_leads_somewhere, reference, _targets(reference, read, unreadable))
            columns.append(DerivedColumn(name, reference.columns, compute))
    return columns


def _seconds_since_the_row_before(frame: pd.DataFrame) -> pd.Series:
    return frame.groupby("organization_id", sort=False)["at"].diff().dt.total_seconds()


def _fraction(column: str, frame: pd.DataFrame) -> pd.Series:
    values = frame[column].to_numpy(dtype="float64")
    return pd.Series(np.abs(values - np.round(values)), index=frame.index)


def _targets(reference: Reference, read: ReadColumns, unreadable: pd.DataFrame) -> pd.Series | None:
    """What a reference may lead to, by key; None where it cannot be judged tonight."""
    key = reference.through or reference.column
    target = read(reference.table, [*dict.fromkeys((key, reference.column))])
    lost = unreadable.loc[unreadable["collection"] == reference.collection, "organization_id"]
    if target is None or bool(lost.isna().any()):  # a document that does not tell whose it is may be any missing row
        return None
    if reference.through is not None:
        return target.set_index(key)[reference.column]
    return pd.Series(True, index=pd.Index(pd.concat([target[key], lost]).unique()))


def _leads_somewhere(reference: Reference, targets: pd.Series | None, frame: pd.DataFrame) -> pd.Series:
    """Whether each row's reference leads somewhere; null where there is none to judge."""
    values = frame[reference.column]
    if targets is None:
        return pd.Series(None, index=frame.index, dtype="object")
    if reference.through is None:
        return values.isin(targets.index).astype("object").where(values.notna(), None)
    expected = frame[reference.through].map(targets)
    same = (values == expected) | (values.isna() & expected.isna())
    return same.astype("object").where(frame[reference.through].isin(targets.index), None)
