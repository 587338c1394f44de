import pandas as pd
import pytest

from billing_dq.reconcile.inputs import ApplicationTables
from billing_dq.reconcile.ledger.balances import orphan_balances, runaway_balances
from billing_dq.tables import ORGANIZATIONS
from tests.support.ledger_rows import NIGHT, ORG, OTHER, balance, balances, subscriptions, unreadable, usage
from tests.support.policy import policy

QUOTAS = {"free": 0.0, "pro": 500.0}


def runaway(
    cached: float,
    week: pd.DataFrame | None = None,
    subs: pd.DataFrame | None = None,
    floor: float | None = None,
    bad: pd.DataFrame | None = None,
) -> list[tuple[str, float, float]]:
    ours = {
        "extras_balances": balances(balance(cached=cached)),
        "subscriptions": subscriptions() if subs is None else subs,
        "unreadable_keys": unreadable() if bad is None else bad,
    }
    found = runaway_balances(
        usage() if week is None else week,
        ApplicationTables(NIGHT, ours),
        policy(quota_of_plan=QUOTAS, quota_multiple=10.0, floor_units=floor),
    )
    return list(found[["rule", "meter_quota", "threshold_units"]].itertuples(index=False, name=None))


def test_a_balance_at_ten_quotas_below_zero_is_no_runaway():
    assert runaway(-1000.0, usage({"meter_quota": 100.0})) == []


def test_a_balance_just_below_ten_quotas_is_a_runaway():
    assert runaway(-1000.5, usage({"meter_quota": 100.0})) == [("week_quota", 100.0, -1000.0)]


def test_the_weeks_quota_goes_before_the_plans():
    week = usage({"meter_quota": 100.0})
    assert runaway(-1001.0, week, subscriptions(**{ORG: "pro"})) == [("week_quota", 100.0, -1000.0)]


def test_the_plans_quota_counts_where_the_week_has_no_document():
    week = usage({"week_key": "2026-W46", "meter_quota": 1.0})
    subs = subscriptions(**{ORG: "pro"})
    assert runaway(-5001.0, week, subs) == [("plan_quota", 500.0, -5000.0)]
    assert runaway(-5000.0, week, subs) == []


@pytest.mark.parametrize("plan", [None, "starter", "no such plan"])
def test_without_a_known_plan_nothing_is_checked(plan: str | None):
    assert runaway(-1e9, subs=subscriptions(**{ORG: plan}), floor=10.0) == []


def test_without_a_subscription_nothing_is_checked():
    assert runaway(-1e9, floor=10.0) == []


@pytest.mark.parametrize("week", [usage({"meter_quota": 0.0}), usage()])
def test_a_quota_of_zero_is_checked_against_the_floor_only(week: pd.DataFrame):
    subs = subscriptions(**{ORG: "free"})
    assert runaway(-1e9, week, subs) == []
    assert runaway(-100.0, week, subs, floor=100.0) == []
    assert runaway(-101.0, week, subs, floor=100.0) == [("floor", 0.0, -100.0)]


def test_a_week_of_quota_zero_does_not_fall_back_to_the_plan():
    assert runaway(-1e9, usage({"meter_quota": 0.0}), subscriptions(**{ORG: "pro"})) == []


def test_the_floor_is_for_plans_without_quota_only():
    assert runaway(-500.0, usage({"meter_quota": 100.0}), floor=1.0) == []


@pytest.mark.parametrize("week", ["2026-W47", None])
def test_an_unreadable_week_does_not_fall_back_to_the_plan(week: str | None):
    bad = unreadable("billingusages", week=week)
    assert runaway(-1e9, subs=subscriptions(**{ORG: "pro"}), bad=bad) == []


def test_another_unreadable_week_changes_nothing():
    subs = subscriptions(**{ORG: "pro"})
    assert runaway(-1e9, subs=subs, bad=unreadable("billingusages", week="2026-W46"))
    assert runaway(-1e9, subs=subs, bad=unreadable("billingusages", OTHER, "2026-W47"))


@pytest.mark.parametrize("collection", ["organizations", "billingextrabalances"])
def test_another_collections_bad_document_says_nothing_about_the_quota(collection: str):
    assert runaway(-1e9, subs=subscriptions(**{ORG: "pro"}), bad=unreadable(collection))


def test_an_untold_unreadable_week_is_not_the_one_that_was_read():
    assert runaway(-1e9, usage({"meter_quota": 100.0}), bad=unreadable("billingusages", week=None))


def test_one_row_for_each_of_many_organizations():
    ours = {
        "extras_balances": balances(balance(ORG, -1e6), balance(OTHER, -1e6), balance("c" * 24, 5.0)),
        "subscriptions": subscriptions(),
        "unreadable_keys": unreadable(),
    }
    found = runaway_balances(
        usage({"meter_quota": 1.0}, {"organization_id": OTHER, "meter_quota": 2.0}),
        ApplicationTables(NIGHT, ours),
        policy(quota_of_plan=QUOTAS, quota_multiple=10.0, floor_units=None),
    )
    assert found.to_numpy().tolist() == [
        [ORG, -1e6, 1.0, -10.0, "week_quota"],
        [OTHER, -1e6, 2.0, -20.0, "week_quota"],
    ]


def orphans(organizations: tuple[str, ...], subs: pd.DataFrame, bad: pd.DataFrame) -> list[tuple[str, float]]:
    known = ORGANIZATIONS.from_rows({"organization_id": organization, "plan": None} for organization in organizations)
    return list(orphan_balances(balances(balance(cached=7.0)), known, subs, bad).itertuples(index=False, name=None))


def test_a_balance_of_nobody_is_an_orphan():
    assert orphans((OTHER,), subscriptions(), unreadable()) == [(ORG, 7.0)]


def test_an_organization_or_a_subscription_makes_it_exist():
    assert orphans((ORG,), subscriptions(), unreadable()) == []
    assert orphans((), subscriptions(**{ORG: "free"}), unreadable()) == []


def test_an_unreadable_organization_or_subscription_exists():
    assert orphans((), subscriptions(), unreadable("organizations")) == []
    assert orphans((), subscriptions(), unreadable("subscriptions")) == []
    assert orphans((), subscriptions(), unreadable("billingusages")) == [(ORG, 7.0)]
    own = unreadable("organizations", None).assign(document_id=ORG)
    assert orphans((), subscriptions(), own) == []
