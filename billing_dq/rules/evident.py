"""Clauses that plainly hold for a frame, told with pandas in one pass over their column.

Great Expectations takes tens of milliseconds a clause whatever the size of the frame, and seconds to import. What holds
plainly needs none of that; what does not, and every kind that is not here, is left to the library, which tells rows.
"""

import re
from collections.abc import Callable, Mapping

import pandas as pd

from billing_dq.rules.expectation import Clause

_Arguments = Mapping[str, object]


def evidently_kept(frame: pd.DataFrame, clause: Clause) -> bool:
    """Whether a clause holds beyond doubt; False where the library has to judge it.

    Args:
        frame: rows with the columns that the clause names.
        clause: it.
    """
    known = _KINDS.get(clause.kind)
    if known is None or not set(clause.arguments) <= known[0]:
        return False
    try:
        return known[1](frame, clause.arguments)
    except TypeError:  # values that cannot be compared, or have no hash
        return False


def _there(frame: pd.DataFrame, given: _Arguments) -> pd.Series:
    """The values that are not missing: no clause but the one about them says anything of the others."""
    return frame[str(given["column"])].dropna()


def _not_null(frame: pd.DataFrame, given: _Arguments) -> bool:
    return bool(frame[str(given["column"])].notna().all())


def _in_set(frame: pd.DataFrame, given: _Arguments) -> bool:
    known = given["value_set"]
    return isinstance(known, list) and bool(_there(frame, given).isin(known).all())


def _unique(frame: pd.DataFrame, given: _Arguments) -> bool:
    return _there(frame, given).is_unique


def _unique_together(frame: pd.DataFrame, given: _Arguments) -> bool:
    columns = given["column_list"]
    return isinstance(columns, list) and not frame.duplicated(columns).any()


def _matches(frame: pd.DataFrame, given: _Arguments) -> bool:
    form = re.compile(str(given["regex"]))
    return all(form.search(value) for value in _there(frame, given).unique())


def _between(frame: pd.DataFrame, given: _Arguments) -> bool:
    values = _there(frame, given)
    if values.empty:
        return True
    least, most = given.get("min_value"), given.get("max_value")
    return bool((least is None or values.min() >= least) and (most is None or values.max() <= most))


_KINDS: dict[str, tuple[set[str], Callable[[pd.DataFrame, _Arguments], bool]]] = {
    "expect_column_values_to_not_be_null": ({"column"}, _not_null),
    "expect_column_values_to_be_in_set": ({"column", "value_set"}, _in_set),
    "expect_column_values_to_be_unique": ({"column"}, _unique),
    "expect_compound_columns_to_be_unique": ({"column_list"}, _unique_together),
    "expect_column_values_to_match_regex": ({"column", "regex"}, _matches),
    "expect_column_values_to_be_between": ({"column", "min_value", "max_value"}, _between),
}
