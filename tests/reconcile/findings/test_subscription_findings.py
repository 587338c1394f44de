"""What a reader is told of the drift of a subscription, and which drift is by design."""

import pandas as pd
import pytest

from billing_dq.reconcile.findings.finding import Finding
from billing_dq.reconcile.findings.subscriptions import subscription_findings
from tests.support.finding_rows import drift, subscription
from tests.support.ledger_rows import ORG, OTHER

STATUS = ("subscription_status", "unpaid", "past_due")
PLAN = ("subscription_plan", "free", "pro")
DUNNED = subscription(status="unpaid", plan="free")


def severities(rows: pd.DataFrame, here: pd.DataFrame | None) -> list[str]:
    return [finding.severity for finding in subscription_findings(rows, (), here)]


@pytest.mark.parametrize(
    ("row", "severity", "sentence"),
    [
        (("subscription_status", "active", "unpaid"), "error", "the status is active here and unpaid at Stripe"),
        (("subscription_status", None, "active"), "error", "the status is nothing here and active at Stripe"),
        (("subscription_plan", "pro", "starter"), "error", "the plan is pro here and starter at Stripe"),
        (
            ("subscription_unresolved_plan", "pro", "unresolved"),
            "warning",
            "no item at Stripe names a known plan; the plan here is pro",
        ),
        (
            ("subscription_ambiguous_plan", "pro", "ambiguous"),
            "warning",
            "the items at Stripe name several plans; the plan here is pro",
        ),
        (
            ("subscription_missing_in_stripe", "active", None),
            "error",
            "the subscription, active here, is not known at Stripe",
        ),
        (
            ("subscription_several_live", None, "sub_1, sub_2"),
            "error",
            "the customer has several live subscriptions at Stripe, sub_1, sub_2; pointed to: nothing",
        ),
        (
            ("livemode_mix", "live", "test"),
            "error",
            "the key is of live mode and the subscription at Stripe of test mode",
        ),
        (
            ("invoice_marker_lag", None, "2026-11-19T01:10:00Z"),
            "error",
            "the newest invoice event applied is of nothing, the newest paid invoice at Stripe of 2026-11-19T01:10:00Z",
        ),
        (
            ("subscription_plan", "pro", None),
            "error",
            "the plan is pro here and nothing at Stripe",
        ),
    ],
)
def test_a_drift_is_told_with_both_sides(row: tuple[str, str | None, str | None], severity: str, sentence: str):
    (finding,) = subscription_findings(drift(row), (), subscription())
    assert finding == Finding(row[0], ORG, "sub_1", severity, 0.0, None, sentence)


def test_a_subscription_unknown_here_belongs_to_no_organization():
    rows = drift(("subscription_unknown_here", None, "trialing"), organization=None)
    (finding,) = subscription_findings(rows, (), subscription())
    sentence = "a live subscription at Stripe (trialing) to which no document points"
    assert finding == Finding("subscription_unknown_here", None, "sub_1", "error", 0.0, None, sentence)


def test_a_stale_mark_without_subscription_at_stripe_is_about_its_organization():
    row = drift(("stale_past_due", "2026-11-19T01:10:00Z", None)).assign(stripe_subscription_id=None)
    (finding,) = subscription_findings(None, (row,), None)
    sentence = "pastDueSince is 2026-11-19T01:10:00Z although the subscription is active"
    assert finding == Finding("stale_past_due", ORG, ORG, "error", 0.0, None, sentence)


def test_both_tables_are_told_and_a_plan_changed_by_hand_excuses_its_plan_only():
    here = subscription(admin_updated_at=pd.Timestamp("2026-11-01", tz="UTC"))
    stale = drift(("stale_past_due", "2026-11-19T01:10:00Z", None))
    found = list(subscription_findings(drift(PLAN, STATUS), (stale,), here))
    assert [(finding.kind, finding.severity) for finding in found] == [
        ("subscription_plan", "warning"),
        ("subscription_status", "error"),
        ("stale_past_due", "error"),
    ]
    assert found[0].explanation == "the plan is free here and pro at Stripe, by design"


def test_dunning_is_by_design_in_both_halves_or_in_none():
    assert severities(drift(STATUS, PLAN), DUNNED) == ["warning", "warning"]
    assert severities(drift(STATUS), DUNNED) == ["error"]
    assert severities(drift(PLAN), DUNNED) == ["error"]
    assert severities(drift(("subscription_status", "unpaid", "active"), PLAN), DUNNED) == ["error", "error"]


def test_the_dunning_of_one_organization_excuses_no_other():
    both = drift(STATUS, PLAN)
    others = both.assign(organization_id=OTHER)
    assert severities(pd.concat([both, others]), DUNNED) == ["warning", "warning", "error", "error"]
    assert severities(pd.concat([drift(STATUS), others]), DUNNED) == ["error", "error", "error"]


@pytest.mark.parametrize("fields", [{"status": "unpaid", "plan": "pro"}, {"status": "past_due", "plan": "free"}])
def test_a_document_that_is_not_dunned_excuses_nothing(fields: dict[str, str]):
    assert severities(drift(STATUS, PLAN), subscription(**fields)) == ["error", "error"]


def test_without_the_documents_nothing_is_known_to_be_by_design():
    assert severities(drift(STATUS, PLAN), None) == ["error", "error"]


def test_what_was_not_examined_finds_nothing():
    assert list(subscription_findings(None, (), None)) == []
