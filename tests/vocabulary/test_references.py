"""References are read as the application builds them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.vocabulary.references import (
    ClawbackReference,
    clawback_of,
    expiration_ref,
    is_clawback_of,
    reinstated_dispute,
    reinstatement_ref,
)

DISPUTES = st.from_regex(r"d[up]_[A-Za-z0-9]{1,20}", fullmatch=True)
ENTRIES = st.from_regex(r"[0-9a-f]{24}", fullmatch=True)


@given(dispute=DISPUTES, topup=ENTRIES)
def test_a_clawback_names_its_dispute_and_its_topup(dispute: str, topup: str) -> None:
    ref = f"refund-dispute_{dispute}-{topup}"
    assert clawback_of(ref) == ClawbackReference(dispute, topup)
    assert is_clawback_of(ref, dispute)
    assert not is_clawback_of(ref, dispute + "x")


@given(dispute=DISPUTES)
def test_an_old_clawback_names_its_dispute_only(dispute: str) -> None:
    assert clawback_of(f"dispute_{dispute}") == ClawbackReference(dispute, None)
    assert is_clawback_of(f"dispute_{dispute}", dispute)


@given(dispute=DISPUTES)
def test_a_credit_is_read_as_it_was_built(dispute: str) -> None:
    assert reinstated_dispute(reinstatement_ref(dispute)) == dispute


@pytest.mark.parametrize("ref", ["", "refund-abc", "dispute-credit-1", "settle:2026-W47", "dispute_reinstate_"])
def test_other_references_are_no_credit_of_this_system(ref: str) -> None:
    assert reinstated_dispute(ref) is None


@pytest.mark.parametrize("ref", ["", "refund-abc", "dispute-credit-1", "settle:2026-W47", "refund-dispute_x"])
def test_other_references_are_no_clawback(ref: str) -> None:
    assert clawback_of(ref) is None


def test_an_expiration_is_named_after_the_topup() -> None:
    assert expiration_ref("6ab32b259efbcc0f7f5a4495") == "expire-6ab32b259efbcc0f7f5a4495"
