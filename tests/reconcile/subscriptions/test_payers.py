"""Who pays for each paid organization: one live, collecting subscription of its own customer, or somebody's mark."""

import pandas as pd
import pytest

from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.reconcile.subscriptions.payers import unpaid_at_stripe, unpaid_by_documents
from billing_dq.tables import ORGANIZATIONS
from billing_dq.weeks import NightWeeks
from tests.support.subscription_rows import (
    AS_OF,
    LONG_AGO,
    ORG,
    OTHER_ORG,
    at_stripe,
    here,
    minutes_ago,
    subscriptions,
    there,
    told,
    unreadable,
)

QUOTAS = {"free": 0.0, "pro": 5000.0}
Row = dict[str, object]


def ours(rows: list[Row], plans: dict[str, str | None], dark: pd.DataFrame | None) -> ApplicationTables:
    organizations = ORGANIZATIONS.from_rows({"organization_id": name, "plan": plan} for name, plan in plans.items())
    frames = {
        "subscriptions": subscriptions(*rows),
        "organizations": organizations,
        "unreadable_keys": unreadable() if dark is None else dark,
    }
    return ApplicationTables(NightWeeks(AS_OF, 3, 6), frames)


def by_documents(
    *rows: Row, plans: dict[str, str | None] | None = None, dark: pd.DataFrame | None = None
) -> list[tuple[object, ...]]:
    found = unpaid_by_documents(ours(list(rows), plans or {}, dark), QUOTAS, 15.0)
    return told(found.drop(columns="cause"))


def by_stripe(rows: list[Row], stripe: list[Row], dark: pd.DataFrame | None = None) -> list[tuple[object, ...]]:
    tables = StripeTables({"stripe_subscriptions": at_stripe(*stripe)}, True)
    return told(unpaid_at_stripe(ours(rows, {}, dark), tables, QUOTAS, 15.0))


def test_a_paid_plan_with_its_own_subscription_is_paid_for():
    assert by_documents(here(), plans={ORG: "pro"}) == []
    assert by_stripe([here()], [there()]) == []


def test_a_paid_plan_without_subscription_is_a_finding_of_its_organization():
    assert by_documents(here(stripe_subscription_id=None)) == [(ORG, None, "plan_without_subscription", "pro", None)]


def test_a_paid_plan_that_a_person_gave_by_hand_is_accounted_for():
    assert by_documents(here(stripe_subscription_id=None, admin_updated_at=LONG_AGO)) == []


@pytest.mark.parametrize("plan", ["free", None])
def test_a_free_organization_needs_no_subscription(plan: str | None):
    assert by_documents(here(stripe_subscription_id=None, plan=plan)) == []


def test_a_paid_organization_without_subscription_document_is_a_finding():
    assert by_documents(plans={ORG: "pro", OTHER_ORG: "free"}) == [
        (ORG, None, "plan_without_subscription", "pro", None)
    ]


@pytest.mark.parametrize("organization", [ORG, None])
def test_an_unreadable_subscription_may_be_the_missing_one(organization: str | None):
    assert by_documents(plans={ORG: "pro"}, dark=unreadable(organization)) == []


def test_what_was_written_minutes_ago_is_not_judged():
    assert by_documents(here(stripe_subscription_id=None, updated_at=minutes_ago(14))) == []
    assert by_stripe([here(stripe_customer_id="cus_2", updated_at=minutes_ago(14))], [there()]) == []
    assert by_stripe([here(stripe_customer_id="cus_2")], [there(changed_at=minutes_ago(14))]) == []


def test_two_organizations_on_one_subscription_are_one_finding_that_names_both():
    copy = here(organization_id=OTHER_ORG)
    both = f"{ORG}, {OTHER_ORG}"
    assert by_documents(copy, here()) == [(ORG, "sub_1", "subscription_shared", both, None)]


def test_two_organizations_of_one_customer_are_one_finding_that_names_both():
    copy = here(organization_id=OTHER_ORG, stripe_subscription_id="sub_2")
    assert by_documents(here(), copy) == [(ORG, None, "customer_shared", f"{ORG}, {OTHER_ORG}", "cus_1")]


def test_an_unreadable_document_shares_nothing():
    assert by_documents(here(), here(organization_id=OTHER_ORG), dark=unreadable(OTHER_ORG)) == []


def test_an_organization_whose_plan_is_not_its_subscriptions_is_told():
    found = by_documents(here(), plans={ORG: "free"})
    assert found == [(ORG, "sub_1", "organization_plan", "pro, its organization's free", None)]
    assert by_documents(here(), plans={ORG: None}) == []


def test_a_subscription_of_another_customer_is_told_with_both():
    found = by_stripe([here(stripe_customer_id="cus_2")], [there()])
    assert found == [(ORG, "sub_1", "subscription_other_customer", "cus_2", "cus_1", None)]


def test_a_document_without_customer_is_of_no_other():
    assert by_stripe([here(stripe_customer_id=None)], [there()]) == []


def test_a_shared_subscription_is_not_told_again_for_its_customer():
    assert by_stripe([here(), here(organization_id=OTHER_ORG, stripe_customer_id="cus_2")], [there()]) == []


def test_a_paused_collection_is_told_though_the_status_is_live():
    found = by_stripe([here()], [there(collection_paused="void")])
    assert found == [(ORG, "sub_1", "subscription_not_collecting", "pro", "void", "collection_paused")]


def test_a_paused_collection_of_a_free_plan_or_of_one_given_by_hand_loses_nothing():
    paused = [there(collection_paused="void")]
    assert by_stripe([here(plan="free")], paused) == []
    assert by_stripe([here(admin_updated_at=LONG_AGO)], paused) == []


@pytest.mark.parametrize("status", ["canceled", "paused", "incomplete_expired"])
def test_a_paid_plan_whose_subscription_collects_nothing_on_both_sides_is_told(status: str):
    found = by_stripe([here(status=status)], [there(status=status)])
    assert found == [(ORG, "sub_1", "subscription_not_collecting", "pro", status, None)]


@pytest.mark.parametrize("status", ["active", "trialing", "past_due", "unpaid", "incomplete"])
def test_a_subscription_that_collects_or_may_soon_is_in_order(status: str):
    assert by_stripe([here(status=status)], [there(status=status)]) == []


def test_a_status_that_differs_is_told_elsewhere():
    assert by_stripe([here()], [there(status="canceled")]) == []


def test_an_object_of_the_other_mode_pays_for_nothing_and_is_not_judged():
    assert by_stripe([here(stripe_customer_id="cus_2")], [there(livemode=False)]) == []
