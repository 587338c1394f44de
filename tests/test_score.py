"""A fixed set of worlds; the numbers that `billing-dq score` must not fall below."""

from dataclasses import replace

import pandas as pd
import pytest

from billing_dq_simulation import score as score_module
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.labels import Label
from billing_dq_simulation.score import SCORED, Score, score
from tests.support.report_night import finding, findings

LEAST_RECALL = 0.999
LEAST_CAUSE_ACCURACY = 0.95


def worlds(seeds: range, rate: float) -> list[WorldConfig]:
    faults = dict.fromkeys(SCORED, rate) if rate else {}
    return [WorldConfig(seed=seed, organizations=400, weeks=5, faults=faults) for seed in seeds]


@pytest.fixture(scope="module")
def broken() -> Score:
    return score(worlds(range(1, 7), 0.03))


def test_worlds_without_faults_have_no_finding() -> None:
    clean = score(worlds(range(100, 108), 0.0))
    assert clean.false == []
    assert clean.findings == 0
    assert clean.by_design > 0


def test_planted_faults_are_found(broken: Score) -> None:
    assert sum(fault.labels for fault in broken.faults.values()) > 900
    assert broken.recall >= LEAST_RECALL, broken.missed


def test_nothing_else_is_found_beside_planted_faults(broken: Score) -> None:
    assert broken.false == []
    assert broken.precision == 1.0


def test_the_money_told_is_the_money_planted_to_the_unit(broken: Score) -> None:
    assert broken.money.total.planted_to_us > 10_000
    assert broken.money.total.planted_to_customers > 10_000
    assert broken.money.differences == []


def test_causes_are_right(broken: Score) -> None:
    assert broken.cause_accuracy >= LEAST_CAUSE_ACCURACY, broken.wrong_causes


def test_a_missed_label_and_a_false_finding_lower_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """The score itself can fail: labels of one world against the findings of another."""
    truth = score_module.night_of_world

    def other_labels(config: WorldConfig) -> tuple[list[Label], score_module.NightResult]:
        other = WorldConfig(seed=config.seed + 50, organizations=100, weeks=5, faults=config.faults)
        return truth(other)[0], truth(config)[1]

    monkeypatch.setattr(score_module, "night_of_world", other_labels)
    mixed = score([WorldConfig(seed=1, organizations=100, weeks=5, faults=dict.fromkeys(SCORED, 0.03))])
    assert mixed.recall == 0.0
    assert mixed.precision == 0.0
    assert mixed.missed
    assert mixed.false


DIVERGENCE = Label("dropped_debit", "org", "2026-W45", 300.0, True, "meter_extras_divergence", "missing_debit")


def scored(label: Label | None, grade: str, severity: str, cause: str = "missing_debit") -> Score:
    """The score of one label against one week of a grade, with its finding."""
    world = WorldConfig(organizations=0)
    empty = score_module.night_of_world(world)[1]
    of_week = findings(finding(1, organization_id="org", cause=cause, severity=severity))
    deltas = pd.DataFrame([("org", "2026-W45", grade)], columns=["organization_id", "week_key", "grade"])
    total = Score()
    night = replace(empty, findings=of_week, meter=replace(empty.meter, deltas=deltas))
    total.add("one", [] if label is None else [label], night)
    return total


def test_an_undecided_week_finds_a_fault_only_where_the_data_cannot_tell_more() -> None:
    assert scored(DIVERGENCE, "undecided", "warning").recall == 0.0
    more = scored(replace(DIVERGENCE, undecided=True), "undecided", "warning", "quota_changed")
    assert (more.recall, more.undecided_on_faults, more.wrong_causes) == (1.0, 1, [])


def test_an_undecided_week_without_a_fault_is_counted_and_is_no_false_finding() -> None:
    alone = scored(None, "undecided", "warning")
    assert (alone.undecided_elsewhere, alone.false, alone.findings) == (1, [], 0)


def test_a_fault_that_is_explained_is_missed_and_listed() -> None:
    excused = scored(DIVERGENCE, "explained", "info", "quota_changed")
    assert excused.recall == 0.0
    assert len(excused.explained) == 1


def test_a_fault_that_is_told_finds_its_label_also_where_undecided_would_do() -> None:
    assert scored(replace(DIVERGENCE, undecided=True), "unexplained", "error").recall == 1.0
