"""What ledger entries say of disputes, each by its kind, its sign and its reference."""

import pytest

from billing_dq.reconcile.disputes.entries import DisputeLedgers, read_dispute_entries
from billing_dq.tables import DISPUTE_ENTRIES
from tests.support.dispute_rows import ORG, OTHER_ORG, by_hand, clawback, entry, own_credit


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


def test_a_refund_that_takes_nothing_is_no_clawback_and_one_that_gives_is_a_credit_by_hand() -> None:
    assert read(entry("dispute_du_1", 0.0, 1, kind="refund")) == DisputeLedgers()
    traces = read(entry("dispute_du_1", 6000.0, 1, kind="refund")).of("du_1")
    assert ([credit.units for credit in traces.by_hand], traces.clawbacks) == ([6000.0], [])


@pytest.mark.parametrize("ref", ["dispute_reinstate_du_1", "dispute-credit-a"])
@pytest.mark.parametrize("amount", [0.0, -0.5, -6000.0])
def test_an_adjustment_that_gives_nothing_is_no_credit(ref: str, amount: float) -> None:
    assert read(entry(ref, amount, 1, kind="adjustment")) == DisputeLedgers()


@pytest.mark.parametrize("ref", ["correction-du_1", "du_1", "fix of du_1", "correction_du_1-2", "refund-du_1"])
@pytest.mark.parametrize("kind", ["refund", "adjustment"])
def test_a_negative_entry_whose_own_reference_names_a_dispute_is_a_correction(ref: str, kind: str) -> None:
    traces = read(entry(ref, -6000, 1, kind=kind)).of("du_1")
    assert [entry.units for entry in traces.corrections] == [6000]
    assert not traces.clawbacks
    assert not traces.credits


@pytest.mark.parametrize("ref", ["correction-1", "fooddu_1", "refund-re_1-6ad8"])
def test_a_negative_entry_that_names_no_dispute_says_nothing(ref: str) -> None:
    assert read(entry(ref, -6000, 1, kind="refund")) == DisputeLedgers()


def test_what_had_expired_of_a_pack_is_known_at_its_clawback() -> None:
    topup = "6ad8a43ef9c10e4a444e7a3d"
    before = entry(f"expire-{topup}", -4000, -1, kind="expiration")
    for rows, units in (
        ([before, clawback()], 4000),
        ([clawback(), before | {"at": clawback(days=1)["at"]}], 0),
        ([before | {"organization_id": OTHER_ORG}, clawback()], 0),
        ([entry("expire-x", -4000, -1, kind="expiration"), clawback()], 0),
    ):
        assert [entry.expired_before for entry in read(*rows).of("du_1").clawbacks] == [units]


def test_an_entry_of_another_kind_or_reference_says_nothing() -> None:
    assert (
        read(
            entry("dispute_reinstate_du_1", -5, 1, kind="debit"),
            entry("xrefund-dispute-6ad8", -5, 1, kind="refund"),
            entry("expire-6ad8", -5, 1, kind="expiration"),
        )
        == DisputeLedgers()
    )


@pytest.mark.parametrize("ref", [None, "", " ", "goodwill", "xdispute-credit-a", "Dispute-Credit-a", "settle"])
def test_an_adjustment_of_an_unknown_purpose_is_a_credit_that_nothing_explains(ref: str | None) -> None:
    row = entry("x", 5, 1, kind="adjustment") | {"ref_id": ref}
    ((credit,),) = read(row).unexplained.values()
    assert (credit.units, credit.has_reference) == (5, bool(ref and ref.strip()))
    assert read(entry("settle:2026-W40", 5, 1, kind="adjustment")) == DisputeLedgers()
