"""The expectations of Great Expectations that a rule of an analyst may name, and the arguments of each.

The list is closed: a rule is judged when it is read, without an import of the library, which costs seconds.
"""

from typing import NamedTuple


class Kind(NamedTuple):
    """An expectation.

    Attributes:
        required: arguments that must be given.
        one_of: arguments of which one must be given at least.
        optional: further ones.
        ordered: its bounds are compared with the column's values, which must be numbers or times.
        by_row: it is about each row, so that the counts of a table's parts add up; else about all rows at once.
    """

    required: tuple[str, ...]
    one_of: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    ordered: bool = False
    by_row: bool = True

    @property
    def arguments(self) -> tuple[str, ...]:
        """All that may be given."""
        return (*self.required, *self.one_of, *self.optional)


_BOUNDS = ("min_value", "max_value")
_STRICT = ("strict_min", "strict_max")
_PAIR = ("column_A", "column_B")


def _by_row(*required: str) -> Kind:
    return Kind(required, optional=("mostly",))


def _of_all_rows(*required: str, ordered: bool = False) -> Kind:
    return Kind(required, _BOUNDS, _STRICT, ordered, by_row=False)


KINDS: dict[str, Kind] = {
    "expect_column_values_to_not_be_null": _by_row("column"),
    "expect_column_values_to_be_null": _by_row("column"),
    "expect_column_values_to_be_unique": _by_row("column"),
    "expect_column_values_to_be_in_set": _by_row("column", "value_set"),
    "expect_column_values_to_not_be_in_set": _by_row("column", "value_set"),
    "expect_column_values_to_match_regex": _by_row("column", "regex"),
    "expect_column_values_to_not_match_regex": _by_row("column", "regex"),
    "expect_column_values_to_be_between": Kind(("column",), _BOUNDS, (*_STRICT, "mostly"), ordered=True),
    "expect_column_value_lengths_to_be_between": Kind(("column",), _BOUNDS, (*_STRICT, "mostly")),
    "expect_column_pair_values_to_be_equal": _by_row(*_PAIR),
    "expect_column_pair_values_a_to_be_greater_than_b": Kind(_PAIR, optional=("or_equal", "mostly"), ordered=True),
    "expect_compound_columns_to_be_unique": _by_row("column_list"),
    "expect_table_row_count_to_be_between": _of_all_rows(),
    **{
        f"expect_column_{amount}_to_be_between": _of_all_rows("column", ordered=True)
        for amount in ("sum", "mean", "median", "min", "max")
    },
    "expect_column_unique_value_count_to_be_between": _of_all_rows("column"),
    "expect_column_proportion_of_non_null_values_to_be_between": _of_all_rows("column"),
}
