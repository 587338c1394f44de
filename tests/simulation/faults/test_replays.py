"""Where a replay is labelled: in the week that the plain rule leaves short."""

from random import Random

from billing_dq_simulation.clock import MINUTE, SECOND, WEEK, week_key
from billing_dq_simulation.company.story import Changes, Step, Story
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.faults.cases import Case
from billing_dq_simulation.faults.meter import replayed_across_weeks

CONFIG = WorldConfig(entries_per_week=0.0)
INDEX = next(index for index in range(100) if Story(CONFIG, index).application.plan == "free")
START = Story(CONFIG, INDEX).closed_weeks()[-2]


class OneStep(Case):
    """A case whose life has one step, which is debited a while later."""

    def __init__(self, step: Step) -> None:
        self.only = step
        self.config, self.index = CONFIG, INDEX
        super().__init__(CONFIG, INDEX, self.replay(Changes()), Random(1), "replayed_across_weeks")

    def replay(self, changes: Changes) -> Story:
        return super().replay(Changes(changes.crashes, [self.only, *changes.steps], changes.happenings))

    def weeks(self) -> list[int]:
        return [START, START + WEEK]


def labelled(at: int) -> list[str]:
    key = f"{(at - MINUTE) // SECOND:08x}0000000000000001:initial"
    outcome = replayed_across_weeks(OneStep(Step(at, key, 20, "wizard", 800)))
    assert outcome is not None
    return [label.subject for label in outcome.labels]


def test_a_replay_is_labelled_in_the_week_of_the_retry():
    assert labelled(START + WEEK - 60 * MINUTE) == [week_key(START + WEEK)]


def test_a_replay_of_a_step_whose_debit_came_after_midnight_is_labelled_in_the_week_of_the_step():
    assert labelled(START + WEEK - 300) == [week_key(START)]
