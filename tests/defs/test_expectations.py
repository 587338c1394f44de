"""The expectations follow the contracts of the tables; the names of their checks do not change."""

from billing_dq.defs.checks.expectations import expectations
from billing_dq.settings import Settings
from billing_dq.tables import TABLES

NAMES = {
    "organizations": "organization_id_is_unique organization_id_is_well_formed",
    "subscriptions": "organization_id_is_unique status_is_known plan_is_known",
    "weekly_usage": "organization_id_and_week_key_are_unique week_key_is_well_formed meter_used_is_not_negative "
    "meter_quota_is_not_negative",
    "extras_balances": "organization_id_is_unique cached_balance_is_present entry_count_is_not_negative",
    "ledger_entries": "organization_id_and_position_are_unique amount_is_present at_is_present",
    "stripe_subscriptions": "stripe_subscription_id_is_unique status_is_known",
    "stripe_invoices": "stripe_subscription_id_is_unique",
    "stripe_disputes": "dispute_id_is_unique status_is_known",
}


def test_the_checks_of_each_table_keep_their_names() -> None:
    found: dict[str, list[str]] = {}
    for one in expectations(Settings()):
        found.setdefault(one.asset, []).append(one.name)
    assert {asset: " ".join(names) for asset, names in found.items()} == NAMES


def test_only_what_is_read_from_mongodb_can_stop_the_night() -> None:
    critical = {one.asset for one in expectations(Settings()) if one.critical}
    assert critical == {name for name in NAMES if not name.startswith("stripe_")}


def test_what_must_be_present_may_not_be_null_in_the_contract_either() -> None:
    for one in expectations(Settings()):
        if one.kind == "ExpectColumnValuesToNotBeNull":
            assert not TABLES[one.asset].column(one.columns[0]).nullable


def test_the_plans_that_are_known_are_those_of_the_settings() -> None:
    settings = Settings.model_validate({"plans": {"gold": {}, "basic": {}}})
    (plans,) = [one for one in expectations(settings) if one.name == "plan_is_known"]
    assert plans.arguments["value_set"] == ["basic", "gold"]
