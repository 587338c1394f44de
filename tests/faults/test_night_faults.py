"""Nights in which things fail end complete or clearly incomplete, and the next one is right (`night_faults`).

A few stories; CI plays 200 such nights beside the tests, by `python -m tests.faults.night_faults`.
"""

from pathlib import Path

import dagster as dg
import pytest

from tests.faults import night_faults
from tests.faults.night_faults import Story, no_trouble

STORIES = 2
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("seed", range(STORIES))
def test_whatever_fails_a_night_is_complete_or_clearly_not_and_the_next_is_right(seed: int) -> None:
    night_faults.play(seed)


def replaced_and_killed(home: Path) -> None:
    """A complete night is read again, differently, and killed after it stored the new ledger entries."""
    with dg.DagsterInstance.ephemeral() as instance:
        story = Story(1, home.resolve(), instance)
        assert story.take(0, 0, no_trouble()) == "complete"
        assert story.take(1, 0, no_trouble()) == "complete"
        trouble = no_trouble()
        trouble.name, trouble.disk.at, trouble.disk.fails = "killed", 75, trouble.process.kill
        assert story.take(1, 1, trouble, again=True) == "Killed"
        assert story.take(1, 1, no_trouble()) == "complete"


def test_a_night_that_is_killed_while_it_is_replaced_keeps_no_old_conclusions(tmp_path: Path) -> None:
    replaced_and_killed(tmp_path)
