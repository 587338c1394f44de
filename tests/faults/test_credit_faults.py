"""Appliers of one credit in any order, killed anywhere, with lost answers: credited once (`credit_faults`).

`BILLING_DQ_TEST_CREDIT_STORIES` sets how many interleavings (200 by default).
"""

import os

import pytest

from billing_dq.credits.apply import Applier
from billing_dq.credits.ledger_writer import Credit, LedgerWriter
from tests.faults import credit_faults

STORIES = int(os.environ.get("BILLING_DQ_TEST_CREDIT_STORIES", "200"))
_TOGETHER = 50


@pytest.mark.parametrize("first", range(0, STORIES, _TOGETHER))
def test_whatever_is_killed_and_however_they_take_turns_the_units_come_back_once(first: int) -> None:
    for seed in range(first, min(first + _TOGETHER, STORIES)):
        credit_faults.play(seed)


def play_many() -> None:
    for seed in range(50):
        credit_faults.play(seed)


def test_a_seed_is_one_story() -> None:
    assert credit_faults.play(5) == credit_faults.play(5)


def test_an_applier_that_forgets_to_look_up_what_it_left_open_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Applier, "settle", lambda self, dispute_id, actor: None)
    with pytest.raises(AssertionError, match=r"again: python -m tests\.faults\.credit_faults --seed"):
        play_many()


def test_a_write_without_its_guard_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def unguarded(self: LedgerWriter, credit: Credit) -> str:
        ledger = self._balances._ledger  # pyright: ignore
        self._balances._step("update")  # pyright: ignore
        ledger._add(credit.entry())
        return "written"

    monkeypatch.setattr(LedgerWriter, "write", unguarded)
    with pytest.raises(AssertionError, match=r"2 entries of one reference|credited 2 times"):
        play_many()
