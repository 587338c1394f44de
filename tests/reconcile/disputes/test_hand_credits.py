from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.reconcile.disputes.hand_credits import Claim, HandCredit, Reading, read_hand_credits
from tests.support.dispute_rows import OPENED
from tests.support.examples import examples


def claim(name: str, owed: float, *amounts: float, day: float = 0.0) -> Claim:
    return Claim(name, OPENED + timedelta(days=day), owed, frozenset({owed, *amounts} - {0.0}))


def credits(*units: float, day: float = 10.0) -> list[HandCredit]:
    return [HandCredit(f"e{index}", amount, OPENED + timedelta(days=day)) for index, amount in enumerate(units)]


def used(reading: Reading) -> list[float]:
    return sorted(credit.units for some in reading.credited.values() for credit in some)


def test_a_credit_of_the_owed_units_is_for_the_dispute():
    reading = read_hand_credits(credits(6000), [claim("du_1", 6000)])
    assert reading.units("du_1") == 6000
    assert not reading.unclear


def test_a_credit_of_another_amount_is_for_no_dispute_and_leaves_all_clear():
    reading = read_hand_credits(credits(777), [claim("du_1", 6000)])
    assert reading.units("du_1") == 0
    assert not reading.unclear


@pytest.mark.parametrize(("day", "units"), [(-0.1, 0), (0, 6000)])
def test_a_credit_counts_from_the_instant_of_the_withdrawal(day: float, units: float):
    assert read_hand_credits(credits(6000, day=day), [claim("du_1", 6000)]).units("du_1") == units


def test_several_credits_that_add_up_are_for_the_dispute():
    assert read_hand_credits(credits(1000, 2000, 3000), [claim("du_1", 6000)]).units("du_1") == 6000


def test_parts_that_do_not_add_up_are_for_nothing():
    assert used(read_hand_credits(credits(1000, 2000), [claim("du_1", 6000)])) == []


def test_a_credit_does_not_go_with_itself():
    assert used(read_hand_credits(credits(3000), [claim("du_1", 6000)])) == []


def test_a_credit_that_is_a_quarter_of_a_unit_short_is_another_amount():
    assert used(read_hand_credits(credits(5999.75), [claim("du_1", 6000)])) == []


def test_a_quarter_of_a_unit_beyond_what_is_owed_decides_between_disputes():
    reading = read_hand_credits(credits(6000.25), [claim("du_1", 6000, 6000.25), claim("du_2", 6000.25, day=1)])
    assert (reading.units("du_1"), reading.units("du_2")) == (0, 6000.25)
    assert not reading.unclear


def test_one_credit_for_two_equal_claims_cannot_be_told():
    reading = read_hand_credits(credits(6000), [claim("du_1", 6000), claim("du_2", 6000, day=1)])
    assert reading.units("du_1") + reading.units("du_2") == 6000
    assert reading.unclear == {"du_1", "du_2"}


def test_two_equal_claims_and_two_credits_are_clear_whoever_gets_which():
    reading = read_hand_credits(credits(6000, 6000), [claim("du_1", 6000), claim("du_2", 6000, day=1)])
    assert reading.units("du_1") == reading.units("du_2") == 6000
    assert not reading.unclear


def test_the_time_tells_two_equal_claims_apart():
    reading = read_hand_credits(credits(6000), [claim("du_1", 6000), claim("du_2", 6000, day=11)])
    assert (reading.units("du_1"), reading.units("du_2")) == (6000, 0)
    assert not reading.unclear


def test_the_reading_that_leaves_fewest_over_wins():
    assert read_hand_credits(credits(6000, 500), [claim("du_1", 6000, 500)]).units("du_1") == 6500


def test_the_reading_that_credits_least_beyond_what_is_owed_wins():
    lost, won = claim("du_1", 0, 6000), claim("du_2", 6000, day=1)
    reading = read_hand_credits(credits(6000), [lost, won])
    assert (reading.units("du_1"), reading.units("du_2")) == (0, 6000)
    assert not reading.unclear


def test_a_dispute_credited_twice_by_hand_has_both_credits():
    assert read_hand_credits(credits(6000, 6000), [claim("du_1", 6000)]).units("du_1") == 12000


def test_an_organization_without_disputes_has_none_of_its_credits_read():
    assert read_hand_credits(credits(6000), []) == Reading({}, frozenset(), frozenset())


# ---- many of them: what is counted is work, never time ----

NO_SEARCH = 0


@pytest.mark.parametrize("number", [11, 300])
def test_any_number_of_disputes_credited_in_full_is_read_without_a_search(number: int):
    claims = [claim(f"du_{n:03}", 6000, 500, 5000, day=n) for n in range(number)]
    given_credits = [HandCredit(f"e{n:03}", 6000, OPENED + timedelta(days=n, hours=3)) for n in range(number)]
    reading = read_hand_credits(given_credits, claims, NO_SEARCH)
    assert [reading.units(one.dispute_id) for one in claims] == [6000] * number
    assert not reading.unclear | reading.unread


def test_a_gift_and_a_second_credit_beside_many_need_no_search_either():
    claims = [claim(f"du_{n:03}", 6000, 500, day=n) for n in range(100)]
    given_credits = [HandCredit(f"e{n:03}", 6000, OPENED + timedelta(days=200)) for n in range(101)]
    given_credits += credits(3000, 100, 500, day=201)
    reading = read_hand_credits(given_credits, claims, NO_SEARCH)
    assert not reading.unclear | reading.unread
    assert min(reading.units(one.dispute_id) for one in claims) == 6000
    assert used(reading) == [500] + [6000] * 101


def test_many_equal_credits_short_of_many_equal_claims_are_searched_in_few_steps():
    claims = [claim(f"du_{n:02}", 6000, 5000, day=n) for n in range(40)]
    given_credits = [HandCredit(f"e{n:02}", 5000, OPENED + timedelta(days=n, hours=3)) for n in range(40)]
    reading = read_hand_credits(given_credits, claims)
    assert [reading.units(one.dispute_id) for one in claims] == [5000] * 40
    assert not reading.unclear | reading.unread


def test_what_would_take_too_long_to_search_is_unread_and_not_guessed():
    sizes = [float(2**n) for n in range(14)]
    claims = [claim(f"du_{n:02}", 3000 + n, *sizes) for n in range(10)]
    reading = read_hand_credits(credits(*sizes), claims)
    assert reading.unread == {one.dispute_id for one in claims}
    assert used(reading) == []


def test_a_part_that_is_unread_says_nothing_about_another():
    sizes = [float(2**n) for n in range(14)]
    claims = [claim(f"du_{n:02}", 3000 + n, *sizes) for n in range(10)]
    apart = claim("du_apart", 700000)
    reading = read_hand_credits(credits(*sizes, 700000), [*claims, apart], 1000)
    assert reading.units("du_apart") == 700000
    assert "du_apart" not in reading.unread


def test_a_dispute_with_nothing_owed_is_never_unread():
    reading = read_hand_credits(credits(5, 7), [claim("du_1", 0, 5, 7, 12)], NO_SEARCH)
    assert not reading.unclear | reading.unread


# The reference: every credit to every dispute or none, whatever it costs.

AMOUNTS = st.sampled_from([1.0, 2.0, 3.0, 4.0, 6.0])
CLAIMS = st.lists(
    st.builds(
        lambda owed, more, day: (owed, more, day),
        st.sampled_from([0.0, 1.0, 2.0, 4.0, 6.0]),
        st.sets(AMOUNTS),
        st.integers(0, 2),
    ),
    max_size=3,
)
CREDITS = st.lists(st.tuples(AMOUNTS, st.integers(0, 2)), max_size=4)


def partitions(items: Sequence[HandCredit]) -> Iterator[list[list[HandCredit]]]:
    if not items:
        yield []
        return
    for smaller in partitions(items[1:]):
        yield [[items[0]], *smaller]
        for place in range(len(smaller)):
            yield [*smaller[:place], [items[0], *smaller[place]], *smaller[place + 1 :]]


def allowed(taken: Sequence[HandCredit], one: Claim) -> bool:
    if any(credit.at < one.since for credit in taken):
        return False
    return any(all(sum(c.units for c in group) in one.amounts for group in split) for split in partitions(taken))


def brute_force(given_credits: list[HandCredit], claims: list[Claim]) -> tuple[dict[str, set[float]], set[float]]:
    """Units that each claim has in any best reading, and the units that best readings use in all."""
    best: tuple[float, float] | None = None
    winners: list[tuple[int, ...]] = []
    for assignment in product(range(-1, len(claims)), repeat=len(given_credits)):
        taken = [[c for c, to in zip(given_credits, assignment, strict=True) if to == n] for n in range(len(claims))]
        if not all(allowed(some, one) for some, one in zip(taken, claims, strict=True)):
            continue
        beyond = sum(max(0.0, sum(c.units for c in some) - one.owed) for some, one in zip(taken, claims, strict=True))
        cost = (float(assignment.count(-1)), beyond)
        if best is None or cost < best:
            best, winners = cost, []
        if cost == best:
            winners.append(assignment)
    units: dict[str, set[float]] = {one.dispute_id: set() for one in claims}
    totals: set[float] = set()
    for assignment in winners:
        for n, one in enumerate(claims):
            amounts = [c.units for c, to in zip(given_credits, assignment, strict=True) if to == n]
            units[one.dispute_id].add(float(sum(amounts)))
        totals.add(sum(c.units for c, to in zip(given_credits, assignment, strict=True) if to != -1))
    return units, totals


@examples(300)
@given(CREDITS, CLAIMS, st.randoms())
def test_the_reading_is_the_one_that_trying_everything_finds(drawn_credits, drawn_claims, random):
    given_credits = [
        HandCredit(f"e{n}", units, OPENED + timedelta(days=day)) for n, (units, day) in enumerate(drawn_credits)
    ]
    claims = [claim(f"du_{n}", owed, *more, day=day) for n, (owed, more, day) in enumerate(drawn_claims)]
    units, totals = brute_force(given_credits, claims)
    reading = read_hand_credits(given_credits, claims)
    differ = {one.dispute_id for one in claims if len(units[one.dispute_id]) > 1}
    short = {one.dispute_id for one in claims if min(units[one.dispute_id]) < one.owed}
    assert reading.unclear == differ & short
    assert not reading.unread
    served = [credit for some in reading.credited.values() for credit in some]
    assert len(served) == len(set(served))
    assert sum(credit.units for credit in served) in totals
    for one in claims:
        assert reading.units(one.dispute_id) in units[one.dispute_id]
        assert all(credit.at >= one.since for credit in reading.credited.get(one.dispute_id, ()))
    shuffled_credits, shuffled_claims = given_credits.copy(), claims.copy()
    random.shuffle(shuffled_credits)
    random.shuffle(shuffled_claims)
    assert read_hand_credits(shuffled_credits, shuffled_claims) == reading
