"""The sentences that people read about a week."""

import pytest

from billing_dq.reconcile.meter.causes import CANCELLATION, Cause, EvidenceItem
from billing_dq.reconcile.meter.sentences import explain_in_words, number, unreadable_in_words

CHANGED = "the plan changed in mid-week (the week before shows the other quota),"
CLAUSES = [
    (Cause.DUPLICATE_DEBIT, -10, "10 were debited a second time"),
    (Cause.BOUNDARY_SKEW, 20, "20 were debited in a neighbouring week for usage of this one"),
    (Cause.BOUNDARY_SKEW, -30, "30 were debited here for usage of a neighbouring week"),
    (Cause.REPLAYED_ACROSS_WEEKS, 40, "40 were counted in two weeks and debited once"),
    (Cause.DEBIT_WITHOUT_USAGE, -50, "50 were debited for keys that no usage document holds"),
    (Cause.SETTLEMENT_HALF_APPLIED, 60, "a settlement is on one side only or its amounts differ, by 60"),
    (Cause.SETTLEMENT_TIMING, 70, "70 were added by the weekly settlement, for which nothing is debited"),
    (
        Cause.QUOTA_CHANGED,
        80,
        CHANGED + " and 80 were within the quota of that time",
    ),
    (
        Cause.QUOTA_CHANGED,
        -90,
        CHANGED + " and 90 were debited under the other quota",
    ),
    (
        Cause.USAGE_RESET,
        -100,
        "something other than a change of plan set the meter to 0, and 100 had been debited before",
    ),
    (Cause.LATE_DEBIT, 110, "110 were used minutes before the snapshot and may be debited yet"),
    (Cause.MISSING_DEBIT, 120, "120 were used and never debited"),
    (Cause.NO_USAGE_DOCUMENT, -130, "130 were debited in a week without a usage document"),
    (Cause.NO_BALANCE_DOCUMENT, 140, "140 were never debited, as there is no balance document"),
    (Cause.DEBIT_ALTERED, -150, "one debit is 150 other than what the cached balance remembers"),
    (Cause.UNEXPLAINED, 1160.25, "1,160.25 remain unexplained"),
]


def rule_of(cause: Cause) -> str:
    return "attested_by_week_before" if cause is Cause.QUOTA_CHANGED else "a rule"


def test_a_week_is_said_with_its_arithmetic_and_every_cause_in_the_order_of_the_causes() -> None:
    items = [EvidenceItem(cause, rule_of(cause), "proved", units) for cause, units, _ in reversed(CLAUSES)]
    start = "1,500 used of 500.50: 999.50 expected, 0 debited"
    assert explain_in_words(1500, 500.5, 999.5, 0, items) == "; ".join([start, *(said for *_, said in CLAUSES)]) + "."


def test_every_cause_has_its_words() -> None:
    assert {cause for cause, *_ in CLAUSES} == set(Cause)


def test_items_of_one_cause_and_sign_are_said_together() -> None:
    units = (3, -40, 4, -50.5)
    items = [EvidenceItem(Cause.BOUNDARY_SKEW, "a rule", "proved", one) for one in units]
    assert explain_in_words(0, 0, 0, 0, items) == (
        "0 used of 0: 0 expected, 0 debited; 7 were debited in a neighbouring week for usage of this one; "
        "90.50 were debited here for usage of a neighbouring week."
    )


def test_an_item_without_units_is_said_with_the_others_of_its_cause() -> None:
    items = [EvidenceItem(Cause.MISSING_DEBIT, "certain_gap", "proved", units) for units in (200, 0, 0)]
    assert explain_in_words(300, 0, 300, 100, items) == (
        "300 used of 0: 300 expected, 100 debited; 200 were used and never debited."
    )


def test_a_defect_without_units_is_said_too() -> None:
    items = [EvidenceItem(Cause.REPLAYED_ACROSS_WEEKS, "key_in_two_weeks", "proved", 0)]
    assert explain_in_words(1, 2, 0, 0, items) == (
        "1 used of 2: 0 expected, 0 debited; 0 were counted in two weeks and debited once."
    )


def test_less_than_a_unit_has_its_direction_too() -> None:
    items = [
        EvidenceItem(cause, "attested_by_stripe_event", "proved", units)
        for cause in (Cause.BOUNDARY_SKEW, Cause.QUOTA_CHANGED)
        for units in (0.5, -0.5)
    ]
    assert explain_in_words(0, 0, 0, 0, items) == (
        "0 used of 0: 0 expected, 0 debited; "
        "0.50 were debited in a neighbouring week for usage of this one; "
        "0.50 were debited here for usage of a neighbouring week; "
        "the plan changed in mid-week (Stripe's events show the change), and 0.50 were within the quota of that time; "
        "the plan changed in mid-week (Stripe's events show the change), and 0.50 were debited under the other quota."
    )


def test_a_cancellation_is_said_as_what_set_the_meter_to_0() -> None:
    items = [EvidenceItem(Cause.USAGE_RESET, CANCELLATION, "proved", -100)]
    assert explain_in_words(5, 0, 5, 105, items) == (
        "5 used of 0: 5 expected, 105 debited; a cancellation set the meter to 0, and 100 had been debited before."
    )


def test_units_are_said_whole_where_they_are_whole() -> None:
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


def test_a_defect_in_doubt_is_followed_by_the_other_story_and_by_what_would_decide() -> None:
    items = [
        EvidenceItem(Cause.MISSING_DEBIT, "candidate", "consistent", 100, in_doubt=True),
        EvidenceItem(Cause.QUOTA_CHANGED, "may_be_dunning_and_recovery", "guess", 0.0),
    ]
    assert explain_in_words(600, 500, 100, 0, items) == (
        "600 used of 500: 100 expected, 0 debited; 100 were used and never debited. Or nothing was lost, and the "
        "subscription was unpaid for a part of the week, and everything was debited meanwhile: nothing here attests "
        "it. Stripe's events or invoices of the week would decide."
    )


@pytest.mark.parametrize("reason", ["unknown_before", "changed_later", "set_by_hand_and_replaced", "unreadable"])
def test_every_story_that_nothing_attests_has_its_words(reason: str) -> None:
    items = [
        EvidenceItem(Cause.UNEXPLAINED, "no_cause_fits", "consistent", 1, in_doubt=True),
        EvidenceItem(Cause.QUOTA_CHANGED, f"may_be_{reason}", "guess", 0.0),
    ]
    assert "changed several times" not in explain_in_words(1, 0, 1, 0, items)
