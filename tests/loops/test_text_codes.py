"""Codes of texts by organization: the same number for the same organization and text, and for nothing else."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.loops.text_codes import pair_codes

#: Short texts that are often alike, texts of more than eight bytes that differ at their end, and nulls.
TEXTS = st.one_of(
    st.none(), st.text("ab", max_size=3), st.sampled_from(["a" * 24 + end for end in ("1", "2", ":initial")])
)
ROWS = st.lists(st.tuples(st.integers(-1, 2), TEXTS), max_size=30)


def coded(one: list[tuple[int, str | None]], other: list[tuple[int, str | None]]) -> list[int]:
    texts = tuple(pd.Series([text for _, text in rows], dtype="str") for rows in (one, other))
    owners = tuple(np.array([owner for owner, _ in rows], dtype=np.int64) for rows in (one, other))
    codes = pair_codes((texts[0], texts[1]), (owners[0], owners[1]))
    return [*codes[0].tolist(), *codes[1].tolist()]


@given(ROWS, ROWS)
def test_codes_are_alike_exactly_where_organization_and_text_are(
    one: list[tuple[int, str | None]], other: list[tuple[int, str | None]]
) -> None:
    rows = [*one, *other]
    numbers: dict[tuple[int, str], set[int]] = {}
    for (owner, text), code in zip(rows, coded(one, other), strict=True):
        if owner < 0 or text is None:
            assert code == -1
        else:
            numbers.setdefault((owner, text), set()).add(code)
    assert all(len(codes) == 1 for codes in numbers.values())
    assert {code for codes in numbers.values() for code in codes} == set(range(len(numbers)))


def test_a_part_of_a_column_is_coded_like_a_column_of_its_own() -> None:
    column = pd.Series(["x", "y", None, "z", "y"], dtype="str")
    owners = np.zeros(3, dtype=np.int64)
    codes = pair_codes((column.iloc[1:4], column.iloc[[4, 0, 1]]), (owners, owners))
    assert [part.tolist() for part in codes] == [[0, -1, 1], [0, 2, 0]]
