"""What is told without Great Expectations is what it would have said: nothing holds plainly that it finds broken."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.rules.evident import evidently_kept
from billing_dq.rules.expectation import Clause, Expectation
from billing_dq.rules.validation import Work, validate
from tests.support.examples import examples

NUMBERS = [None, float("nan"), -1, 0, 0.5, 1, 2]
TEXTS = [None, "", "a", "ab", "b"]
TIMES = [None, *(pd.Timestamp(year, 1, 1, tz="UTC") for year in (2009, 2011, 2030))]
VALUES: list[list[object]] = [NUMBERS, TEXTS, TIMES]
KINDS = {
    "not_be_null": {"column": "x"},
    "be_unique": {"column": "x"},
    "be_in_set": {"column": "x", "value_set": ["a", "ab", 0, 1, True]},
    "match_regex": {"column": "x", "regex": "^a"},
    "be_between": {"column": "x", "min_value": 0, "max_value": 1},
    "be_between_times": {
        "column": "x",
        "min_value": datetime(2010, 1, 1, tzinfo=UTC),
        "max_value": datetime(2026, 1, 1, tzinfo=UTC),
    },
}


def clauses() -> Iterator[Clause]:
    for name, arguments in KINDS.items():
        yield Clause(f"expect_column_values_to_{name.removesuffix('_times')}", arguments)
    yield Clause("expect_compound_columns_to_be_unique", {"column_list": ["x", "y"]})


def kept(frame: pd.DataFrame, clause: Clause) -> bool:
    """What the library says, with the short way closed: an argument more, which is its own default."""
    asked = Clause(clause.kind, {**clause.arguments, "catch_exceptions": True})
    assert not evidently_kept(frame, asked)
    one = Expectation("table", "name", "sentence", "warning", (asked,))
    return validate([frame], Work((one,), ("y",), {}))["name"].passed


@pytest.mark.parametrize("clause", list(clauses()), ids=lambda clause: clause.kind)
@examples(12)
@given(column=st.one_of(*(st.lists(st.sampled_from(values), min_size=1, max_size=4) for values in VALUES)))
def test_what_plainly_holds_holds_for_the_library_too(clause: Clause, column: list[object]) -> None:
    frame = pd.DataFrame({"x": pd.Series(column, dtype="object"), "y": pd.Series([0] * len(column))})
    if evidently_kept(frame, clause):
        assert kept(frame, clause)


@pytest.mark.parametrize(
    ("kind", "holds", "breaks"),
    [
        ("not_be_null", [0, 1], [0, None]),
        ("be_unique", [0, 1, None, None], [1, 1]),
        ("be_in_set", ["a", None, "ab"], ["a", "b"]),
        ("match_regex", ["a", None, "ab"], ["ba"]),
        ("be_between", [0, 0.5, None, 1], [2]),
        ("be_between_times", [pd.Timestamp(2011, 1, 1, tz="UTC"), None], [pd.Timestamp(2009, 1, 1, tz="UTC")]),
    ],
)
def test_a_sound_column_needs_no_library(kind: str, holds: list[object], breaks: list[object]) -> None:
    clause = Clause(f"expect_column_values_to_{kind.removesuffix('_times')}", KINDS[kind])
    for values, expected in ((holds, True), ([], True), (breaks, False), ([*holds, object()], kind == "not_be_null")):
        frame = pd.DataFrame({"x": pd.Series(values, dtype="object")})
        if kind == "be_unique" and values[-1:] and type(values[-1]) is object:
            continue  # such a value is unlike every other
        assert evidently_kept(frame, clause) is expected, values


def test_an_argument_that_changes_the_meaning_is_left_to_the_library() -> None:
    frame = pd.DataFrame({"x": [0.0, 1.0]})
    clause = Clause("expect_column_values_to_be_between", {"column": "x", "min_value": 0, "strict_min": True})
    assert not evidently_kept(frame, clause)
