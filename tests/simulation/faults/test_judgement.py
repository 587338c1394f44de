"""The simulator's own judgement: what a week that was left behind can tell, by the stories that the data allows."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq_simulation.clock import DAY, HOUR, MINUTE, WEEK, week_key, week_start
from billing_dq_simulation.company.application import Crashes
from billing_dq_simulation.company.story import Changes, Step, Story
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.faults.judgement import Verdict, judge
from tests.support.examples import examples

CONFIG = WorldConfig(entries_per_week=0.0)
Happening = tuple[int, Callable[[Story], None]]


def quiet(first: str) -> int:
    """The index of an organization that only has a monthly subscription of a plan, with a period in the last weeks."""
    for index in range(2000):
        story = Story(CONFIG, index)
        subscription = story.application.subscription
        calm = not story.purchases and not story.troubled and not story.application.ledger
        if calm and subscription and subscription["plan"] == first and subscription["status"] == "active":
            return index
    raise AssertionError("no such organization")


INDEX = quiet("starter")
START = week_start(Story(CONFIG, INDEX).end) - 2 * WEEK


def steps(units: float, count: int = 40, first: int = 0) -> list[Step]:
    """Steps of equal units, six a day from Monday on."""
    made: list[Step] = []
    for number in range(first, first + count):
        at = START + HOUR + number * 4 * HOUR
        made.append(Step(at, f"{(at - MINUTE) // 1000:08x}{number:016x}:initial", units, "wizard", 30))
    return made


def week(told: list[Step], happenings: list[Happening] | None = None, lost: set[str] | None = None) -> Story:
    return Story(CONFIG, INDEX, Changes(Crashes(lost=lost or set()), told, list(happenings or [])))


def keys(told: list[Step], between: range) -> set[str]:
    return {told[place].key for place in between}


def touch(day: int) -> Happening:
    def happen(story: Story) -> None:
        story.account.touch(story.now - 2000, "default_payment_method")
        story.application.subscription_event(story.now, story.heard)

    return START + day * DAY, happen


def overdue(first: int, last: int, dunned: bool) -> list[Happening]:
    """Overdue at Stripe from one day to another; dunned here in between, a day after the first."""

    def fall(story: Story) -> None:
        story.account.renew(story.now, False)
        story.application.fall_behind(story.now, story.heard)

    def recover(story: Story) -> None:
        story.account.pay_open_invoice(story.now - 2000)
        story.application.recover(story.now, "starter", story.heard)

    dun: Happening = (START + (first + 1) * DAY, lambda story: story.application.dun(story.now))
    return [(START + first * DAY, fall), *([dun] if dunned else []), (START + last * DAY, recover)]


def test_a_week_without_trouble_is_the_designs():
    assert judge(week(steps(100)), START) is Verdict.DESIGN


def test_a_gap_between_debits_is_a_defect_also_beside_an_event_that_changed_no_plan():
    told = steps(100)
    assert judge(week(told, [touch(5)], keys(told, range(14, 24))), START) is Verdict.DEFECT


def test_the_first_debits_lost_up_to_an_event_that_changed_no_plan_are_a_defect():
    told = steps(100)
    assert judge(week(told, [touch(5)], keys(told, range(30))), START) is Verdict.DEFECT


def test_a_step_of_0_units_is_no_lost_debit():
    told = [*steps(100, 10), *steps(0, 1, first=10), *steps(100, 5, first=11)]
    assert judge(week(told), START) is Verdict.DESIGN


def test_debits_at_quota_0_while_overdue_are_undecided_after_the_recovery():
    story = week(steps(10), overdue(1, 4, dunned=True))
    assert judge(story, START) is Verdict.UNDECIDED


def test_what_was_debited_while_nothing_was_overdue_is_a_defect():
    told = steps(10, 30)
    story = week(told, [(START + 3 * DAY, lambda one: one.application.debit(one.now, told[3].key, 10))])
    assert judge(story, START) is Verdict.DEFECT


def test_a_cancellation_by_an_administrator_explains_debits_after_it():
    def cancel(story: Story) -> None:
        story.account.cancel(story.now)
        story.application.cancel_by_administrator(story.now + 1000)

    assert judge(week(steps(10), [(START + 3 * DAY, cancel)]), START) is Verdict.DESIGN


def test_a_plan_that_came_and_went_at_stripe_explains_what_was_not_debited():
    def to(plan: str, price: str) -> Callable[[Story], None]:
        def happen(story: Story) -> None:
            story.account.change_price(story.now - 2000, price, {})
            story.application.change_plan(story.now, plan, story.heard)

        return happen

    happenings: list[Happening] = [
        (START + 2 * DAY + 1, to("pro", "price_pro_monthly_v2")),
        (START + 4 * DAY + 1, to("starter", "price_starter_monthly_v1")),
    ]
    assert judge(week(steps(100), happenings), START) is Verdict.DESIGN


def test_a_synchronization_is_seen_by_the_next_document():
    def change(story: Story) -> None:
        story.account.change_price(story.now, "price_pro_monthly_v2", {})

    happenings: list[Happening] = [
        (START + 2 * DAY, change),
        (START + 4 * DAY, lambda story: story.application.synchronize(story.now, "pro", "active")),
    ]
    assert judge(week(steps(100), happenings), START) is Verdict.DESIGN


def test_a_plan_changed_by_hand_and_replaced_in_one_week_is_undecided():
    happenings: list[Happening] = [
        (START + 2 * DAY, lambda story: story.application.change_plan_by_hand(story.now, "enterprise")),
        (START + 4 * DAY, lambda story: story.application.synchronize(story.now, "starter", "active")),
    ]
    assert judge(week(steps(100), happenings), START) is Verdict.UNDECIDED


def test_a_plan_set_by_hand_whose_trace_was_written_over_is_undecided_where_somebody_synchronized():
    """Days of steps were not debited. Without a synchronization only lost debits tell that."""
    later: Happening = (
        START + 12 * DAY,
        lambda story: story.application.change_plan_by_hand(story.now, "enterprise"),
    )
    happenings: list[Happening] = [
        (START + 2 * DAY, lambda story: story.application.change_plan_by_hand(story.now, "pro")),
        (START + 4 * DAY, lambda story: story.application.synchronize(story.now, "starter", "active")),
        later,
    ]
    assert judge(week(steps(100), happenings), START) is Verdict.UNDECIDED
    lost = keys(steps(100), range(12, 24))
    assert judge(week(steps(100), [later], lost), START) is Verdict.DEFECT


def test_a_customer_that_was_deleted_leaves_nobody_who_tells_what_came_and_went():
    """Stripe's events are still there, and nothing here says whose they are."""

    def cancel(deleted: bool) -> Callable[[Story], None]:
        def happen(story: Story) -> None:
            story.account.cancel(story.now - 2000)
            if deleted:
                story.account.delete_customer()
            story.application.cancel(story.now, story.heard, deleted)

        return happen

    told = steps(100)
    lost = keys(told, range(12, 24))
    for deleted, verdict in ((False, Verdict.DEFECT), (True, Verdict.UNDECIDED)):
        assert judge(week(told, [(START + 9 * DAY, cancel(deleted))], lost), START) is verdict


def test_a_settlement_is_judged_by_what_the_meter_was_charged_where_that_is_told_apart():
    """It credited 500 after all steps and was counted with 430."""
    renewal: Happening = (START + 3 * DAY, lambda story: story.application.renew(story.now, story.heard))
    charged_short = Crashes(miscounted={f"settle:{week_key(START)}": -70})
    org = Story(CONFIG, INDEX, Changes(charged_short, steps(100, 10), [renewal]))
    assert org.application.usage[START].settled == 430
    assert judge(org, START) is Verdict.DEFECT
    assert judge(org, START, settled=430.0) is Verdict.DESIGN


@pytest.mark.parametrize("units", [40, 60])
def test_an_explanation_may_leave_the_tolerance_over_where_a_quota_changed(units: int):
    def cancel(story: Story) -> None:
        story.account.cancel(story.now)
        story.application.cancel_by_administrator(story.now + 1000)

    told = [*steps(100, 10), *steps(units, 1, first=10), *steps(100, 20, first=11)]
    story = week(told, [(START + 3 * DAY, cancel)], {told[10].key})
    assert judge(story, START, 50.0) is (Verdict.DESIGN if units == 40 else Verdict.DEFECT)


@examples(25)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_natural_trouble_is_never_a_defect(seed: int):
    for index in range(25):
        story = Story(WorldConfig(seed=seed, trouble=1.0), index)
        for start in story.closed_weeks()[-3:]:
            if start in story.application.usage:
                assert judge(story, start) is not Verdict.DEFECT
