from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from billing_dq.reconcile.disputes.hand_credits import MOST_CREDITS, Claim, HandCredit, Reading, read_hand_credits
from tests.support.dispute_rows import OPENED


def claim(name: str, owed: float, *amounts: float, day: float = 0.0) -> Claim:
    return Claim(name, OPENED + timedelta(days=day), owed, frozenset({owed, *amounts} - {0.0}))


def credits(*units: float, day: float = 10.0) -> list[HandCredit]:
    return [HandCredit(f"e{index}", amount, OPENED + timedelta(days=day)) for index, amount in enumerate(units)]


def left(reading: Reading) -> list[float]:
    return [credit.units for credit in reading.left_over]


def test_a_credit_of_the_owed_units_is_for_the_dispute():
    reading = read_hand_credits(credits(6000), [claim("du_1", 6000)])
    assert reading.units("du_1") == 6000
    assert left(reading) == []


def test_a_credit_of_another_amount_is_left_over():
    reading = read_hand_credits(credits(777), [claim("du_1", 6000)])
    assert reading.units("du_1") == 0
    assert left(reading) == [777]


def test_a_credit_before_the_withdrawal_is_for_another_matter():
    reading = read_hand_credits(credits(6000, day=-0.1), [claim("du_1", 6000)])
    assert reading.units("du_1") == 0
    assert left(reading) == [6000]


def test_a_credit_at_the_instant_of_the_withdrawal_counts():
    assert read_hand_credits(credits(6000, day=0), [claim("du_1", 6000)]).units("du_1") == 6000


def test_several_credits_that_add_up_are_for_the_dispute():
    reading = read_hand_credits(credits(1000, 2000, 3000), [claim("du_1", 6000)])
    assert reading.units("du_1") == 6000
    assert left(reading) == []


def test_parts_that_do_not_add_up_are_left_over():
    assert left(read_hand_credits(credits(1000, 2000), [claim("du_1", 6000)])) == [1000, 2000]


def test_a_credit_that_is_a_quarter_of_a_unit_short_is_another_amount():
    assert left(read_hand_credits(credits(5999.75), [claim("du_1", 6000)])) == [5999.75]


def test_a_quarter_of_a_unit_beyond_what_is_owed_decides_between_disputes():
    reading = read_hand_credits(credits(6000.25), [claim("du_1", 6000, 6000.25), claim("du_2", 6000.25, day=1)])
    assert reading.possible_units("du_1") == {0}
    assert reading.possible_units("du_2") == {6000.25}


def test_one_credit_serves_one_dispute():
    reading = read_hand_credits(credits(6000), [claim("du_1", 6000), claim("du_2", 6000, day=1)])
    assert reading.units("du_1") + reading.units("du_2") == 6000


def test_two_equal_claims_and_one_credit_cannot_be_told_apart():
    reading = read_hand_credits(credits(6000), [claim("du_1", 6000), claim("du_2", 6000, day=1)])
    assert reading.possible_units("du_1") == reading.possible_units("du_2") == {0.0, 6000.0}


def test_two_equal_claims_and_two_credits_are_clear_whoever_gets_which():
    reading = read_hand_credits(credits(6000, 6000), [claim("du_1", 6000), claim("du_2", 6000, day=1)])
    assert reading.possible_units("du_1") == reading.possible_units("du_2") == {6000.0}


def test_the_time_tells_two_equal_claims_apart():
    reading = read_hand_credits(credits(6000), [claim("du_1", 6000), claim("du_2", 6000, day=11)])
    assert reading.possible_units("du_1") == {6000.0}
    assert reading.possible_units("du_2") == {0.0}


def test_the_reading_that_leaves_fewest_over_wins():
    reading = read_hand_credits(credits(6000, 500), [claim("du_1", 6000, 500)])
    assert reading.units("du_1") == 6500
    assert left(reading) == []


def test_the_reading_that_credits_least_beyond_what_is_owed_wins():
    lost, won = claim("du_1", 0, 6000), claim("du_2", 6000, day=1)
    reading = read_hand_credits(credits(6000), [lost, won])
    assert (reading.units("du_1"), reading.units("du_2")) == (0, 6000)
    assert reading.possible_units("du_2") == {6000.0}


def test_a_dispute_credited_twice_by_hand_has_both_credits():
    assert read_hand_credits(credits(6000, 6000), [claim("du_1", 6000)]).units("du_1") == 12000


def test_an_organization_without_disputes_has_all_its_credits_left_over():
    assert left(read_hand_credits(credits(6000), [])) == [6000]


def test_more_credits_than_can_be_told_apart_are_all_left_over():
    reading = read_hand_credits(credits(*[1.0] * (MOST_CREDITS + 1)), [claim("du_1", 6000)])
    assert reading.units("du_1") == 0
    assert len(reading.left_over) == MOST_CREDITS + 1


def test_credits_too_large_to_be_meant_do_not_count_among_the_many():
    reading = read_hand_credits(credits(6000, *[9000.0] * MOST_CREDITS), [claim("du_1", 6000)])
    assert reading.units("du_1") == 6000


def test_many_equal_credits_and_claims_are_read_in_no_time():
    reading = read_hand_credits(credits(*[5.0] * MOST_CREDITS), [claim(f"du_{n}", 5.0, 10.0, 15.0) for n in range(8)])
    assert left(reading) == []


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


def brute_force(given_credits: list[HandCredit], claims: list[Claim]) -> tuple[dict[str, set[float]], set[str]]:
    """Units that each claim has in any best reading, and the credits left over in any."""
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
    over: set[str] = set()
    for assignment in winners:
        for n, one in enumerate(claims):
            amounts = [c.units for c, to in zip(given_credits, assignment, strict=True) if to == n]
            units[one.dispute_id].add(float(sum(amounts)))
        over |= {c.entry_id for c, to in zip(given_credits, assignment, strict=True) if to == -1}
    return units, over


@settings(max_examples=300)
@given(CREDITS, CLAIMS, st.randoms())
def test_the_reading_is_the_one_that_trying_everything_finds(drawn_credits, drawn_claims, random):
    given_credits = [
        HandCredit(f"e{n}", units, OPENED + timedelta(days=day)) for n, (units, day) in enumerate(drawn_credits)
    ]
    claims = [claim(f"du_{n}", owed, *more, day=day) for n, (owed, more, day) in enumerate(drawn_claims)]
    units, over = brute_force(given_credits, claims)
    reading = read_hand_credits(given_credits, claims)
    assert {one.dispute_id: set(reading.possible_units(one.dispute_id)) for one in claims} == units
    assert {credit.entry_id for credit in reading.left_over} == over
    served = [credit for some in reading.credited.values() for credit in some]
    assert len(served) == len(set(served))
    assert all(reading.units(one.dispute_id) in units[one.dispute_id] for one in claims)
    shuffled_credits, shuffled_claims = given_credits.copy(), claims.copy()
    random.shuffle(shuffled_credits)
    random.shuffle(shuffled_claims)
    assert read_hand_credits(shuffled_credits, shuffled_claims) == reading
