"""The expectations of Great Expectations that a rule of an analyst may name, and the arguments of each.

The list is closed: a rule is judged when it is read, without an import of the library, which costs seconds.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
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


def _rows(*required: str) -> Kind:
    return Kind(required, optional=("mostly",))


def _of_all(ordered: bool = True) -> Kind:
    return Kind(("column",), _BOUNDS, _STRICT, ordered, by_row=False)


KINDS: dict[str, Kind] = {
    "expect_column_values_to_not_be_null": _rows("column"),
    "expect_column_values_to_be_null": _rows("column"),
    "expect_column_values_to_be_unique": _rows("column"),
    "expect_column_values_to_be_in_set": _rows("column", "value_set"),
    "expect_column_values_to_not_be_in_set": _rows("column", "value_set"),
    "expect_column_values_to_match_regex": _rows("column", "regex"),
    "expect_column_values_to_not_match_regex": _rows("column", "regex"),
    "expect_column_values_to_be_between": Kind(("column",), _BOUNDS, (*_STRICT, "mostly"), ordered=True),
    "expect_column_value_lengths_to_be_between": Kind(("column",), _BOUNDS, (*_STRICT, "mostly")),
    "expect_column_pair_values_to_be_equal": _rows(*_PAIR),
    "expect_column_pair_values_a_to_be_greater_than_b": Kind(_PAIR, optional=("or_equal", "mostly"), ordered=True),
    "expect_compound_columns_to_be_unique": _rows("column_list"),
    "expect_table_row_count_to_be_between": Kind((), _BOUNDS, _STRICT, by_row=False),
    "expect_column_sum_to_be_between": _of_all(),
    "expect_column_mean_to_be_between": _of_all(),
    "expect_column_median_to_be_between": _of_all(),
    "expect_column_min_to_be_between": _of_all(),
    "expect_column_max_to_be_between": _of_all(),
    "expect_column_unique_value_count_to_be_between": _of_all(ordered=False),
    "expect_column_proportion_of_non_null_values_to_be_between": _of_all(ordered=False),
}
