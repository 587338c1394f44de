import pandas as pd
import pytest

from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.reconcile.subscriptions.comparison import subscription_drift
from billing_dq.tables import SUBSCRIPTION_DRIFT
from billing_dq.weeks import NightWeeks
from tests.support.subscription_rows import (
    AS_OF,
    ORG,
    OTHER_ORG,
    at_stripe,
    here,
    minutes_ago,
    quarantined,
    there,
    told,
    unreadable,
)
from tests.support.subscription_rows import subscriptions as documents


def drift(
    subscriptions: list[dict[str, object]],
    stripe: list[dict[str, object]],
    dark: pd.DataFrame | None = None,
    bad_objects: pd.DataFrame | None = None,
    pending_minutes: float = 60.0,
    livemode: bool = True,
) -> list[tuple[object, ...]]:
    ours = {"subscriptions": documents(*subscriptions), "unreadable_keys": unreadable() if dark is None else dark}
    theirs = {
        "stripe_subscriptions": at_stripe(*stripe),
        "quarantined_stripe_objects": quarantined() if bad_objects is None else bad_objects,
    }
    found = subscription_drift(
        ApplicationTables(NightWeeks(AS_OF, 3, 6), ours), StripeTables(theirs, livemode), pending_minutes
    )
    pd.testing.assert_frame_equal(SUBSCRIPTION_DRIFT.conform(found), found)
    return told(found.drop(columns="cause"))


def test_two_sides_that_agree_are_no_drift():
    assert drift([here()], [there()]) == []


def test_no_subscription_on_either_side_is_no_drift():
    assert drift([], []) == []


def test_a_status_that_differs_is_a_drift():
    found = drift([here(status="active")], [there(status="past_due")])
    assert found == [(ORG, "sub_1", "subscription_status", "active", "past_due")]


def test_a_status_that_stripe_invented_is_a_drift_and_no_crash():
    assert drift([here()], [there(status="hibernating")]) == [
        (ORG, "sub_1", "subscription_status", "active", "hibernating")
    ]


def test_a_document_without_status_differs_from_a_live_subscription():
    assert drift([here(status=None)], [there()]) == [(ORG, "sub_1", "subscription_status", None, "active")]


def test_a_plan_that_differs_is_a_drift():
    assert drift([here(plan="free")], [there()]) == [(ORG, "sub_1", "subscription_plan", "free", "pro")]


def test_status_and_plan_drift_apart_as_two_findings():
    found = drift([here(plan="free", status="unpaid")], [there(status="past_due")])
    assert [row[2] for row in found] == ["subscription_plan", "subscription_status"]


@pytest.mark.parametrize("plan", ["unresolved", "ambiguous"])
@pytest.mark.parametrize("ours", ["free", "pro", None])
def test_a_plan_that_is_no_one_plan_is_reported_as_such_and_not_compared(plan: str, ours: str | None):
    assert drift([here(plan=ours)], [there(plan=plan)]) == [(ORG, "sub_1", f"subscription_{plan}_plan", ours, plan)]


@pytest.mark.parametrize(
    ("ours", "theirs"), [("canceled", "canceled"), ("canceled", "incomplete_expired"), ("incomplete", "paused")]
)
def test_nothing_is_compared_where_neither_side_is_live(ours: str, theirs: str):
    assert drift([here(status=ours, plan="free")], [there(status=theirs)]) == []


@pytest.mark.parametrize("live", ["active", "past_due", "trialing", "unpaid"])
def test_one_live_side_is_enough_to_compare(live: str):
    assert [row[2] for row in drift([here(status=live)], [there(status="canceled")])] == ["subscription_status"]
    assert [row[2] for row in drift([here(status="canceled")], [there(status=live)])] == ["subscription_status"]


def test_a_free_organization_without_subscription_is_not_compared():
    assert drift([here(stripe_subscription_id=None, plan="free")], []) == []


def test_a_live_document_whose_subscription_stripe_does_not_know_is_missing_there():
    found = drift([here(status="past_due")], [])
    assert found == [(ORG, "sub_1", "subscription_missing_in_stripe", "past_due", None)]


def test_a_canceled_document_whose_subscription_stripe_does_not_know_is_no_drift():
    assert drift([here(status="canceled")], []) == []


def test_a_subscription_that_stripe_sent_in_a_bad_shape_is_not_missing():
    assert drift([here()], [], bad_objects=quarantined("sub_1")) == []
    assert drift([here()], [there()], bad_objects=quarantined("sub_9")) == []


def test_a_live_subscription_that_no_document_points_to_is_unknown_here():
    found = drift([here()], [there(), there(stripe_subscription_id="sub_9", customer_id="cus_9", status="trialing")])
    assert found == [(None, "sub_9", "subscription_unknown_here", None, "trialing")]


def test_an_ended_subscription_that_no_document_points_to_is_no_drift():
    assert drift([], [there(status="canceled"), there(stripe_subscription_id="sub_2", status="incomplete")]) == []


def test_a_document_without_plan_differs_from_a_plan_at_stripe():
    assert drift([here(plan=None)], [there()]) == [(ORG, "sub_1", "subscription_plan", None, "pro")]


def test_a_document_that_points_to_another_subscription_leaves_both_sides_alone():
    found = drift([here(stripe_subscription_id="sub_old")], [there()])
    assert [(row[1], row[2]) for row in found] == [
        ("sub_1", "subscription_unknown_here"),
        ("sub_old", "subscription_missing_in_stripe"),
    ]


def test_several_live_subscriptions_of_a_customer_are_one_finding_about_the_oldest():
    second = there(stripe_subscription_id="sub_0", created=minutes_ago(9000), status="trialing")
    third = there(stripe_subscription_id="sub_2", created=minutes_ago(5000), status="canceled")
    found = drift([here()], [second, third, there()])
    assert found == [
        (None, "sub_0", "subscription_unknown_here", None, "trialing"),
        (ORG, "sub_1", "subscription_several_live", "sub_1", "sub_1, sub_0"),
    ]


def test_several_live_subscriptions_name_the_organization_of_the_customer():
    found = drift([here(stripe_subscription_id=None)], [there(), there(stripe_subscription_id="sub_2")])
    assert (ORG, "sub_1", "subscription_several_live", None, "sub_1, sub_2") in found


def test_an_object_of_the_other_mode_is_a_mix_and_not_compared():
    found = drift([here(plan="free")], [there(livemode=False)])
    assert found == [(ORG, "sub_1", "livemode_mix", "live", "test")]


def test_an_object_of_the_other_mode_that_nobody_points_to_is_a_mix_only():
    assert drift([], [there(), there(stripe_subscription_id="sub_2")], livemode=False) == [
        (None, "sub_1", "livemode_mix", "test", "live"),
        (None, "sub_2", "livemode_mix", "test", "live"),
    ]


@pytest.mark.parametrize("minutes", [0.5, 59.0, -5.0])
def test_what_just_changed_here_is_pending(minutes: float):
    assert drift([here(plan="free", updated_at=minutes_ago(minutes))], [there()]) == []
    assert drift([here(updated_at=minutes_ago(minutes))], []) == []


@pytest.mark.parametrize("minutes", [60.0, 61.0, -60.0, -600.0])
def test_what_changed_longer_ago_or_claims_the_future_is_not_pending(minutes: float):
    assert drift([here(plan="free", updated_at=minutes_ago(minutes))], [there()]) != []


def test_what_was_just_created_at_stripe_is_pending():
    created = minutes_ago(2)
    assert drift([here(plan="free")], [there(created=created)]) == []
    assert drift([], [there(created=created)]) == []
    assert drift([here()], [there(), there(stripe_subscription_id="sub_2", created=created)]) == []


def test_what_was_created_at_stripe_when_the_pending_minutes_began_is_settled():
    second = there(stripe_subscription_id="sub_2", created=minutes_ago(60))
    assert drift([here(plan="free")], [there(created=minutes_ago(60))]) != []
    assert [row[2] for row in drift([here()], [there(), second])] == [
        "subscription_several_live",
        "subscription_unknown_here",
    ]


def test_what_changed_at_stripe_minutes_ago_by_its_own_instants_is_pending():
    lately = minutes_ago(2)
    assert drift([here()], [there(status="canceled", changed_at=lately)]) == []
    assert drift([], [there(changed_at=lately)]) == []
    second = there(stripe_subscription_id="sub_2", changed_at=lately)
    assert drift([here()], [there(), second]) == []


def test_what_changed_at_stripe_when_the_pending_minutes_began_is_settled():
    changed = there(status="canceled", changed_at=minutes_ago(60))
    assert drift([here()], [changed]) == [(ORG, "sub_1", "subscription_status", "active", "canceled")]


def test_what_stripe_created_after_the_snapshot_is_pending():
    assert drift([], [there(created=minutes_ago(-90))]) == []


def test_a_customer_whose_document_was_just_written_may_be_changing_subscriptions():
    rows = [here(stripe_subscription_id="sub_2", updated_at=minutes_ago(3))]
    stripe = [there(), there(stripe_subscription_id="sub_2", created=minutes_ago(5))]
    assert drift(rows, stripe) == []


def test_without_pending_minutes_nothing_is_pending():
    assert drift([here(updated_at=AS_OF)], [], pending_minutes=0.0) != []
    assert drift([], [there(created=AS_OF)], pending_minutes=0.0) != []


def test_a_document_without_time_of_its_last_write_is_not_pending():
    assert len(drift([here(updated_at=None)], [])) == 1


def test_an_unreadable_document_that_tells_its_subscription_excuses_that_one_only():
    dark = unreadable(ORG).assign(stripe_subscription_id=["sub_1"], stripe_customer_id=[None])
    stripe = [there(), there(stripe_subscription_id="sub_9", customer_id="cus_9")]
    assert [row[1] for row in drift([], stripe, dark)] == ["sub_9"]


def test_an_unreadable_document_that_points_to_no_subscription_excuses_none():
    dark = unreadable(ORG).assign(stripe_subscription_id=[""], stripe_customer_id=[None])
    assert [row[1] for row in drift([], [there()], dark)] == ["sub_1"]


def test_an_unreadable_document_that_tells_its_customer_excuses_that_one_only():
    dark = unreadable(ORG).assign(stripe_subscription_id=[None], stripe_customer_id=["cus_1"])
    stripe = [there(), there(stripe_subscription_id="sub_9", customer_id="cus_9")]
    assert [row[1] for row in drift([], stripe, dark)] == ["sub_9"]


@pytest.mark.parametrize("organization", [ORG, None])
def test_an_unreadable_document_that_tells_nothing_excuses_every_unknown_subscription(organization: str | None):
    stripe = [there(), there(stripe_subscription_id="sub_9", customer_id="cus_9")]
    assert drift([], stripe, unreadable(organization)) == []


def test_an_unreadable_document_leaves_the_other_organizations_compared():
    rows = [here(plan="free"), here(organization_id=OTHER_ORG, stripe_subscription_id="sub_2", plan="free")]
    found = drift(rows, [there(), there(stripe_subscription_id="sub_2", customer_id="cus_2")], unreadable(ORG))
    assert [row[0] for row in found] == [OTHER_ORG]


def test_an_unreadable_document_of_another_collection_excuses_nothing():
    assert len(drift([here()], [], unreadable(ORG, None, collection="billingusages"))) == 1


def test_the_order_of_the_rows_does_not_matter():
    rows = [here(plan="free"), here(organization_id=OTHER_ORG, stripe_subscription_id="sub_3", status="unpaid")]
    stripe = [there(), there(stripe_subscription_id="sub_2"), there(stripe_subscription_id="sub_4", livemode=False)]
    assert drift(rows, stripe) == drift(rows[::-1], stripe[::-1])


def other_product(number: int, **fields: object) -> dict[str, object]:
    return there(**{"stripe_subscription_id": f"sub_other_{number}", "customer_id": f"cus_other_{number}"} | fields)


def test_live_subscriptions_of_no_plan_of_ours_are_counted_in_one_line():
    others = [other_product(number, plan="unresolved") for number in range(12)]
    ended = other_product(13, plan="unresolved", status="canceled")
    assert drift([here()], [there(), *others, ended]) == [(None, None, "subscriptions_not_ours", None, "12")]


def test_a_customer_of_another_product_may_have_several_of_its_subscriptions():
    others = [other_product(number, plan="unresolved", customer_id="cus_9") for number in range(2)]
    assert drift([here()], [there(), *others]) == [(None, None, "subscriptions_not_ours", None, "2")]


@pytest.mark.parametrize("fields", [{"customer_id": "cus_1"}, {"organization_id": ORG}, {"plan": "pro"}])
def test_a_live_subscription_of_our_customer_organization_or_plan_is_ours(fields: dict[str, object]):
    second = other_product(1, **{"plan": "unresolved", "status": "trialing"} | fields)
    kinds = [row[2] for row in drift([here(status="canceled")], [there(status="canceled"), second])]
    assert kinds == ["subscription_unknown_here"]


def test_an_add_on_of_our_customer_is_no_second_subscription_to_a_plan():
    add_on = there(stripe_subscription_id="sub_2", plan="unresolved")
    assert [row[2] for row in drift([here()], [there(), add_on])] == ["subscription_unknown_here"]


def test_a_customer_of_two_organizations_with_a_subscription_each_pays_for_both():
    second = here(organization_id=OTHER_ORG, stripe_subscription_id="sub_2")
    assert drift([here(), second], [there(), there(stripe_subscription_id="sub_2")]) == []
