"""The places of a quota of 0 within a span of past due."""

from datetime import timedelta

from billing_dq.reconcile.meter.quota.facts import Overdue, QuotaEvent, StepTimes
from billing_dq.reconcile.meter.quota.free_usage import Change
from billing_dq.reconcile.meter.quota.untraced import DUNNING, dunned_while_overdue
from billing_dq.weeks import Week
from tests.support.quota_records import quota_record

W46 = Week.parse("2026-W46")
TUESDAY, THURSDAY = W46.start + timedelta(days=1), W46.start + timedelta(days=3)
HOUR = timedelta(hours=1)
#: Steps debited on Monday, Wednesday and Friday, whose histories were made an hour before.
DEBITED = [W46.start + timedelta(days=days) for days in (0, 2, 4)]
TIMES = StepTimes(
    debited_at=[int(at.timestamp() * 1000) for at in DEBITED],
    begun_at=[int((at - HOUR).timestamp() * 1000) for at in DEBITED],
)


def courses(*spans: Overdue, **more: object) -> list[tuple[float, tuple[Change, ...]]]:
    usual: dict[str, object] = {"document": 500.0, "before": 500.0, "after": 500.0, "plan": 500.0, "overdue": spans}
    week = quota_record(W46, **(usual | more))  # type: ignore[arg-type]
    found = list(dunned_while_overdue(week, TIMES))
    assert all(scenario.attested_by is None and scenario.reason == DUNNING for scenario in found)
    return [(scenario.first, scenario.changes) for scenario in found]


def test_a_span_that_is_not_over_leaves_quota_0_after_the_steps_before_it() -> None:
    assert courses(Overdue(TUESDAY, None)) == [
        (500.0, (Change(0.0, 1),)),
        (500.0, (Change(500.0), Change(0.0, 1))),
    ]
    assert courses(Overdue(TUESDAY, W46.end)) == courses(Overdue(TUESDAY, None)), "it ended after the week"


def test_a_span_that_is_over_gives_the_quota_back_between_the_steps_around_its_end() -> None:
    assert courses(Overdue(TUESDAY, THURSDAY)) == [
        (500.0, (Change(0.0, 1, 2), Change(500.0, 2, 2))),
        (0.0, (Change(500.0, 2, 2),)),
        (500.0, (Change(500.0), Change(0.0, 1, 2), Change(500.0, 2, 2))),
    ]


def test_a_span_older_than_the_events_may_have_been_dunned_from_the_first_step_on() -> None:
    assert courses(Overdue(None, THURSDAY))[0] == (500.0, (Change(0.0, 0, 2), Change(500.0, 2, 2)))


def test_a_document_of_quota_0_was_made_while_the_application_dunned() -> None:
    free = {"document": 0.0, "before": 500.0, "after": 500.0, "plan": 500.0}
    assert courses(Overdue(None, THURSDAY), **free) == [
        (0.0, (Change(500.0, 2, 2),)),
        (0.0, (Change(500.0, 2, 2), Change(0.0, 2))),
    ]
    assert courses(Overdue(None, None), **free) == [], "quota 0 is the document's own"


def test_the_paid_invoice_brings_back_any_quota_that_something_around_it_shows() -> None:
    shown = {"document": 0.0, "before": 1.0, "after": 2.0, "plan": 3.0}
    found = courses(Overdue(None, THURSDAY, quota=4.0), **shown)
    assert [(first, changes[0].quota) for first, changes in found if len(changes) == 1] == [
        (0.0, quota) for quota in (1.0, 2.0, 3.0, 4.0)
    ]


def test_a_plan_that_the_document_does_not_show_comes_before_the_span_or_after_it() -> None:
    raised = {"changes": (QuotaEvent(W46.start, 500.0, 5000.0),)}
    over = courses(Overdue(TUESDAY, THURSDAY), **raised)
    assert (500.0, (Change(5000.0), Change(0.0, 1, 2), Change(5000.0, 2, 2))) in over
    assert (0.0, (Change(500.0, 2, 2), Change(5000.0, 2))) in over
    assert (500.0, (Change(0.0, 1, 2), Change(500.0, 2, 2), Change(5000.0, 2))) in over
    lasting = courses(Overdue(TUESDAY, None), **raised)
    assert (500.0, (Change(5000.0), Change(0.0, 1))) in lasting
    assert not any(changes[-1].quota == 5000.0 for _, changes in lasting), "the week ended first"


def test_a_plan_that_stripe_announced_only_after_the_week_was_brought_back_by_no_invoice_in_it() -> None:
    raised_later = {"after": 5000.0, "plan": 5000.0, "announced_later": frozenset({5000.0})}
    found = courses(Overdue(None, THURSDAY, quota=500.0), **raised_later)
    assert found == courses(Overdue(None, THURSDAY, quota=500.0))
    shown = courses(Overdue(None, THURSDAY, quota=5000.0), **raised_later)
    assert (0.0, (Change(5000.0, 2, 2),)) in shown, "Stripe had it at the end of the span"


def test_dunning_can_come_between_the_quota_of_monday_and_the_one_that_stripe_announced() -> None:
    """500 on Monday, then nothing, 500 again by the paid invoice, and 5 000 by an event: the document says 5 000."""
    raised = {"document": 5000.0, "changes": (QuotaEvent(DEBITED[2] - HOUR, 500.0, 5000.0),), "after": 5000.0}
    over = courses(Overdue(TUESDAY, THURSDAY), **raised)
    assert (500.0, (Change(0.0, 1, 2), Change(500.0, 2, 2), Change(5000.0, 2, 3))) in over
    assert (500.0, (Change(0.0, 1, 3), Change(5000.0, 2, 3))) in over
    lasting = courses(Overdue(TUESDAY, None), **raised)
    assert (500.0, (Change(0.0, 1, 3), Change(5000.0, 2, 3))) in lasting
    later = courses(Overdue(DEBITED[2], None), **raised)
    assert not any(first == 500.0 for first, _ in later), "the event came before the span"


def test_only_an_event_that_made_the_documents_quota_of_another_one_is_what_stripe_announced() -> None:
    at = DEBITED[2] - HOUR
    announced = (500.0, (Change(0.0, 1, 3), Change(5000.0, 2, 3)))
    span, own = Overdue(TUESDAY, None), {"document": 5000.0, "after": 5000.0}
    both = (QuotaEvent(W46.start, 500.0, 200.0), QuotaEvent(at, 500.0, 5000.0))
    assert announced in courses(span, **own, changes=both)
    for before, after in ((100.0, 200.0), (5000.0, 5000.0), (0.0, 5000.0)):
        found = courses(span, **own, changes=(QuotaEvent(at, before, after),))
        assert not any(changes[-1] == Change(5000.0, 2, 3) for _, changes in found)
        assert {first for first, _ in found} <= {0.0, 5000.0}


def test_a_step_that_is_under_way_as_a_span_begins_or_ends_may_be_on_either_side() -> None:
    begun = courses(Overdue(DEBITED[1] - HOUR / 2, None))
    assert begun[0] == (500.0, (Change(0.0, 1),))
    raised = {"changes": (QuotaEvent(W46.start, 500.0, 5000.0),)}
    ended = courses(Overdue(TUESDAY, DEBITED[2] - HOUR / 2), **raised)
    assert (0.0, (Change(500.0, 2, 3), Change(5000.0, 2))) in ended


def test_every_span_of_a_week_is_thought_of() -> None:
    both = courses(Overdue(None, TUESDAY), Overdue(THURSDAY, None))
    assert both == [*courses(Overdue(None, TUESDAY)), *courses(Overdue(THURSDAY, None))]


def test_a_week_without_a_span_was_not_dunned() -> None:
    assert courses() == []
