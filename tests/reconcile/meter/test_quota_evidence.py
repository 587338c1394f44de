"""Which quotas the traces of an organization allow in a week, asked one by one."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from billing_dq.reconcile.meter.organization_weeks import grid_of, unreadable_cells
from billing_dq.reconcile.meter.quota_evidence import DELIVERY, QuotaTraces, created
from billing_dq.weeks import Week
from tests.support.meter_world import ORG, Org, context, frames, inside

W43, W44, W45, W46, W47, W48 = (f"2026-W{number}" for number in range(43, 49))
MONDAY, SUNDAY = Week.parse(W46).start, Week.parse(W46).end
IN_W46 = inside(W46)
BEFORE, AFTER = "6a0000000000000000000000", "6a0000000000000000000002"
TICK = timedelta(milliseconds=1)


def traces(org: Org, plans: dict[str, float] | None = None, **more: object) -> QuotaTraces:
    """The traces of an organization that stands between two others of other quotas."""
    orgs = [Org(BEFORE), org, Org(AFTER)]
    for week in (W43, W44, W45, W46, W47, W48):
        orgs[0].week(week, 0, 777)
        orgs[2].week(week, 0, 888)
    rules = context(orgs, **more)  # type: ignore[arg-type]
    rules = replace(rules, quota_of_plan=plans) if plans else rules
    usage, _, entries = frames(orgs)
    grid, codes, _ = grid_of(usage, entries, rules.night)
    cells = grid.of(codes, grid.week_codes(usage["week_key"]))
    quota = np.full(grid.size, np.nan)
    quota[cells] = usage["meter_quota"].to_numpy()
    return QuotaTraces(grid, rules, quota, unreadable_cells(grid, ~np.isnan(quota), rules))


def at(found: QuotaTraces, week: str = W46, name: str = ORG) -> int:
    """The cell of an organization's week."""
    return found.grid.organizations.get_loc(name) * len(found.grid.weeks) + found.grid.weeks.index(week)


def weeks(quotas: dict[str, float], name: str = ORG) -> Org:
    org = Org(name)
    for week, quota in quotas.items():
        org.week(week, 0, quota)
    return org


def made_at(instant: datetime, step: str = ":initial") -> str:
    """The key of a history that was made at an instant."""
    return f"{int(instant.timestamp()):08x}0000000000000000{step}"


def earlier(org: Org, **more: object) -> tuple[float, ...]:
    found = traces(org, **more)  # type: ignore[arg-type]
    return found.earlier(at(found))


def test_a_key_tells_when_its_history_was_made() -> None:
    assert created("000000ff9123456789abcdef:initial") == 255
    assert created("000000ff9123456789abcdef:step:2") == 255
    assert created("000000ff9123456789abcdef") == 255
    assert created("000000ff9123456789abcde:initial") is None
    assert created("000000FF9123456789ABCDEF:initial") is None
    assert created("settle:2026-W46") is None


def test_before_a_document_the_quota_of_the_newest_one_before_it_may_have_been_in_force() -> None:
    assert earlier(weeks({W43: 20000, W44: 500, W46: 5000, W47: 0})) == (500,)
    assert earlier(weeks({W45: 5000, W46: 5000})) == ()


def test_an_organization_without_an_earlier_document_began_on_the_free_plan() -> None:
    young = f"{int(MONDAY.timestamp()):08x}0000000000000001"
    assert earlier(weeks({W46: 5000})) == (0,)
    assert earlier(weeks({W46: 5000}).subscribed()) == (0,)
    assert earlier(weeks({W46: 5000}).subscribed(last_subscription_event_at=IN_W46)) == (0, 500, 20000)
    older = {"plans": {"pro": 5000.0, "starter": 500.0}}
    assert earlier(weeks({W46: 5000}).subscribed(last_subscription_event_at=IN_W46), **older) == (0, 500)
    for name, began in ((young, (0,)), (f"{int(MONDAY.timestamp()) - 1:08x}f000000000000001", (0, 500, 20000))):
        found = traces(weeks({W46: 5000}, name).subscribed(last_subscription_event_at=IN_W46))
        assert found.earlier(at(found, name=name)) == began


@pytest.mark.parametrize(
    ("event", "found"),
    [(None, (500,)), (IN_W46, (500,)), (MONDAY - DELIVERY, (500,)), (MONDAY - DELIVERY - TICK, ())],
)
def test_a_plan_may_have_changed_since_an_hour_before_the_week(
    event: datetime | None, found: tuple[float, ...]
) -> None:
    org = weeks({W45: 500, W46: 5000}).subscribed(last_subscription_event_at=event)
    assert earlier(org) == found


def test_a_quota_of_zero_asks_for_the_quota_before_it_whatever_the_subscription_knows() -> None:
    assert earlier(weeks({W45: 500, W46: 0}).subscribed(last_subscription_event_at=inside(W43))) == (500,)


def test_quotas_that_stored_nights_saw_in_the_week_are_added() -> None:
    seen = [(ORG, W46, 1300.0), (ORG, W46, 1400.0), (ORG, W45, 9.0), (AFTER, W46, 8.0)]
    assert earlier(weeks({W45: 500, W46: 5000}), earlier=seen) == (500, 1300, 1400)


def test_after_an_unreadable_week_every_plan_is_possible() -> None:
    dark = {"unreadable": [("billingusages", ORG, W45)]}
    assert earlier(weeks({W46: 5000}), **dark, earlier=[(ORG, W46, 1300.0)]) == (0, 500, 1300, 20000)
    found = traces(weeks({W46: 5000}), **dark)
    assert [week for week in found.grid.weeks if found.neighbour_is_dark(at(found, week))] == [W46]


def test_the_week_before_the_first_one_is_no_other_organization_s_last() -> None:
    found = traces(weeks({W46: 500}), unreadable=[("billingusages", name, W48) for name in (BEFORE, ORG, AFTER)])
    assert not any(found.neighbour_is_dark(at(found, W43, name)) for name in (BEFORE, ORG, AFTER))
    found = traces(weeks({W46: 500}), unreadable=[("billingusages", ORG, W43)])
    assert found.neighbour_is_dark(at(found, W44))


def steps_before_change(event: datetime | None, refs: Iterable[str]) -> int | None:
    found = traces(weeks({W46: 5000}).subscribed(last_subscription_event_at=event))
    return found.steps_before_change(at(found), list(refs))


def test_a_step_whose_history_is_younger_than_the_applied_event_came_after_the_change() -> None:
    applied = IN_W46 + DELIVERY
    keys = ["plain", made_at(IN_W46), made_at(applied), made_at(applied + timedelta(seconds=1)), made_at(SUNDAY)]
    assert steps_before_change(IN_W46, keys) == 3
    assert steps_before_change(IN_W46, keys[:3]) is None
    assert steps_before_change(None, keys) is None


def test_a_history_of_another_time_than_about_the_week_tells_nothing() -> None:
    second, week = timedelta(seconds=1), timedelta(weeks=1)
    event = MONDAY - timedelta(weeks=3)
    assert steps_before_change(event, [made_at(MONDAY - week), made_at(SUNDAY)]) is None
    assert steps_before_change(event, [made_at(SUNDAY), made_at(MONDAY - week + second)]) == 1
    assert steps_before_change(event, [made_at(SUNDAY - second)]) == 0


UNPAID = {"plan": "free", "status": "unpaid"}


@pytest.mark.parametrize(
    ("quotas", "subscription", "live"),
    [
        ({W46: 5000}, {"plan": "starter", "last_subscription_event_at": IN_W46}, ()),
        ({W46: 5000}, {"plan": "starter", "admin_updated_at": inside(W43)}, ((500,),)),
        ({W46: 5000}, {"plan": "gold", "admin_updated_at": inside(W43)}, ()),
        ({W46: 5000}, {"plan": None, "admin_updated_at": inside(W43)}, ()),
        ({W45: 9, W46: 500, W47: 5000, W48: 0}, {"plan": "starter", "admin_updated_at": inside(W43)}, ((5000,),)),
        ({W45: 9, W46: 0, W48: 5000}, {"plan": "starter", "admin_updated_at": inside(W43)}, ((500,), (5000,))),
        ({W46: 500}, UNPAID, ((0,),)),
        ({W46: 500}, {"plan": "starter", "status": "unpaid"}, ((0,),)),
        (
            {W46: 500},
            UNPAID | {"admin_updated_at": IN_W46},
            ((0,), (5000,), (20000,), (5000, 0), (20000, 0)),
        ),
        ({W46: 500}, UNPAID | {"admin_updated_at": inside(W47)}, ((0,),)),
        (
            {W46: 500},
            {"admin_updated_at": IN_W46, "last_subscription_event_at": IN_W46 + TICK},
            ((0,), (5000,), (20000,)),
        ),
        ({W46: 500}, {"admin_updated_at": IN_W46, "last_subscription_event_at": IN_W46}, ()),
        ({W46: 500}, {"admin_updated_at": IN_W46}, ()),
    ],
)
def test_a_change_by_hand_or_dunning_moves_the_live_quota_only(
    quotas: dict[str, float], subscription: dict[str, object], live: tuple[tuple[float, ...], ...]
) -> None:
    found = traces(weeks(quotas).subscribed(**subscription))
    assert found.live(at(found)) == live


@pytest.mark.parametrize(
    ("subscription", "changed"),
    [
        ({}, False),
        ({"last_subscription_event_at": MONDAY}, True),
        ({"last_subscription_event_at": MONDAY - TICK}, False),
        ({"last_subscription_event_at": SUNDAY - TICK}, True),
        ({"last_subscription_event_at": SUNDAY}, False),
        ({"admin_updated_at": MONDAY}, True),
        ({"admin_updated_at": SUNDAY}, False),
        ({"last_subscription_event_at": IN_W46, "current_period_start": IN_W46 - DELIVERY}, False),
        ({"last_subscription_event_at": IN_W46, "current_period_start": IN_W46 + DELIVERY}, False),
        ({"last_subscription_event_at": IN_W46, "current_period_start": IN_W46 - DELIVERY - TICK}, True),
        (
            {
                "last_subscription_event_at": IN_W46,
                "current_period_start": IN_W46,
                "admin_updated_at": IN_W46,
            },
            True,
        ),
    ],
)
def test_quotas_come_and_go_within_a_week_where_the_subscription_changed_in_it_but_by_no_renewal(
    subscription: dict[str, object], changed: bool
) -> None:
    found = traces(weeks({W46: 500}).subscribed(**subscription))
    assert found.middle(at(found)) == ((500, 5000, 20000) if changed else ())


def test_no_quota_in_between_is_zero() -> None:
    org = weeks({W46: 500}).subscribed(last_subscription_event_at=IN_W46)
    found = traces(org, {"free": 0.0, "tiny": 1.0})
    assert found.middle(at(found)) == (1,)


@pytest.mark.parametrize(
    ("quotas", "subscription", "cancelled"),
    [
        ({W45: 500, W46: 0}, {}, True),
        ({W45: 1, W46: 0}, {}, True),
        ({W45: 500, W46: 500}, {"status": "canceled", "plan": "free", "last_subscription_event_at": IN_W46}, False),
        ({W45: 500, W46: 1}, {"status": "canceled", "plan": "free", "last_subscription_event_at": IN_W46}, False),
        ({W45: 0, W46: 0}, {"status": "canceled", "last_subscription_event_at": IN_W46}, True),
        ({W45: 0, W46: 0}, {"plan": "free", "last_subscription_event_at": IN_W46}, True),
        ({W45: 0, W46: 0}, {"last_subscription_event_at": IN_W46}, False),
        ({W45: 0, W46: 0}, {"status": "canceled", "plan": "free", "last_subscription_event_at": inside(W45)}, False),
        ({W45: 0, W46: 0}, {"status": "canceled", "plan": "free"}, False),
    ],
)
def test_a_quota_of_zero_is_a_cancellation_after_a_paid_plan_or_where_the_subscription_ended_in_the_week(
    quotas: dict[str, float], subscription: dict[str, object], cancelled: bool
) -> None:
    found = traces(weeks(quotas).subscribed(**subscription))
    assert bool(found.cancelled(at(found))) is cancelled


def test_an_unreadable_subscription_is_its_own_organization_s_only() -> None:
    found = traces(weeks({W46: 500}), unreadable=[("subscriptions", ORG, None)])
    assert [name for name in (BEFORE, ORG, AFTER) if found.subscription_is_dark(at(found, name=name))] == [ORG]
