"""In which weeks a change of plan may have set the meter to 0."""

from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd
import pytest

from billing_dq.reconcile.meter.quota.events import QuotaEvents
from billing_dq.reconcile.meter.quota.resets import RETRIES, Resets
from billing_dq.tables import SUBSCRIPTIONS
from billing_dq.weeks import Week

ORG = "a" * 24
W46 = Week.parse("2026-W46")
MILLISECOND = timedelta(milliseconds=1)
ROWS = pd.DataFrame({"organization_id": [ORG], "week_key": [W46.key]})


def subscription(event_at: datetime | None = None, customer: str | None = "cus_1") -> pd.DataFrame:
    row: dict[str, object] = dict.fromkeys(SUBSCRIPTIONS.column_names)
    named = {"organization_id": ORG, "stripe_customer_id": customer, "last_subscription_event_at": event_at}
    return SUBSCRIPTIONS.from_rows([row | named])


def events(*changes: datetime, since: datetime = W46.start - RETRIES, told: bool = True) -> QuotaEvents:
    rows = pd.DataFrame({"organization_id": [ORG] * len(changes), "at": pd.to_datetime(list(changes), utc=True)})
    return QuotaEvents(
        rows.assign(before=0.0, after=1.0), rows, since, frozenset() if told else frozenset([ORG]), pd.DataFrame()
    )


def possible(subscriptions: pd.DataFrame, read: QuotaEvents | None = None) -> bool:
    return Resets(subscriptions, read).possible(ROWS).tolist() == [True]


def test_no_event_since_the_week_began_and_none_on_its_way_means_no_reset() -> None:
    assert not possible(subscription(W46.start - RETRIES - MILLISECOND))
    assert possible(subscription(W46.start - RETRIES))
    assert possible(subscription(W46.end + timedelta(days=3))), "an older event may have come in the week"


def test_a_subscription_that_knows_of_no_event_proves_nothing() -> None:
    assert possible(subscription(None))


def test_an_organization_that_never_was_at_stripe_has_no_reset() -> None:
    assert not possible(subscription(None, customer=None))
    assert not possible(SUBSCRIPTIONS.empty())


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (W46.start - RETRIES - MILLISECOND, False),
        (W46.start - RETRIES, True),
        (W46.end - MILLISECOND, True),
        (W46.end, False),
    ],
)
def test_stripe_s_events_tell_whether_a_change_came_in_the_week(at: datetime, expected: bool) -> None:
    assert possible(subscription(W46.end), events(at)) is expected


def test_events_that_do_not_reach_back_or_do_not_tell_of_the_organization_leave_the_marker() -> None:
    moved = subscription(W46.end)
    assert not possible(moved, events())
    assert possible(moved, events(since=W46.start - RETRIES + MILLISECOND))
    assert possible(moved, events(told=False))


def test_no_row_is_no_question() -> None:
    assert Resets(SUBSCRIPTIONS.empty()).possible(ROWS.iloc[:0]).tolist() == []


def carried(by_hand: datetime | None = None, change: datetime | None = None, at: datetime = W46.start) -> bool:
    """Whether a reset is possible where one event that changes no plan came, after what may have made plans differ."""
    rows = subscription(W46.end).assign(admin_updated_at=pd.to_datetime([by_hand], utc=True))
    changes = [] if change is None else [change]
    read = events(*changes, since=W46.start - timedelta(weeks=3))
    times = pd.DataFrame({"organization_id": ORG, "at": pd.to_datetime([*changes, at], utc=True)})
    return possible(rows, replace(read, times=times))


def test_an_event_after_a_change_by_hand_may_bring_stripe_s_plan_along() -> None:
    assert carried(by_hand=W46.start - timedelta(weeks=2))
    assert not carried(by_hand=W46.start), "the plan was Stripe's when the event came"
    assert not carried()
    assert not carried(by_hand=W46.start - timedelta(weeks=2), at=W46.end)
    assert carried(by_hand=W46.start - timedelta(weeks=2), at=W46.start - RETRIES)


def test_an_event_after_a_change_whose_webhook_may_be_lost_brings_that_along_for_a_week() -> None:
    late = W46.start + timedelta(days=4)
    assert carried(change=late - timedelta(weeks=1) + MILLISECOND, at=late)
    early = W46.start - RETRIES
    assert carried(change=early - timedelta(weeks=1) + MILLISECOND, at=early)
    assert not carried(change=early - timedelta(weeks=1), at=early)
