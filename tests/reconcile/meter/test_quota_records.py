"""What Stripe's events say of one organization's week, as it is looked up for it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from billing_dq.reconcile.meter.organization_weeks import OrganizationWeeks
from billing_dq.reconcile.meter.quota.events import QuotaEvents
from billing_dq.reconcile.meter.quota.facts import QuotaEvent, QuotaRecord
from billing_dq.reconcile.meter.quota.records import QuotaRecords
from billing_dq.weeks import Week
from tests.support.meter_world import Org, context

ORG = "6" * 24
KEYS = ("2026-W44", "2026-W45", "2026-W46")
W44, W45, W46 = (Week.parse(key) for key in KEYS)
DAY = timedelta(days=1)
Change = tuple[datetime, float, float]


def record(
    *quotas: float | None,
    changes: Sequence[Change] = (),
    told: Sequence[datetime] = (),
    since: datetime = W44.start - DAY,
    incomplete: frozenset[str] = frozenset(),
    newest_event: datetime | None = None,
) -> QuotaRecord:
    """The record of 2026-W46, with the quota of each week's document (None: no document)."""
    rows = pd.DataFrame(
        {
            "organization_id": [ORG] * len(changes),
            "at": pd.to_datetime([at for at, _, _ in changes], utc=True),
            "before": [before for _, before, _ in changes],
            "after": [after for _, _, after in changes],
        }
    )
    all_told = pd.DataFrame({"organization_id": ORG, "at": pd.to_datetime(list(told), utc=True)})
    spans = pd.DataFrame(columns=["organization_id", "since", "until", "quota"])
    events = QuotaEvents(rows, all_told, since, incomplete, spans)
    org = Org(ORG).subscribed(stripe_customer_id="cus_1", last_subscription_event_at=newest_event)
    known = replace(context([org]), quota_events=events)
    quota = np.array([np.nan if one is None else one for one in quotas])
    none = np.zeros(len(KEYS), dtype=np.bool_)
    return QuotaRecords(OrganizationWeeks(pd.Index([ORG]), KEYS, 0), known, quota, none, none).of(2)


def test_a_change_that_the_document_of_its_own_week_does_not_show_was_not_heard_of_then() -> None:
    announced: list[Change] = [(W45.start + DAY, 500.0, 5000.0)]
    assert record(500.0, 500.0, 5000.0, changes=announced).stripe.announced_before == 5000.0
    assert record(500.0, 5000.0, 5000.0, changes=announced).stripe.announced_before is None
    assert record(500.0, None, 5000.0, changes=announced).stripe.announced_before is None, (
        "no document of that week tells"
    )
    assert record(None, None, 5000.0, changes=announced).stripe.announced_before is None
    assert record(500.0, 500.0, 5000.0).stripe.announced_before is None
    assert record(500.0, 500.0, 5000.0, changes=[(W46.start, 500.0, 5000.0)]).stripe.announced_before is None


def test_the_newest_change_before_the_week_counts() -> None:
    two: list[Change] = [(W45.start, 500.0, 20000.0), (W46.start - DAY, 20000.0, 5000.0)]
    assert record(500.0, 500.0, 5000.0, changes=two).stripe.announced_before == 5000.0
    older: list[Change] = [(W44.start, 500.0, 5000.0)]
    assert record(500.0, 500.0, 5000.0, changes=older).stripe.announced_before is None, (
        "it is of another week's document"
    )
    assert record(500.0, None, 5000.0, changes=older).stripe.announced_before == 5000.0


def test_every_event_of_the_week_is_told_also_one_that_changes_no_plan() -> None:
    told = [W45.start, W46.start - timedelta(minutes=59), W46.start + DAY, W46.end]
    assert record(500.0, 500.0, 500.0, told=told).stripe.event_times == tuple(told[1:3])
    assert record(500.0, 500.0, 500.0, told=told, incomplete=frozenset([ORG])).stripe.event_times == ()


def test_a_marker_without_an_event_of_stripe_s_at_its_time_is_a_synchronization() -> None:
    minute = timedelta(minutes=1)
    newest = W46.start + DAY

    def synchronized(*told: datetime, incomplete: frozenset[str] = frozenset()) -> datetime | None:
        return record(500.0, 500.0, 500.0, told=told, newest_event=newest, incomplete=incomplete).stripe.synchronized_at

    assert synchronized(newest - 2 * minute) == newest
    assert synchronized(newest - minute) is None
    assert synchronized(newest + minute) is None
    assert synchronized(incomplete=frozenset([ORG])) is None, "its events do not tell all"
    assert record(500.0, 500.0, 500.0).stripe.synchronized_at is None, "there is no marker"


def test_who_had_an_event_and_names_neither_customer_nor_subscription_left_stripe() -> None:
    def left(**subscription: object) -> bool:
        known = context([Org(ORG).subscribed(**subscription)])
        none = np.zeros(len(KEYS), dtype=np.bool_)
        index = OrganizationWeeks(pd.Index([ORG]), KEYS, 0)
        return QuotaRecords(index, known, np.full(len(KEYS), 500.0), none, none).of(2).plan.left_stripe

    assert left(last_subscription_event_at=W46.start)
    assert not left(last_subscription_event_at=W46.start, stripe_subscription_id="sub_1")
    assert not left(last_subscription_event_at=W46.start, stripe_customer_id="cus_1")
    assert not left(), "it never had one"


def test_events_that_do_not_show_all_are_kept_apart_from_those_that_do() -> None:
    change = (W46.start + DAY, 500.0, 5000.0)
    whole = record(500.0, 500.0, 5000.0, changes=[change])
    assert (whole.stripe.changes, whole.stripe.some_changes) == ((QuotaEvent(*change),), ())
    for part in (
        record(500.0, 500.0, 5000.0, changes=[change], incomplete=frozenset([ORG])),
        record(500.0, 500.0, 5000.0, changes=[change], since=W46.start + timedelta(hours=1)),
    ):
        assert (part.stripe.changes, part.stripe.some_changes) == (None, (QuotaEvent(*change),))
