"""Faults befall organizations one at a time, and their labels tell what a plain reading of the documents tells."""

from collections import defaultdict
from dataclasses import replace

import pytest

from billing_dq_simulation.clock import to_millis, week_key, week_start
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.faults.catalogue import FAULTS, parse_faults
from billing_dq_simulation.labels import BY_DESIGN, Label, SimulatedOrganization
from billing_dq_simulation.world import simulate, simulate_one

SMALL = WorldConfig(organizations=700, document_bytes=50_000)
#: docs/tables.md, "Finding kinds".
KINDS = {
    *("meter_extras_divergence", "meter_extras_drift", "runaway_balance", "orphan_balance", "ledger_violation"),
    *("subscription_status", "subscription_plan", "subscription_unresolved_plan", "subscription_ambiguous_plan"),
    *("subscription_missing_in_stripe", "subscription_unknown_here", "subscription_several_live", "livemode_mix"),
    *("invoice_marker_lag", "stale_past_due", "dead_lettered_event", "dispute_clawback_missing"),
    *("dispute_clawed_back_twice", "dispute_reinstated_without_clawback", "dispute_credit_due"),
    *("dispute_credited_twice", "dispute_credit_wrong_units", "dispute_credit_without_reinstatement"),
    *("dispute_second_withdrawal", "dispute_parked", "quarantined_documents"),
    *("plan_without_subscription", "subscription_not_collecting", "subscription_other_customer"),
    *("subscription_shared", "customer_shared", "organization_plan"),
    *("dispute_clawback_wrong_units", "pack_without_topup", "refund_failed", "topup_in_another_ledger"),
    *("topup_wrong_units", "session_in_two_ledgers", "topup_without_payment", "refund_clawback_missing"),
    *("topup_payment_unknown",),
    *("refund_clawback_wrong_units", "refund_clawed_back_twice", "refund_unknown_at_stripe"),
    *("refund_and_dispute_overlap",),
}


def first_with(fault: str) -> SimulatedOrganization:
    config = replace(SMALL, faults={fault: 1.0})
    return next(one for one in simulate(config) if any(label.fault == fault for label in one.labels))


def own(labels: list[Label]) -> list[Label]:
    return [label for label in labels if not label.fault.startswith(BY_DESIGN)]


def deltas(one: SimulatedOrganization) -> dict[str, float]:
    """The plain rule (docs/domain.md, "Meter against extras"), from the documents alone."""
    found: dict[str, float] = defaultdict(float)
    for document in one.documents["billingusages"]:
        if "weekKey" in document:
            used, quota = float(document["meterUsed"]), float(document["meterQuota"])  # type: ignore[arg-type]
            found[str(document["weekKey"])] += max(0.0, used - quota) if quota else used
    for balance in one.documents["billingextrabalances"]:
        for entry in balance["ledger"]:  # type: ignore[attr-defined]
            if entry["kind"] == "debit":
                found[week_key(week_start(to_millis(entry["at"])))] -= abs(entry["amount"])
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_befalls_somebody_and_is_labelled_in_the_words_of_the_tables(fault: str):
    one = first_with(fault)
    assert {label.fault for label in own(one.labels)} == {fault}
    for label in one.labels:
        assert label.finding_kind in KINDS
        assert label.subject
        assert label.tellable == (label.why_not is None)


@pytest.mark.parametrize(
    "fault",
    [
        *("dropped_debit", "dropped_debit_gap", "dropped_debit_edge", "duplicate_debit", "debit_without_usage"),
        *("dropped_debit_run", "settlement_counted_too_high"),
        *("cancelling_debits", "replayed_across_weeks", "altered_debit", "usage_reset", "usage_document_lost"),
        *("balance_document_lost", "steady_drift", "incident", "settlement_without_credit"),
        *("settlement_amounts_differ", "settlement_without_usage"),
    ],
)
def test_the_units_of_a_weeks_labels_add_up_to_its_delta(fault: str):
    config = replace(SMALL, faults={fault: 1.0}, organizations=500)
    labelled = [one for one in simulate(config) if own(one.labels)]
    assert labelled
    for one in labelled:
        sums: dict[str, float] = defaultdict(float)
        for label in own(one.labels):
            if label.finding_kind == "meter_extras_divergence":
                sums[label.subject] += label.units
        found = deltas(one)
        assert {week: found[week] for week in sums} == sums


def test_a_debit_that_cannot_be_told_lost_leaves_no_unit_outside_the_band():
    one = first_with("dropped_debit_in_band")
    (label,) = own(one.labels)
    assert not label.tellable
    assert deltas(one)[label.subject] == 0


def test_an_organization_has_at_most_one_fault():
    for one in simulate(replace(SMALL, organizations=200, faults=dict.fromkeys(FAULTS, 0.5))):
        assert len({label.fault for label in own(one.labels)}) <= 1


def test_a_fault_leaves_the_other_organizations_as_they_are():
    config = replace(SMALL, organizations=60)
    broken = replace(config, faults={"dropped_debit": 0.5})
    for index in range(config.organizations):
        one = simulate_one(broken, index)
        if not own(one.labels):
            assert one == simulate_one(config, index)


def test_an_incident_loses_the_debits_of_many_within_four_minutes():
    labels = [label for one in simulate(replace(SMALL, faults={"incident": 1.0})) for label in own(one.labels)]
    assert len(labels) > 20
    assert len({label.subject for label in labels}) == 1


def test_a_large_document_is_as_large_as_asked():
    one = first_with("large_document")
    ledger = one.documents["billingextrabalances"][0]["ledger"]
    assert len(ledger) >= SMALL.document_bytes // 100  # type: ignore[arg-type]


def test_rates_are_parsed_from_text():
    assert parse_faults("none") == {}
    assert parse_faults("dropped_debit=0.5, runaway_balance=1") == {"dropped_debit": 0.5, "runaway_balance": 1.0}
    everything = parse_faults("all=0.01,incident=1")
    assert everything["credit_due"] == 0.01
    assert everything["incident"] == 1.0
    assert "large_document" not in everything


@pytest.mark.parametrize(("text", "message"), [("gremlin=1", "unknown fault"), ("dropped_debit=often", "no number")])
def test_rates_that_make_no_sense_are_refused_with_the_reason(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        parse_faults(text)
