"""Malformed documents are quarantined with a reason, and the rest is read as without them (`malformed_documents`)."""

import pytest

from tests.faults.malformed_documents import judge


@pytest.mark.parametrize("seed", range(3))
def test_every_malformed_document_is_quarantined_with_a_reason_and_the_rest_is_unchanged(seed: int) -> None:
    assert judge(seed, 500).total() == 500
