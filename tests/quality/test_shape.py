"""Changes of shape: what is new, gone, or there more or less often; each told with a document's id and no value."""

from datetime import date, timedelta

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.quality.shape import changes, present
from billing_dq.tables import DOCUMENT_SHAPES
from tests.support.examples import examples

FIRST = date(2026, 11, 1)
Row = tuple[str, str, str, int, bool]  # field, part, observed, occurrences, declared

USUAL: tuple[Row, ...] = (
    ("meterUsed", "type", "int", 800, True),
    ("meterUsed", "type", "double", 200, True),
    ("resetAt", "type", "date", 400, True),
    ("resetAt", "type", "missing", 600, True),
    ("plan", "type", "string", 1000, True),
    ("plan", "value", "pro", 1000, True),
)


def shapes(*rows: Row) -> pd.DataFrame:
    return DOCUMENT_SHAPES.from_rows(
        {
            "collection": "billingusages",
            "field": field,
            "part": part,
            "observed": observed,
            "occurrences": count,
            "population": 1000,
            "declared": declared,
            "example_id": None if declared else "a" * 24,
        }
        for field, part, observed, count, declared in rows
    )


def history(nights: int, *rows: Row) -> pd.DataFrame:
    every_night = shapes(*rows)
    return pd.concat([every_night.assign(night=FIRST + timedelta(days=number)) for number in range(nights)])


def changed(tonight: pd.DataFrame, nights: int = 10, before: tuple[Row, ...] = USUAL) -> list[tuple[str, str]]:
    of_night = changes(tonight, history(nights, *before), FIRST + timedelta(days=nights))
    return [(change.field, change.what) for change in of_night]


def nights_with_a_change(earlier: pd.DataFrame, tonight: pd.DataFrame, nights: range) -> list[int]:
    """The numbers of the nights that report a change, each compared with those before it."""
    numbers: list[int] = []
    for number in nights:
        night = FIRST + timedelta(days=number)
        numbers += [number] if changes(tonight, earlier, night) else []
        earlier = pd.concat([earlier, tonight.assign(night=night)])
    return numbers


def without(field: str) -> tuple[Row, ...]:
    return tuple(row for row in USUAL if row[0] != field)


def test_nothing_is_said_before_there_are_three_nights() -> None:
    new = shapes(*USUAL, ("tier", "type", "string", 3, False))
    assert changed(new, nights=2) == []
    assert changed(new, nights=3) == [("tier", "new_field")]


def test_a_new_field_is_told_with_a_document_and_for_three_nights() -> None:
    extended = (*USUAL, ("tier", "type", "string", 3, False))
    (change,) = changes(shapes(*extended), history(10, *USUAL), FIRST + timedelta(days=10))
    assert change.sentence == "billingusages.tier is a new field, of type string, in 3 of 1,000"
    assert change.example_id == "a" * 24
    assert nights_with_a_change(history(10, *USUAL), shapes(*extended), range(10, 15)) == [10, 11, 12]


def test_a_new_type_and_a_new_word_are_told() -> None:
    assert changed(shapes(*USUAL, ("resetAt", "type", "string", 1, False))) == [("resetAt", "new_type")]
    assert changed(shapes(*USUAL, ("plan", "value", "gold", 1, False))) == [("plan", "new_value")]


def test_what_the_contract_declares_is_never_new_and_numbers_are_alike() -> None:
    assert changed(shapes(*USUAL, ("plan", "value", "enterprise", 1, True))) == []
    odd = (*USUAL, ("score", "type", "int", 500, False))
    assert changed(shapes(*USUAL, ("score", "type", "double", 500, False)), before=odd) == []


def test_the_same_shape_and_a_missing_or_null_value_are_no_change() -> None:
    assert changed(shapes(*USUAL)) == []
    assert changed(shapes(*USUAL, ("plan", "type", "null", 1, False))) == []


def test_a_field_that_is_gone_is_told_whether_all_lack_it_or_nobody_names_it() -> None:
    assert changed(shapes(*without("resetAt"), ("resetAt", "type", "missing", 1000, True))) == [
        ("resetAt", "vanished_field")
    ]
    extended = (*USUAL, ("tier", "type", "string", 900, False))
    assert changed(shapes(*USUAL), before=extended) == [("tier", "vanished_field")]


def test_a_changed_share_is_told_until_half_of_the_nights_have_it() -> None:
    halved = (*without("resetAt"), ("resetAt", "type", "date", 200, True), ("resetAt", "type", "missing", 800, True))
    assert changed(shapes(*halved)) == [("resetAt", "changed_share")]
    assert nights_with_a_change(history(14, *USUAL), shapes(*halved), range(14, 28)) == list(range(14, 21))


def test_a_share_that_goes_up_and_down_with_the_week_is_no_change() -> None:
    def alerted(count: int) -> tuple[Row, ...]:
        return (
            *USUAL,
            ("alertedAt80", "type", "date", count, True),
            ("alertedAt80", "type", "missing", 1000 - count, True),
        )

    week = [shapes(*alerted(count)) for count in (20, 60, 100, 140, 170, 180, 190)]
    nights = pd.concat([week[day % 7].assign(night=FIRST + timedelta(days=day)) for day in range(14)])
    for day in range(14, 28):
        assert changes(week[day % 7], nights, FIRST + timedelta(days=day)) == []


@examples(25)
@given(st.integers(0, 1000), st.integers(3, 20))
def test_a_few_points_more_or_less_are_no_change(count: int, nights: int) -> None:
    def rows(number: int) -> tuple[Row, ...]:
        return (("note", "type", "string", number, True), ("note", "type", "missing", 1000 - number, True))

    for more in (-50, 0, 50):
        assert changed(shapes(*rows(min(1000, max(1, count + more)))), nights, rows(count)) == []


def test_the_share_of_a_field_is_that_of_documents_with_a_value() -> None:
    shares = present(shapes(*USUAL, ("resetAt", "type", "null", 0, True))).set_index("field")["share"]
    assert shares.to_dict() == {"meterUsed": 1.0, "plan": 1.0, "resetAt": 0.4}
