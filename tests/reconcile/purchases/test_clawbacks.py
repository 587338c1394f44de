"""A refund takes its share of what the ledger gave, once; what is rounding, under way or by design is left alone."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_dq.tables import DISPUTE_POSITIONS, QUARANTINED_STRIPE_OBJECTS
from tests.support.ledger_rows import entry, suspects
from tests.support.payment_rows import charge, days_ago, disputes, ledgers, refund_entry, topup
from tests.support.purchase_rows import refund, told
from tests.support.subscription_rows import AS_OF, ORG

MISSING, WRONG = ("refund_clawback_missing", "ch_1"), ("refund_clawback_wrong_units", "ch_1")
NEW, OLD = "refund-re_1-entry_of_cs_1", "refund-cs_1-500-entry_of_cs_1"


def taken(*entries: tuple[str, float], **more: pd.DataFrame):
    """The ledger with the pack, and what was taken under which reference."""
    return ledgers([topup()], [refund_entry(ref, -units, at=days_ago(1)) for ref, units in entries], **more)


def of_refund(cents: int, *entries: tuple[str, float], **fields: object) -> dict[tuple[str, str], float]:
    return told([charge(refunded_minor=cents)], [refund("re_1", cents, **fields)], taken(*entries))


def test_a_refund_without_its_entry_is_owed_to_us_in_its_share_of_the_pack() -> None:
    assert of_refund(500) == {MISSING: 6_000.0}
    assert of_refund(100) == {MISSING: 1_200.0}
    assert of_refund(500, (NEW, 6_000)) == {}


def test_a_refund_of_the_last_hour_may_have_its_entry_or_not() -> None:
    young = AS_OF - pd.Timedelta(minutes=59)
    assert of_refund(500, created=young) == {}
    assert of_refund(500, (NEW, 6_000), created=young) == {}
    assert of_refund(500, (NEW, 6_000), status="pending") == {}


def test_what_was_refunded_before_the_list_began_is_known_from_the_charge() -> None:
    assert told([charge(refunded_minor=500)], [], taken()) == {MISSING: 6_000.0}


def test_an_amount_that_was_never_captured_is_no_refund() -> None:
    part = charge(amount_minor=1_000, captured_minor=500, refunded_minor=500)
    assert told([part], [], taken()) == {}
    assert told([part], [refund("re_1", 500)], taken((NEW, 6_000))) == {}


def test_a_pack_that_was_never_delivered_has_nothing_to_be_taken() -> None:
    assert told([charge(refunded_minor=500)], [refund("re_1", 500)], ledgers()) == {}


def test_what_expired_before_is_not_owed_to_us_again() -> None:
    gone = suspects(entry("expiration", -4_000, "e", 1, ref="expire-entry_of_cs_1", organization=ORG))
    assert told([charge(refunded_minor=500)], [refund("re_1", 500)], taken(suspects=gone)) == {MISSING: 2_000.0}


def test_all_units_for_a_part_are_too_many_unless_the_pack_may_have_no_price() -> None:
    assert of_refund(100, (NEW, 6_000)) == {WRONG: -4_800.0}
    unpriced = charge(refunded_minor=100, pack_id="pack_old")
    assert told([unpriced], [refund("re_1", 100)], taken((NEW, 6_000))) == {}


def test_several_refunds_and_their_entries_are_compared_in_all() -> None:
    two = [refund("re_1", 200), refund("re_2", 200)]
    second = NEW.replace("re_1", "re_2")
    assert told([charge(refunded_minor=400)], two, taken((second, 4_800))) == {}
    assert told([charge(refunded_minor=400)], two, taken((NEW, 2_400), (second, 4_800))) == {WRONG: -2_400.0}


def test_one_refund_under_both_references_was_taken_twice() -> None:
    assert of_refund(500, (NEW, 6_000), (OLD, 6_000)) == {("refund_clawed_back_twice", "ch_1"): -6_000.0}
    assert of_refund(500, (OLD, 6_000)) == {}


def test_a_copied_reference_is_the_ledgers_own_finding() -> None:
    assert of_refund(500, (NEW, 6_000), (NEW, 6_000)) == {}


def test_a_refund_that_stripe_does_not_know_took_units_for_nothing() -> None:
    unknown = {("refund_unknown_at_stripe", "re_1"): -6_000.0}
    assert told([charge()], [], taken((NEW, 6_000))) == unknown
    assert told([], [], taken((NEW, 6_000)))[next(iter(unknown))] == -6_000.0
    late = ledgers([topup()], [refund_entry(NEW, at=days_ago(174))])
    assert told([], [], late).keys().isdisjoint(unknown)
    bad = QUARANTINED_STRIPE_OBJECTS.from_rows(
        [{"collection": "stripe.refunds", "document_id": "re_1", "field": "amount", "reason": "not a number"}]
    )
    assert told([charge(refunded_minor=500)], [], taken((NEW, 6_000)), quarantined=bad) == {}


def test_refund_and_dispute_take_no_more_than_the_pack_gave() -> None:
    position = {
        "dispute_id": "du_ch_1",
        "organization_id": ORG,
        "charge_id": "ch_1",
        "status": "lost",
        "currency": "usd",
        "withdrawn_minor": 500,
        "reinstated_minor": 0,
        "fraction": 0.0,
        "clawed_back_units": 6_000.0,
        "credited_units": 0.0,
        "due_units": 0.0,
        "decision": "nothing_due",
        "reason": "lost",
    }
    paid, back = [charge(refunded_minor=500, disputed=True)], [refund("re_1", 500)]

    def judged(fraction: float, *entries: tuple[str, float]) -> dict[tuple[str, str], float]:
        positions = DISPUTE_POSITIONS.from_rows([position | {"fraction": fraction}])
        return told(paid, back, taken(*entries), positions, disputes(ch_1="lost"))

    assert judged(0.0, (NEW, 6_000)) == {("refund_and_dispute_overlap", "ch_1"): -6_000.0}
    assert judged(1.0, (NEW, 6_000)) == {}
    assert judged(0.0) == {}


@settings(max_examples=12, deadline=None)
@given(
    cents=st.lists(st.integers(1, 300), min_size=1, max_size=4).filter(lambda parts: sum(parts) <= 300),
    up=st.booleans(),
    off=st.sampled_from((0, 0, 5, -5)),
)
def test_rounding_of_each_refund_is_right_and_more_is_told_to_the_unit(cents: list[int], up: bool, off: int) -> None:
    """Against a plain reference: a pack of 2 500 units for 300 cents, whose refunds are rarely whole units."""
    rounded = [float((math.ceil if up else math.floor)(part * 2_500 / 300)) for part in cents]
    rounded[0] += off
    refs = [f"refund-re_{n}-entry_of_cs_1" for n in range(len(cents))]
    ours = ledgers(
        [topup(amount=2_500.0)],
        [refund_entry(ref, -units, at=days_ago(1)) for ref, units in zip(refs, rounded, strict=True) if units > 0],
    )
    paid = charge(amount_minor=300, refunded_minor=sum(cents), pack_id="pack_x")
    found = told([paid], [refund(f"re_{n}", part) for n, part in enumerate(cents)], ours)
    exact = sum(cents) * 2_500 / 300
    total = sum(units for units in rounded if units > 0)
    is_right = abs(total - exact) < len(cents) - 1e-6
    assert found == ({} if is_right else {WRONG: math.floor(exact + 0.5) - total}) or total == 0


@pytest.mark.parametrize("name", ["re_1", "ch_1"])
def test_a_correction_in_the_name_of_the_refund_counts(name: str) -> None:
    given_back = suspects(entry("adjustment", 4_800, "e", 1, ref=f"correction-{name}", organization=ORG))
    found = told([charge(refunded_minor=100)], [refund("re_1", 100)], taken((NEW, 6_000), suspects=given_back))
    assert (found == {}) is (name == "re_1")
