import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.reconcile.disputes.movements import Money, money_of, movements_of
from tests.support.dispute_rows import OPENED, moved
from tests.support.examples import examples


def money(*cells: dict[str, object], amount: int = 500, currency: str = "usd") -> Money:
    return money_of(movements_of(cells), amount, currency)


def test_without_movements_no_share_is_known_and_the_currency_is_the_charges():
    found = money(currency="EUR")
    assert (found.currency, found.withdrawn_minor, found.reinstated_minor) == ("eur", 0, 0)
    assert found.fraction is None
    assert found.problem is None


def test_withdrawn_money_that_did_not_come_back_is_a_share_of_zero():
    found = money(moved(-500))
    assert (found.withdrawn_minor, found.reinstated_minor, found.fraction) == (500, 0, 0.0)
    assert found.first_withdrawal == found.last_withdrawal == OPENED


def test_money_is_classified_by_its_sign_and_not_by_its_category():
    swapped = [move | {"reporting_category": "dispute"} for move in (moved(-500), moved(500, 21))]
    assert money(*swapped).fraction == 1.0


def test_half_a_minor_unit_of_the_settlement_is_worth_more_where_its_rate_is_low():
    assert money(moved(-50, rate=0.1), moved(49, 21, rate=0.1), currency="eur").fraction == 1.0
    assert money(moved(-50, rate=0.1), moved(48, 21, rate=0.1), currency="eur").fraction == pytest.approx(0.96)


def test_half_a_minor_unit_of_the_charge_is_the_least_tolerance():
    assert money(moved(-1000, rate=2.0), moved(998, 21, rate=2.0), currency="eur").fraction == pytest.approx(0.998)


def test_money_that_came_back_in_the_same_instant_was_withdrawn_before():
    assert money(moved(-500), moved(500, 0)).fraction == 1.0


def test_one_withdrawal_of_more_than_the_disputed_amount_is_no_second_one():
    assert money(moved(-600), amount=500).problem is None


def test_the_smallest_movement_counts():
    found = money(moved(-1), moved(1, 21), amount=1)
    assert (found.withdrawn_minor, found.reinstated_minor) == (1, 1)


@pytest.mark.parametrize("days", [-1, 10, 30])
def test_a_movement_of_nothing_is_neither_a_withdrawal_nor_a_reinstatement(days: int):
    assert money(moved(0, days), moved(-1), moved(1, 21), amount=1) == money(moved(-1), moved(1, 21), amount=1)


def test_a_part_that_came_back_is_its_share():
    assert money(moved(-500), moved(200, 21)).fraction == pytest.approx(0.4)


def test_parts_that_came_back_one_by_one_add_up():
    found = money(moved(-500), moved(200, 21), moved(300, 22))
    assert (found.reinstated_minor, found.fraction) == (500, 1.0)


def test_money_withdrawn_in_parts_is_withdrawn_once():
    found = money(moved(-300), moved(-200, 1), moved(500, 21))
    assert (found.withdrawn_minor, found.fraction, found.problem) == (500, 1.0, None)


def test_half_a_minor_unit_for_each_movement_is_no_partial_win():
    assert money(moved(-500), moved(499, 21)).fraction == 1.0
    assert money(moved(-500), moved(498, 21)).fraction == pytest.approx(0.996)
    assert money(moved(-500), moved(501, 21)).fraction == 1.0


def test_a_rate_that_moved_does_not_fake_a_partial_win():
    out, back = moved(-617, currency="usd", rate=1.234), moved(600, 21, currency="usd", rate=1.2)
    found = money(out, back, currency="eur")
    assert (found.currency, found.withdrawn_minor, found.reinstated_minor) == ("eur", 500, 500)
    assert found.fraction == 1.0


def test_a_real_partial_win_across_currencies_is_told_in_the_charges_currency():
    found = money(moved(-617, rate=1.234), moved(300, 21, rate=1.2), currency="eur")
    assert found.fraction == pytest.approx(0.5)


@pytest.mark.parametrize("rate", [None, 0.0, -1.0, 1e-320, 1e-7, 1e7, float("nan"), float("inf")])
def test_a_rate_missing_across_currencies_leaves_the_share_unknown(rate: float | None):
    found = money(moved(-617, rate=1.234), moved(600, 21, rate=rate), currency="eur")
    assert (found.fraction, found.problem) == (None, "fx_unknown")
    assert (found.currency, found.withdrawn_minor, found.reinstated_minor) == ("usd", 617, 600)
    assert found.first_withdrawal == found.last_withdrawal == OPENED


def test_no_rate_is_needed_to_see_that_nothing_came_back():
    found = money(moved(-617), currency="eur")
    assert (found.fraction, found.problem) == (0.0, None)


def test_a_null_rate_is_one_within_a_currency():
    assert money(moved(-500, rate=None), moved(500, 21, rate=1.0)).fraction == 1.0


@pytest.mark.parametrize("rate", [None, 1.1])
def test_a_withdrawal_after_a_reinstatement_is_a_second_one(rate: float | None):
    moves = [moved(-550, rate=rate), moved(550, 21, rate=rate), moved(-550, 40, rate=rate)]
    for currency in ("usd", "eur"):
        found = money(*moves, currency=currency)
        assert (found.fraction, found.problem) == (None, "second_withdrawal")


def test_a_second_withdrawal_that_came_back_too_is_still_for_a_person():
    moves = [moved(-500), moved(500, 21), moved(-500, 40), moved(500, 60)]
    assert money(*moves).problem == "second_withdrawal"


def test_more_withdrawn_than_disputed_in_several_movements_is_a_second_withdrawal():
    assert money(moved(-500), moved(-500, 30)).problem == "second_withdrawal"
    assert money(moved(-500), moved(500, 30), moved(-500, 30)).problem == "second_withdrawal"


def test_more_money_back_than_was_withdrawn_is_for_a_person():
    found = money(moved(-500), moved(500, 21), moved(500, 22))
    assert (found.fraction, found.problem) == (None, "more_reinstated")


def test_money_back_without_a_withdrawal_is_for_a_person():
    found = money(moved(500, 21))
    assert (found.fraction, found.problem) == (None, "no_withdrawal")


def test_movements_are_read_from_what_parquet_gives_back():
    cell = moved(-500) | {"created": pd.Timestamp(OPENED).tz_localize(None), "amount_minor": np.int64(-500)}
    assert movements_of([cell]) == movements_of([moved(-500)])


def test_a_movement_without_amount_is_refused():
    with pytest.raises(TypeError, match="needs an amount"):
        movements_of([moved(-500) | {"amount_minor": None}])


def test_movements_of_one_instant_and_amount_in_two_currencies_do_not_depend_on_their_order():
    dollars, euros = moved(1, 0, "usd", None), moved(1, 0, "eur", None)
    assert money(dollars, euros) == money(euros, dollars)


def conversion(amount: int, days: float, **more: object) -> dict[str, object]:
    """A small movement that Stripe books under the withdrawal's category, whatever its sign."""
    return moved(amount, days, **more) | {"reporting_category": "dispute"}


@pytest.mark.parametrize("category", ["dispute", None, ""])
@pytest.mark.parametrize("amount", [-25, -13, -1, 1, 12, 25])
@pytest.mark.parametrize("days", [0.01, 15, 30])
def test_a_conversion_is_neither_withdrawn_nor_reinstated(category: str | None, amount: int, days: float):
    small = moved(amount, days) | {"reporting_category": category}
    assert money(moved(-500), small) == money(moved(-500))
    assert money(moved(-500), small, moved(500, 21)) == money(moved(-500), moved(500, 21))


def test_above_five_in_a_hundred_a_movement_is_money_taken_or_given_back():
    assert money(moved(-500), conversion(26, 1)).reinstated_minor == 26
    assert money(moved(-500), conversion(-26, 1)).problem == "second_withdrawal"


@pytest.mark.parametrize(
    "moves",
    [
        [conversion(12, 1), moved(488, 21)],  # the net of all is nothing
        [conversion(-13, 1), moved(513, 21)],
        [moved(488, 21), moved(12, 22)],
        [moved(500, 21), moved(12, 22)],  # the reversal gained
        [moved(500, 21), conversion(-13, 22)],
        [conversion(12, 1), conversion(-13, 2), moved(490, 21)],
    ],
)
def test_all_of_the_money_came_back_within_the_conversion(moves: list[dict[str, object]]):
    found = money(moved(-500), *moves)
    assert (found.fraction, found.problem, found.withdrawn_minor) == (1.0, None, 500)


def test_a_conversion_does_not_hide_a_partial_win():
    assert money(moved(-500), conversion(12, 1), moved(250, 21)).fraction == pytest.approx(0.5)
    assert money(moved(-500), conversion(-13, 1), moved(487, 21)).fraction == pytest.approx(0.974)


def test_more_than_the_conversion_explains_is_still_more_than_was_withdrawn():
    assert money(moved(-500), conversion(-13, 1), moved(520, 21)).problem == "more_reinstated"


def test_a_conversion_needs_no_rate_of_its_own():
    moves = [moved(-550, rate=1.1), conversion(11, 1), moved(539, 21, rate=1.1)]
    found = money(*moves, currency="eur")
    assert (found.withdrawn_minor, found.reinstated_minor, found.fraction) == (500, 490, 1.0)


def test_a_small_movement_in_another_settlement_currency_is_no_conversion():
    assert money(moved(-500), conversion(5, 1, currency="eur", rate=1.0)).reinstated_minor == 5


def test_a_small_reversal_is_a_reversal_that_may_be_a_conversion():
    found = money(moved(-500), moved(25, 21))
    assert found.reinstated_minor == 25
    assert found.may_be_conversion
    assert not money(moved(-500), moved(26, 21)).may_be_conversion
    assert not money(moved(-500)).may_be_conversion


RATES = st.one_of(st.none(), st.floats(0.01, 200.0))
MOVES = st.builds(
    moved, st.integers(-2000, 2000).filter(bool), st.integers(0, 30), st.sampled_from(["usd", "eur"]), RATES
)


@examples(200)
@given(st.lists(MOVES, max_size=5), st.data())
def test_the_share_is_within_zero_and_one_and_does_not_depend_on_the_order(
    moves: list[dict[str, object]], data: st.DataObject
):
    found = money(*moves)
    assert found.fraction is None or 0.0 <= found.fraction <= 1.0
    assert min(found.withdrawn_minor, found.reinstated_minor) >= 0
    assert money(*data.draw(st.permutations(moves))) == found
