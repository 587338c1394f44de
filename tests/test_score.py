"""A fixed set of worlds; the numbers that `billing-dq score` must not fall below."""

import pytest

from billing_dq.score import SCORED, Score, score
from billing_dq.simulation.config import WorldConfig
from billing_dq.simulation.labels import Label

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


def test_causes_are_right(broken: Score) -> None:
    assert broken.cause_accuracy >= LEAST_CAUSE_ACCURACY, broken.wrong_causes


def test_a_missed_label_and_a_false_finding_lower_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """The score itself can fail: labels of one world against the findings of another."""
    import billing_dq.score as module

    truth = module.night_of_world

    def other_labels(config: WorldConfig) -> tuple[list[Label], module.NightResult]:
        other = WorldConfig(seed=config.seed + 50, organizations=100, weeks=5, faults=config.faults)
        return truth(other)[0], truth(config)[1]

    monkeypatch.setattr(module, "night_of_world", other_labels)
    mixed = score([WorldConfig(seed=1, organizations=100, weeks=5, faults=dict.fromkeys(SCORED, 0.03))])
    assert mixed.recall == 0.0
    assert mixed.precision == 0.0
    assert mixed.missed
    assert mixed.false
