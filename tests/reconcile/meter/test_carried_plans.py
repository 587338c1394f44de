"""Weeks in which an event that is no change of plan may have brought Stripe's plan along."""

from datetime import datetime, timedelta

from billing_dq.reconcile.meter.quota.facts import QuotaEvent, QuotaRecord, StepTimes
from billing_dq.reconcile.meter.quota.free_usage import Change
from billing_dq.reconcile.meter.quota.scenarios import possible
from billing_dq.reconcile.meter.quota.untraced import CARRIED, carried_by_an_event
from billing_dq.weeks import Week
from tests.support.quota_records import quota_record

W46 = Week.parse("2026-W46")
MONDAY, WEDNESDAY, FRIDAY = (W46.start + timedelta(days=days) for days in (0, 2, 4))
HOUR = timedelta(hours=1)
PLANS = frozenset({0.0, 500.0, 5000.0})
#: Four steps: one debited on Tuesday, one on Thursday; the others tell when their history was made.
TIMES = StepTimes(
    debited_at=[int((at).timestamp() * 1000) for at in (WEDNESDAY - 24 * HOUR, WEDNESDAY + 24 * HOUR)] + [0, 0],
    begun_at=[0, 0] + [int(at.timestamp() * 1000) for at in (FRIDAY - HOUR, FRIDAY + 2 * HOUR)],
)


def record(**more: object) -> QuotaRecord:
    usual: dict[str, object] = {"document": 5000.0, "before": 5000.0, "paid": True, "changes": (), "plans": PLANS}
    return quota_record(W46, **(usual | more))  # type: ignore[arg-type]


def courses(**more: object) -> list[tuple[float, tuple[Change, ...]]]:
    return [(scenario.first, scenario.changes) for scenario in carried_by_an_event(record(**more), TIMES)]


def test_a_plan_whose_webhook_was_lost_may_come_with_the_next_event_of_the_subscription() -> None:
    announced = QuotaEvent(MONDAY, 500.0, 5000.0)
    assert courses(changes=(announced,), event_times=(MONDAY, WEDNESDAY)) == [(500.0, (Change(5000.0, 1, 2),))]
    assert courses(changes=(announced,), event_times=(MONDAY,)) == [], "no event came after it"


def test_the_event_that_brought_the_plan_along_is_one_of_those_in_the_week() -> None:
    announced = QuotaEvent(MONDAY, 500.0, 5000.0)
    told = (MONDAY, WEDNESDAY, FRIDAY)
    assert courses(changes=(announced,), event_times=told) == [(500.0, (Change(5000.0, 1, 3),))]
    assert courses(changes=(announced,), event_times=(MONDAY, FRIDAY)) == [(500.0, (Change(5000.0, 2, 3),))]


def test_a_change_that_the_document_does_not_show_is_not_what_wrote_the_document() -> None:
    assert courses(changes=(QuotaEvent(MONDAY, 500.0, 0.0),), event_times=(MONDAY, WEDNESDAY)) == []


def test_a_change_of_the_week_before_that_its_document_does_not_show_may_come_in_this_week() -> None:
    unheard = {"before": 500.0, "announced_before": 5000.0}
    assert courses(**unheard, event_times=(WEDNESDAY,)) == [(500.0, (Change(5000.0, 1, 2),))]
    assert courses(**unheard, event_times=()) == [], "a synchronization writes no document"
    assert courses(before=500.0, announced_before=0.0, event_times=(WEDNESDAY,)) == []
    assert courses(before=None, announced_before=5000.0, event_times=(WEDNESDAY,)) == []


def test_an_event_replaces_the_plan_that_a_person_set_before() -> None:
    earlier = courses(changed_by_hand_at=MONDAY - HOUR, event_times=(WEDNESDAY,))
    assert earlier == [(quota, (Change(5000.0, 1, 2),)) for quota in (0.0, 500.0)]
    within = courses(changed_by_hand_at=MONDAY + HOUR, event_times=(WEDNESDAY,))
    assert within == [(5000.0, (Change(quota, 0), Change(5000.0, 0))) for quota in (0.0, 500.0)]
    assert courses(changed_by_hand_at=WEDNESDAY + HOUR, event_times=(WEDNESDAY,)) == [], (
        "it came before the change by hand"
    )
    assert courses(changed_by_hand_at=WEDNESDAY, event_times=(WEDNESDAY,)) == []


def test_such_a_change_may_have_reset_the_usage_and_nothing_attests_it() -> None:
    found = possible(record(before=500.0, announced_before=5000.0, event_times=(WEDNESDAY,)), TIMES)
    mine = [scenario for scenario in found if scenario.reason == CARRIED]
    assert [scenario.changes[-1].resets for scenario in mine] == [False, True]
    assert {scenario.attested_by for scenario in mine} == {None}


def test_events_that_are_incomplete_still_attest_what_they_show() -> None:
    """One names a plan that is none of ours, so that more may have happened than they show."""
    shown = QuotaEvent(WEDNESDAY, 500.0, 5000.0)
    partly = record(changes=None, some_changes=(shown,))
    assert partly.stripe.shown_changes == (shown,)
    assert record(changes=(), some_changes=(shown,)).stripe.shown_changes == ()


def test_a_week_began_with_another_quota_where_stripe_s_events_show_that_the_document_s_replaced_it() -> None:
    def began(*quotas: tuple[float, float]) -> bool:
        return record(
            changes=tuple(QuotaEvent(at, *one) for at, one in zip(DAYS, quotas, strict=False))
        ).began_with_another

    assert began((500.0, 5000.0))
    assert not began((5000.0, 500.0), (500.0, 5000.0)), "it was there before"
    assert not began((500.0, 0.0))
    assert not began()
    assert not record(changes=None).began_with_another


DAYS: tuple[datetime, ...] = (MONDAY, WEDNESDAY, FRIDAY)
