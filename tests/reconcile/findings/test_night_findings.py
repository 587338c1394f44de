import pandas as pd
import pytest

from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.reconcile.findings.night_findings import PLAIN_COLUMNS, plain_findings
from billing_dq.reconcile.findings.severity import OF_KIND
from billing_dq.reconcile.ledger.document_size import CRITICAL_BYTES, WARN_BYTES
from billing_dq.tables import FINDINGS, METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE, RUNAWAY_BALANCES
from tests.support.finding_rows import (
    deltas,
    disputes,
    drift,
    events,
    evidence,
    quarantined,
    subscription,
    violation,
    violations,
    week,
)
from tests.support.ledger_rows import AS_OF, NIGHT, ORG, OTHER, balance, balances, unreadable


def found(inputs: FindingInputs) -> pd.DataFrame:
    return plain_findings(inputs, NIGHT, 1000.0, "https://x/RUNBOOKS.md")


def only(inputs: FindingInputs) -> dict[str, object]:
    rows = found(inputs).to_dict("records")
    assert len(rows) == 1
    return {str(name): value for name, value in rows[0].items()}


def of_week(row: dict[str, object], *pieces: tuple[str, str, float]) -> list[tuple[str, str]]:
    frame = found(FindingInputs(deltas=deltas(row), evidence=evidence(*pieces)))
    return list(frame[["severity", "cause"]].fillna("").itertuples(index=False, name=None))


def drifting(explanation: str) -> pd.DataFrame:
    row = {"organization_id": ORG, "units": 90.0, "weeks": 3, "first_week": "2026-W43", "explanation": explanation}
    return pd.DataFrame([row])


def test_a_night_that_examined_nothing_finds_nothing():
    frame = found(FindingInputs())
    assert list(frame.columns) == PLAIN_COLUMNS
    assert frame.empty


def told(inputs: FindingInputs) -> list[list[object]]:
    """Whole findings by subject and cause, but for id and link, and what tests of their own are about."""
    columns = ["finding_id", "runbook", "same_money_as", "verdict", "broken_since"]
    frame = found(inputs).drop(columns=columns).sort_values(["subject", "cause"])
    return [[None if pd.isna(value) else value for value in row] for row in frame.to_numpy().tolist()]


def test_what_is_found_in_ledgers_and_balances_is_told_whole():
    columns = ["organization_id", "cached_balance", "meter_quota", "threshold_units", "rule"]
    runaway = [
        ("r1", -7000.5, 500.0, -5000.0, "plan_quota"),
        ("r2", -16000.0, 1500.0, -15000.0, "week_quota"),
        ("r3", -99.0, 0.0, -50.0, "floor"),
    ]
    inputs = FindingInputs(
        runaway=RUNAWAY_BALANCES.conform(pd.DataFrame(runaway, columns=columns)),
        orphans=balances(balance("o1", 3000.5))[["organization_id", "cached_balance"]],
        violations=violations(violation("sign", "e1", 1230.0)),
    )
    assert told(inputs) == [
        ["ledger_violation", ORG, "e1", "error", 1230.0, 123, "sign", "in detail"],
        [
            "orphan_balance",
            "o1",
            "o1",
            "error",
            -3000.5,
            -300,
            None,
            "a balance of 3,000.5 units belongs to no organization and no subscription",
        ],
        [
            "runaway_balance",
            "r1",
            "r1",
            "critical",
            7000.5,
            0,
            None,
            "the balance is -7,000.5 units, below the -5,000 that the plan's quota of 500 allows",
        ],
        [
            "runaway_balance",
            "r2",
            "r2",
            "critical",
            16000.0,
            0,
            None,
            "the balance is -16,000 units, below the -15,000 that the week's quota of 1,500 allows",
        ],
        [
            "runaway_balance",
            "r3",
            "r3",
            "critical",
            99.0,
            0,
            None,
            "the balance is -99 units, below the -50 that a quota of 0 allows",
        ],
    ]


def test_what_is_found_in_the_meter_in_disputes_and_in_queues_is_told_whole():
    given_up = events("v1", type="invoice.paid", last_error="no such plan", attempts=5)
    inputs = FindingInputs(
        deltas=deltas(week("unexplained", cause="missing_debit")),
        drift=drifting("ever so little"),
        disputes=disputes({"cause": "credited_short"}, {"subject": "du_2", "kind": "dispute_parked"}),
        dead_lettered=pd.concat([given_up, events("v2")]),
        quarantined=quarantined(("organizations", "x1", "plan")),
        quarantined_stripe=quarantined(("stripe.disputes", "x2", "status")),
    )
    assert told(inputs) == [
        ["meter_extras_divergence", ORG, "2026-W45", "error", 100.0, 10, "missing_debit", "because"],
        ["meter_extras_drift", ORG, ORG, "warning", 90.0, 9, None, "ever so little"],
        ["dispute_credit_due", ORG, "du_1", "error", -5.0, 0, "credited_short", "because"],
        ["dispute_parked", ORG, "du_2", "warning", -5.0, 0, None, "because"],
        [
            "dead_lettered_event",
            None,
            "v1",
            "error",
            0.0,
            0,
            None,
            "the application gave up on an event invoice.paid: no such plan",
        ],
        [
            "dead_lettered_event",
            None,
            "v2",
            "error",
            0.0,
            0,
            None,
            "the application gave up on an event of unknown type: it left no error",
        ],
        [
            "quarantined_documents",
            None,
            "x1",
            "warning",
            0.0,
            0,
            None,
            "a document of organizations could not be read: plan is a text",
        ],
        [
            "quarantined_documents",
            None,
            "x2",
            "warning",
            0.0,
            0,
            None,
            "a document of stripe.disputes could not be read: status is a text",
        ],
    ]


def test_bad_objects_of_stripe_are_told_where_bad_documents_were_not_looked_for():
    inputs = FindingInputs(quarantined_stripe=quarantined(("stripe.disputes", "du_1", "status")))
    assert only(inputs)["subject"] == "du_1"


def test_every_kind_of_design_has_a_severity():
    assert {kind: severity for kind, severity in OF_KIND.items() if severity != "error"} == {
        "runaway_balance": "critical",
        "dispute_clawback_of_expired_pack": "info",
        "meter_extras_drift": "warning",
        "subscription_unresolved_plan": "warning",
        "subscription_ambiguous_plan": "warning",
        "subscriptions_not_ours": "info",
        "customer_shared": "warning",
        "organization_plan": "warning",
        "dispute_parked": "warning",
        "topup_payment_unknown": "warning",
        "quarantined_documents": "warning",
    }


def test_an_unexplained_divergence_of_a_closed_week_is_an_error_with_its_price_and_runbook():
    finding = only(FindingInputs(deltas=deltas(week("unexplained", cause="missing_debit")), evidence=evidence()))
    assert finding["severity"] == "error"
    assert (finding["subject"], finding["organization_id"]) == ("2026-W45", ORG)
    assert (finding["units"], finding["usd_cents"]) == (100.0, 10)
    assert finding["cause"] == "missing_debit"
    assert finding["runbook"] == "https://x/RUNBOOKS.md#meter-extras-divergence"


@pytest.mark.parametrize("state", ["open", "settling"])
def test_nothing_about_an_open_or_settling_week_is_above_warning(state: str):
    assert of_week(week("unexplained", week_state=state)) == [("warning", "")]
    assert of_week(week("explained", week_state=state, cause="late_debit")) == [("info", "late_debit")]


def test_an_explained_divergence_is_info():
    assert of_week(week("explained", cause="quota_changed")) == [("info", "quota_changed")]


def test_exact_unreadable_and_tolerated_weeks_without_a_defect_are_no_findings():
    skew = ("boundary_skew", "by_key", 3.0)
    assert of_week(week("exact")) == []
    assert of_week(week("unreadable")) == []
    assert of_week(week("within_tolerance", cause="boundary_skew"), skew) == []
    assert of_week(week("within_tolerance"), ("usage_reset", "cancellation", 3.0)) == []


def test_a_defect_within_the_tolerance_is_info():
    small = ("missing_debit", "key_without_debit", 3.0)
    assert of_week(week("within_tolerance"), small) == [("info", "missing_debit")]
    assert of_week(week("within_tolerance", cause="missing_debit"), small) == [("info", "missing_debit")]
    assert of_week(week("within_tolerance"), ("usage_reset", "keys", 3.0)) == [("info", "usage_reset")]


def test_breaks_that_cancel_out_are_a_warning_once_they_are_material():
    pieces = ("missing_debit", "by_key", 100.0), ("duplicate_debit", "by_ref", -100.0)
    assert of_week(week("unexplained", delta_units=0.0, diverged=False, cause="missing_debit"), *pieces) == [
        ("warning", "missing_debit")
    ]
    assert of_week(week("exact", delta_units=0.0), *pieces) == [("info", "missing_debit")]


def test_an_unexplained_week_is_a_finding_where_it_does_not_diverge_and_its_evidence_was_not_kept():
    quiet = week("unexplained", delta_units=0.0, diverged=False)
    assert of_week(quiet) == [("warning", "")]
    assert only(FindingInputs(deltas=deltas(quiet)))["severity"] == "warning"


def test_of_several_defects_the_largest_is_the_cause():
    pieces = ("missing_debit", "key_without_debit", 3.0), ("duplicate_debit", "by_ref", -30.0)
    assert of_week(week("within_tolerance"), *pieces) == [("info", "duplicate_debit")]
    assert of_week(week("within_tolerance"), *reversed(pieces)) == [("info", "duplicate_debit")]


def test_a_defect_of_one_week_is_not_another_weeks():
    other = week("within_tolerance", week_key="2026-W44")
    assert of_week(other, ("missing_debit", "key_without_debit", 3.0)) == []


def test_a_half_applied_settlement_that_moves_no_debit_is_the_ledgers_alone():
    assert of_week(week("within_tolerance"), ("settlement_half_applied", "key_only", 0.0)) == []
    assert of_week(week("within_tolerance"), ("settlement_half_applied", "key_only", 1.0)) == [
        ("info", "settlement_half_applied")
    ]
    assert of_week(week("within_tolerance"), ("replayed_across_weeks", "by_key", 0.0)) == [
        ("info", "replayed_across_weeks")
    ]


def test_a_settlement_whose_charge_went_with_the_meter_is_the_week_s_alone():
    row = violation("settlement_half_applied", "e", 20.0, ref_id="settle:2026-W45")
    reset, differ = ("usage_reset", "meter_set_back", -500.0), ("settlement_half_applied", "amounts_differ", 0.0)
    one_side = ("settlement_half_applied", "ledger_side_only", 0.0)
    delta = deltas(week("unexplained", delta_units=-500.0, cause="usage_reset"))

    def kinds(*pieces: tuple[str, str, float]) -> list[str]:
        inputs = FindingInputs(deltas=delta, evidence=evidence(*pieces), violations=violations(row))
        return sorted(found(inputs)["kind"])

    assert kinds(reset, differ) == ["meter_extras_divergence"]
    assert kinds(reset, one_side) == ["ledger_violation", "meter_extras_divergence"]
    assert kinds(differ) == ["ledger_violation", "meter_extras_divergence"]


def test_a_settlement_that_charged_too_little_is_told_where_it_is_in_doubt_that_the_meter_was_set_back():
    pieces = evidence(
        ("usage_reset", "meter_set_back", -500.0),
        ("settlement_half_applied", "amounts_differ", 0.0),
        ("quota_changed", "may_be_dunning_and_recovery", 0.0),
    ).assign(confidence=["consistent", "proved", "guess"])
    row = violation("settlement_half_applied", "e", 20.0, ref_id="settle:2026-W45")
    delta = deltas(week("undecided", delta_units=-500.0, cause="usage_reset"))
    kinds = found(FindingInputs(deltas=delta, evidence=pieces, violations=violations(row)))["kind"]
    assert sorted(kinds) == ["ledger_violation", "meter_extras_divergence"]


def test_what_is_proved_in_a_week_in_doubt_is_a_finding():
    pieces = evidence(("duplicate_debit", "by_ref", -5.0), ("quota_changed", "may_be_changed_later", 0.0))
    doubted = pieces.assign(confidence=["proved", "guess"])
    small = deltas(week("within_tolerance", delta_units=-5.0, cause="duplicate_debit"))
    assert only(FindingInputs(deltas=small, evidence=doubted))["cause"] == "duplicate_debit"
    doubtful = doubted.assign(confidence=["consistent", "guess"])
    assert found(FindingInputs(deltas=small, evidence=doubtful)).empty


COPY = {"cause": "duplicate_debit", "ref_id": "h2:a", "entry_id": "copy", "units": -300.0}


def of_corrected_week(corrected: dict[str, object], *more: dict[str, object]) -> pd.Series:
    """The finding of a week with a copied debit (and more defects), beside a violation of the ledger."""
    pieces = evidence(*(("", "by_ref", 0.0) for _ in (COPY, *more)))
    frame = pd.DataFrame([COPY, *more])
    pieces = pieces.assign(**{name: frame[name].to_numpy() for name in frame.columns})
    rows = violations(violation("duplicate_ref", "copy", 0.0, **corrected))
    delta = week("unexplained", delta_units=-300.0, cause="duplicate_debit")
    findings = found(FindingInputs(deltas=deltas(delta), evidence=pieces, violations=rows))
    return findings.loc[findings["kind"] == "meter_extras_divergence"].iloc[0]


def test_a_week_whose_copied_debits_were_credited_is_info_and_names_the_credits():
    finding = of_corrected_week({"compensated_by": "fix"})
    assert (finding["severity"], finding["units"], finding["usd_cents"]) == ("info", 0.0, 0)
    assert finding["explanation"] == "because Made good by fix."


def test_a_week_with_a_defect_that_was_not_made_good_stays_what_it_is():
    lost = {"cause": "missing_debit", "ref_id": "h3:a", "entry_id": None, "units": 5.0}
    for finding in (
        of_corrected_week({"compensated_by": None}),
        of_corrected_week({"compensated_by": "fix"}, lost),
        of_corrected_week({"compensated_by": "fix"}, COPY | {"entry_id": "second"}),
        of_corrected_week({"compensated_by": "fix", "organization_id": "0" * 24}),
    ):
        assert (finding["severity"], finding["units"], finding["explanation"]) == ("error", -300.0, "because")


@pytest.mark.parametrize("rule", ["future_entry", "missing_ref", "unknown_kind"])
def test_an_entry_whose_form_is_wrong_tells_its_units_and_owes_no_money(rule: str):
    finding = only(FindingInputs(violations=violations(violation(rule, units=25_000.0))))
    assert (finding["severity"], finding["units"], finding["usd_cents"]) == ("error", 25_000.0, 0)


def test_a_violation_that_was_made_good_is_info():
    row = violation("duplicate_ref", units=0.0, compensated_by="fix")
    assert only(FindingInputs(violations=violations(row)))["severity"] == "info"


def test_an_expiration_in_full_that_becomes_old_is_the_same_break_told_more_mildly():
    young, old = (
        only(FindingInputs(violations=violations(violation(rule)))) for rule in ("expiry_too_much", "expiry_in_full")
    )
    assert young["finding_id"] == old["finding_id"]
    assert (young["severity"], old["severity"]) == ("error", "info")


def test_a_runaway_balance_is_critical_and_adds_nothing_to_what_is_owed():
    row = {"organization_id": ORG, "cached_balance": -7000.0, "meter_quota": 500.0, "threshold_units": -5000.0}
    finding = only(FindingInputs(runaway=RUNAWAY_BALANCES.from_rows([row | {"rule": "plan_quota"}])))
    assert (finding["severity"], finding["subject"]) == ("critical", ORG)
    assert (finding["units"], finding["usd_cents"]) == (7000.0, 0)
    assert finding["explanation"] == "the balance is -7,000 units, below the -5,000 that the plan's quota of 500 allows"


def test_units_in_an_orphan_are_owed_to_somebody():
    orphans = balances(balance(cached=300.0))[["organization_id", "cached_balance"]]
    finding = only(FindingInputs(orphans=orphans))
    assert (finding["severity"], finding["usd_cents"]) == ("error", -30)


def test_cumulative_drift_is_a_warning_about_the_organization():
    finding = only(FindingInputs(drift=drifting("because")))
    assert (finding["kind"], finding["subject"], finding["severity"]) == ("meter_extras_drift", ORG, "warning")


@pytest.mark.parametrize(
    ("rule", "severity"),
    [
        ("cached_balance", "error"),
        ("duplicate_ref", "error"),
        ("expiry_not_swept", "error"),
        ("zero_amount", "warning"),
    ],
)
def test_a_violation_is_as_severe_as_its_rule(rule: str, severity: str):
    finding = only(FindingInputs(violations=violations(violation(rule))))
    assert (finding["severity"], finding["cause"], finding["subject"]) == (severity, rule, "e1")


def test_a_violation_without_an_entry_is_about_the_organization():
    assert only(FindingInputs(violations=violations(violation("cached_balance", None))))["subject"] == ORG


@pytest.mark.parametrize(("bytes_", "severity"), [(WARN_BYTES, "warning"), (CRITICAL_BYTES, "critical")])
def test_a_full_document_pages(bytes_: int, severity: str):
    inputs = FindingInputs(
        violations=violations(violation("document_size", None, 0.0)),
        balances=balances(balance(document_bytes=bytes_)),
    )
    assert only(inputs)["severity"] == severity


@pytest.mark.parametrize(("key", "severity"), [("2026-W46", "error"), ("2026-W47", "warning")])
def test_a_half_applied_settlement_is_about_its_week(key: str, severity: str):
    row = violation("settlement_half_applied", ref_id=f"settle:{key}")
    finding = only(FindingInputs(violations=violations(row)))
    assert (finding["subject"], finding["severity"]) == (key, severity)


def test_rules_of_one_entry_are_findings_of_one_money_and_copies_of_one_id_are_one():
    rows = violation("duplicate_ref"), violation("duplicate_ref", detail="in other words"), violation("sign")
    assert told(FindingInputs(violations=violations(*rows))) == [
        ["ledger_violation", ORG, "e1", "error", -10.0, -1, "duplicate_ref", "in detail"],
        ["ledger_violation", ORG, "e1", "error", -5.0, 0, "sign", "in detail"],
    ]


def severities(rows: pd.DataFrame, here: pd.DataFrame) -> dict[str, str]:
    frame = found(FindingInputs(subscription_drift=rows, subscriptions=here))
    return dict(zip(frame["kind"], frame["severity"], strict=True))


def test_drift_of_status_and_plan_is_an_error():
    rows = drift(("subscription_status", "active", "canceled"), ("subscription_plan", "pro", "starter"))
    assert severities(rows, subscription(plan="pro", status="active")) == {
        "subscription_status": "error",
        "subscription_plan": "error",
    }


def test_a_plan_changed_by_hand_is_no_more_than_a_warning_and_its_status_an_error():
    rows = drift(("subscription_status", "active", "canceled"), ("subscription_plan", "pro", "starter"))
    here = subscription(plan="pro", status="active", admin_updated_at=AS_OF)
    assert severities(rows, here) == {"subscription_status": "error", "subscription_plan": "warning"}


def test_dunning_is_no_more_than_a_warning():
    rows = drift(("subscription_status", "unpaid", "past_due"), ("subscription_plan", "free", "pro"))
    here = subscription(plan="free", status="unpaid")
    assert severities(rows, here) == {"subscription_status": "warning", "subscription_plan": "warning"}


@pytest.mark.parametrize(
    ("rows", "plan", "status"),
    [
        ([("subscription_status", "unpaid", "past_due")], "pro", "unpaid"),
        ([("subscription_status", "unpaid", "active"), ("subscription_plan", "free", "pro")], "free", "unpaid"),
        ([("subscription_plan", "free", "pro")], "free", "active"),
        ([("subscription_status", "active", "past_due"), ("subscription_plan", "free", "pro")], "free", "active"),
    ],
)
def test_half_of_what_dunning_does_is_not_dunning(rows: list[tuple[str, str, str]], plan: str, status: str):
    assert set(severities(drift(*rows), subscription(plan=plan, status=status)).values()) == {"error"}


def test_a_marker_that_no_event_could_move_is_a_warning_that_names_no_replay():
    rows = drift(("invoice_marker_lag", "2025-11-11T03:10:00Z", "2026-11-17T03:10:00Z")).assign(
        cause="paid_out_of_band"
    )
    finding = only(FindingInputs(subscription_drift=rows))
    assert (finding["severity"], finding["cause"]) == ("warning", "paid_out_of_band")
    assert "no invoice.payment_succeeded exists that could be replayed" in str(finding["explanation"])


def test_a_subscription_unknown_here_carries_no_organization():
    rows = drift(("subscription_unknown_here", None, "active"), organization=None)
    finding = only(FindingInputs(subscription_drift=rows))
    assert finding["subject"] == "sub_1"
    assert pd.isna(finding["organization_id"])  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.mark.parametrize("kind", [kind for kind in OF_KIND if kind.startswith(("subscription_", "invoice", "live"))])
def test_every_kind_of_drift_has_a_sentence_without_gaps(kind: str):
    sentence = str(only(FindingInputs(subscription_drift=drift((kind, None, None))))["explanation"])
    assert "None" not in sentence
    assert "{" not in sentence


def test_stale_past_due_needs_no_stripe():
    assert only(FindingInputs(stale_past_due=drift(("stale_past_due", "2026-11-01", None))))["severity"] == "error"


def test_dispute_findings_pass_with_their_sign():
    finding = only(FindingInputs(disputes=disputes({"units": -20_000.0})))
    assert (finding["subject"], finding["units"], finding["usd_cents"]) == ("du_1", -20_000.0, -2000)
    assert only(FindingInputs(disputes=disputes({"kind": "dispute_parked"})))["severity"] == "warning"


def test_an_event_is_its_own_subject():
    finding = only(FindingInputs(dead_lettered=events("evt_1")))
    assert (finding["subject"], finding["severity"], finding["units"]) == ("evt_1", "error", 0.0)


def test_a_bad_document_is_one_finding_whatever_the_number_of_its_fields():
    bad = quarantined(("billingusages", "d1", "meterUsed"), ("billingusages", "d1", "meterQuota"))
    dark = unreadable("billingusages", week="2026-W46").assign(document_id="d1")
    finding = only(FindingInputs(quarantined=bad, unreadable=dark))
    assert (finding["subject"], finding["organization_id"], finding["severity"]) == ("d1", ORG, "warning")
    assert finding["explanation"] == (
        "a document of billingusages for 2026-W46 could not be read: meterQuota is a text; meterUsed is a text"
    )


def test_of_many_bad_fields_the_first_are_told():
    bad = quarantined(*(("billingextrabalances", "d1", f"ledger.{number}.at") for number in range(5)))
    sentence = str(only(FindingInputs(quarantined=bad))["explanation"])
    assert sentence.endswith("ledger.0.at is a text; ledger.1.at is a text; ledger.2.at is a text; and 2 more")
    assert str(only(FindingInputs(quarantined=bad.iloc[:4]))["explanation"]).endswith("; and 1 more")
    assert str(only(FindingInputs(quarantined=bad.iloc[:3]))["explanation"]).endswith("; ledger.2.at is a text")


def test_a_balance_of_nothing_is_owed_to_nobody():
    assert (
        str(only(FindingInputs(orphans=balances(balance())[["organization_id", "cached_balance"]]))["units"]) == "0.0"
    )


def test_one_document_id_in_two_collections_is_two_findings():
    bad = quarantined(("organizations", "d1", "plan"), ("subscriptions", "d1", "plan"))
    assert found(FindingInputs(quarantined=bad))["finding_id"].nunique() == 2


def test_ids_do_not_depend_on_what_changes_while_a_thing_is_broken():
    first = only(FindingInputs(deltas=deltas(week("unexplained")), evidence=evidence()))
    later = week("explained", delta_units=-5.0, cause="quota_changed", explanation="now known")
    assert only(FindingInputs(deltas=deltas(later), evidence=evidence()))["finding_id"] == first["finding_id"]
    other = only(FindingInputs(deltas=deltas(week("unexplained", organization_id=OTHER)), evidence=evidence()))
    assert other["finding_id"] != first["finding_id"]
    known = only(FindingInputs(disputes=disputes({})))
    assert known["finding_id"] == only(FindingInputs(disputes=disputes({"organization_id": None})))["finding_id"]


def test_the_plain_findings_and_a_life_make_the_contract():
    frame = found(FindingInputs(violations=violations(violation("sign"))))
    whole = frame.assign(state="new", first_seen="2026-11-21", last_seen="2026-11-21", nights_open=1)
    whole = whole.assign(accepted_by=None, accepted_why=None, accepted_until=None)
    assert len(FINDINGS.conform(whole)) == 1


def test_empty_tables_find_nothing():
    inputs = FindingInputs(
        deltas=METER_EXTRAS_DELTAS.empty(),
        evidence=METER_EXTRAS_EVIDENCE.empty(),
        runaway=RUNAWAY_BALANCES.empty(),
        violations=violations(),
        balances=balances(),
        subscription_drift=drift(),
        subscriptions=subscription(),
        stale_past_due=drift(),
        disputes=disputes(),
        dead_lettered=events(),
        quarantined=quarantined(),
        quarantined_stripe=quarantined(),
        unreadable=unreadable(),
    )
    assert found(inputs).empty
