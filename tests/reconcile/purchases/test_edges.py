"""Every way in which money and units of one purchase part, and the sound purchase beside it (docs/stripe.md)."""

import pytest

from tests.support.dispute_rows import clawback as dispute_clawback
from tests.support.dispute_rows import dispute as dispute_of
from tests.support.dispute_rows import moved
from tests.support.ledger_rows import entry, suspects
from tests.support.payment_rows import charge, days_ago, ledgers, refund_entry, topup
from tests.support.purchase_rows import refund, told, told_with_disputes
from tests.support.subscription_rows import ORG, OTHER_ORG

REFUND_MISSING = ("refund_clawback_missing", "ch_1")
DISPUTE_MISSING = ("dispute_clawback_missing", "du_1")


def taken_for_refund(units: float, refund_id: str = "re_1") -> dict[str, object]:
    return refund_entry(f"refund-{refund_id}-entry_of_cs_1", -units, at=days_ago(1))


def lost(cents: int = 500, status: str = "lost", **fields: object) -> dict[str, object]:
    made = dispute_of("du_1", moved(-cents), status=status, amount_minor=cents, organization_id=ORG)
    return made | {"charge_amount_minor": 500, "stripe_session_id": "cs_1", "created": days_ago(2)} | fields


def taken_for_dispute(units: float) -> dict[str, object]:
    return dispute_clawback(units=units, organization=ORG)


# Refund and dispute of one charge share one pack


@pytest.mark.parametrize(
    ("refunded", "refund_took", "disputed", "dispute_took", "found"),
    [
        (500, 0, 500, 0, {DISPUTE_MISSING: 6_000.0}),
        (500, 6_000, 500, 0, {}),
        (500, 0, 500, 6_000, {}),
        (250, 3_000, 250, 0, {DISPUTE_MISSING: 3_000.0}),
        (250, 3_000, 500, 0, {DISPUTE_MISSING: 3_000.0}),
        (250, 0, 250, 0, {DISPUTE_MISSING: 3_000.0, REFUND_MISSING: 3_000.0}),
        (250, 0, 250, 3_000, {REFUND_MISSING: 3_000.0}),
        (250, 3_000, 250, 3_000, {}),
        (500, 6_000, 250, 3_000, {("refund_and_dispute_overlap", "ch_1"): -3_000.0}),
        (500, 6_000, 500, 6_000, {("refund_and_dispute_overlap", "ch_1"): -6_000.0}),
    ],
)
def test_refund_and_dispute_of_one_charge_take_the_pack_once(
    refunded: int, refund_took: float, disputed: int, dispute_took: float, found: dict[tuple[str, str], float]
) -> None:
    ours = ledgers([topup()], [taken_for_refund(refund_took)] if refund_took else [])
    entries = [taken_for_dispute(dispute_took)] if dispute_took else []
    paid = charge(refunded_minor=refunded, disputed=True)
    assert told_with_disputes([paid], [refund("re_1", refunded)], ours, [lost(disputed)], entries) == found


def test_what_a_failed_refund_took_leaves_the_dispute_its_units() -> None:
    ours, failed = ledgers([topup()], [taken_for_refund(6_000)]), refund("re_1", 500, status="failed")
    found = told_with_disputes([charge(disputed=True)], [failed], ours, [lost()])
    assert found == {("refund_failed", "re_1"): -6_000.0, DISPUTE_MISSING: 6_000.0}


@pytest.mark.parametrize("status", ["lost", "prevented"])
def test_money_that_a_dispute_took_has_its_clawback_only_where_the_pack_was_delivered(status: str) -> None:
    disputed, paid = [lost(status=status)], [charge(disputed=True)]
    assert told_with_disputes(paid, [], ledgers([topup()]), disputed) == {DISPUTE_MISSING: 6_000.0}
    assert told_with_disputes(paid, [], ledgers(), disputed) == {}


# Refunds


def test_a_refund_without_clawback_is_told_whatever_kept_the_application_from_it() -> None:
    back = [refund("re_1", 500)]
    for fields in (
        {"pack_id": "pack_gone"},
        {"pack_id": None},
        {"stripe_session_id": None},
        {"created": days_ago(170)},
        {"organization_id": None},
    ):
        paid = charge(refunded_minor=500, **fields)
        when = days_ago(170) if "created" in fields else days_ago(3)
        assert told([paid], back, ledgers([topup(at=when)])) == {REFUND_MISSING: 6_000.0}, fields


def test_of_two_packs_of_equal_units_the_refunded_one_is_missed() -> None:
    twins = [topup(), topup("cs_2", at=days_ago(2))]
    paid = [charge(refunded_minor=500), charge("ch_2", stripe_session_id="cs_2", created=days_ago(2))]
    assert told(paid, [refund("re_1", 500)], ledgers(twins)) == {REFUND_MISSING: 6_000.0}
    other = refund_entry("refund-re_1-entry_of_cs_2", at=days_ago(1))
    assert told(paid, [refund("re_1", 500)], ledgers(twins, [other])) == {
        REFUND_MISSING: 6_000.0,
        ("refund_clawback_wrong_units", "ch_2"): -6_000.0,
    }


def test_a_refund_in_another_currency_takes_its_share_and_not_its_number() -> None:
    yen = charge(currency="jpy", amount_minor=750, refunded_minor=250)
    share, number = ledgers([topup()], [taken_for_refund(2_000)]), ledgers([topup()], [taken_for_refund(2_500)])
    assert told([yen], [refund("re_1", 250)], share) == {}
    assert told([yen], [refund("re_1", 250)], number) == {("refund_clawback_wrong_units", "ch_1"): -500.0}


def test_a_topup_of_another_currencys_number_is_not_what_the_pack_gives() -> None:
    yen = charge(currency="jpy", amount_minor=750)
    assert told([yen], known=ledgers([topup(amount=7_500.0)])) == {("topup_wrong_units", "ch_1"): 1_500.0}
    assert told([yen], known=ledgers([topup(amount=750.0)])) == {("topup_wrong_units", "ch_1"): -5_250.0}
    assert told([yen], known=ledgers([topup()])) == {}


def test_what_was_captured_in_part_is_refunded_in_shares_of_that() -> None:
    paid = charge(amount_minor=500, captured_minor=400, refunded_minor=200)
    assert told([paid], [refund("re_1", 200)], ledgers([topup()], [taken_for_refund(3_000)])) == {}
    assert told([paid], [refund("re_1", 200)], ledgers([topup()], [taken_for_refund(2_400)])) == {
        ("refund_clawback_wrong_units", "ch_1"): 600.0
    }


@pytest.mark.parametrize(("age", "is_found"), [(8, True), (174, False)])
def test_an_old_clawback_of_a_refund_that_does_not_exist_is_told_where_the_list_reaches(
    age: int, is_found: bool
) -> None:
    old = refund_entry("refund-cs_1-500-entry_of_cs_1", at=days_ago(age))
    ours = ledgers([topup(at=days_ago(179))], [old])
    assert told([], [], ours) == ({("refund_unknown_at_stripe", "cs_1"): -6_000.0} if is_found else {})
    assert told([], [refund("re_1", 500, charge_id="ch_of_nobody", created=days_ago(8.1))], ours) == {}
    assert told([charge(refunded_minor=500, created=days_ago(179))], [refund("re_1", 500)], ours) == {}


# Top-ups


def test_two_sessions_of_one_payment_leave_one_topup_without_payment() -> None:
    again = ledgers([topup(), topup("cs_2")])
    assert told([charge()], known=again) == {("topup_payment_unknown", "cs_2"): 6_000.0}


def test_a_bank_debit_that_fails_days_later_paid_nothing() -> None:
    debit = charge("py_1", status="failed", captured_minor=0, created=days_ago(12))
    assert told([debit], known=ledgers([topup(at=days_ago(11.9))])) == {("topup_without_payment", "py_1"): 6_000.0}
    under_way = charge("py_1", status="pending", captured_minor=0, created=days_ago(4))
    assert told([under_way], known=ledgers([topup()])) == {}


def test_a_pack_of_another_ledger_and_its_refund_are_each_owed_once() -> None:
    elsewhere = ledgers([topup(organization_id=OTHER_ORG)], readable=(ORG, OTHER_ORG))
    found = told([charge(refunded_minor=500)], [refund("re_1", 500)], elsewhere)
    assert sum(found.values()) == 6_000.0, found


def test_a_disputed_pack_of_another_ledger_is_owed_once() -> None:
    elsewhere = ledgers([topup(organization_id=OTHER_ORG)], readable=(ORG, OTHER_ORG))
    found = told_with_disputes([charge(disputed=True)], [], elsewhere, [lost()])
    assert found == {("topup_in_another_ledger", "ch_1"): 6_000.0}


def test_cents_for_units_of_a_lost_pack_owe_nobody_what_the_pack_would_have_given() -> None:
    cents = ledgers([topup(amount=500.0)])
    assert told_with_disputes([charge(disputed=True)], [], cents, [lost()]) == {DISPUTE_MISSING: 500.0}
    entries = [taken_for_dispute(500)]
    assert told_with_disputes([charge(disputed=True)], [], cents, [lost()], entries) == {}
    half = told_with_disputes([charge(disputed=True)], [], cents, [lost(250)], [taken_for_dispute(250)])
    assert half == {("topup_wrong_units", "ch_1"): -2_750.0}


def test_what_a_person_corrected_of_a_refund_and_a_dispute_is_owed_no_more() -> None:
    given_back = suspects(entry("adjustment", 6_000, "e", 1, ref="correction-re_1", organization=ORG))
    ours = ledgers([topup()], [taken_for_refund(6_000)], suspects=given_back)
    paid = charge(refunded_minor=500, disputed=True)
    assert told_with_disputes([paid], [refund("re_1", 500)], ours, [lost()], [taken_for_dispute(6_000)]) == {}
