"""What holds for any history of withdrawals, reinstatements and credits (issue: 0 <= credited <= clawed back)."""

import random

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tests.support.dispute_rows import World, by_hand, clawback, dispute, moved, own_credit
from tests.support.examples import examples

NAMES = ["du_1", "du_2", "du_3"]
UNITS = st.sampled_from([6000.0, 5000.0, 3000.0, 1000.0, 500.0, 5.0, 2500.0, 777.0])
DAYS = st.integers(0, 30)
STATUSES = st.sampled_from(["won", "lost", "under_review", "appeal_under_review", "warning_closed", "hibernating"])

MOVES = st.one_of(
    st.just([moved(-500), moved(500, 10)]),
    st.just([moved(-500), moved(250, 10)]),
    st.just([moved(-500)]),
    st.lists(st.builds(moved, st.sampled_from([-500, 500, 250, -250, 200]), DAYS), max_size=4),
    st.lists(
        st.builds(moved, st.integers(-700, 700).filter(bool), DAYS, st.just("eur"), st.none() | st.just(1.1)),
        max_size=3,
    ),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    names = NAMES[: draw(st.integers(1, 3))]
    disputes = [
        dispute(name, status=draw(STATUSES), movements=draw(MOVES), livemode=draw(st.integers(0, 9)) > 0)
        for name in names
    ]
    entries: list[dict[str, object]] = []
    for name in names:
        entries += [clawback(name, draw(UNITS), draw(DAYS)) for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2])))]
        entries += [own_credit(name, draw(UNITS), draw(DAYS)) for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2])))]
    hands = draw(st.lists(st.tuples(UNITS, DAYS), max_size=4))
    entries += [by_hand(units, days, request=f"r{number}") for number, (units, days) in enumerate(hands)]
    return World(disputes, entries)


@examples(75)
@given(worlds())
def test_no_more_is_due_than_was_clawed_back_less_what_is_credited(case: World):
    positions = case.judged().positions
    due = positions["due_units"]
    assert (due >= 0).all()
    room = (positions["clawed_back_units"] - positions["credited_units"]).clip(lower=0)
    assert (due <= room).all()
    assert (due[positions["decision"] != "due"] == 0).all()
    assert (due[positions["decision"] == "due"] > 0).all()
    assert (positions.loc[positions["decision"] == "due", "reinstated_minor"] > 0).all()


@examples(50)
@given(worlds(), st.integers(0, 1000))
def test_the_order_of_disputes_and_entries_does_not_matter(case: World, seed: int):
    result = case.judged()
    random.Random(seed).shuffle(case.disputes)
    random.Random(seed + 1).shuffle(case.entries)
    again = case.judged()
    pd.testing.assert_frame_equal(result.positions, again.positions)
    pd.testing.assert_frame_equal(result.findings, again.findings)


@examples(75)
@given(worlds())
def test_crediting_what_is_due_settles_it_and_never_exceeds_the_clawback(case: World):
    before = case.judged().positions
    due = before[before["decision"] == "due"].set_index("dispute_id")["due_units"]
    for name, units in due.items():
        case.entries.append(own_credit(str(name), float(units), 31))
    after = case.judged().positions.set_index("dispute_id")
    assert (after.loc[due.index, "decision"] == "nothing_due").all()
    assert (after.loc[due.index, "credited_units"] <= after.loc[due.index, "clawed_back_units"]).all()
    unsettled = [name for name in after.index if name not in due.index]
    assert (after.loc[unsettled, "due_units"] == 0).all()


@examples(75)
@given(worlds())
def test_every_dispute_with_units_open_has_a_finding(case: World):
    result = case.judged()
    told = set(result.findings["subject"])
    acted_on = result.positions[result.positions["decision"].isin(["due", "parked"])]
    assert set(acted_on["dispute_id"]) <= told
