"""What ledger entries say of disputes, each by its kind, its sign and its reference."""

import pytest

from billing_dq.reconcile.disputes.entries import DisputeLedgers, read_dispute_entries
from billing_dq.tables import DISPUTE_ENTRIES
from tests.support.dispute_rows import ORG, by_hand, clawback, entry, own_credit


def read(*rows: dict[str, object]) -> DisputeLedgers:
    return read_dispute_entries(DISPUTE_ENTRIES.from_rows(rows))


@pytest.mark.parametrize("units", [0.25, 6000.0])
def test_a_clawback_and_a_credit_of_any_size_name_their_dispute(units: float) -> None:
    traces = read(clawback(units=units), own_credit(units=units)).of("du_1")
    assert [entry.units for entry in traces.clawbacks] == [entry.units for entry in traces.credits] == [units]


@pytest.mark.parametrize("units", [0.25, 6000.0])
def test_a_credit_by_hand_of_any_size_is_its_organization_s(units: float) -> None:
    row = by_hand(units)
    assert [(credit.entry_id, credit.units) for credit in read(row).by_hand[ORG]] == [(row["entry_id"], units)]


@pytest.mark.parametrize("amount", [0.0, 0.5, 6000.0])
def test_a_refund_that_takes_nothing_is_no_clawback(amount: float) -> None:
    assert read(entry("dispute_du_1", amount, 1, kind="refund")) == DisputeLedgers()


@pytest.mark.parametrize("ref", ["dispute_reinstate_du_1", "dispute-credit-a"])
@pytest.mark.parametrize("amount", [0.0, -0.5, -6000.0])
def test_an_adjustment_that_gives_nothing_is_no_credit(ref: str, amount: float) -> None:
    assert read(entry(ref, amount, 1, kind="adjustment")) == DisputeLedgers()


def test_an_entry_of_another_kind_or_reference_says_nothing() -> None:
    assert (
        read(
            entry("dispute_reinstate_du_1", -5, 1, kind="debit"),
            entry("xdispute_reinstate_du_1", 5, 1, kind="adjustment"),
            entry("xrefund-dispute_du_1-6ad8", -5, 1, kind="refund"),
            entry("xdispute-credit-a", 5, 1, kind="adjustment"),
        )
        == DisputeLedgers()
    )
