"""A pack that was charged and gave no units is owed to the customer; where the night cannot know, it says nothing."""

from datetime import timedelta
from random import Random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.reconcile.pending import Pending
from billing_dq.reconcile.purchases.accounts import Payments, purchase_accounts
from billing_dq.reconcile.purchases.deliveries import packs_without_topup
from billing_dq.reconcile.purchases.ledgers import PaidLedgers
from tests.support.dispute_rows import PACKS
from tests.support.examples import examples
from tests.support.payment_rows import charge, charges, days_ago, disputes, ledgers, topup
from tests.support.subscription_rows import AS_OF, ORG, OTHER_ORG, unreadable

PENDING = Pending(AS_OF, 15.0)


def undelivered(paid: pd.DataFrame, disputed: pd.DataFrame, known: PaidLedgers) -> pd.DataFrame:
    accounts = purchase_accounts(Payments(paid, None, disputed, None, livemode=True), known, PACKS, PENDING)
    return packs_without_topup(accounts, known, PENDING)


def found(
    *rows: dict[str, object], known: PaidLedgers | None = None, disputed: pd.DataFrame | None = None
) -> dict[str, float]:
    """Units owed, by charge."""
    frame = undelivered(charges(*rows), disputes() if disputed is None else disputed, known or ledgers())
    return dict(zip(frame["subject"], frame["units"], strict=True))


def test_a_paid_pack_without_topup_is_owed_to_the_customer_in_the_packs_units() -> None:
    frame = undelivered(charges(charge(pack_id="pack_l", amount_minor=2_000)), disputes(), ledgers())
    assert frame.to_dict("records") == [
        {
            "kind": "pack_without_topup",
            "organization_id": ORG,
            "subject": "ch_1",
            "units": -25_000.0,
            "cause": pytest.approx(float("nan"), nan_ok=True),
            "explanation": "2000 usd (minor units) were charged for pack_l at 2026-11-18T03:10:00Z, and no top-up of "
            "its session cs_1 is in any ledger: 25,000 units are owed",
        }
    ]


def test_a_pack_with_the_topup_of_its_session_is_delivered_whatever_its_units() -> None:
    assert found(charge(), known=ledgers([topup()])) == {}
    assert found(charge(), known=ledgers([topup(amount=1.0)])) == {}


def test_a_pack_whose_topup_stands_in_another_ledger_is_owed_unless_the_payer_has_none_any_more() -> None:
    elsewhere = [topup(organization_id=OTHER_ORG)]
    assert found(charge(), known=ledgers(elsewhere)) == {"ch_1": -6_000.0}
    assert found(charge(), known=ledgers(elsewhere, readable=(OTHER_ORG,))) == {}
    assert found(charge(organization_id=None), known=ledgers(elsewhere)) == {}


def test_a_topup_of_another_session_delivers_nothing_to_a_charge_that_names_its_own() -> None:
    assert found(charge(), known=ledgers([topup("cs_2")])) == {"ch_1": -6_000.0}


def test_without_session_a_topup_of_the_organization_with_the_packs_units_is_the_charges() -> None:
    nameless = charge(stripe_session_id=None)
    assert found(nameless, known=ledgers([topup("cs_9")])) == {}
    assert found(nameless, known=ledgers([topup("cs_9", amount=25_000.0)])) == {"ch_1": -6_000.0}
    assert found(nameless, known=ledgers([topup("cs_9", organization_id=OTHER_ORG)])) == {"ch_1": -6_000.0}
    assert found(nameless, known=ledgers([topup("cs_9", at=days_ago(4))])) == {"ch_1": -6_000.0}


def test_one_topup_serves_one_charge_without_session_and_none_that_another_charge_names() -> None:
    first, second = charge("ch_1", stripe_session_id=None), charge("ch_2", stripe_session_id=None, created=days_ago(2))
    assert found(first, second, known=ledgers([topup("cs_9", at=days_ago(1))])) == {"ch_2": -6_000.0}
    named = charge("ch_3", stripe_session_id="cs_9")
    assert found(first, named, known=ledgers([topup("cs_9")])) == {"ch_1": -6_000.0}


@pytest.mark.parametrize(
    "changes",
    [
        {"refunded_minor": 500},
        {"livemode": False},
        {"created": AS_OF - timedelta(minutes=14)},
        {"organization_id": None, "stripe_session_id": None},
        {"disputed": True},
    ],
)
def test_a_charge_whose_money_is_not_ours_or_that_is_too_young_or_nobodys_is_not_judged(
    changes: dict[str, object],
) -> None:
    assert found(charge(**changes)) == {}


def test_of_a_pack_refunded_in_part_the_rest_is_owed() -> None:
    assert found(charge(refunded_minor=100)) == {"ch_1": -4_800.0}


@pytest.mark.parametrize(
    ("status", "owed"),
    [
        ("won", True),
        ("warning_closed", True),
        ("warning_needs_response", True),
        ("lost", False),
        ("prevented", False),
        ("brand_new", False),
    ],
)
def test_a_disputed_charge_is_owed_only_where_the_money_stayed_with_us(status: str, owed: bool) -> None:
    assert bool(found(charge(disputed=True), disputed=disputes(ch_1=status))) is owed


def test_a_pack_that_the_settings_do_not_know_is_told_without_units() -> None:
    assert found(charge(pack_id="pack_x")) == {"ch_1": 0.0}


@pytest.mark.parametrize(
    ("dark", "organization", "readable", "owed"),
    [
        (unreadable(ORG, collection="billingextrabalances"), ORG, (), False),
        (unreadable(OTHER_ORG, collection="billingextrabalances"), ORG, (ORG,), True),
        (unreadable(None, collection="billingextrabalances"), ORG, (), False),
        (unreadable(None, collection="billingextrabalances"), ORG, (ORG,), True),
        (unreadable(OTHER_ORG, collection="billingextrabalances"), None, (ORG,), False),
        (unreadable(ORG, collection="billingusages"), ORG, (ORG,), True),
    ],
)
def test_a_ledger_that_may_be_unread_is_not_a_ledger_without_topup(
    dark: pd.DataFrame, organization: str | None, readable: tuple[str, ...], owed: bool
) -> None:
    known = ledgers(dark=dark, readable=readable)
    assert bool(found(charge(organization_id=organization), known=known)) is owed


@examples(40)
@given(
    named=st.lists(st.booleans(), max_size=6),
    delivered=st.sets(st.integers(0, 5)),
    seed=st.randoms(use_true_random=False),
)
def test_as_many_charges_are_owed_as_topups_are_missing_in_any_order(
    named: list[bool], delivered: set[int], seed: Random
) -> None:
    rows = [
        charge(f"ch_{n}", stripe_session_id=f"cs_{n}" if has_session else None, created=days_ago(9 - n))
        for n, has_session in enumerate(named)
    ]
    topups = [topup(f"cs_{n}", at=days_ago(9 - n)) for n in range(len(named)) if n in delivered]
    owed = found(*rows, known=ledgers(topups))
    assert len(owed) == len(named) - len(topups)
    assert {name for name in owed if named[int(name[3:])]} == {
        f"ch_{n}" for n, has_session in enumerate(named) if has_session and n not in delivered
    }
    seed.shuffle(rows)
    seed.shuffle(topups)
    assert found(*rows, known=ledgers(topups)) == owed
