"""What a week's arithmetic leads to: every item of evidence, whole."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from billing_dq.reconcile.meter.causes import Cause, Confidence
from billing_dq.reconcile.meter.quota.free_usage import MOST_COMBINATIONS, Change, Scenario, Steps
from billing_dq.reconcile.meter.week_explanation import MOST_CANDIDATES, WeekAccount, explain_week


def week(keys: str, used: float, quota: float, *, attested: Sequence[Scenario] = (), **more: object) -> WeekAccount:
    """A week with its keys in a row: ``a`` has no debit, ``b=131`` has one, ``c*`` is replayed, ``/131`` settles."""
    names, debited, settled, replayed = [], [], [], []
    for text in keys.split():
        name, _, units = text.partition("=")
        is_settlement = name.startswith("/")
        names.append("settle" if is_settlement else name.strip("*"))
        debited.append(float(units) if units else math.nan)
        settled.append(float(name[1:]) if is_settlement else 0.0)
        replayed.append(name.endswith("*"))
    return WeekAccount(
        steps=Steps(np.array(debited, dtype=np.float64), np.array(settled, dtype=np.float64)),
        refs=names,
        replayed=np.array(replayed, dtype=bool),
        meter_used=used,
        meter_quota=quota,
        attested=[Scenario(quota, (), "document", "document"), *attested],
        **more,  # type: ignore[arg-type]
    )


def changed_from(quota: float, to: float, by: str | None = "week_before", most: int | None = None) -> Scenario:
    return Scenario(quota, (Change(to, 0, most),), by, "unknown_before")


def reset_from(quota: float, to: float = 0.0, by: str | None = "week_before") -> Scenario:
    return Scenario(quota, (Change(to, resets=True),), by, "unknown_before")


def explained(given: WeekAccount) -> list[tuple[Cause, str, Confidence, float, str | None]]:
    items = explain_week(given)
    assert sum(item.units for item in items) == pytest.approx(given.not_debited)
    return [(item.cause, item.rule, item.confidence, item.units, item.ref_id) for item in items]


def in_doubt(given: WeekAccount) -> list[bool]:
    return [item.in_doubt for item in explain_week(given) if not item.by_design]


def item(cause: str, rule: str, confidence: Confidence, units: float, ref: str | None = None) -> tuple[object, ...]:
    return (cause, rule, confidence, units, ref)


def timing(units: float, confidence: Confidence = "proved") -> tuple[object, ...]:
    return item("settlement_timing", "settled_in_this_week", confidence, units)


def changed(units: float, confidence: Confidence = "consistent", by: str = "week_before") -> tuple[object, ...]:
    return item("quota_changed", f"attested_by_{by}", confidence, units)


def set_back(units: float) -> tuple[object, ...]:
    return item("usage_reset", "meter_set_back", "consistent", units)


def candidate(units: float, ref: str | None) -> tuple[object, ...]:
    return item("missing_debit", "candidate", "consistent", units, ref)


def gap(units: float, ref: str | None) -> tuple[object, ...]:
    return item("missing_debit", "certain_gap", "proved", units, ref)


def maybe(ref: str) -> tuple[object, ...]:
    """A key that may be the lost one, or a step of 0 units."""
    return item("missing_debit", "candidate", "guess", 0, ref)


def unexplained(units: float) -> tuple[object, ...]:
    return item("unexplained", "no_cause_fits", "guess", units)


KEPT = item("debit_altered", "balance_kept_the_amount", "proved", 40)
NO_BALANCE = "no_balance_document", "balance_document_absent", "proved"
LATE = "late_debit", "written_minutes_ago", "consistent"
MISMATCH = "settlement_half_applied"
REPLAYED = "replayed_across_weeks", "key_in_two_weeks", "proved"
CANCELLED = "usage_reset", "cancellation"


@pytest.mark.parametrize(
    ("given", "items"),
    [
        (week("a b=360", 900, 500, balance_gap=-40.0), [KEPT]),
        (week("a b=360", 900, 500, balance_gap=-30.0), [candidate(40, "a")]),
        (week("a b=360", 900, 500, balance_gap=40.0), [candidate(40, "a")]),
        (week("b=360 c", 900, 500, balance_gap=-40.0), [item(*KEPT[:2], "consistent", 40)]),  # type: ignore[arg-type]
        (week("c", 540, 500, balance_gap=-40.0), [candidate(40, "c")]),
        (week("a=300", 900, 500), [unexplained(100)]),
        (week("a=300", 900, 500, balance_gap=-100.0), [item(*KEPT[:3], 100)]),  # type: ignore[arg-type]
    ],
)
def test_only_a_balance_that_remembers_another_amount_proves_that_a_debit_was_altered(
    given: WeekAccount, items: list[object]
) -> None:
    assert explained(given) == items


@pytest.mark.parametrize(
    ("given", "items"),
    [
        (week("a b=131 /131", 762, 500), [timing(131)]),
        (week("a /131", 600, 500), [timing(100, "consistent")]),
        (week("/131 a b=222", 762, 500), [candidate(40, "a")]),
        (week("a b=91 c /131", 762, 500), [timing(131, "consistent"), gap(40, "c")]),
        (week("a z /200 b=200", 900, 500), [timing(200, "consistent")]),
        (week("a=100 /50", 150, 0), [timing(50)]),
        (
            week("a b=131 /131", 762, 500, settlement_mismatch=131.0),
            [item(MISMATCH, "meter_side_only", "proved", 131)],
        ),
        (
            week("a b=131 /131", 762, 500, settlement_mismatch=-69.0),
            [item(MISMATCH, "amounts_differ", "proved", -69), timing(200)],
        ),
        (
            week("b=131 /100", 762, 500, settlement_at_most=131.0),
            [timing(100, "consistent"), item(MISMATCH, "amounts_differ", "consistent", 31)],
        ),
        (
            week("a b=131 /100", 762, 500, settlement_at_most=131.0),
            [timing(100, "consistent"), item(MISMATCH, "amounts_differ", "consistent", 31)],
        ),
        (
            week("/500 a b", 733, 500, settlement_at_most=733.0),
            [
                candidate(233, None),
                item("missing_debit", "candidate", "guess", 0, "a"),
                item("missing_debit", "candidate", "guess", 0, "b"),
            ],
        ),
        (
            week("a b=131 /100", 762, 500, settlement_at_most=140.0),
            [timing(100, "consistent"), candidate(31, "a")],
        ),
        (
            week("a b=100 /131", 2231, 500, attested=[changed_from(5000, 500)]),
            [timing(131, "consistent"), changed(1500)],
        ),
    ],
)
def test_a_settlement_accounts_for_what_it_added_to_the_expected_units(given: WeekAccount, items: list[object]) -> None:
    assert explained(given) == items


@pytest.mark.parametrize(
    ("given", "items"),
    [
        (week("a b c", 300, 0, fresh=True), [item(*LATE, 300, "c")]),
        (week("z=100 a b c", 400, 0, fresh=True), [item(*LATE, 300, "c")]),
        (week("z=100 a b=100 c", 300, 0, fresh=True), [item(*LATE, 100, "c")]),
        (week("z=100 a b=100", 300, 0, fresh=True), [gap(100, "a")]),
        (week("z=100 a", 400, 0), [gap(300, "a")]),
        (
            week("a b=131 /131 c", 812, 500, fresh=True),
            [timing(131, "consistent"), item(*LATE, 50, "c")],
        ),
        (week("", 900, 500, fresh=True), [unexplained(400)]),
        (week("a=300", 900, 500, fresh=True), [unexplained(100)]),
        (week("a", 300, 0, fresh=True, has_balance=False), [item(*LATE, 300, "a")]),
        (week("a", 300, 0, fresh=True, owed_before=True), [item(*LATE, 300, "a")]),
        (
            week("a", 300, 0, fresh=True, has_balance=False, owed_before=True),
            [item(*NO_BALANCE, 300), item(*NO_BALANCE, 0, "a")],
        ),
        (week("a", 1, 0, has_balance=False), [item(*NO_BALANCE, 1), item(*NO_BALANCE, 0, "a")]),
    ],
)
def test_the_last_three_steps_of_a_fresh_document_may_wait_for_their_debits(
    given: WeekAccount, items: list[object]
) -> None:
    assert explained(given) == items


RAISED = [changed_from(500, 5000)]


@pytest.mark.parametrize(
    ("given", "items"),
    [
        (week("a b=100 c=250 d", 1500, 5000, attested=RAISED), [changed(-350)]),
        (week("a b=100 c=250 d", 1500, 5000, attested=[changed_from(500, 5000, most=3)]), [changed(-350)]),
        (week("a b=100 c=250 d", 1500, 5000, attested=[changed_from(500, 5000, most=2)]), [set_back(-350)]),
        (
            week("a b c=300", 1500, 5000, attested=[changed_from(5000, 500, "subscription")]),
            [changed(-300, by="subscription")],
        ),
        (
            week("a b=100 c d=60", 960, 500, attested=[Scenario(500, (Change(5000), Change(0)), "stripe_event")]),
            [changed(300, by="stripe_event")],
        ),
        (
            week("a b=60", 60, 5000, attested=[Scenario(5000, (Change(0.0),), "stripe_event")]),
            [changed(-60, "proved", by="stripe_event")],
        ),
        (
            week("a=60 b=40", 100, 5000, attested=[Scenario(5000, (Change(0.0),), "stripe_event")]),
            [changed(-100, "proved", by="stripe_event")],
        ),
    ],
)
def test_an_attested_change_of_quota_explains_what_the_order_of_the_steps_allows(
    given: WeekAccount, items: list[object]
) -> None:
    assert explained(given) == items


@pytest.mark.parametrize(
    ("given", "items"),
    [
        (week("a=50 b=60", 60, 0, attested=[reset_from(500)]), [item(*CANCELLED, "proved", -50)]),
        (week("a b=73 c=77", 77, 0, attested=[reset_from(500)]), [item(*CANCELLED, "proved", -73)]),
        (
            week("a b=73 c=102 d", 77, 0, attested=[reset_from(500)]),
            [item(*CANCELLED, "consistent", -175), gap(77, None), maybe("a"), maybe("d")],
        ),
        (
            week("a b=90 c", 300, 5000, attested=[reset_from(500, 5000)]),
            [item("usage_reset", "change_of_plan", "consistent", -90)],
        ),
        (week("a b=90", 0, 500), [set_back(-90)]),
    ],
)
def test_usage_set_to_zero_keeps_the_debits_from_before_it(given: WeekAccount, items: list[object]) -> None:
    assert explained(given) == items


@pytest.mark.parametrize(
    ("given", "items"),
    [
        (week("a", 600, 500), [candidate(100, "a")]),
        (week("a b", 600, 500), [candidate(100, None), maybe("a"), maybe("b")]),
        (week("a b c=300", 900, 500), [candidate(100, None), maybe("a"), maybe("b")]),
        (week("a b=100 c=200 d", 900, 500), [gap(100, "d")]),
        (week("a b=100 c=200 d e", 900, 500), [gap(100, None), maybe("d"), maybe("e")]),
        (week("a b=100", 300, 0), [gap(200, "a")]),
        (week("a b=100 c", 300, 0), [gap(200, None), maybe("a"), maybe("c")]),
        (week("a* b=50", 130, 0), [item(*REPLAYED, 80, "a")]),
        (week("a* b*=50 c*", 130, 0), [item(*REPLAYED, 80, "a"), item(*REPLAYED, 0, "c")]),
        (week("a b=50 c*", 600, 500), [item(*REPLAYED, 50, "c")]),
        (
            week("a b=91 c* /131", 762, 500),
            [timing(131, "consistent"), item(*REPLAYED, 40, "c")],
        ),
        (week("a=470", 900, 500), [unexplained(-70)]),
        (week("a b=470", 900, 500), [unexplained(-70)]),
        (week("a=100 b c=100", 400, 500), [unexplained(-200)]),
        (week("a=1001", 400, 500), [unexplained(-1001)]),
        (week("a=1001 b", 400, 500), [set_back(-1001)]),
    ],
)
def test_lost_debits_are_the_units_beyond_those_that_were_debited(given: WeekAccount, items: list[object]) -> None:
    assert explained(given) == items
    assert not any(in_doubt(given))


def test_no_more_than_a_few_candidates_are_listed_the_newest() -> None:
    keys = " ".join(f"k{number}" for number in range(100))
    listed = [ref for *_, ref in explained(week(f"z=1 {keys}", 301, 0))]
    assert listed == [None, *(f"k{number}" for number in range(100 - MOST_CANDIDATES, 100))]


def test_a_quota_that_nothing_attests_explains_nothing_and_stands_beside_the_defect() -> None:
    given = week("a b", 2000, 500, possible=[changed_from(5000, 500, None)])
    assert explained(given) == [
        candidate(1500, None),
        item("missing_debit", "candidate", "consistent", 0, "a"),
        item("missing_debit", "candidate", "consistent", 0, "b"),
        item("quota_changed", "may_be_unknown_before", "guess", 0),
    ]
    assert in_doubt(given) == [True, True, True]


def test_a_quota_that_nothing_attests_and_that_does_not_fit_is_not_told() -> None:
    given = week("a b=100 c", 2000, 500, possible=[changed_from(5000, 500, None, most=0)])
    assert explained(given) == [gap(1400, "c")]
    assert in_doubt(given) == [False]


def test_a_reset_that_nothing_attests_stands_beside_the_defect_too() -> None:
    given = week("a=50 b=60", 60, 0, possible=[reset_from(0.0, by=None)])
    assert explained(given) == [set_back(-50), item(*CANCELLED, "guess", 0)]
    assert in_doubt(given) == [True]


def test_more_attested_changes_than_can_be_tried_leave_the_week_in_doubt() -> None:
    keys = " ".join(f"k{number}" for number in range(int(MOST_COMBINATIONS**0.5) + 1))
    twice = Scenario(500.0, (Change(5000.0), Change(500.0)), "stripe_event", "stripe_event")
    items = explain_week(week(f"z=1 {keys}", 2000, 500, attested=[twice]))
    assert items[-1].rule == "may_be_stripe_event"
    assert items[0].in_doubt
