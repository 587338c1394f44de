"""Columns that a clause needs and no table has: they take another row, another table, or a calculation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from billing_dq.rules.expectation import Derived
from billing_dq.tables import Reference


@dataclass(frozen=True)
class Targets:
    """What references lead to, of one night.

    Attributes:
        frame: columns of a table of the night, by its name; None where the night has no such table.
        unreadable: `UNREADABLE_KEYS` of the night.
    """

    frame: Callable[[str, list[str]], pd.DataFrame | None]
    unreadable: pd.DataFrame


def derive(derived: Derived, frame: pd.DataFrame, known: Mapping[str, pd.Series]) -> pd.Series:
    """The column of a frame of whole organizations.

    Args:
        derived: what to compute.
        frame: rows with the columns that it is computed from.
        known: by derived name, what `known_values` says of its reference.
    """
    if derived.rule == "seconds_since_the_row_before":
        organization, time = derived.columns
        return frame.groupby(organization, sort=False)[time].diff().dt.total_seconds()
    if derived.rule == "fraction":
        numbers = frame[derived.columns[0]].to_numpy(dtype="float64")
        return pd.Series(np.abs(numbers - np.round(numbers)), index=frame.index)
    return _leads_somewhere(derived, frame, known[derived.name])


def known_values(reference: Reference, targets: Targets) -> pd.Series | None:
    """What a reference may lead to; None where it cannot be judged tonight.

    Returns:
        Without ``through``: the values, as the index. With it: the value by key.
    """
    if reference.through is not None:
        there = targets.frame(reference.table, [reference.through, reference.to])
        return None if there is None else there.set_index(reference.through)[reference.to]
    there = targets.frame(reference.table, [reference.to])
    unreadable = targets.unreadable
    lost = unreadable.loc[unreadable["collection"] == reference.collection, "organization_id"]
    if there is None or bool(lost.isna().any()):  # a document that does not tell whose it is may be any missing row
        return None
    values = pd.Index(pd.concat([there[reference.to], lost]).unique())
    return pd.Series(True, index=values)


def _leads_somewhere(derived: Derived, frame: pd.DataFrame, known: pd.Series) -> pd.Series:
    """Whether each row's reference leads somewhere; null where there is no reference to judge."""
    reference = derived.reference
    if reference is None:
        raise ValueError(f"{derived.name} has no reference")
    values = frame[reference.column]
    if reference.through is None:
        right = values.isin(known.index)
        return right.astype("object").where(values.notna(), None)
    there = frame[reference.through].map(known)
    right = (values == there) | (values.isna() & there.isna())
    return right.astype("object").where(frame[reference.through].isin(known.index), None)
