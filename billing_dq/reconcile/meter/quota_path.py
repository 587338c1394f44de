"""Can a week's debits have come about under a given course of its quota?

Counting a week's units in commit order, a unit is debited if and only if the quota in force was used up before it.
How many units a step used is not stored, only whether it was debited and how much, so the used units are followed as
intervals of what is possible: a step without a debit ends at or below the quota, one with a debit ends above it by the
debit at least. A course is possible when the intervals at the end hold the document's `meterUsed`.

This sharpens the band of CAUSES.md ("The explainable band"): it uses where the settlement and each debit stand in the
commit order, and so tells a dropped debit from a change of quota where the sums alone could not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Units below this are noise of binary fractions, not usage.
EPSILON = 1e-6

Interval = tuple[float, float]


@dataclass(frozen=True)
class Step:
    """One key of a week's document, in commit order.

    Attributes:
        debited: units of the key's debit; None where there is none.
        settled: units, where the key is the week's settlement.
        lost: a debit may be missing, so that the step's units are not bounded by the quota.
    """

    debited: float | None = None
    settled: float | None = None
    lost: bool = False


@dataclass(frozen=True)
class Course:
    """What the quota did in a week: `first` and then, from an unknown step on, each of `later`.

    Attributes:
        first: units in force at the start.
        later: quotas that followed, in order.
        reset: whether the last of `later` came with `meterUsed` set to 0.
        until: how many steps there may have been before the last of `later`; None where nothing limits them.
    """

    first: float
    later: tuple[float, ...] = ()
    reset: bool = False
    until: int | None = None


def explainable_band(used: float, settled: float, quotas: Sequence[float]) -> Interval:
    """Least and most units that may have been debited for a week's keys under any of some quotas (CAUSES.md).

    Args:
        used: `meterUsed`, with what a settlement added.
        settled: what a settlement added.
        quotas: those that may have been in force, at least one.
    """
    real = used - settled
    return max(0.0, real - max(quotas)), min(real, max(0.0, used - min(quotas)))


def possible(course: Course, steps: Sequence[Step], meter_used: float) -> bool:
    """Whether the steps lead to `meter_used` under the course, for some step at which each quota changed."""
    quotas = (course.first, *course.later)
    phases: list[list[Interval]] = [[(0.0, 0.0)], *([] for _ in course.later)]
    _change(phases, course)
    for place, step in enumerate(steps, start=1):
        for phase, quota in enumerate(quotas):
            phases[phase] = _after(step, phases[phase], quota)
        if course.until is None or place <= course.until:
            _change(phases, course)
    return any(low - EPSILON <= meter_used <= high + EPSILON for low, high in phases[-1])


def _change(phases: list[list[Interval]], course: Course) -> None:
    """Let the next quota come into force between two steps."""
    for phase in range(1, len(phases)):
        reset = course.reset and phase == len(phases) - 1
        arriving = [(0.0, 0.0)] if reset and phases[phase - 1] else phases[phase - 1]
        if arriving:
            phases[phase] = _merged([*phases[phase], *arriving])


def _after(step: Step, before: list[Interval], quota: float) -> list[Interval]:
    """What may be used after a step, given what may have been used before it."""
    if step.settled is not None:
        return [(low + step.settled, high + step.settled) for low, high in before]
    if step.debited is not None:
        return _merged([(max(low, quota) + step.debited, max(high, quota) + step.debited) for low, high in before])
    if step.lost:
        return [(min(low for low, _ in before), math.inf)] if before else []
    return _merged([(low, max(low, quota)) for low, _ in before if low <= quota + EPSILON])


def _merged(intervals: list[Interval]) -> list[Interval]:
    if len(intervals) < 2:
        return intervals
    intervals.sort()
    merged = [intervals[0]]
    for low, high in intervals[1:]:
        if low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged
