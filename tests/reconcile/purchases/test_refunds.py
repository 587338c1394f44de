"""A refund that failed leaves the money with us and the units with nobody."""

import pytest

from billing_dq.reconcile.purchases.refunds import failed_refunds
from tests.support.ledger_rows import entry, suspects
from tests.support.payment_rows import ledgers, refund_entry, refunds
from tests.support.subscription_rows import ORG


def found(entries: list[dict[str, object]], **status: str | None) -> list[tuple[object, ...]]:
    frame = failed_refunds(refunds(**status), ledgers(refunded=entries))
    return [tuple(row) for row in frame[["subject", "units", "cause"]].to_numpy()]


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_the_units_taken_for_a_refund_that_failed_are_owed(status: str) -> None:
    assert found([refund_entry("refund-re_1-6a0")], re_1=status) == [("re_1", -6_000.0, status)]


@pytest.mark.parametrize("status", ["succeeded", "pending", "requires_action", "brand_new", None])
def test_the_units_of_any_other_refund_are_not(status: str | None) -> None:
    assert found([refund_entry("refund-re_1-6a0")], re_1=status) == []


def test_a_refund_without_entry_took_no_units() -> None:
    assert found([], re_1="failed") == []
    assert (
        found([refund_entry("refund-re_2-6a0"), refund_entry("by hand"), refund_entry("refund-re_1")], re_1="failed")
        == []
    )


def test_an_entry_that_gives_units_is_the_ledgers_own_finding() -> None:
    assert found([refund_entry("refund-re_1-6a0", 6_000.0)], re_1="failed") == []


def test_a_refund_made_anew_leaves_the_units_of_the_failed_one_owed() -> None:
    entries = [refund_entry("refund-re_1-6a0"), refund_entry("refund-re_2-6a0")]
    assert found(entries, re_1="failed", re_2="succeeded") == [("re_1", -6_000.0, "failed")]


@pytest.mark.parametrize(
    ("given", "reference", "owed"),
    [
        (6_000.0, "correction-re_1", []),
        (7_000.0, "correction-re_1", []),
        (2_000.0, "correction-re_1", [-4_000.0]),
        (6_000.0, "correction-re_2", [-6_000.0]),
        (6_000.0, "dispute-credit-re_1", [-6_000.0]),
        (-6_000.0, "correction-re_1", [-6_000.0]),
    ],
)
def test_units_that_a_person_gave_back_in_the_name_of_the_refund_are_owed_no_more(
    given: float, reference: str, owed: list[float]
) -> None:
    written = suspects(entry("adjustment", given, "e", 1, ref=reference, organization=ORG))
    frame = failed_refunds(
        refunds(re_1="failed"), ledgers(refunded=[refund_entry("refund-re_1-6a0")], suspects=written)
    )
    assert frame["units"].tolist() == owed


def test_the_sentence_says_where_money_and_units_are() -> None:
    ours = ledgers(refunded=[refund_entry("refund-re_1-6a0")])
    frame = failed_refunds(refunds(re_1="failed"), ours)
    assert frame.loc[0, ["kind", "organization_id"]].tolist() == ["refund_failed", ORG]
    assert frame.loc[0, "explanation"] == (
        "the refund of ch_1 is failed at Stripe, so its money is back with us, and the 6,000 units that the ledger "
        "took for it are not with the customer"
    )
