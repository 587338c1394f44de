"""How many units of a week may have stayed undebited under a scenario of its quota.

Units are counted in commit order, and a unit is debited if and only if the quota in force was used up before it. What
is used and neither debited nor settled is *free*: it lay below the quota. The units of a single step are not stored,
but its place and its debit are, and they bound the free units of the week from both sides:

- A step with a debit passed the quota. Whatever was counted before it, the free units had filled the quota by then:
  ``free >= quota - counted before``, where *counted before* are the units debited or settled before the step.
- A step adds free units only while there is room below the quota: ``free <= quota - counted before``, for the step
  that leaves the most room.

So a scenario fits a week if its free units lie between the largest of the first bounds and the largest of the second,
and that is all there is to know: every number in between comes about. Both are maxima over the steps, each with the
quota of its own time, so a week of any length takes one pass.

Example: quota 500; steps ``a`` (no debit), ``b`` (131 debited), a settlement of 131; 762 used. Free are
``762 - 131 - 131 = 500``. ``b`` was debited, so at least ``500 - 0``; ``a`` came first, so at most ``500 - 0``. It
fits: the settlement came after the debits. With the settlement first, both bounds are ``500 - 131 = 369``, and 131 of
the 500 free units should have been debited.

A step without units has a key and no debit (docs/domain.md, "Steps of 0 units"). It adds nothing here.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from billing_dq.units import EPSILON, Floats

#: Combinations of places at which several changes of quota may have come that are tried; each is a few operations.
MOST_COMBINATIONS = 200_000

Places = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Steps:
    """The keys of a week's usage document in commit order, one array element each, the settlement among them.

    Attributes:
        debited: units of the key's debit; NaN where there is none, and at the settlement.
        settled: units that the settlement added to the meter, at its place; 0 elsewhere.
    """

    debited: Floats
    settled: Floats

    def __len__(self) -> int:
        return len(self.debited)

    @property
    def has_debit(self) -> Booleans:
        """Whether the step was debited."""
        return ~np.isnan(self.debited)

    @property
    def is_usage(self) -> Booleans:
        """Whether the step is usage; the settlement is none."""
        return self.settled == 0

    @property
    def counted(self) -> Floats:
        """Units debited or settled before each step, and at the end in all: one element more than there are steps."""
        return np.concatenate([[0.0], np.cumsum(np.nan_to_num(self.debited) + self.settled)])


@dataclass(frozen=True)
class Change:
    """A change of the quota within the week.

    Attributes:
        quota: in force after it; units a week.
        least, most: how many steps may have come before it; ``most`` None: any number.
        resets: whether it set the meter to 0.
    """

    quota: float
    least: int = 0
    most: int | None = None
    resets: bool = False


@dataclass(frozen=True)
class Scenario:
    """What the quota may have done in a week.

    Attributes:
        first: in force at the start; units a week.
        changes: what followed, in order; at most one of them resets the meter.
        attested_by: what shows that each of its quotas was in force in this week; None where nothing does.
        reason: why it is thought of at all, as the name of a rule.
    """

    first: float
    changes: tuple[Change, ...] = ()
    attested_by: str | None = None
    reason: str = ""

    @property
    def reset(self) -> int | None:
        """Which of its changes set the meter to 0, from 0; None where none did."""
        return next((place for place, change in enumerate(self.changes) if change.resets), None)


@dataclass(frozen=True)
class Fit:
    """How far a scenario is from what a week's document says, at the places of its changes that come closest.

    Debits that were lost are ordinary, and debits of too much are not: places at which something is missing come before
    those at which too much was debited.

    Attributes:
        missing: units that the scenario would have debited beyond those that were; negative where it asks for fewer at
            every place.
        tight: whether the scenario leaves no choice: the free units are one number, so no debit of any step could be
            missing under it.
    """

    missing: float
    tight: bool

    @property
    def fits(self) -> bool:
        """Whether the debits can have come about under the scenario."""
        return abs(self.missing) <= EPSILON

    @property
    def distance(self) -> tuple[bool, float]:
        """How to order fits, the closest first."""
        return self.missing < -EPSILON, abs(self.missing)


def fit(scenario: Scenario, steps: Steps, meter_used: float) -> Fit | None:
    """Compare a scenario with a week; None where its changes have too many places to try.

    Args:
        scenario: of the quota.
        steps: of the week's document.
        meter_used: units, as the document has them.
    """
    bounds = _bounds(scenario, steps, meter_used)
    if bounds is None:
        return None
    free, least, most = bounds
    missing = np.where(free > most, free - most, np.where(free < least, free - least, 0.0))
    best = int(np.argmin(np.where(missing < -EPSILON, np.inf, missing)))
    if missing[best] < -EPSILON:
        best = int(np.argmax(missing))
    return Fit(float(missing[best]), bool(most[best] - least[best] <= EPSILON))


def may_miss(scenario: Scenario, steps: Steps, meter_used: float, units: float) -> bool:
    """Whether a scenario would have debited so many units beyond those that were, for some places of its changes.

    `fit` tells the fewest. More may be missing: the free units are a range, where the scenario leaves a choice.
    """
    bounds = _bounds(scenario, steps, meter_used)
    if bounds is None:
        return False
    free, least, most = bounds
    return bool(((free - units >= least - EPSILON) & (free - units <= most + EPSILON)).any())


def _bounds(scenario: Scenario, steps: Steps, meter_used: float) -> tuple[Floats, Floats, Floats] | None:
    """The free units of a week, and the least and most that a scenario allows, for each combination of places."""
    places = _places(scenario, len(steps))
    if places is None:
        return None
    counted = steps.counted
    reset_at = np.zeros(places.shape[1]) if scenario.reset is None else counted[places[scenario.reset]]
    free = meter_used - (counted[-1] - reset_at)
    return free, *_free_range(scenario, steps, counted, places, reset_at)


def _free_range(
    scenario: Scenario, steps: Steps, counted: Floats, places: Places, reset_at: Floats
) -> tuple[Floats, Floats]:
    """Least and most free units for each column of places: the maxima of the bounds over the steps of each phase.

    Within a phase of one quota the bound of its first step is the largest, as what is counted before only grows.
    """
    end, combinations = len(steps), int(places.shape[1])
    if not steps.is_usage.any():  # the document names no step at all: anything below the quota may have been used
        return np.zeros(combinations), np.full(combinations, scenario.first)
    least, most = np.zeros(combinations), np.zeros(combinations)
    next_debit, next_usage = _next(steps.has_debit), _next(steps.is_usage)
    quotas = [scenario.first, *(change.quota for change in scenario.changes)]
    bounds = np.vstack([np.zeros((1, combinations), np.int64), places, np.full((1, combinations), end)])
    for phase in range(0 if scenario.reset is None else scenario.reset + 1, len(quotas)):
        start, stop = bounds[phase], bounds[phase + 1]
        for bound, following in ((least, next_debit), (most, next_usage)):
            first = following[start]
            room = quotas[phase] - (counted[first] - reset_at)
            np.maximum(bound, np.where(first < stop, room, 0.0), out=bound)
    return least, most


def _places(scenario: Scenario, steps: int) -> Places | None:
    """Places of the changes, one row a change and one column a combination; None where there are too many."""
    if not scenario.changes:
        return np.zeros((0, 1), dtype=np.int64)
    windows = [
        np.arange(change.least, (steps if change.most is None else min(change.most, steps)) + 1)
        for change in scenario.changes
    ]
    if len(windows) > 1 and np.prod([float(len(window)) for window in windows]) > MOST_COMBINATIONS:
        return None
    places = np.stack([axis.ravel() for axis in np.meshgrid(*windows, indexing="ij")]).astype(np.int64)
    ordered = (np.diff(places, axis=0) >= 0).all(axis=0)
    return places[:, ordered] if ordered.any() else None


def _next(marked: Booleans) -> Places:
    """For each place, and the end, the first marked step at or after it; the number of steps where there is none."""
    end = len(marked)
    places = np.where(marked, np.arange(end), end)
    return np.concatenate([np.minimum.accumulate(places[::-1])[::-1], [end]]).astype(np.int64)


def explainable_band(used: float, settled: float, quotas: list[float]) -> tuple[float, float]:
    """Least and most units that may have been debited for a week's keys under any of some quotas.

    It is the plain band of docs/causes.md ("The explainable band"), which knows no order of steps.

    Args:
        used: `meterUsed`, with what a settlement added.
        settled: what a settlement added.
        quotas: those that may have been in force, at least one.
    """
    real = used - settled
    return max(0.0, real - max(quotas)), min(real, max(0.0, used - min(quotas)))
