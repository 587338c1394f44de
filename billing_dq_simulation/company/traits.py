"""What natural trouble an organization is given to: drawn once, by rates that `WorldConfig.trouble` scales.

Everything here is what the application does or people do with it (docs/domain.md, "What was learnt later"); none of it
is a fault. The draws are apart from those of the life, so that a world without trouble is the same as ever.
"""

from collections.abc import Iterator
from random import Random

from billing_dq_simulation.clock import MINUTE, SECOND, WEEK
from billing_dq_simulation.company.application import Versions
from billing_dq_simulation.config import WorldConfig

#: Units of a run's base, which are in no part of the breakdown.
_BASE = 1
_FREE_STEPS_A_WEEK = 0.35
_OUTSIDE = 0.3
_NEVER_GRANTED, _BACKFILLED = 0.06, 0.06
_SETTLES_WITHIN_QUOTA, _RESETS_ON_CHANGE = 0.5, 0.25


class Traits:
    """The trouble of one organization.

    Attributes:
        random: of the trouble alone.
        versions: the application's version and configuration that the organization meets.
        grant: what became of its sign-up grant: ``given``, ``never`` or ``backfilled``.
        backfill: the instant at which missing grants were given, one for all organizations of a world.
    """

    def __init__(self, config: WorldConfig, index: int, begin: int) -> None:
        self._scale = config.trouble
        self.random = Random(f"{config.seed}:{index}:trouble")
        self.versions = Versions(self.happens(_SETTLES_WITHIN_QUOTA), self.happens(_RESETS_ON_CHANGE))
        self._outside = self.happens(_OUTSIDE)
        never, late = self.happens(_NEVER_GRANTED), self.happens(_BACKFILLED)
        self.grant = "never" if never else "backfilled" if late else "given"
        self.backfill = begin + int(Random(f"{config.seed}:backfill").random() * 3 * WEEK)

    def happens(self, rate: float) -> bool:
        """Whether something of a rate (at full trouble) happens to this organization."""
        return self._scale > 0 and self.random.random() < rate * self._scale

    def outside_breakdown(self, units: float, feature: str) -> tuple[str, float]:
        """The feature of a step, and how many of its units are in no part of the breakdown."""
        if not self._outside:
            return feature, 0.0
        if self.random.random() < 0.2:
            return "gpt-4.1", units
        return feature, min(units, _BASE)

    def free_steps(self, start: int) -> Iterator[tuple[int, int, int]]:
        """Steps of 0 units in a week: when each finishes and began, and the random part of its key."""
        if not self.happens(_FREE_STEPS_A_WEEK):
            return
        for _ in range(self.random.randint(1, 3)):
            at = start + MINUTE + self.random.randrange(WEEK - MINUTE)
            yield at, at - self.random.randint(30, 900) * SECOND, self.random.getrandbits(64)
