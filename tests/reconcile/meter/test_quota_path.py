"""What a week's debits allow, against a count of every unit that a step may have used."""

from collections.abc import Iterator, Sequence
from itertools import product

import pytest

from billing_dq.reconcile.meter.quota_path import Course, Step, explainable_band, possible

MOST = 9
STEPS = (Step(), Step(debited=1), Step(debited=2), Step(settled=1), Step(lost=True))
LATER = ((), (0,), (1,), (3,), (3, 1), (2, 0))


def counted(course: Course, steps: Sequence[Step]) -> set[int]:
    """What may be used at the end of a week, unit by unit up to MOST."""
    quotas = (course.first, *course.later)
    states = set(changed({(0, 0)}, course))
    for place, step in enumerate(steps, start=1):
        states = {(phase, after) for phase, used in states for after in stepped(step, used, int(quotas[phase]))}
        if course.until is None or place <= course.until:
            states = set(changed(states, course))
    return {used for phase, used in states if phase == len(course.later)}


def changed(states: set[tuple[int, int]], course: Course) -> Iterator[tuple[int, int]]:
    """The states with every change of the quota that may come next, one after another."""
    for phase, used in states:
        yield phase, used
        for later in range(phase + 1, len(course.later) + 1):
            yield later, 0 if course.reset and later == len(course.later) else used


def stepped(step: Step, used: int, quota: int) -> Iterator[int]:
    """What may be used after a step."""
    if step.settled is not None:
        yield used + int(step.settled)
    elif step.debited is not None:
        yield max(used, quota) + int(step.debited)
    elif step.lost:
        yield from range(used, MOST + 1)
    else:
        yield from range(used, quota + 1)


@pytest.mark.parametrize("later", LATER, ids=str)
@pytest.mark.parametrize("first", [0, 2])
def test_a_course_is_possible_where_some_count_of_its_units_leads_to_what_was_used(
    first: int, later: tuple[int, ...]
) -> None:
    weeks = [steps for length in range(4) for steps in product(STEPS, repeat=length)]
    for reset, until in ((False, None), (True, None), (False, 0), (True, 1), (False, 2)):
        course = Course(first, later, reset, until)
        for steps in weeks:
            reached = {used for used in range(MOST + 1) if possible(course, steps, used)}
            assert reached == {used for used in counted(course, steps) if used <= MOST}, (course, steps)


@pytest.mark.parametrize(("used", "holds"), [(0.3, True), (0.3 + 1e-7, True), (0.3 - 1e-7, True), (0.31, False)])
def test_the_noise_of_binary_fractions_is_no_usage(used: float, holds: bool) -> None:
    steps = [Step(debited=0.1), Step(debited=0.2)]
    assert possible(Course(0.0), steps, used) is holds
    assert possible(Course(0.3), [Step(settled=0.1), Step(settled=0.2), Step()], used) is holds


def test_all_units_that_a_lost_debit_may_have_carried_are_possible() -> None:
    assert possible(Course(5.0), [Step(debited=1), Step(lost=True)], 1e9)
    assert not possible(Course(5.0), [Step(debited=1), Step(lost=True)], 5.0)


@pytest.mark.parametrize(
    ("used", "settled", "quotas", "band"),
    [
        (700.0, 0.0, (500.0,), (200.0, 200.0)),
        (300.0, 0.0, (500.0,), (0.0, 0.0)),
        (700.0, 131.0, (500.0,), (69.0, 200.0)),
        (700.0, 600.0, (500.0,), (0.0, 100.0)),
        (700.0, 0.0, (0.0, 500.0, 5000.0), (0.0, 700.0)),
        (700.0, 100.0, (500.0, 550.0), (50.0, 200.0)),
    ],
)
def test_the_band_is_what_the_smallest_and_the_largest_quota_leave(
    used: float, settled: float, quotas: tuple[float, ...], band: tuple[float, float]
) -> None:
    assert explainable_band(used, settled, quotas) == band
