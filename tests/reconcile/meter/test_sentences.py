"""The sentences that people read about a week."""

import pytest

from billing_dq.reconcile.meter.causes import CANCELLATION, Cause, Piece
from billing_dq.reconcile.meter.sentences import explain_in_words, number, unreadable_in_words

CLAUSES = [
    (Cause.DUPLICATE_DEBIT, -10, "10 were debited a second time"),
    (Cause.BOUNDARY_SKEW, 20, "20 were debited in a neighbouring week for usage of this one"),
    (Cause.BOUNDARY_SKEW, -30, "30 were debited here for usage of a neighbouring week"),
    (Cause.REPLAYED_ACROSS_WEEKS, 40, "40 were counted in two weeks and debited once"),
    (Cause.DEBIT_WITHOUT_USAGE, -50, "50 were debited for keys that no usage document holds"),
    (Cause.SETTLEMENT_HALF_APPLIED, 60, "a settlement is on one side only or its amounts differ, by 60 here"),
    (Cause.SETTLEMENT_TIMING, 70, "70 were added by the weekly settlement, for which nothing is debited"),
    (Cause.QUOTA_CHANGED, 80, "the plan changed in mid-week, and 80 were within the quota of that time"),
    (Cause.QUOTA_CHANGED, -90, "the plan changed in mid-week, and 90 were debited under the other quota"),
    (
        Cause.USAGE_RESET,
        -100,
        "something other than a cancellation set the meter to 0, and 100 had been debited before",
    ),
    (Cause.LATE_DEBIT, 110, "110 were used minutes before the snapshot and may be debited yet"),
    (Cause.MISSING_DEBIT, 120, "120 were used and never debited"),
    (Cause.NO_USAGE_DOCUMENT, -130, "130 were debited in a week without a usage document"),
    (Cause.NO_BALANCE_DOCUMENT, 140, "140 were never debited, as there is no balance document"),
    (Cause.DEBIT_ALTERED, -150, "all keys were debited, but by 150 other than they should have been"),
    (Cause.UNEXPLAINED, 1160.25, "1,160.25 remain unexplained"),
]


def test_a_week_is_told_with_its_arithmetic_and_every_cause_in_the_order_of_the_causes() -> None:
    pieces = [Piece(cause, "a rule", "proved", units) for cause, units, _ in reversed(CLAUSES)]
    start = "1,500 used of 500.50: 999.50 expected, 0 debited"
    assert explain_in_words(1500, 500.5, 999.5, 0, pieces) == "; ".join([start, *(told for *_, told in CLAUSES)]) + "."


def test_every_cause_has_its_words() -> None:
    assert {cause for cause, *_ in CLAUSES} == set(Cause)


def test_pieces_of_one_cause_and_sign_are_told_together() -> None:
    units = (3, -40, 4, -50.5)
    pieces = [Piece(Cause.BOUNDARY_SKEW, "a rule", "proved", one) for one in units]
    assert explain_in_words(0, 0, 0, 0, pieces) == (
        "0 used of 0: 0 expected, 0 debited; 7 were debited in a neighbouring week for usage of this one; "
        "90.50 were debited here for usage of a neighbouring week."
    )


def test_a_piece_without_units_is_told_with_the_others_of_its_cause() -> None:
    pieces = [Piece(Cause.MISSING_DEBIT, "certain_gap", "proved", units) for units in (200, 0, 0)]
    assert explain_in_words(300, 0, 300, 100, pieces) == (
        "300 used of 0: 300 expected, 100 debited; 200 were used and never debited."
    )


def test_a_defect_without_units_is_told_too() -> None:
    pieces = [Piece(Cause.REPLAYED_ACROSS_WEEKS, "key_in_two_weeks", "proved", 0)]
    assert explain_in_words(1, 2, 0, 0, pieces) == (
        "1 used of 2: 0 expected, 0 debited; 0 were counted in two weeks and debited once."
    )


def test_less_than_a_unit_has_its_direction_too() -> None:
    pieces = [
        Piece(cause, "", "proved", units)
        for cause in (Cause.BOUNDARY_SKEW, Cause.QUOTA_CHANGED)
        for units in (0.5, -0.5)
    ]
    assert explain_in_words(0, 0, 0, 0, pieces) == (
        "0 used of 0: 0 expected, 0 debited; "
        "0.50 were debited in a neighbouring week for usage of this one; "
        "0.50 were debited here for usage of a neighbouring week; "
        "the plan changed in mid-week, and 0.50 were within the quota of that time; "
        "the plan changed in mid-week, and 0.50 were debited under the other quota."
    )


def test_a_cancellation_is_told_as_what_set_the_meter_to_0() -> None:
    pieces = [Piece(Cause.USAGE_RESET, CANCELLATION, "proved", -100)]
    assert explain_in_words(5, 0, 5, 105, pieces) == (
        "5 used of 0: 5 expected, 105 debited; a cancellation set the meter to 0, and 100 had been debited before."
    )


def test_units_are_told_whole_where_they_are_whole() -> None:
    assert [number(units) for units in (0.0, -1234567.0, 0.125, 1000.5)] == ["0", "-1,234,567", "0.12", "1,000.50"]


@pytest.mark.parametrize(
    ("usage", "ledger", "sides"),
    [
        (True, False, "the usage document"),
        (False, True, "the balance document"),
        (True, True, "the usage document and the balance document"),
    ],
)
def test_a_week_that_was_not_compared_names_what_could_not_be_read(usage: bool, ledger: bool, sides: str) -> None:
    assert unreadable_in_words(usage, ledger) == f"Not compared: {sides} could not be read."
