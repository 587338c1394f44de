"""The evidence of a finding: what it names on every side, the arithmetic, the step to do, and its life."""

import json
from datetime import UTC, datetime

import pytest

from billing_dq.report.evidence.build import Night, evidence_of
from billing_dq.report.evidence.documents import dashboard
from billing_dq.report.evidence.frames import NightFrames
from billing_dq.report.evidence.record import Evidence
from billing_dq.settings import Settings
from billing_dq.tables import TABLES
from billing_dq.vocabulary.kinds import KINDS
from tests.support.finding_rows import week
from tests.support.pure_night import sample_settings
from tests.support.report_night import finding

ORGANIZATION, OTHER = "6a" + "0" * 22, "6b" + "0" * 22
AT = datetime(2026, 11, 4, 12, tzinfo=UTC)
SETTINGS = sample_settings(home="unused", links={"organization": "https://app.example/admin/{organization_id}"})


def told(row: dict[str, object], settings: Settings = SETTINGS, **tables: list[dict[str, object]]) -> Evidence:
    """The evidence of a finding of an organization that a night with some rows holds."""
    frames = {name: TABLES[name].from_rows(rows) for name, rows in tables.items()}
    stored = NightFrames("2026-11-21", frames, livemode=False)
    plain = {"organization_id": ORGANIZATION} | row
    return evidence_of({**finding(1), **plain}, Night(stored, [], {}), settings)


def charge(**more: object) -> dict[str, object]:
    return {
        "charge_id": "ch_1",
        "organization_id": ORGANIZATION,
        "stripe_session_id": "cs_1",
        "pack_id": "pack_m",
        "amount_minor": 500,
        "captured_minor": 500,
        "refunded_minor": 0,
        "currency": "usd",
        "status": "succeeded",
        "disputed": False,
        "created": AT,
        "livemode": False,
        **more,
    }


def topup(organization: str = ORGANIZATION, units: float = 6000.0) -> dict[str, object]:
    return {
        "organization_id": organization,
        "entry_id": "6ad8a43ef9c10e4a444e7a3d",
        "stripe_session_id": "cs_1",
        "amount": units,
        "at": AT,
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("organization", [ORGANIZATION, None])
def test_a_finding_of_any_kind_has_a_step_to_do_and_is_json_even_where_the_night_holds_nothing(
    kind: str, organization: str | None
) -> None:
    evidence = told({"kind": kind, "organization_id": organization, "subject": organization or "x", "cause": None})
    assert evidence.remedy.do
    assert evidence.remedy.how_sure
    assert json.loads(json.dumps(evidence.as_data()))["finding"]["kind"] == kind


def test_a_weeks_bars_lead_from_usage_to_debits_without_a_step_between_them() -> None:
    numbers = {"meter_used": 9000.0, "meter_quota": 5000.0, "expected_units": 4000.0, "actual_units": 3300.0}
    delta = week("unexplained", organization_id=ORGANIZATION, **numbers, delta_units=700.0)
    pieces = [("missing_debit", 900.0, "key-2"), ("duplicate_debit", -200.0, "key-1")]
    evidence = told(
        {"kind": "meter_extras_divergence", "subject": "2026-W45"},
        meter_extras_deltas=[delta],
        meter_extras_evidence=[
            {"organization_id": ORGANIZATION, "week_key": "2026-W45", "cause": cause, "rule": "r", "units": units}
            | {"confidence": "proved", "ref_id": ref, "entry_id": None}
            for cause, units, ref in pieces
        ],
        weekly_usage=[
            {"organization_id": ORGANIZATION, "week_key": "2026-W45", "meter_used": 9000.0, "meter_quota": 5000.0}
            | {"settled_units": 0.0, "attribution_keys": ["key-1", "key-2"]}
        ],
        ledger_entries=[
            {"organization_id": ORGANIZATION, "position": 0, "entry_id": "e", "kind": "debit", "amount": -3300.0}
            | {"ref_id": "key-1", "at": AT}
        ],
    )
    bars = [(one.label, one.start, one.amount) for one in evidence.arithmetic if one.start is not None]
    assert bars == [
        ("used", 0.0, 9000.0),
        ("included in the plan", 9000.0, -5000.0),
        ("expected as debits", 0.0, 4000.0),
        ("missing debit", 4000.0, -900.0),
        ("duplicate debit", 3100.0, 200.0),
        ("debited", 0.0, 3300.0),
    ]
    assert evidence.usage is not None
    assert [(step.key, step.debited) for step in evidence.usage.steps] == [("key-1", 3300.0), ("key-2", None)]
    assert [line.in_question for line in evidence.ledgers[0].lines] == [True]
    assert [proof.confidence for proof in evidence.proofs] == ["proved", "proved"]
    assert evidence.queries[0].startswith("db.getCollection(")


def test_a_purchase_leads_from_its_charge_to_its_refund_its_ledger_and_the_money_against_the_units() -> None:
    evidence = told(
        {"kind": "refund_clawback_missing", "subject": "ch_1", "units": 6000.0, "cause": None},
        stripe_charges=[charge(), charge(charge_id="ch_2", stripe_session_id="cs_2")],
        stripe_refunds=[
            {"refund_id": "re_1", "charge_id": "ch_1", "status": "succeeded", "amount_minor": 500, "created": AT}
        ],
        pack_purchases=[topup()],
    )
    assert [(document.what, document.name) for document in evidence.documents] == [
        ("charge", "ch_1"),
        ("refund", "re_1"),
    ]
    assert [(one.label, one.amount, one.unit) for one in evidence.arithmetic] == [
        ("paid for pack_m", 500.0, "usd"),
        ("refunded", -500.0, "usd"),
        ("pack_m gives", 6000.0, "units"),
        ("given by the ledger", 6000.0, "units"),
    ]
    assert [line.in_question for line in evidence.ledgers[0].lines] == [True]
    assert 'refId: "refund-re_1-6ad8a43ef9c10e4a444e7a3d"' in (evidence.request or "")
    assert "amount: -6000," in (evidence.request or "")


def test_units_that_stand_in_another_ledger_are_shown_in_both() -> None:
    evidence = told(
        {"kind": "topup_in_another_ledger", "subject": "ch_1", "organization_id": OTHER, "units": 6000.0},
        stripe_charges=[charge()],
        pack_purchases=[topup(OTHER)],
    )
    assert [(one.organization_id, len(one.lines)) for one in evidence.ledgers] == [(OTHER, 1)]
    paid = told(
        {"kind": "pack_without_topup", "subject": "ch_1"}, stripe_charges=[charge()], pack_purchases=[topup(OTHER)]
    )
    assert [(one.organization_id, len(one.lines)) for one in paid.ledgers] == [(ORGANIZATION, 0), (OTHER, 1)]


def test_a_dispute_has_its_time_line_and_its_account() -> None:
    moved = {"currency": "usd", "exchange_rate": None, "reporting_category": "dispute", "created": AT}
    evidence = told(
        {"kind": "dispute_credit_due", "subject": "du_1", "units": -6000.0},
        stripe_charges=[charge(disputed=True)],
        stripe_disputes=[
            {
                "dispute_id": "du_1",
                "charge_id": "ch_1",
                "status": "won",
                "amount_minor": 500,
                "currency": "usd",
                "organization_id": ORGANIZATION,
                "stripe_session_id": "cs_1",
                "created": AT,
                "movements": [moved | {"amount_minor": -500}, moved | {"amount_minor": 500}],
                "livemode": False,
            }
        ],
        dispute_entries=[
            {"organization_id": ORGANIZATION, "entry_id": "e1", "kind": "refund", "amount": -6000.0, "at": AT}
            | {"ref_id": "refund-dispute_du_1-6ad8a43ef9c10e4a444e7a3d"}
        ],
        pack_purchases=[topup()],
        dispute_positions=[
            {
                "dispute_id": "du_1",
                "organization_id": ORGANIZATION,
                "charge_id": "ch_1",
                "status": "won",
                "currency": "usd",
                "withdrawn_minor": 500,
                "reinstated_minor": 500,
                "fraction": 1.0,
                "clawed_back_units": 6000.0,
                "credited_units": 0.0,
                "due_units": 6000.0,
                "decision": "due",
                "reason": "not_credited",
            }
        ],
    )
    happened = {event.event for event in evidence.events}
    assert happened == {"pack bought", "dispute opened, now won", "money withdrawn", "money reinstated", "clawback"}
    assert evidence.arithmetic[-1].note == "due: not credited"
    assert [link.address for link in evidence.links] == [
        f"https://app.example/admin/{ORGANIZATION}",
        "https://dashboard.stripe.com/test/payments/ch_1",
        "https://dashboard.stripe.com/test/disputes/du_1",
    ]


@pytest.mark.parametrize(
    ("name", "livemode", "address"),
    [
        ("sub_1", True, "https://dashboard.stripe.com/subscriptions/sub_1"),
        ("cus_1", False, "https://dashboard.stripe.com/test/customers/cus_1"),
        ("cs_test_1", False, None),
        ("ch_1/../../x", True, None),
        ("javascript:alert(1)", True, None),
        ("2026-W45", True, None),
    ],
)
def test_only_an_id_of_stripes_becomes_an_address(name: str, livemode: bool, address: str | None) -> None:
    assert dashboard(name, livemode) == address


def test_a_broken_rule_of_a_ledger_marks_its_entry_its_copy_and_what_makes_it_good() -> None:
    def entry(position: int, amount: float, ref_id: str) -> dict[str, object]:
        place = {"organization_id": ORGANIZATION, "position": position, "entry_id": f"e{position}"}
        return place | {"kind": "debit", "amount": amount, "ref_id": ref_id, "at": AT}

    evidence = told(
        {"kind": "ledger_violation", "subject": "e1", "cause": "duplicate_ref", "units": -36.0},
        ledger_entries=[entry(0, -36.0, "key"), entry(1, -36.0, "key"), entry(2, 36.0, "good"), entry(3, -1.0, "no")],
        ledger_violations=[
            {
                "organization_id": ORGANIZATION,
                "rule": "duplicate_ref",
                "entry_id": "e1",
                "ref_id": "key",
                "units": -36.0,
            }
            | {"detail": "", "compensated_by": "e2"}
        ],
    )
    assert [line.in_question for line in evidence.ledgers[0].lines] == [True, True, True, False]
    assert "copy" in evidence.remedy.do


def test_the_request_can_hold_no_more_than_the_reference() -> None:
    hostile = 'ch_1", drop: "x'
    evidence = told({"kind": "topup_wrong_units", "subject": hostile, "units": 5.0, "cause": None})
    assert json.dumps(f"correction-{hostile}") in (evidence.request or "")


def test_a_credit_by_the_tool_is_rounded_up_to_a_cent_for_the_customer() -> None:
    evidence = told({"kind": "dispute_clawed_back_twice", "subject": "du_1", "units": -137.0, "cause": None})
    assert evidence.request == f'POST /api/admin/billing/dispute/credit/{ORGANIZATION}\n{{"amountCents": 14}}'


def test_other_findings_of_the_same_money_come_before_those_of_the_same_organization() -> None:
    beside = {"organization_id": ORGANIZATION}
    rows = [finding(2, **beside), finding(3, same_money_as=f"{1:016x}", organization_id=OTHER), finding(1, **beside)]
    stored = NightFrames("2026-11-21", {})
    life = {f"{1:016x}": [finding(1, night="2026-11-20"), finding(1, night="2026-11-21")]}
    evidence = evidence_of(finding(1, **beside), Night(stored, rows, life), SETTINGS)
    assert [(one.finding_id[-1], one.is_same_money) for one in evidence.related] == [("3", True), ("2", False)]
    assert [(one.night, one.state) for one in evidence.life] == [("2026-11-20", "not examined"), ("2026-11-21", "new")]
