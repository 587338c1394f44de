"""What Stripe's events tell of a subscription's plan and status, read over HTTP; without them the night goes on."""

from datetime import timedelta

import pytest

from billing_dq.sources.stripe import events as events_module
from billing_dq_simulation.faults.stripe import Faults
from billing_dq_simulation.local_stripe import load, serve
from tests.support.stripe_company import AS_OF_SECONDS, DAY, Object, event, item, subscription
from tests.support.stripe_night import AS_OF, SAMPLE, FakeClock, no_waits_of_the_sdk, read, settings_for

PRO, STARTER = "price_pro_monthly_v2", "price_starter_monthly_v1"


def told(*events: Object) -> dict[str, tuple[str | None, ...]]:
    """Plan before and after, status before and after, by event."""
    with serve({"events": list(events)}) as local:
        frame = read(local).frames["stripe_subscription_events"].set_index("event_id")
    columns = frame[["plan_before", "plan_after", "status_before", "status_after"]]
    return {
        str(name): tuple(None if value != value else str(value) for value in row)
        for name, row in zip(columns.index, columns.itertuples(index=False, name=None), strict=True)
    }


def items(*entries: Object) -> Object:
    return {"items": {"object": "list", "data": list(entries), "has_more": False}}


def test_a_change_of_plan_is_told_by_the_prices_of_the_items_before_and_after() -> None:
    found = told(event("evt_1", subscription("sub_1", item(PRO)), items(item(STARTER))))
    assert found == {"evt_1": ("starter", "pro", "active", "active")}


def test_a_change_of_status_leaves_the_plan_as_it_was() -> None:
    unpaid = subscription("sub_1", item(PRO), status="unpaid")
    assert told(event("evt_1", unpaid, {"status": "past_due"})) == {"evt_1": ("pro", "pro", "past_due", "unpaid")}


@pytest.mark.parametrize(
    "before",
    [
        {"default_payment_method": "pm_1"},
        {"cancel_at_period_end": False},
        {"plan": {"nickname": "old name of the same plan"}},
        {},
        None,
    ],
)
def test_an_event_that_changed_neither_says_the_same_before_and_after(before: Object | None) -> None:
    assert told(event("evt_1", subscription("sub_1", item(PRO)), before)) == {
        "evt_1": ("pro", "pro", "active", "active")
    }


def test_a_renewal_shows_the_items_before_it_and_no_change_of_plan() -> None:
    found = told(event("evt_1", subscription("sub_1", item(PRO)), items({**item(PRO), "current_period_start": 1})))
    assert found == {"evt_1": ("pro", "pro", "active", "active")}


def test_before_a_subscription_was_created_it_had_neither_plan_nor_status() -> None:
    created = event("evt_1", subscription("sub_1", item(PRO)), type="customer.subscription.created")
    assert told(created) == {"evt_1": (None, "pro", None, "active")}


def test_the_end_of_a_subscription_does_not_say_what_its_status_was() -> None:
    canceled = subscription("sub_1", item(PRO), status="canceled")
    assert told(event("evt_1", canceled, type="customer.subscription.deleted")) == {
        "evt_1": ("pro", "pro", None, "canceled")
    }


def test_the_older_shape_with_one_plan_and_no_items_is_read_too() -> None:
    after = {"id": "sub_1", "object": "subscription", "status": "active", "plan": {"id": PRO, "object": "plan"}}
    found = told(event("evt_1", after, {"plan": {"id": STARTER, "object": "plan"}}))
    assert found == {"evt_1": ("starter", "pro", "active", "active")}


def test_a_plan_is_not_told_from_a_part_of_the_items() -> None:
    crowded = subscription("sub_1", item(PRO), items={"object": "list", "data": [item(PRO)], "has_more": True})
    unpriced = items({"id": "si_1", "object": "subscription_item"})
    found = told(event("evt_1", crowded), event("evt_2", subscription("sub_2", item(PRO)), unpriced))
    assert found == {"evt_1": (None, None, "active", "active"), "evt_2": (None, "pro", "active", "active")}


def test_prices_without_a_known_plan_and_of_two_plans_are_told_as_such() -> None:
    found = told(event("evt_1", subscription("sub_1", item("price_x")), items(item(PRO), item(STARTER))))
    assert found == {"evt_1": ("ambiguous", "unresolved", "active", "active")}


def test_only_events_of_subscriptions_of_this_mode_up_to_the_snapshot_and_thirty_days_back_are_read() -> None:
    one = subscription("sub_1")
    events = [
        event("evt_kept", one, created=AS_OF_SECONDS - 30 * DAY),
        event("evt_now", one, created=AS_OF_SECONDS),
        event("evt_old", one, created=AS_OF_SECONDS - 30 * DAY - 1),
        event("evt_later", one, created=AS_OF_SECONDS + 1),
        event("evt_test", one, livemode=False),
        event("evt_invoice", {"id": "in_1", "object": "invoice"}, type="invoice.paid"),
    ]
    assert set(told(*events)) == {"evt_now", "evt_kept"}


def test_an_event_that_cannot_be_read_is_quarantined_alone() -> None:
    bad = event("evt_bad", {"id": "sub_1", "status": 7})
    with serve({"events": [bad, event("evt_good", subscription("sub_2"))]}) as local:
        frames = read(local).frames
    assert frames["stripe_subscription_events"]["event_id"].tolist() == ["evt_good"]
    quarantined = frames["quarantined_stripe_objects"]
    assert quarantined[["collection", "document_id", "field"]].to_numpy().tolist() == [
        ["stripe.events", "evt_bad", "data.object.status"]
    ]


def test_events_are_read_page_by_page() -> None:
    with serve({"events": [event(f"evt_{number}", subscription("sub_1")) for number in range(250)]}) as local:
        reading = read(local)
    assert len(reading.frames["stripe_subscription_events"]) == 250
    assert reading.requests["events"] == 3
    assert reading.events_since == AS_OF - timedelta(days=30)


def test_beyond_the_allowance_the_newest_events_are_kept_and_the_reading_says_since_when(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events_module, "SMALL_COMPANY", 50)  # two pages
    events = [event(f"evt_{age}", subscription("sub_1"), created=AS_OF_SECONDS - age) for age in range(250)]
    with serve({"events": events}) as local:
        reading = read(local)
    assert len(reading.frames["stripe_subscription_events"]) == 200
    assert reading.events_since == AS_OF - timedelta(seconds=199)
    assert reading.absent == {}


def test_a_key_that_may_not_read_events_costs_the_night_nothing_else() -> None:
    with serve(load(SAMPLE / "stripe.json.gz"), faults=Faults(forbidden=frozenset({"events"}))) as local:
        reading = read(local)
    assert "stripe_subscription_events" not in reading.frames
    assert len(reading.frames["stripe_subscriptions"]) == 59
    assert reading.absent == {
        "stripe_subscription_events": "the Stripe key may not read events: grant it permission to read Events"
    }
    assert reading.events_since is None


def test_a_list_of_events_that_repeats_a_page_is_not_used() -> None:
    events = [event(f"evt_{number}", subscription("sub_1")) for number in range(150)]
    with serve({"events": events}, faults=Faults(same_page=True)) as local:
        reading = read(local)
    assert "came twice" in reading.absent["stripe_subscription_events"]
    assert "stripe_subscription_events" not in reading.frames


def test_events_that_would_overrun_the_budget_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    no_waits_of_the_sdk(monkeypatch)
    events = [event(f"evt_{number}", subscription("sub_1")) for number in range(2_000)]
    with serve({"events": events}) as local:
        reading = read(local, clock=FakeClock(), settings=settings_for(local, stripe_budget_seconds=0.1))
    assert "stripe_budget_seconds = 0.1" in reading.absent["stripe_subscription_events"]
