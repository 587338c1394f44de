"""Limits that are lowered while a run credits hold from the next credit on."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from billing_dq.credits import run
from billing_dq.credits.requests import RunBudget
from billing_dq.settings import Credits, Settings


def test_what_was_spent_counts_against_the_lower_caps() -> None:
    budget = RunBudget(units=100.0, credits=3)
    budget.spend(40)
    budget.lower_to(Credits(max_units_per_run=50, max_credits_per_run=3))
    assert budget.refusal(11) == "max_units_per_run"
    assert budget.refusal(10) is None
    budget.lower_to(Credits(max_units_per_run=50, max_credits_per_run=1))
    assert budget.refusal(10) == "max_credits_per_run"


def test_raised_caps_wait_for_the_next_run() -> None:
    budget = RunBudget(units=100.0, credits=1)
    budget.lower_to(Credits(max_units_per_run=1000, max_credits_per_run=10))
    budget.spend(60)
    assert budget.refusal(50) == "max_credits_per_run"
    budget.give_back(60)
    assert budget.refusal(101) == "max_units_per_run"


def test_a_plan_is_made_by_the_limits_of_now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    planned_by: list[Settings] = []
    for edge in ("open_organization_reader", "open_ledger_writer"):
        monkeypatch.setattr(run, edge, nullcontext)
    monkeypatch.setattr(
        run, "Planner", lambda settings, _: planned_by.append(settings) or SimpleNamespace(plan=lambda *_: None)
    )
    monkeypatch.setattr(run, "require_agreement", lambda *_: None)
    monkeypatch.setattr(run, "credits_off", lambda _settings: None)
    began = Settings(home=str(tmp_path), credits=Credits(mode="propose", max_units_per_credit=6000))
    now = began.model_copy(update={"credits": Credits(mode="propose", max_units_per_credit=5999), "weeks_back": 9})
    with run.open_applier(began, lambda: now) as applier:
        applier.plan("du_1", None)  # type: ignore[arg-type]
    (by,) = planned_by
    assert (by.credits.max_units_per_credit, by.weeks_back) == (5999, began.weeks_back)
