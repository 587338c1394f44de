"""Which uses of a week a scenario of its quota allows, against a count of every possibility."""

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.reconcile.meter.quota.free_usage import Change, Scenario, Steps, explainable_band, fit, may_miss

#: Units of one step in the worlds that are counted out.
MOST_UNITS = 6


def steps(*debited: float | None, settlement: int | None = None, settled: float = 0.0) -> Steps:
    """Steps with their debits, None where there is none; a settlement before the step at a place."""
    units = [np.nan if one is None else one for one in debited]
    added = [0.0] * len(units)
    if settlement is not None:
        units.insert(settlement, np.nan)
        added.insert(settlement, settled)
    return Steps(np.array(units, dtype=np.float64), np.array(added, dtype=np.float64))


def used_at_the_end(scenario: Scenario, week: Steps) -> set[float]:
    """Every meter that the steps can end at, step by step, for every place of every change."""
    return {used for places in places_of(scenario, len(week)) for used in counted(scenario, week, places)}


def places_of(scenario: Scenario, length: int) -> Iterator[tuple[int, ...]]:
    for places in combinations_with_replacement(range(length + 1), len(scenario.changes)):
        bounds = [(change.least, length if change.most is None else change.most) for change in scenario.changes]
        if all(least <= place <= most for place, (least, most) in zip(places, bounds, strict=True)):
            yield places


def counted(scenario: Scenario, week: Steps, places: Sequence[int]) -> set[float]:
    quota, used = scenario.first, {0.0}
    for place in range(len(week) + 1):
        for change, at in zip(scenario.changes, places, strict=True):
            if at == place:
                quota = change.quota
                used = {0.0} if change.resets else used
        if place < len(week):
            used = {after for before in used for after in after_step(week, place, before, quota)}
    return used


def after_step(week: Steps, place: int, before: float, quota: float) -> Iterator[float]:
    """The application's own words: the part of a step above the quota is debited, all of it past the quota."""
    if week.settled[place]:
        yield before + week.settled[place]
        return
    for units in range(30):
        above = max(0.0, before + units - quota)
        debit = min(float(units), above)
        wanted = 0.0 if np.isnan(week.debited[place]) else week.debited[place]
        if debit == wanted and (units or not wanted):
            yield before + units


quotas = st.integers(0, 8).map(float)


@st.composite
def weeks(draw: st.DrawFn) -> Steps:
    debits = draw(st.lists(st.one_of(st.none(), st.integers(1, MOST_UNITS)), min_size=1, max_size=4))
    if draw(st.booleans()):
        return steps(*debits)
    return steps(*debits, settlement=draw(st.integers(0, len(debits))), settled=float(draw(st.integers(1, 5))))


@st.composite
def scenarios(draw: st.DrawFn, length: int) -> Scenario:
    count = draw(st.integers(0, 2))
    reset = draw(st.integers(0, 2))
    changes = []
    for number in range(count):
        least = draw(st.integers(0, length))
        most = draw(st.one_of(st.none(), st.integers(least, length)))
        changes.append(Change(draw(quotas), least, most, resets=number == reset))
    return Scenario(draw(quotas), tuple(changes))


@given(st.data())
def test_a_scenario_fits_exactly_the_meters_that_the_steps_can_end_at(data: st.DataObject) -> None:
    week = data.draw(weeks())
    scenario = data.draw(scenarios(len(week)))
    reachable = used_at_the_end(scenario, week)
    for used in range(30):
        found = fit(scenario, week, float(used))
        if not reachable:
            continue  # no order of the changes is within their bounds
        assert found is not None
        assert found.fits is (used in reachable), (used, sorted(reachable))


@given(st.data())
def test_what_is_missing_leads_to_the_nearest_meter_below_that_fits_else_above(data: st.DataObject) -> None:
    week = data.draw(weeks())
    scenario = Scenario(
        data.draw(quotas), tuple(Change(data.draw(quotas)) for _ in range(data.draw(st.integers(0, 1))))
    )
    used = float(data.draw(st.integers(0, 29)))
    found = fit(scenario, week, used)
    reachable = used_at_the_end(scenario, week)
    assert found is not None
    below = [one for one in reachable if one <= used]
    assert used - found.missing == (max(below) if below else min(reachable))


@pytest.mark.parametrize(("used", "holds"), [(0.3, True), (0.3 + 1e-7, True), (0.3 + 2e-6, False)])
def test_the_noise_of_fractions_is_no_difference(used: float, holds: bool) -> None:
    found = fit(Scenario(0.0), steps(0.1, 0.2), used)
    assert found is not None
    assert found.fits is holds


def test_a_scenario_is_tight_where_no_step_could_have_used_more_below_the_quota() -> None:
    loose, tight = fit(Scenario(500.0), steps(None, None), 300.0), fit(Scenario(500.0), steps(None, 100.0), 600.0)
    assert loose is not None
    assert loose.fits
    assert not loose.tight
    assert tight is not None
    assert tight.fits
    assert tight.tight


def test_a_document_without_keys_may_have_used_anything_below_the_quota() -> None:
    for used, missing in ((300.0, 0.0), (700.0, 200.0)):
        found = fit(Scenario(500.0), steps(), used)
        assert found is not None
        assert found.missing == missing


def test_more_orders_of_changes_than_can_be_tried_are_not_answered() -> None:
    week = steps(*[None] * 1000)
    assert fit(Scenario(5.0, (Change(6.0), Change(7.0))), week, 5.0) is None
    assert fit(Scenario(5.0, (Change(6.0),)), week, 5.0) is not None
    assert fit(Scenario(5.0, (Change(6.0, 10, 20), Change(7.0, 30, 40))), week, 5.0) is not None


@pytest.mark.parametrize(
    ("used", "settled", "quotas", "band"),
    [
        (900.0, 0.0, [500.0], (400.0, 400.0)),
        (900.0, 0.0, [500.0, 5000.0], (0.0, 400.0)),
        (900.0, 100.0, [500.0], (300.0, 400.0)),
        (900.0, 0.0, [0.0, 500.0], (400.0, 900.0)),
        (300.0, 0.0, [500.0], (0.0, 0.0)),
    ],
)
def test_the_band_of_a_week_is_what_any_order_of_its_quotas_allows(
    used: float, settled: float, quotas: list[float], band: tuple[float, float]
) -> None:
    assert explainable_band(used, settled, quotas) == band


def test_more_may_be_missing_than_the_least_where_the_place_of_a_change_leaves_a_choice() -> None:
    """Quota 500, then 0 from some step on: 510 free units are 10 more than the quota; up to 510 may lack a debit."""
    week, dunned = steps(None, 100.0, 10.0), Scenario(500.0, (Change(0.0),))
    found = fit(dunned, week, 620.0)
    assert found is not None
    assert found.missing == 10.0
    assert [may_miss(dunned, week, 620.0, units) for units in (9.0, 10.0, 90.0, 510.0, 511.0)] == [
        *(False, True, True, True),
        False,
    ]
    assert not may_miss(Scenario(500.0), week, 620.0, 90.0), "the document's quota leaves no choice"
