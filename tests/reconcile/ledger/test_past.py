"""Ledgers whose past was changed, and the seals that the next night holds them against."""

import pandas as pd
import pytest

from billing_dq.reconcile.ledger.past import history_violations, seals_to_continue
from billing_dq.tables import LEDGER_SEALS

ORG = "6a0000000000000000000001"


def seal(**others: object) -> pd.DataFrame:
    """A ledger of five entries, whose first three are those that were sealed."""
    row = {
        "organization_id": ORG,
        "reading": "read",
        "entry_count": 5,
        "ledger_sum": 70.0,
        "digest": "five",
        "earlier_count": 3,
        "earlier_sum": 100.0,
        "earlier_digest": "three",
        "first_sum": 100.0,
        "first_digest": "three",
    }
    return LEDGER_SEALS.from_rows([{**row, **others}])


UNREAD = {"entry_count": 0, "ledger_sum": 0.0, "digest": None, "first_sum": 0.0, "first_digest": None}
FIRST = {"earlier_count": 0, "earlier_sum": 0.0, "earlier_digest": None, "first_sum": 0.0, "first_digest": None}


@pytest.mark.parametrize("sound", [{}, FIRST, {**UNREAD, "reading": "unread"}], ids=["grown", "first", "unread"])
def test_a_ledger_that_grew_or_is_sealed_first_or_cannot_be_read_is_no_finding(sound: dict[str, object]) -> None:
    assert history_violations(seal(**sound)).empty


@pytest.mark.parametrize(
    ("changed", "units", "words"),
    [
        ({"first_sum": 40_100.0, "first_digest": "raised"}, 40_000.0, "the first 3 are now of 40,100 units (raised)"),
        ({"entry_count": 2, "ledger_sum": 90.0, "first_digest": None}, -10.0, "there are 2 of 90 units (five)"),
        ({**UNREAD, "reading": "gone"}, -100.0, "the ledger is gone"),
    ],
    ids=["changed", "shorter", "gone"],
)
def test_a_changed_past_is_told_with_both_digests(changed: dict[str, object], units: float, words: str) -> None:
    violations = history_violations(seal(**changed))
    assert violations[["organization_id", "rule", "units"]].to_numpy().tolist() == [[ORG, "history_changed", units]]
    assert violations["detail"].item().startswith("3 entries of 100 units were sealed (three), and ")
    assert words in violations["detail"].item()


@pytest.mark.parametrize(
    ("night", "accepted", "continued"),
    [
        ({}, set(), [[5, 70.0, "five"]]),
        (FIRST, set(), [[5, 70.0, "five"]]),
        ({"first_digest": "raised"}, set(), [[3, 100.0, "three"]]),
        ({"first_digest": "raised"}, {ORG}, [[5, 70.0, "five"]]),
        ({**UNREAD, "reading": "unread"}, {ORG}, [[3, 100.0, "three"]]),
        ({**UNREAD, "reading": "gone"}, set(), [[3, 100.0, "three"]]),
        ({**UNREAD, "reading": "gone"}, {ORG}, []),
    ],
)
def test_a_ledger_keeps_the_seal_that_it_broke_until_a_person_accepts_what_it_is_now(
    night: dict[str, object], accepted: set[str], continued: list[list[object]]
) -> None:
    seals = seals_to_continue(seal(**night), accepted)
    assert seals[["entry_count", "ledger_sum", "digest"]].to_numpy().tolist() == continued
