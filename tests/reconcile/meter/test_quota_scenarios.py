"""Which quotas are attested for a week, which are only possible, and which are neither."""

from datetime import UTC, datetime, timedelta

import pytest

from billing_dq.reconcile.meter.quota.facts import (
    DELIVERY,
    Overdue,
    QuotaEvent,
    QuotaRecord,
    StepTimes,
    begin_seconds,
    plausible_begin,
)
from billing_dq.reconcile.meter.quota.free_usage import Scenario
from billing_dq.reconcile.meter.quota.scenarios import attested, possible
from billing_dq.weeks import Week
from tests.support.quota_records import quota_record

W46 = Week.parse("2026-W46")
WEDNESDAY = W46.start + timedelta(days=2)
BEFORE, AFTER = W46.start - timedelta(days=3), W46.end + timedelta(days=3)
PLANS = frozenset({0.0, 500.0, 5000.0, 20000.0})
NO_STEPS = StepTimes((), ())


def record(document: float = 500.0, **more: object) -> QuotaRecord:
    """A week of an old paying organization whose documents around it agree with its own."""
    usual: dict[str, object] = {
        "before": document,
        "after": document,
        "plan": document,
        "status": "active",
        "paid": True,
        "made_at": datetime(2024, 1, 1, tzinfo=UTC),
        "event_at": BEFORE - timedelta(weeks=2),
        "updated_at": BEFORE - timedelta(weeks=2),
        "plans": PLANS,
    }
    return quota_record(W46, document, **(usual | more))  # type: ignore[arg-type]


def said(scenario: Scenario) -> tuple[object, ...]:
    """A scenario in short: its quotas, what attests it (else its reason), and whether the meter was reset."""
    quotas = (scenario.first, *(change.quota for change in scenario.changes))
    return (quotas, scenario.attested_by or scenario.reason, "" if scenario.reset is None else "reset")


def attested_in(**more: object) -> set[tuple[object, ...]]:
    """What is attested beside the document's own quota."""
    found = attested(record(**more), NO_STEPS)  # type: ignore[arg-type]
    assert not found[0].changes
    assert found[0].attested_by == "document"
    return {said(scenario) for scenario in found[1:]}


def possible_in(**more: object) -> set[tuple[object, ...]]:
    return {said(scenario) for scenario in possible(record(**more), NO_STEPS)}  # type: ignore[arg-type]


def test_a_quiet_week_has_its_document_s_quota_and_no_other() -> None:
    assert attested_in() == set()
    assert possible_in() == set()


@pytest.mark.parametrize("marker", ["event_at", "updated_at"])
def test_a_marker_that_moved_in_the_week_attests_nothing(marker: str) -> None:
    assert attested_in(**{marker: WEDNESDAY}) == set()
    assert all(quotas == (500.0, 0.0) for quotas, _, _ in possible_in(**{marker: WEDNESDAY}))


def test_a_change_by_hand_that_nothing_shows_any_more_attests_nothing() -> None:
    assert attested_in(changed_by_hand_at=WEDNESDAY, event_at=WEDNESDAY + timedelta(hours=1)) == set()


def test_the_week_before_attests_its_quota_where_a_change_may_have_come_in_this_week() -> None:
    changed = {((5000.0, 500.0), "week_before", "")}
    assert attested_in(before=5000.0, event_at=WEDNESDAY) == changed
    assert attested_in(before=5000.0, event_at=W46.start - DELIVERY) == changed
    assert attested_in(before=5000.0, event_at=None) == changed
    assert attested_in(before=5000.0) == set()


def test_stripe_s_events_replace_the_guess_of_the_week_before() -> None:
    event = QuotaEvent(WEDNESDAY, 5000.0, 500.0)
    assert attested_in(before=5000.0, event_at=WEDNESDAY, changes=(event,)) == {
        ((5000.0, 500.0), "stripe_event", ""),
    }
    assert attested_in(before=5000.0, event_at=WEDNESDAY, changes=()) == set()


def test_several_events_are_followed_together_and_each_alone() -> None:
    events = (QuotaEvent(WEDNESDAY, 500.0, 0.0), QuotaEvent(WEDNESDAY + timedelta(days=1), 0.0, 500.0))
    assert attested_in(changes=events) == {
        ((500.0, 0.0, 500.0), "stripe_event", ""),
        ((500.0, 0.0), "stripe_event", ""),
        ((0.0, 500.0), "stripe_event", ""),
    }
    assert len(attested_in(changes=events * 3)) == 2, "only each alone"


def test_a_change_that_the_document_did_not_follow_resets_nothing() -> None:
    assert attested_in(changes=(QuotaEvent(WEDNESDAY, 500.0, 5000.0),)) == {((500.0, 5000.0), "stripe_event", "")}


def test_an_organization_made_in_the_week_started_free() -> None:
    young = {"before": None, "made_at": W46.start, "event_at": WEDNESDAY}
    assert attested_in(**young) == {((0.0, 500.0), "started_free", "")}
    assert attested_in(**young | {"made_at": W46.start - timedelta(seconds=1)}) == set()


def test_a_change_of_plan_resets_the_usage_only_where_the_application_is_configured_so() -> None:
    raised = {"before": 5000.0, "event_at": WEDNESDAY}
    reset = (5000.0, 500.0), "change_of_plan_reset", "reset"
    assert reset in possible_in(**raised)
    configured = attested_in(**raised, change_resets_usage=True)
    assert configured == {((5000.0, 500.0), "week_before", ""), ((5000.0, 500.0), "week_before", "reset")}
    assert reset not in possible_in(**raised, change_resets_usage=True)


def test_a_cancellation_after_a_paid_plan_resets_the_meter() -> None:
    assert attested_in(document=0.0, before=500.0) == {((500.0, 0.0), "week_before", "reset")}


def test_a_free_organization_does_not_return_to_quota_0_without_a_reset() -> None:
    free = {"document": 0.0, "plan": 0.0, "event_at": WEDNESDAY, "status": "canceled"}
    assert attested_in(**free) == set()
    assert possible_in(**free) == {((0.0, 0.0), "canceled_in_this_week", "reset")}


def test_earlier_nights_attest_what_they_saw() -> None:
    assert attested_in(seen_quotas=frozenset({500.0, 5000.0})) == {
        ((5000.0, 500.0), "earlier_night", ""),
    }
    assert attested_in(seen_live=frozenset({500.0, 0.0})) == {((500.0, 0.0), "earlier_night", "")}


@pytest.mark.parametrize("status", ["canceled", "unpaid"])
def test_a_subscription_that_ended_attests_quota_0_from_the_last_document_on(status: str) -> None:
    gone = {"status": status, "plan": 0.0}
    assert attested_in(**gone, after=0.0) == {((500.0, 0.0), "week_after", "")}
    assert attested_in(**gone, after=None) == {((500.0, 0.0), "subscription", "")}
    assert attested_in(**gone, after=500.0) == set()


def test_the_plan_of_now_is_attested_for_the_week_that_runs() -> None:
    assert attested_in(plan=5000.0, after=None, is_open=True) == {((500.0, 5000.0), "subscription", "")}
    assert attested_in(plan=5000.0, after=None) == set()
    assert possible_in(plan=5000.0, after=None) == {((500.0, 5000.0), "changed_later", "")}


def test_a_change_by_hand_is_attested_with_the_plan_that_it_left() -> None:
    by_hand = {"changed_by_hand_at": WEDNESDAY, "plan": 5000.0, "after": 5000.0}
    assert ((500.0, 5000.0), "changed_by_hand", "") in attested_in(**by_hand)
    assert attested_in(**by_hand | {"changed_by_hand_at": W46.end}) == set()


def test_a_plan_set_by_hand_and_replaced_is_only_possible() -> None:
    replaced = {"changed_by_hand_at": WEDNESDAY, "event_at": WEDNESDAY + timedelta(days=1)}
    assert possible_in(**replaced) == {
        ((500.0, quota, 500.0), "set_by_hand_and_replaced", "") for quota in (0.0, 5000.0, 20000.0)
    }
    unpaid = possible_in(changed_by_hand_at=WEDNESDAY, status="unpaid")
    assert ((500.0, 5000.0, 0.0), "set_by_hand_and_replaced", "") in unpaid


def test_the_next_document_s_quota_may_have_been_live_already_unless_stripe_s_events_tell_when_it_came() -> None:
    later = {"after": 5000.0, "plan": 5000.0}
    assert possible_in(**later) == {((500.0, 5000.0), "changed_later", "")}
    assert possible_in(**later, changes=(), announced_later=frozenset({5000.0})) == set()
    assert possible_in(**later, changes=(QuotaEvent(WEDNESDAY, 500.0, 5000.0),)) == set()
    assert possible_in(**later, changes=()) == {((500.0, 5000.0), "changed_later", "")}


def test_a_quota_that_stripe_s_events_of_the_week_do_not_show_may_still_have_come_in_it() -> None:
    """A person set 5 000, with which the document was made; a synchronization went back to 500, as the next shows."""
    raised = QuotaEvent(WEDNESDAY, 500.0, 5000.0)
    by_hand = {"document": 5000.0, "before": 500.0, "after": 500.0, "plan": 500.0, "changed_by_hand_at": BEFORE}
    assert ((5000.0, 500.0), "changed_later", "") in possible_in(**by_hand, changes=(raised,))
    started_by_event = possible_in(**by_hand | {"changed_by_hand_at": None}, changes=(raised,))
    assert ((5000.0, 500.0), "changed_later", "") not in started_by_event


def test_a_plan_before_the_first_document_is_possible_where_an_event_may_have_changed_it() -> None:
    first = {"before": None, "event_at": WEDNESDAY}
    assert possible_in(**first) == {((quota, 500.0), "unknown_before", "") for quota in (0.0, 5000.0, 20000.0)}
    assert possible_in(before=None) == set(), "no event came in the week or later"
    assert possible_in(**first, changes=()) == set(), "Stripe's events show no change"
    assert possible_in(**first, paid=False) == set(), "it never had a plan"


def test_dunning_that_recovered_is_possible_where_the_subscription_was_written_since() -> None:
    recovered = ((500.0, 0.0), "dunning_and_recovery", "")
    assert possible_in(updated_at=W46.start) == {recovered}
    assert possible_in(updated_at=None) == {recovered}
    assert possible_in(updated_at=W46.start - timedelta(milliseconds=1)) == set()
    assert possible_in(updated_at=WEDNESDAY, changes=()) == set(), "Stripe's events would show it"
    assert possible_in(updated_at=WEDNESDAY, paid=False) == set()
    assert possible_in(document=0.0, updated_at=WEDNESDAY) == set()


def test_a_deleted_customer_leaves_any_plan_possible_that_came_and_went_before_its_last_event() -> None:
    gone = {"left_stripe": True, "status": "canceled", "plan": 0.0, "after": 500.0}
    came_and_went = {((500.0, quota, 500.0), "customer_deleted", "") for quota in (0.0, 5000.0, 20000.0)}
    assert possible_in(**gone, event_at=AFTER) == came_and_went
    assert possible_in(**gone) == set(), "its last event was older than the week"
    for other in ({"left_stripe": False}, {"status": "active"}):
        assert possible_in(**gone | other, event_at=AFTER) == set()


def test_an_unreadable_document_makes_every_plan_possible_and_attests_none() -> None:
    assert attested_in(unreadable=True) == set()
    others = (0.0, 5000.0, 20000.0)
    assert possible_in(unreadable=True) == {
        *(((quota, 500.0), "unreadable", "") for quota in others),
        *(((500.0, quota), "unreadable", "") for quota in others),
    }


def test_what_is_live_beside_the_document_can_follow_what_was_written_to_it() -> None:
    raised = {"changes": (QuotaEvent(WEDNESDAY, 0.0, 500.0),), "changed_by_hand_at": WEDNESDAY, "plan": 5000.0}
    assert ((0.0, 500.0, 5000.0), "changed_by_hand", "") in attested_in(**raised, after=5000.0)


def test_a_change_that_stripe_announced_and_the_document_did_not_follow_came_at_any_time_after() -> None:
    times = StepTimes(debited_at=[ms(W46.start), 0, 0], begun_at=[0, 0, ms(WEDNESDAY + timedelta(hours=2))])
    for after, most in ((5000.0, None), (500.0, 2)):
        event = QuotaEvent(WEDNESDAY, 0.0, after)
        change = next(one for one in attested(record(changes=(event,)), times) if one.changes).changes[0]
        assert (change.least, change.most) == (1, most)


def test_dunning_is_possible_while_the_subscription_is_past_due_at_stripe_and_ends_with_it() -> None:
    end = W46.start + timedelta(days=4)
    over = possible_in(changes=(), overdue=(Overdue(None, end),))
    assert over >= dunned((500.0, 0.0, 500.0), (0.0, 500.0))
    lasting = possible_in(changes=(), overdue=(Overdue(WEDNESDAY, None),))
    assert lasting >= dunned((500.0, 0.0))
    free = possible_in(document=0.0, before=500.0, after=500.0, plan=500.0, changes=(), overdue=(Overdue(None, end),))
    assert free >= dunned((0.0, 500.0))


def dunned(*courses: tuple[float, ...]) -> set[tuple[tuple[float, ...], str, str]]:
    return {(quotas, "dunning_and_recovery", "") for quotas in courses}


def test_the_paid_invoice_may_bring_back_the_plan_that_stripe_shows_then() -> None:
    """The week's document was made while the application dunned, and no other document shows the plan."""
    ended = Overdue(None, WEDNESDAY, quota=20000.0)
    assert possible_in(document=0.0, plan=0.0, changes=(), overdue=(ended,)) >= dunned((0.0, 20000.0))


def test_a_change_that_the_document_did_not_follow_can_come_before_dunning() -> None:
    """A webhook was lost, and a synchronization brought the plan in without writing the document."""
    raised = {"changes": (QuotaEvent(W46.start, 500.0, 5000.0),), "plan": 5000.0, "after": 5000.0}
    assert possible_in(**raised, overdue=(Overdue(WEDNESDAY, None),)) >= dunned((500.0, 5000.0, 0.0))
    recovered = Overdue(WEDNESDAY, W46.start + timedelta(days=4))
    assert possible_in(**raised, overdue=(recovered,)) >= dunned((500.0, 5000.0, 0.0, 5000.0))


def test_a_change_that_the_document_did_not_follow_can_come_after_dunning() -> None:
    recovered = Overdue(None, WEDNESDAY)
    lowered = {"document": 5000.0, "plan": 500.0, "after": 500.0, "before": 500.0}
    assert possible_in(**lowered, changes=(), overdue=(recovered,)) >= dunned((0.0, 5000.0, 500.0))
    canceled = {"document": 0.0, "plan": 0.0, "after": 0.0, "before": 500.0}
    assert possible_in(**canceled, changes=(), overdue=(recovered,)) >= dunned((0.0, 500.0, 0.0))


def test_dunning_from_the_start_can_come_before_the_event_that_brought_the_document_s_quota() -> None:
    raised = {"document": 5000.0, "before": 500.0, "changes": (QuotaEvent(WEDNESDAY, 500.0, 5000.0),)}
    found = possible_in(**raised, overdue=(Overdue(None, WEDNESDAY - timedelta(hours=1)),))
    assert found >= dunned((0.0, 5000.0), (0.0, 500.0, 5000.0))
    assert not found & dunned((5000.0, 0.0, 5000.0)), "the week began with another quota"


def test_a_plan_set_by_hand_may_have_been_synchronized_away_and_written_over_by_a_later_one() -> None:
    """The one trace of it is a marker that no event of Stripe's moved: somebody synchronized the organization."""
    by_hand = {"changed_by_hand_at": W46.end + timedelta(days=9), "changes": ()}
    over = "set_by_hand_and_written_over"
    others = (0.0, 5000.0, 20000.0)
    within = possible_in(**by_hand, synchronized_at=WEDNESDAY)
    assert within == {((500.0, quota, 500.0), over, "") for quota in others}
    next_week = possible_in(**by_hand, synchronized_at=AFTER)
    assert next_week == {((500.0, quota), over, "") for quota in others}
    for none in (None, W46.start - timedelta(hours=1), W46.end + timedelta(days=8)):
        assert possible_in(**by_hand, synchronized_at=none) == set()
    assert possible_in(**by_hand | {"changed_by_hand_at": None}, synchronized_at=WEDNESDAY) == set()
    before_it = possible_in(**by_hand | {"changed_by_hand_at": WEDNESDAY - timedelta(hours=1)}, synchronized_at=AFTER)
    assert not any(reason == over for _, reason, _ in before_it), "its trace is still there"


def test_a_synchronization_may_bring_in_the_plan_that_stripe_had_in_the_week() -> None:
    """A person set another plan, the document was made with it, and Stripe changed the plan itself weeks later."""
    assert ((500.0, 5000.0), "synchronized", "") in possible_in(changes=(), at_stripe=frozenset({5000.0}))
    assert possible_in(changes=(), at_stripe=frozenset({500.0})) == set()


def test_a_settlement_in_a_document_of_quota_0_shows_that_dunning_had_ended() -> None:
    """Nothing is settled while the live quota is 0; the customer is gone, so that Stripe's events tell nothing."""
    free = {"document": 0.0, "before": 5000.0, "after": 0.0, "plan": 0.0, "status": "canceled"}
    assert ((0.0, 5000.0), "dunning_and_recovery", "") in possible_in(**free, settled=True)
    assert ((0.0, 5000.0), "dunning_and_recovery", "") not in possible_in(**free, settled=False)


def ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def test_the_place_of_a_change_lies_between_the_debits_before_it_and_the_steps_begun_after_it() -> None:
    hour = timedelta(hours=1)
    times = StepTimes(
        debited_at=[ms(WEDNESDAY - 2 * hour), 0, ms(WEDNESDAY + 2 * hour), 0],
        begun_at=[0, ms(WEDNESDAY - hour), ms(WEDNESDAY + hour), ms(WEDNESDAY + 2 * hour)],
    )
    assert times.window(WEDNESDAY) == (1, 3)
    assert times.window(WEDNESDAY - DELIVERY - 2 * hour) == (0, 1)
    assert times.window(AFTER) == (3, 4)


def test_times_that_contradict_each_other_limit_nothing() -> None:
    times = StepTimes(debited_at=[0, ms(WEDNESDAY - timedelta(hours=1))], begun_at=[ms(AFTER), 0])
    assert times.window(WEDNESDAY) == (0, 2)


def test_a_key_tells_when_its_history_was_made() -> None:
    assert begin_seconds("000000ff9123456789abcdef:initial") == 255
    assert begin_seconds("000000ff9123456789abcdef:step:2") == 255
    assert begin_seconds("000000ff9123456789abcde:initial") is None
    assert begin_seconds("000000FF9123456789ABCDEF:initial") is None
    assert begin_seconds("settle:2026-W46") is None


def test_a_history_of_another_time_than_about_the_week_tells_nothing() -> None:
    def of(instant: datetime) -> int:
        return plausible_begin(f"{int(instant.timestamp()):08x}0000000000000000:initial", W46)

    assert of(WEDNESDAY) == ms(WEDNESDAY)
    assert of(W46.start - timedelta(days=8)) == 0
    assert of(W46.end) == 0
    assert plausible_begin("plain", W46) == 0
