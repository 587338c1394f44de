"""Units that nobody paid, that the pack does not give, or that stand in a ledger that did not pay."""

import pytest

from tests.support.ledger_rows import entry, suspects
from tests.support.payment_rows import charge, days_ago, ledgers, topup
from tests.support.purchase_rows import told
from tests.support.subscription_rows import ORG, OTHER_ORG

FAILED = {"status": "failed", "captured_minor": 0}


@pytest.mark.parametrize(
    ("fields", "owed"),
    [
        (FAILED, True),
        ({"status": "pending", "captured_minor": 0}, False),
        ({"captured_minor": 0}, False),
        ({"captured_minor": 0, "refunded_minor": 500}, True),
        ({}, False),
    ],
)
def test_units_of_a_payment_that_failed_or_was_released_are_owed_to_us(fields: dict[str, object], owed: bool) -> None:
    found = told([charge(**fields)], known=ledgers([topup()]))
    assert found == ({("topup_without_payment", "ch_1"): 6_000.0} if owed else {})


def test_a_session_that_was_paid_at_the_second_attempt_is_paid() -> None:
    assert told([charge(**FAILED), charge("ch_2")], known=ledgers([topup()])) == {}


def test_units_that_were_taken_back_are_none() -> None:
    back = suspects(entry("refund", -6_000, "e", 1, ref="correction-ch_1", organization=ORG))
    assert told([charge(**FAILED)], known=ledgers([topup()], suspects=back)) == {}


def test_a_session_of_test_mode_pays_nothing_in_a_live_database() -> None:
    test = ledgers([topup("cs_test_1")])
    assert told([], known=test) == {("topup_without_payment", "cs_test_1"): 6_000.0}
    assert told([], known=test, livemode=False) == {}


@pytest.mark.parametrize(("days", "undecided"), [(3, True), (26, True), (28, False), (200, False)])
def test_a_topup_that_no_charge_names_is_undecided_where_the_list_reaches_back(days: int, undecided: bool) -> None:
    found = told([], known=ledgers([topup(at=days_ago(days))]))
    assert found == ({("topup_payment_unknown", "cs_1"): 6_000.0} if undecided else {})


@pytest.mark.parametrize(
    ("status", "days", "kind"),
    [
        ("expired", 3, "topup_without_payment"),
        ("unpaid", 3, "topup_payment_unknown"),
        ("unpaid", 15, "topup_without_payment"),
        ("no_payment_required", 3, None),
        ("paid", 3, None),
    ],
)
def test_a_session_without_charge_decides_whether_its_topup_was_paid(status: str, days: int, kind: str | None) -> None:
    session = charge("cs_1", status=status, captured_minor=0, created=days_ago(days))
    found = told([session], known=ledgers([topup(at=days_ago(days))]))
    assert found == ({} if kind is None else {(kind, "cs_1"): 6_000.0})


def test_charges_that_name_no_packs_at_all_leave_every_topup_alone() -> None:
    assert told([], known=ledgers([topup(f"cs_{n}") for n in range(6)])) == {}


@pytest.mark.parametrize(
    ("units", "fields", "off"),
    [
        (500.0, {}, -5_500.0),
        (5.0, {}, -5_995.0),
        (25_000.0, {}, 19_000.0),
        (12_000.0, {}, 6_000.0),
        (12_000.0, {"amount_minor": 1_000}, None),
        (6_300.0, {}, 300.0),
        (6_300.0, {"amount_minor": 595}, None),
        (6_300.0, {"currency": "eur"}, None),
        (6_300.0, {"pack_id": "pack_old"}, None),
        (6_000.0, {"amount_minor": 1_000, "captured_minor": 400}, None),
    ],
)
def test_units_that_the_pack_does_not_give_are_signed(
    units: float, fields: dict[str, object], off: float | None
) -> None:
    found = told([charge(**fields)], known=ledgers([topup(amount=units)]))
    assert found == ({} if off is None else {("topup_wrong_units", "ch_1"): off})


def test_what_others_were_given_in_those_days_is_the_pack_of_those_days() -> None:
    bonus = [topup(amount=6_300.0), topup("cs_2", organization_id=OTHER_ORG, amount=6_300.0, at=days_ago(20))]
    assert (
        told([charge(), charge("ch_2", stripe_session_id="cs_2", organization_id=OTHER_ORG)], known=ledgers(bonus))
        == {}
    )


def test_one_session_in_two_ledgers_is_told_once_of_the_one_that_did_not_pay() -> None:
    both = ledgers([topup(), topup(organization_id=OTHER_ORG, entry_id="b", at=days_ago(4))])
    assert told([charge()], known=both) == {("session_in_two_ledgers", "cs_1"): 6_000.0}


def test_a_pack_given_to_another_organization_is_owed_by_it_and_to_who_paid() -> None:
    elsewhere = ledgers([topup(organization_id=OTHER_ORG)])
    assert told([charge()], known=elsewhere) == {
        ("pack_without_topup", "ch_1"): -6_000.0,
        ("topup_in_another_ledger", "ch_1"): 6_000.0,
    }


def test_a_charge_that_the_ledgers_archive_is_younger_than_is_not_judged() -> None:
    archived = suspects(entry("adjustment", 10, "e", 1, ref="archive-2026-11-20", organization=ORG, at=days_ago(1)))
    assert told([charge()], known=ledgers(suspects=archived)) == {}
