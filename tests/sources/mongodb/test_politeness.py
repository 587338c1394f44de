"""The budget and the pace of the reading, by a clock that the test moves."""

import pytest

from billing_dq.sources.mongodb.politeness import Budget, BudgetSpent, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_budget_is_spent_when_its_seconds_are_over() -> None:
    clock = Clock()
    budget = Budget(60.0, clock)
    clock.now += 59.0
    budget.require()
    assert budget.left == 1.0
    clock.now += 1.0
    with pytest.raises(BudgetSpent):
        budget.require()


def test_a_time_out_does_not_outlast_the_budget_and_is_never_none() -> None:
    clock = Clock()
    budget = Budget(60.0, clock)
    assert (budget.limit(10_000), budget.limit(600_000)) == (10_000, 60_000)
    clock.now += 100.0
    assert budget.limit(600_000) == 1
    assert Budget(None).limit(600_000) == 600_000


def test_a_pace_waits_until_the_bytes_that_came_are_due() -> None:
    clock = Clock()
    pace = Pace(1_000.0, clock, clock.sleep)
    for _ in range(4):
        pace.read(500)
    assert clock.now == 102.0


def test_time_that_the_work_took_counts_for_the_pace_and_is_not_saved_up() -> None:
    clock = Clock()
    pace = Pace(1_000.0, clock, clock.sleep)
    clock.now += 10.0
    pace.read(500)
    assert clock.now == 110.5
    Pace(None, clock, clock.sleep).read(10**9)
    assert clock.now == 110.5
