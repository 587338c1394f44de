import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.units import Tolerance, cents_of_units, round_half_up, units_of_cents


@pytest.mark.parametrize(("value", "rounded"), [(2.5, 3), (-2.5, -2), (0.49, 0), (-0.5, 0), (-0.51, -1), (7, 7)])
def test_rounding_is_half_up_as_javascript_does(value: float, rounded: float) -> None:
    assert round_half_up(value) == rounded


def test_two_thousand_cents_are_twenty_thousand_units_and_never_two_thousand() -> None:
    assert units_of_cents(2000, 1000) == 20_000


@given(st.integers(0, 10**9))
def test_cents_survive_the_way_through_units_at_the_general_ratio(cents: int) -> None:
    assert cents_of_units(units_of_cents(cents, 1000), 1000) == cents


def test_the_cents_of_units_keep_their_sign() -> None:
    assert cents_of_units(-2000, 1000) == -200


def test_the_tolerance_is_the_larger_of_the_two_constants() -> None:
    tolerance = Tolerance()
    assert tolerance.of(np.array([0.0, 10_000.0, 20_000.0]), np.array([0.0, 9_000.0, 30_000.0])).tolist() == [
        50.0,
        50.0,
        150.0,
    ]


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_the_tolerance_is_symmetric_and_never_below_its_absolute_part(one: float, other: float) -> None:
    tolerance = Tolerance()
    first, second = tolerance.of(np.array([one, other]), np.array([other, one]))
    assert first == second >= 50
    assert math.isfinite(first)
