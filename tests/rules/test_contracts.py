"""The expectations follow the contracts of the tables; the names of their checks do not change."""

from datetime import UTC, datetime

from billing_dq.rules.contracts import expectations
from billing_dq.rules.expectation import Expectation
from billing_dq.tables import TABLES
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE

AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
ENTRIES = (
    "organization_id_and_position_are_unique no_required_value_is_missing organization_id_is_well_formed "
    "entry_id_is_well_formed {}position_is_not_negative dates_are_plausible organization_id_is_in_extras_balances "
    "entries_are_in_order_of_time"
)
PARTS = "no_required_value_is_missing organization_id_is_well_formed entry_id_is_well_formed {}dates_are_plausible "
NAMES = {
    "organizations": "organization_id_is_unique no_required_value_is_missing organization_id_is_well_formed "
    "plan_is_known",
    "subscriptions": "organization_id_is_unique no_required_value_is_missing organization_id_is_well_formed "
    "plan_is_known status_is_known dates_are_plausible organization_id_is_in_organizations",
    "weekly_usage": "organization_id_and_week_key_are_unique no_required_value_is_missing "
    "organization_id_is_well_formed week_key_is_well_formed meter_used_is_not_negative meter_quota_is_not_negative "
    "meter_quota_is_whole dates_are_plausible organization_id_is_in_organizations",
    "extras_balances": "organization_id_is_unique no_required_value_is_missing organization_id_is_well_formed "
    "entry_count_is_not_negative document_bytes_is_at_least_1 dates_are_plausible",
    "ledger_entries": ENTRIES.format("kind_is_known "),
    "expiring_ledgers": ENTRIES.format("kind_is_known "),
    "ledger_suspects": ENTRIES.format(""),
    "dispute_entries": PARTS.format("") + "organization_id_is_in_extras_balances",
    "pack_purchases": PARTS.format("amount_is_whole ") + "organization_id_is_in_extras_balances",
    "refund_entries": PARTS.format("amount_is_whole ") + "organization_id_is_in_extras_balances",
    "dead_lettered_events": "event_id_is_unique no_required_value_is_missing attempts_is_whole dates_are_plausible",
    "stripe_subscriptions": "stripe_subscription_id_is_unique no_required_value_is_missing status_is_known "
    "dates_are_plausible",
    "stripe_subscription_events": "event_id_is_unique no_required_value_is_missing dates_are_plausible",
    "stripe_invoices": "stripe_subscription_id_is_unique no_required_value_is_missing dates_are_plausible",
    "stripe_disputes": "dispute_id_is_unique no_required_value_is_missing status_is_known "
    "amount_minor_is_not_negative dates_are_plausible organization_id_is_in_organizations "
    "organization_id_is_that_in_stripe_charges",
    "stripe_charges": "charge_id_is_unique no_required_value_is_missing amount_minor_is_not_negative "
    "captured_minor_is_not_negative refunded_minor_is_not_negative dates_are_plausible "
    "organization_id_is_in_organizations",
    "stripe_refunds": "refund_id_is_unique no_required_value_is_missing status_is_known "
    "amount_minor_is_not_negative dates_are_plausible",
}


def of(table: str, plans: tuple[str, ...] = ("free", "pro")) -> list[Expectation]:
    return expectations(TABLES[table], plans, AS_OF)


def test_the_checks_of_each_table_keep_their_names() -> None:
    assert {name: " ".join(one.name for one in of(name)) for name in (*OF_MONGODB, *OF_STRIPE)} == NAMES


def test_only_what_is_read_from_mongodb_can_stop_a_result() -> None:
    critical = {one.table for name in NAMES for one in of(name) if one.severity == "critical"}
    assert critical == set(OF_MONGODB)


def test_what_people_or_the_application_may_do_is_a_warning() -> None:
    named = {one.name for name in OF_MONGODB for one in of(name) if one.severity == "critical"}
    assert all(name.endswith(("_unique", "_missing", "_not_negative", "_at_least_1")) for name in named)


def test_every_column_that_must_be_there_is_expected_to_be() -> None:
    for name in NAMES:
        (present,) = [one for one in of(name) if one.name == "no_required_value_is_missing"]
        required = {column.name for column in TABLES[name].columns if not column.nullable}
        assert set(present.columns) == required


def test_the_plans_that_are_known_are_those_of_the_settings() -> None:
    (plans,) = [one for one in of("subscriptions", ("basic", "gold")) if one.name == "plan_is_known"]
    assert plans.clauses[0].arguments["value_set"] == ["basic", "gold"]


def test_a_name_and_its_sentence_do_not_depend_on_the_night() -> None:
    for name in NAMES:
        later = expectations(TABLES[name], ("free", "pro"), datetime(2030, 1, 1, tzinfo=UTC))
        assert [(one.name, one.sentence) for one in later] == [(one.name, one.sentence) for one in of(name)]
