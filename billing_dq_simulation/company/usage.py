"""The steps of an organization: when they finish, what they use, and when their debits are written."""

from billing_dq_simulation.clock import MINUTE, SECOND, WEEK
from billing_dq_simulation.company.timeline import Step, Timeline
from billing_dq_simulation.company.traits import Traits
from billing_dq_simulation.config import QUOTAS

_STEPS = ("initial", "verify", "wizard", "autofix-1", "autofix-2")
_FEATURES = ("autofix", "wizard", "scrap")
#: Nobody goes on with a debt of more than so many quotas, or weeks of overuse would become a runaway by themselves.
_DEBT_THAT_STOPS = 5


class Usage:
    """What an organization uses."""

    def __init__(self, timeline: Timeline, traits: Traits) -> None:
        self._timeline = timeline
        self._traits = traits
        self.steps: list[Step] = []
        self.old_week: int | None = None
        self.intensity = 0.0

    def plan(self, first_plan: str) -> None:
        """Draw the steps of all weeks."""
        random, line = self._timeline.random, self._timeline
        quota = QUOTAS[first_plan]
        mean = line.config.entries_per_week
        intensity = random.choice((0.15, 0.35, 0.6, 0.8, 1.05, 1.3)) * quota if quota else random.uniform(50, 300)
        self.intensity = intensity
        quarters = random.random() < 0.06
        if random.random() < 0.03 and line.born < line.begin:
            self.old_week = line.begin
        for start in range(line.begin, line.end, WEEK):
            count = int(random.random() * 2 * mean + 0.5)
            for _ in range(count):
                at = start + random.randrange(WEEK)
                units: float = max(1, int(intensity / max(1.0, mean) * (0.3 + 1.4 * random.random())))
                if quarters and random.random() < 0.4:
                    units += random.choice((0.25, 0.5, 0.75))
                delay = random.randint(15, 60)
                step = "initial" if start == self.old_week else random.choice(_STEPS)
                feature = random.choice(_FEATURES)
                self._plan_step(at, units, feature, delay, step)
            if random.random() < 0.01:
                at = start + WEEK - random.randint(5, 400)
                step = "initial" if start == self.old_week else random.choice(_STEPS)
                units = max(1, int(intensity / max(1.0, mean)))
                self._plan_step(at, units, random.choice(_FEATURES), random.randint(500, 1500), step)
            self._plan_free_steps(start)

    def _plan_step(self, at: int, units: float, feature: str, delay: int, name: str) -> None:
        started = at - self._timeline.random.randint(30, 900) * SECOND
        key = f"{started // SECOND:08x}{self._timeline.random.getrandbits(64):016x}:{name}"
        if at > self._timeline.born + MINUTE:
            feature, outside = self._traits.outside_breakdown(units, feature)
            self._timeline.push(at, self.finish, Step(at, key, units, feature, delay, outside))

    def _plan_free_steps(self, start: int) -> None:
        """Steps that cost nothing: their keys are pushed with the others, and no debit is written."""
        for at, started, tail in self._traits.free_steps(start):
            if at > self._timeline.born + MINUTE and start != self.old_week:
                key = f"{started // SECOND:08x}{tail:016x}:verify"
                self._timeline.push(at, self.finish, Step(at, key, 0, "wizard", 20))

    def finish(self, step: Step) -> None:
        """A step finishes, and what is above the quota is debited a moment later."""
        application = self._timeline.application
        if application.quota and application.balance_units < -_DEBT_THAT_STOPS * application.quota:
            return
        self.steps.append(step)
        if step.outside:
            self._timeline.mark("outside_breakdown")
        if not step.units:
            self._timeline.mark("step_of_0_units")
        over = application.finish_step(step.at, step.key, step.units, step.feature, step.outside)
        if over:
            self._timeline.push(step.at + step.delay, self._debit, step.key, over)

    def _debit(self, key: str, units: float) -> None:
        self._timeline.application.debit(self._timeline.now, key, units)
