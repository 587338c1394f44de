"""One root over all seals of a night: every seal leads to it, and none can be changed without it."""

from hashlib import sha256
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.errors import SourceError
from billing_dq.storage.seal_tree import root_from, seal_path, seal_root
from billing_dq.tables import LEDGER_SEALS


def seals(sums: list[float]) -> pd.DataFrame:
    return LEDGER_SEALS.from_rows(
        {
            "organization_id": f"{number:024x}",
            "reading": "read",
            "entry_count": number,
            "ledger_sum": total,
            "digest": f"digest {number}",
            "earlier_count": 0,
            "earlier_sum": 0.0,
            "earlier_digest": None,
            "first_sum": 0.0,
            "first_digest": None,
        }
        for number, total in enumerate(sums)
    )


def plain_root(digests: list[bytes]) -> bytes:
    """As RFC 6962 says it: split at the largest power of two below the number of leaves."""
    if len(digests) == 1:
        return digests[0]
    half = 1
    while half * 2 < len(digests):
        half *= 2
    return sha256(b"\x01" + plain_root(digests[:half]) + plain_root(digests[half:])).digest()


@given(st.lists(st.integers(-(10**6), 10**6).map(float), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_every_seal_leads_to_the_root_which_any_change_of_one_changes(sums: list[float], random) -> None:  # type: ignore[no-untyped-def]
    frame = seals(sums)
    root = seal_root(frame.sample(frac=1.0, random_state=random.randrange(2**32)))
    paths = [seal_path(frame, organization) for organization in frame["organization_id"]]
    assert plain_root([bytes.fromhex(leaf) for leaf, _ in paths]).hex() == root
    assert {root_from(leaf, steps) for leaf, steps in paths} == {root}
    place = random.randrange(len(sums))
    changed = [total + (number == place) for number, total in enumerate(sums)]
    assert seal_root(seals(changed)) != root
    assert root_from(seal_path(seals(changed), f"{place:024x}")[0], paths[place][1]) != root


def test_nights_of_other_numbers_of_ledgers_have_other_roots() -> None:
    roots = [seal_root(seals([1.0] * number)) for number in range(6)]
    assert all(first != second for first, second in pairwise(roots))
    assert len(set(roots)) == len(roots)


def test_an_organization_without_seal_is_said_to_have_none() -> None:
    with pytest.raises(SourceError, match="no seal of organization x"):
        seal_path(seals([1.0]), "x")
