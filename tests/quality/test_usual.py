"""What is usual: the median and the MAD of the nights before, by weekday where a measure follows the week."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.quality.usual import Past, Rule, Usual, usual, usual_share

NIGHT = date(2026, 11, 25)
FLOW = Rule(weekly=True, low=1 / 3, high=3.0, smallest=20.0)
LEVEL = Rule(weekly=False, low=0.9, high=2.0, smallest=20.0)

amounts = st.floats(100, 1e9)


def bounds_of(past: list[Past], rule: Rule) -> Usual:
    bounds = usual(past, NIGHT, rule)
    assert bounds is not None
    return bounds


def every_night(*values: float) -> list[Past]:
    """Values of the nights before, the last one first."""
    return [Past(NIGHT - timedelta(days=number), value) for number, value in enumerate(values, start=1)]


@given(st.lists(amounts, max_size=6))
def test_fewer_than_a_week_of_nights_say_nothing_of_a_measure_that_follows_the_week(values: list[float]) -> None:
    assert usual(every_night(*values), NIGHT, FLOW) is None


@given(st.lists(amounts, min_size=7, max_size=40))
def test_the_expected_value_is_always_usual(values: list[float]) -> None:
    for rule in (FLOW, LEVEL):
        bounds = bounds_of(every_night(*values), rule)
        assert bounds.verdict(bounds.expected) == "usual"


@given(st.lists(amounts, min_size=7, max_size=40), st.randoms())
def test_the_order_of_the_nights_does_not_matter(values: list[float], random: object) -> None:
    past = every_night(*values)
    shuffled = list(past)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for rule in (FLOW, LEVEL):
        assert usual(past, NIGHT, rule) == usual(shuffled, NIGHT, rule)


@given(st.lists(amounts, min_size=5, max_size=14), st.floats(1, 1e6))
def test_the_unit_of_a_measure_does_not_matter(values: list[float], factor: float) -> None:
    bounds = bounds_of(every_night(*values), LEVEL)
    scaled = bounds_of(every_night(*(value * factor for value in values)), LEVEL)
    assert (scaled.lowest or 0) / factor == pytest.approx(bounds.lowest)


@given(st.lists(amounts, min_size=7, max_size=7), st.lists(st.floats(0, 1e12), min_size=1, max_size=3))
def test_the_minority_of_the_nights_cannot_move_the_median_out_of_the_majority(
    sound: list[float], odd: list[float]
) -> None:
    bounds = bounds_of(every_night(*sound, *odd), LEVEL)
    assert min(sound) <= bounds.expected <= max(sound)


@given(amounts, st.integers(3, 4))
def test_three_nights_of_the_same_weekday_are_compared_with_and_no_others(value: float, weeks: int) -> None:
    same = [Past(NIGHT - timedelta(weeks=number), value) for number in range(1, weeks + 1)]
    other_days = [Past(NIGHT - timedelta(days=days), value * 100) for days in range(1, 28) if days % 7]
    bounds = bounds_of([*same, *other_days], FLOW)
    assert (bounds.expected, bounds.nights) == (value, weeks)
    assert bounds.verdict(value / 3.1) == "too_low"
    assert bounds.verdict(value * 2) == bounds.verdict(value / 2) == "usual"


@given(st.lists(amounts, min_size=7, max_size=14), st.floats(0.34, 2.9))
def test_until_then_the_range_of_the_nights_so_far_is_usual(values: list[float], factor: float) -> None:
    bounds = bounds_of(every_night(*values), FLOW)
    assert bounds.verdict(min(values)) == bounds.verdict(max(values)) == "usual"
    assert bounds.verdict(max(values) * max(1.0, factor)) == "usual"
    assert bounds.verdict(min(values) * min(1.0, factor)) == "usual"
    assert bounds.verdict(0.0) == "too_low"


def test_a_night_that_was_unusual_does_not_widen_the_range() -> None:
    past = [*every_night(*[100.0] * 8), Past(NIGHT - timedelta(days=9), 0.0, was_usual=False)]
    bounds = bounds_of(past, FLOW)
    assert bounds.verdict(0.0) == "too_low"


@given(st.lists(st.floats(0, 19), min_size=14, max_size=28), st.floats(0, 19))
def test_of_very_little_nothing_is_too_low_and_nothing_as_small_too_high(values: list[float], value: float) -> None:
    for rule in (FLOW, LEVEL):
        bounds = bounds_of(every_night(*values), rule)
        assert bounds.verdict(value) == "usual"


@given(st.lists(amounts, min_size=5, max_size=14), st.dates(NIGHT, NIGHT + timedelta(days=30)), amounts)
def test_a_night_is_never_compared_with_itself_or_later_ones(values: list[float], later: date, value: float) -> None:
    past = every_night(*values)
    for rule in (FLOW, LEVEL):
        assert usual([*past, Past(later, value)], NIGHT, rule) == usual(past, NIGHT, rule)


@given(st.floats(1.25, 2), st.floats(100, 1e6))
def test_values_that_scatter_widely_are_given_more_room(spread: float, value: float) -> None:
    narrow = bounds_of(every_night(*[value] * 14), LEVEL)
    wide = bounds_of(every_night(*[value / spread, value, value * spread] * 4), LEVEL)
    assert (wide.lowest or 0) < (narrow.lowest or 0)


@given(st.lists(st.floats(0, 0.001), min_size=7, max_size=14), st.integers(1000, 10**6))
def test_a_share_may_rise_by_a_point_or_by_five_documents_and_not_by_two_points(
    values: list[float], documents: int
) -> None:
    share = usual_share(every_night(*values), NIGHT, documents)
    assert share is not None
    assert share.verdict(share.expected + 0.009) == "usual"
    assert share.verdict(share.expected + 0.02) == "too_high"
    few = usual_share(every_night(*values), NIGHT, 20)
    assert few is not None
    assert few.verdict(5 / 20) == "usual"
