"""Names and columns that others rely on (docs/tables.md). A change here is a change of the contract."""

from typing import get_args

from billing_dq.composition import build_definitions
from billing_dq.settings import Settings
from billing_dq.tables import TABLES
from billing_dq.vocabulary.collections import Collection

FACTS = {"snapshot_facts", "stripe_reading", "sound_tables", "reconciliation", "night_manifest"}
PAGES = {"report", "data_page", "alerts"}
OUTSIDE = {
    "dispute_credits",
    *(f"mongodb/{name}" for name in get_args(Collection)),
    *(f"stripe/{name}" for name in ("charges", "disputes", "events", "invoices", "refunds", "subscriptions")),
}
CHECKS = {
    "every_alert_was_delivered",
    "every_balance_belongs_to_an_organization",
    "documents_keep_their_shape",
    "every_dispute_is_settled_in_the_ledger",
    "every_document_was_read_or_quarantined",
    "every_invoice_marker_is_current",
    "every_organization_week_is_accounted_for",
    "every_paid_plan_has_its_own_subscription",
    "every_ledger_is_sound",
    "every_rule_can_be_used",
    "every_reinstated_dispute_is_credited",
    "ledgers_are_written_as_ever",
    "ledgers_have_their_usual_size",
    "no_balance_is_running_away",
    "no_event_is_dead_lettered",
    "no_small_difference_adds_up",
    "no_subscription_is_past_due_and_active",
    "no_week_diverges",
    "organizations_have_their_usual_number",
    "population_adds_up",
    "stripe_was_read",
    "subscriptions_agree_with_stripe",
    "subscriptions_have_their_usual_number",
    "unreadable_documents_are_no_more_than_ever",
    "usage_has_its_usual_size",
    "usage_is_written_as_ever",
    "webhook_events_are_applied_as_ever",
}
COLUMNS = {
    "meter_extras_deltas": "organization_id week_key week_state meter_used meter_quota expected_units actual_units "
    "delta_units tolerance_units diverged grade cause explained_units unexplained_units explanation",
    "runaway_balances": "organization_id cached_balance meter_quota threshold_units rule",
    "ledger_violations": "organization_id rule entry_id ref_id units detail compensated_by",
    "subscription_drift": "organization_id stripe_subscription_id kind in_database in_stripe cause",
    "dispute_positions": "dispute_id organization_id charge_id status currency withdrawn_minor reinstated_minor "
    "fraction clawed_back_units credited_units due_units decision reason",
    "findings": "finding_id kind organization_id subject severity units usd_cents same_money_as verdict cause "
    "explanation runbook broken_since state first_seen last_seen nights_open accepted_by accepted_why accepted_until",
    "nightly_report": "name value unit",
    "stripe_subscription_events": "event_id stripe_subscription_id type created plan_before plan_after status_before "
    "status_after",
    "stripe_subscriptions": "stripe_subscription_id customer_id status price_ids plan created livemode changed_at "
    "organization_id collection_paused",
    "stripe_invoices": "stripe_subscription_id invoice_id paid_at out_of_band",
    "stripe_charges": "charge_id organization_id stripe_session_id pack_id amount_minor captured_minor refunded_minor "
    "currency status disputed created livemode",
    "stripe_refunds": "refund_id charge_id status amount_minor created",
    "refund_entries": "organization_id entry_id ref_id amount at",
    "ledger_seals": "organization_id reading entry_count ledger_sum digest earlier_count earlier_sum earlier_digest "
    "first_sum first_digest",
    "quarantined_documents": "collection document_id field reason",
    "document_shapes": "collection field part observed occurrences population declared example_id",
    "night_measures": "collection measure week_key value unit expected lowest highest nights verdict",
    "column_profiles": "table_name column_name part label number",
    "meter_extras_evidence": "organization_id week_key cause rule confidence ref_id entry_id units",
}


def test_the_names_of_assets_checks_jobs_schedules_and_sensors_are_the_contract() -> None:
    repository = build_definitions(Settings()).get_repository_def()
    repository.load_all_definitions()
    assets = {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    checks = {key.name for key in repository.asset_graph.asset_check_keys}
    assert assets == set(TABLES) | FACTS | OUTSIDE | PAGES
    assert checks >= CHECKS
    assert {name for name in repository.job_names if not name.startswith("__")} == {
        "reconcile_night",
        "conclude_night",
        "apply_dispute_credit",
    }
    assert {schedule.name for schedule in repository.schedule_defs} == {"nightly"}
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "failed_checks",
        "failed_runs",
        "missing_nights",
        "reinstated_disputes",
    }


def test_the_columns_of_the_result_tables_are_the_contract() -> None:
    assert {name: " ".join(TABLES[name].column_names) for name in COLUMNS} == COLUMNS
