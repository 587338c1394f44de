"""What Stripe's events say of an organization's live quota, and when they do not tell."""

from datetime import datetime, timedelta

import pandas as pd

from billing_dq.reconcile.meter.quota.events import QuotaEvents, quota_events
from billing_dq.tables import STRIPE_SUBSCRIPTION_EVENTS, STRIPE_SUBSCRIPTIONS, SUBSCRIPTIONS
from tests.support.meter_world import AS_OF, ORG, OTHER, QUOTAS

SINCE = AS_OF - timedelta(days=30)
MONDAY = AS_OF - timedelta(days=12)
UPDATED, CREATED, DELETED = (f"customer.subscription.{what}" for what in ("updated", "created", "deleted"))


def event(at: datetime, plans: tuple[str | None, str | None], statuses: tuple[str, str], **more: object) -> dict:
    return {
        "event_id": f"evt_{at:%m%d%H%M}_{more.get('stripe_subscription_id', '')}",
        "stripe_subscription_id": "sub_1",
        "type": UPDATED,
        "created": at,
        "plan_before": plans[0],
        "plan_after": plans[1],
        "status_before": statuses[0],
        "status_after": statuses[1],
    } | more


def at_stripe(subscription: str, customer: str, status: str = "active") -> dict:
    row: dict[str, object] = dict.fromkeys(STRIPE_SUBSCRIPTIONS.column_names)
    named = {"stripe_subscription_id": subscription, "customer_id": customer, "status": status, "plan": "pro"}
    return row | named | {"price_ids": [], "created": MONDAY, "livemode": True, "changed_at": MONDAY}


def here(name: str = ORG, **fields: object) -> dict:
    row: dict[str, object] = dict.fromkeys(SUBSCRIPTIONS.column_names)
    return row | {"organization_id": name, "stripe_customer_id": "cus_1", "stripe_subscription_id": "sub_1"} | fields


def read(*events: dict, ours: tuple[dict, ...] = (), theirs: tuple[dict, ...] = ()) -> QuotaEvents:
    return quota_events(
        STRIPE_SUBSCRIPTION_EVENTS.from_rows(events),
        STRIPE_SUBSCRIPTIONS.from_rows(theirs or (at_stripe("sub_1", "cus_1"),)),
        SUBSCRIPTIONS.from_rows(ours or (here(),)),
        QUOTAS,
        SINCE,
    )


def changes(found: QuotaEvents) -> list[tuple[object, ...]]:
    return [tuple(row) for row in found.changes.drop(columns="at").to_numpy().tolist()]


def spans(found: QuotaEvents) -> list[tuple[object, ...]]:
    rows = found.overdue.itertuples(index=False, name=None)
    return [tuple(None if pd.isna(value) else value for value in row) for row in rows]


def test_a_change_of_plan_changes_the_live_quota() -> None:
    found = read(event(MONDAY, ("starter", "pro"), ("active", "active")))
    assert changes(found) == [(ORG, 500.0, 5000.0)]
    assert found.incomplete == frozenset()


def test_an_event_that_changed_neither_plan_nor_status_is_none() -> None:
    assert changes(read(event(MONDAY, ("pro", "pro"), ("active", "active")))) == []


def test_a_new_subscription_replaces_the_free_plan_and_a_deleted_one_returns_to_it() -> None:
    created = event(MONDAY, (None, "pro"), ("active", "active"), type=CREATED)
    deleted = event(MONDAY + timedelta(days=1), ("pro", "pro"), ("active", "active"), type=DELETED)
    assert changes(read(deleted, created)) == [(ORG, 0.0, 5000.0), (ORG, 5000.0, 0.0)]


def test_an_unpaid_subscription_has_no_quota() -> None:
    assert changes(read(event(MONDAY, ("pro", "pro"), ("active", "unpaid")))) == [(ORG, 5000.0, 0.0)]


def test_an_older_subscription_is_its_customer_s() -> None:
    both = (at_stripe("sub_0", "cus_1", "canceled"), at_stripe("sub_1", "cus_1"))
    old = event(MONDAY, ("starter", "pro"), ("active", "active"), stripe_subscription_id="sub_0")
    stranger = event(MONDAY, ("starter", "pro"), ("active", "active"), stripe_subscription_id="sub_9")
    assert changes(read(old, stranger, theirs=both)) == [(ORG, 500.0, 5000.0)]


def test_a_second_live_subscription_beside_the_one_pointed_to_changed_nothing_here() -> None:
    """Had the application heard of it, the document would point to it."""
    both = (at_stripe("sub_1", "cus_1") | {"created": SINCE}, at_stripe("sub_2", "cus_1"))
    second = event(MONDAY, (None, "pro"), ("active", "active"), type=CREATED, stripe_subscription_id="sub_2")
    found = read(second, theirs=both)
    assert changes(found) == []
    assert found.times.empty
    gone = (at_stripe("sub_1", "cus_1", "canceled") | {"created": SINCE}, at_stripe("sub_2", "cus_1"))
    assert changes(read(second, theirs=gone)) == [(ORG, 0.0, 5000.0)], "it took the place of one that ended"
    older = (at_stripe("sub_1", "cus_1"), at_stripe("sub_2", "cus_1"))
    assert changes(read(second | {"created": MONDAY - timedelta(days=1)}, theirs=older)) == [(ORG, 0.0, 5000.0)]


def test_a_plan_that_is_none_of_ours_tells_no_quota() -> None:
    found = read(event(MONDAY, ("starter", "unresolved"), ("active", "active")))
    assert changes(found) == []
    assert found.incomplete == {ORG}


def test_a_list_without_the_event_that_was_applied_tells_nothing_of_its_organization() -> None:
    ours = (
        here(last_subscription_event_at=MONDAY),
        here(OTHER, stripe_customer_id="cus_2", stripe_subscription_id="sub_2", last_subscription_event_at=SINCE),
    )
    theirs = (at_stripe("sub_1", "cus_1"), at_stripe("sub_2", "cus_2"))
    found = read(event(MONDAY, ("pro", "pro"), ("active", "active")), ours=ours, theirs=theirs)
    assert found.incomplete == {OTHER}
    older = (here(last_subscription_event_at=SINCE - timedelta(milliseconds=1)),)
    assert read(ours=older).incomplete == frozenset()


def test_a_span_of_past_due_lasts_from_one_event_to_the_next() -> None:
    begin = event(MONDAY, ("pro", "pro"), ("active", "past_due"))
    end = event(MONDAY + timedelta(days=3), ("pro", "pro"), ("past_due", "active"))
    assert spans(read(begin, end)) == [(ORG, MONDAY, MONDAY + timedelta(days=3), 5000.0)]
    assert spans(read(begin)) == [(ORG, MONDAY, None, None)]
    assert spans(read(end)) == [(ORG, None, MONDAY + timedelta(days=3), 5000.0)]


def test_a_subscription_that_is_past_due_without_an_event_has_been_so_all_the_time() -> None:
    assert spans(read(theirs=(at_stripe("sub_1", "cus_1", "past_due"),))) == [(ORG, None, None, None)]
    assert spans(read()) == []
