"""The plan of a credit: its decisions, what its hash rests on, and that no history credits more than the clawback."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.credits.plan import (
    CreditPlan,
    DisputeEntry,
    LedgerState,
    Limits,
    Position,
    entries_of,
    plan_credit,
    positions_of,
)
from billing_dq.tables import DISPUTE_ENTRIES, DISPUTE_POSITIONS
from billing_dq.units import round_half_up
from billing_dq.vocabulary.references import reinstatement_ref
from tests.support.examples import examples

DISPUTE = "du_1"
ORGANIZATION = "6aba68021f1483412b0fa60e"
CLAWBACK = DisputeEntry("c1", "refund", f"refund-dispute_{DISPUTE}-6ad8a43ef9c10e4a444e7a3d", -6000.0)
BY_HAND = DisputeEntry("h1", "adjustment", "dispute-credit-1", 1000.0)
POSITION = Position(
    dispute_id=DISPUTE,
    organization_id=ORGANIZATION,
    charge_id="ch_1",
    currency="usd",
    withdrawn_minor=500,
    reinstated_minor=500,
    fraction=1.0,
    clawed_back_units=6000.0,
    credited_units=0.0,
    due_units=6000.0,
    decision="due",
    reason="not_credited",
)
LEDGER = LedgerState(organization_known=True, length=3, parked=False, entries=(CLAWBACK,))
LIMITS = Limits(approve_above_units=100_000, max_units_per_credit=1_000_000)


def test_a_due_position_is_planned_with_all_that_is_known_of_it() -> None:
    position = replace(POSITION, fraction=0.75, credited_units=1000.0, due_units=3500.0, reason="credited_short")
    plan = plan_credit(position, LEDGER, LIMITS)
    assert plan == CreditPlan(
        dispute_id=DISPUTE,
        organization_id=ORGANIZATION,
        charge_id="ch_1",
        decision="due",
        reason="credited_short",
        units=3500.0,
        clawed_back_units=6000.0,
        credited_units=1000.0,
        fraction=0.75,
        clawback_entry_id="c1",
        ledger_length=3,
        plan_hash=plan.plan_hash,
    )


def test_a_single_unit_for_a_single_cent_is_due() -> None:
    plan = plan_credit(replace(POSITION, reinstated_minor=1, due_units=1.0), LEDGER, LIMITS)
    assert (plan.decision, plan.units) == ("due", 1.0)


@pytest.mark.parametrize(
    ("position", "ledger", "limits", "expected"),
    [
        ({"decision": "nothing_due", "due_units": 0.0, "reason": "open"}, {}, {}, ("nothing_due", "open")),
        ({"decision": "parked", "due_units": 0.0, "reason": "fx_unknown"}, {}, {}, ("parked", "fx_unknown")),
        ({"decision": "refused", "due_units": 0.0, "reason": "wrong_mode"}, {}, {}, ("refused", "wrong_mode")),
        ({"decision": "a new word", "reason": "x"}, {}, {}, ("refused", "x")),
        ({"organization_id": None}, {}, {}, ("refused", "organization_unknown")),
        ({}, {"organization_known": False}, {}, ("refused", "organization_unknown")),
        ({}, {"length": None}, {}, ("refused", "no_balance_document")),
        ({}, {"entries": ()}, {}, ("refused", "no_clawback")),
        ({"reinstated_minor": 0}, {}, {}, ("refused", "not_reinstated")),
        ({"due_units": 6000.5}, {}, {}, ("refused", "impossible_units")),
        ({"credited_units": 2000.0, "due_units": 4000.5}, {}, {}, ("refused", "impossible_units")),
        ({"credited_units": -1.0}, {}, {}, ("refused", "impossible_units")),
        ({"due_units": 0.0}, {}, {}, ("refused", "impossible_units")),
        ({"due_units": -1.0}, {}, {}, ("refused", "impossible_units")),
        ({"due_units": float("nan")}, {}, {}, ("refused", "impossible_units")),
        ({"clawed_back_units": 60000.0, "due_units": 60000.0}, {}, {}, ("refused", "impossible_units")),
        ({}, {"parked": True}, {}, ("parked", "organization_parked")),
        ({}, {}, {"max_units_per_credit": 5999}, ("above_cap", "max_units_per_credit")),
        ({}, {}, {"max_units_per_credit": 6000}, ("due", "not_credited")),
        ({}, {}, {"approve_above_units": 5999}, ("needs_approval", "approve_above_units")),
        ({}, {}, {"approve_above_units": 6000}, ("due", "not_credited")),
    ],
)
def test_a_decision_has_its_reason(position: dict, ledger: dict, limits: dict, expected: tuple[str, str]) -> None:
    plan = plan_credit(replace(POSITION, **position), replace(LEDGER, **ledger), replace(LIMITS, **limits))
    assert (plan.decision, plan.reason) == expected
    assert (plan.units > 0) == (plan.decision in ("due", "needs_approval", "above_cap"))


def test_what_an_earlier_credit_of_ours_left_over_is_for_a_person() -> None:
    half = DisputeEntry("r1", "adjustment", reinstatement_ref(DISPUTE), 3000.0)
    position = replace(POSITION, credited_units=3000.0, due_units=3000.0, reason="credited_short")
    plan = plan_credit(position, replace(LEDGER, entries=(CLAWBACK, half)), LIMITS)
    assert (plan.decision, plan.reason, plan.units) == ("parked", "credited_before", 0)


def test_a_dispute_whose_name_begins_alike_is_another_one() -> None:
    other = replace(CLAWBACK, ref_id="refund-dispute_du_12-6ad8a43ef9c10e4a444e7a3d")
    assert plan_credit(POSITION, replace(LEDGER, entries=(other,)), LIMITS).reason == "no_clawback"


@pytest.mark.parametrize(
    "changes",
    [
        {"dispute_id": "du_2"},
        {"organization_id": "6aba68021f1483412b0fa60f"},
        {"charge_id": "ch_2"},
        {"currency": "eur"},
        {"withdrawn_minor": 501},
        {"reinstated_minor": 499},
        {"fraction": 0.999},
        {"fraction": None},
        {"clawed_back_units": 5000.0},
        {"credited_units": 1.0},
        {"due_units": 5999.0},
    ],
)
def test_the_hash_changes_with_what_the_plan_rests_on(changes: dict) -> None:
    usual = plan_credit(POSITION, LEDGER, LIMITS).plan_hash
    assert plan_credit(replace(POSITION, **changes), LEDGER, LIMITS).plan_hash != usual


def test_the_hash_changes_with_every_credit_of_the_dispute_or_by_hand_and_with_the_clawback() -> None:
    usual = plan_credit(POSITION, LEDGER, LIMITS).plan_hash
    ours = DisputeEntry("r1", "adjustment", reinstatement_ref(DISPUTE), 1000.0)
    for entries in ((CLAWBACK, BY_HAND), (CLAWBACK, ours), (replace(CLAWBACK, entry_id="c2"),), ()):
        assert plan_credit(POSITION, replace(LEDGER, entries=entries), LIMITS).plan_hash != usual


def test_the_hash_outlives_unrelated_entries_and_other_disputes_of_the_organization() -> None:
    other = DisputeEntry("o1", "adjustment", reinstatement_ref("du_9"), 10.0)
    plan = plan_credit(POSITION, replace(LEDGER, length=99, entries=(CLAWBACK, other)), LIMITS)
    assert plan.plan_hash == plan_credit(POSITION, LEDGER, LIMITS).plan_hash
    assert plan.ledger_length == 99


def test_the_hash_outlives_the_rounding_of_the_share() -> None:
    usual = plan_credit(replace(POSITION, fraction=0.75), LEDGER, LIMITS).plan_hash
    assert plan_credit(replace(POSITION, fraction=0.75 + 2e-13), LEDGER, LIMITS).plan_hash == usual


def test_an_approval_of_an_earlier_release_still_names_its_plan() -> None:
    ledger = replace(LEDGER, entries=(CLAWBACK, BY_HAND))
    assert plan_credit(replace(POSITION, fraction=0.75), ledger, LIMITS).plan_hash == "3ca517ec2202048f69a1838a"


def test_positions_are_read_as_they_stand_with_nulls_as_none() -> None:
    second = replace(
        POSITION,
        dispute_id="du_0",
        organization_id=None,
        charge_id="ch_2",
        currency="jpy",
        withdrawn_minor=700,
        reinstated_minor=300,
        fraction=None,
        clawed_back_units=8000.5,
        credited_units=2000.0,
        due_units=0.0,
        decision="parked",
        reason="fx_unknown",
    )
    rows = [asdict(position) | {"status": "won"} for position in (replace(POSITION, fraction=0.4), second)]
    assert positions_of(DISPUTE_POSITIONS.from_rows(rows)) == [replace(POSITION, fraction=0.4), second]
    assert positions_of(DISPUTE_POSITIONS.empty()) == []


def test_the_entries_of_one_organization_are_read_oldest_first() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    late, early = DisputeEntry("a", "refund", "dispute_du_1", -6000.0), replace(BY_HAND, entry_id="c")
    same_time = replace(BY_HAND, entry_id="b", ref_id="dispute-credit-2", amount=2.5)
    rows = [
        asdict(entry) | {"organization_id": organization, "at": at}
        for entry, organization, at in (
            (late, ORGANIZATION, noon + timedelta(hours=1)),
            (early, ORGANIZATION, noon),
            (same_time, ORGANIZATION, noon),
            (CLAWBACK, "6aba68021f1483412b0fa60f", noon),
        )
    ]
    frame = DISPUTE_ENTRIES.from_rows(rows)
    assert entries_of(frame, ORGANIZATION) == (same_time, early, late)
    assert entries_of(frame, None) == ()


@examples(300)
@given(
    clawback=st.integers(1, 10_000_000),
    steps=st.lists(st.tuples(st.sampled_from(["reinstate", "by_hand", "apply"]), st.floats(0, 1)), max_size=12),
)
def test_no_history_credits_less_than_nothing_or_more_than_the_clawback(
    clawback: int, steps: list[tuple[str, float]]
) -> None:
    """By hand no more than the clawback is given here; what this system adds never exceeds what is left."""
    entries = [replace(CLAWBACK, amount=-float(clawback))]
    fraction = 0.0
    for number, (step, share) in enumerate(steps):
        credited = sum(entry.amount for entry in entries[1:])
        if step == "reinstate":
            fraction = max(fraction, share)
        elif step == "by_hand":
            units = float(int((clawback - credited) * share))
            if units > 0:
                entries.append(DisputeEntry(f"h{number}", "adjustment", f"dispute-credit-{number}", units))
        else:
            due = max(0.0, round_half_up(clawback * fraction) - credited)
            position = replace(
                POSITION,
                reinstated_minor=int(fraction > 0),
                fraction=fraction,
                clawed_back_units=float(clawback),
                credited_units=credited,
                due_units=due,
                decision="due" if due else "nothing_due",
            )
            plan = plan_credit(position, replace(LEDGER, entries=tuple(entries)), LIMITS)
            if plan.decision in ("due", "needs_approval"):
                assert plan.units == due
                entries.append(DisputeEntry(f"r{number}", "adjustment", reinstatement_ref(DISPUTE), plan.units))
        assert 0 <= sum(entry.amount for entry in entries[1:]) <= clawback
        assert sum(entry.ref_id == reinstatement_ref(DISPUTE) for entry in entries) <= 1
