"""What is known about the quota of each organization's week, from the tables of a night and of earlier ones.

`scenarios` draws the conclusions. Here the facts are looked up, cell by cell, for the few weeks that need it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from billing_dq.reconcile.meter.context import Booleans, MeterContext
from billing_dq.reconcile.meter.organization_weeks import OrganizationWeeks
from billing_dq.reconcile.meter.quota.events import instants_of
from billing_dq.reconcile.meter.quota.facts import DELIVERY, Overdue, QuotaEvent, QuotaRecord
from billing_dq.units import Floats
from billing_dq.weeks import Week

#: Clocks of the application and of Stripe differ by less than this where a marker stands for one of Stripe's events.
_SAME_EVENT = timedelta(minutes=1)


@dataclass(frozen=True)
class QuotaRecords:
    """The quota records of a batch.

    Attributes:
        index: organizations and weeks of the batch.
        context: what holds for every batch.
        quota: of the usage document by cell, NaN where there is none.
        unreadable: cells whose usage document could not be read.
        settled: cells whose usage document holds a settlement.
    """

    index: OrganizationWeeks
    context: MeterContext
    quota: Floats
    unreadable: Booleans
    settled: Booleans

    def of(self, cell: int) -> QuotaRecord:
        """The record of a cell that has a usage document."""
        organization, column = divmod(cell, len(self.index.weeks))
        name, week = str(self.index.organizations[organization]), Week.parse(self.index.weeks[column])
        row = self._subscriptions.iloc[organization]
        first = organization * len(self.index.weeks)
        before = _known(self.quota[first:cell])
        after = _known(self.quota[cell + 1 : first + len(self.index.weeks)])
        shown, complete = self._events.get(name, ()), self._events_cover(name, week)
        in_week = tuple(event for event in shown if week.start - DELIVERY <= event.at < week.end)
        events = shown if complete else None
        event_at = _instant(row["last_subscription_event_at"])
        neighbour_unreadable = column > 0 and bool(self.unreadable[cell - 1])
        return QuotaRecord(
            start=week.start,
            end=week.end,
            document=float(self.quota[cell]),
            before=before[-1] if before else None,
            after=after[0] if after else None,
            seen=frozenset(self._seen.get((name, week.key), ())),
            seen_live=frozenset(quota for at, quota in self._seen_live.get(name, ()) if week.start <= at < week.end),
            plan=self.context.quota_of_plan.get(str(row["plan"])),
            status=row["status"] if isinstance(row["status"], str) else "",
            paid=isinstance(row["stripe_subscription_id"], str) or event_at is not None,
            left_stripe=event_at is not None and name not in self._of_stripe,
            made_at=_made_at(name),
            subscription_event_at=event_at,
            changed_by_hand_at=_instant(row["admin_updated_at"]),
            updated_at=_instant(row["updated_at"]),
            events=in_week if complete else None,
            incomplete_events=() if complete else in_week,
            synchronized_at=self._synchronized_at(name, event_at) if complete else None,
            told_at=() if events is None else self._told_in(name, week),
            overdue=tuple(
                span
                for span in self._overdue.get(name, ())
                if (span.since is None or span.since < week.end) and (span.until is None or span.until > week.start)
            ),
            announced_before=self._announced_before(events or (), cell),
            announced_later=frozenset(event.after for event in events or () if event.at >= week.end),
            at_stripe=_at_stripe(events or (), week),
            settled=bool(self.settled[cell]),
            plans=frozenset(self.context.quota_of_plan.values()),
            unreadable=neighbour_unreadable or name in self.context.unreadable_subscriptions,
            is_open=week.end > self.context.night.as_of,
            change_resets_usage=self.context.change_resets_usage,
        )

    def _synchronized_at(self, name: str, newest: datetime | None) -> datetime | None:
        """The newest event of the subscription here, where Stripe made none about then: a person synchronized."""
        told = self._told.get(name, ())
        about_then = newest is not None and any(abs(at - newest) <= _SAME_EVENT for at in told)
        return None if about_then else newest

    def _announced_before(self, events: tuple[QuotaEvent, ...], cell: int) -> float | None:
        """What the newest event before the week announced, if the document of the event's own week does not show it."""
        first = cell - cell % len(self.index.weeks)
        shown = np.flatnonzero(~np.isnan(self.quota[first:cell]))
        start = Week.parse(self.index.weeks[cell - first]).start
        earlier = [event for event in events if event.at < start]
        if not shown.size or not earlier:
            return None
        before, quota = Week.parse(self.index.weeks[int(shown[-1])]), float(self.quota[first + shown[-1]])
        announced = earlier[-1]
        return announced.after if before.start <= announced.at < before.end and announced.after != quota else None

    @cached_property
    def _subscriptions(self) -> pd.DataFrame:
        return self.context.subscriptions_of(self.index.organizations)

    def _events_cover(self, name: str, week: Week) -> bool:
        """Whether Stripe's events were read for the organization and reach back to the start of the week."""
        events = self.context.quota_events
        known = events is not None and events.since <= week.start and name not in events.not_told
        return known and name in self._of_stripe

    @cached_property
    def _of_stripe(self) -> frozenset[str]:
        """Organizations that still name their customer or subscription: the events of others are nobody's."""
        rows = self._subscriptions
        named = rows["stripe_customer_id"].notna() | rows["stripe_subscription_id"].notna()
        return frozenset(rows.index[named])

    @cached_property
    def _events(self) -> dict[str, tuple[QuotaEvent, ...]]:
        """Changes of the live quota by organization, oldest first; of this batch's organizations."""
        found: dict[str, list[QuotaEvent]] = {}
        if self.context.quota_events is None:
            return {}
        rows = self.context.quota_events.changes
        mine = rows[rows["organization_id"].isin(self.index.organizations)].sort_values("at", kind="stable")
        for name, at, before, after in mine[["organization_id", "at", "before", "after"]].itertuples(
            index=False, name=None
        ):
            found.setdefault(str(name), []).append(QuotaEvent(at.to_pydatetime(), float(before), float(after)))
        return {name: tuple(events) for name, events in found.items()}

    def _told_in(self, name: str, week: Week) -> tuple[datetime, ...]:
        return tuple(at.to_pydatetime() for at in self._told.get(name, ()) if week.start - DELIVERY <= at < week.end)

    @cached_property
    def _told(self) -> dict[str, list[pd.Timestamp]]:
        """Instants of all events of a subscription by organization, oldest first; of this batch's organizations."""
        if self.context.quota_events is None:
            return {}
        told = self.context.quota_events.told
        mine = told[told["organization_id"].isin(self.index.organizations)]
        return instants_of(mine.sort_values("at", kind="stable"))

    @cached_property
    def _overdue(self) -> dict[str, list[Overdue]]:
        """Spans in which subscriptions were past due at Stripe, of this batch's organizations."""
        found: dict[str, list[Overdue]] = {}
        if self.context.quota_events is None:
            return {}
        spans = self.context.quota_events.overdue
        mine = spans[spans["organization_id"].isin(self.index.organizations)]
        columns = ["organization_id", "since", "until", "quota"]
        for name, since, until, quota in mine[columns].itertuples(index=False, name=None):
            known = None if np.isnan(quota) else float(quota)
            found.setdefault(str(name), []).append(Overdue(_instant(since), _instant(until), known))
        return found

    @cached_property
    def _seen(self) -> dict[tuple[str, str], set[float]]:
        """Quotas that stored nights saw in usage documents, of this batch's organizations."""
        earlier = self.context.earlier_quotas
        mine = earlier[earlier["organization_id"].isin(self.index.organizations)]
        seen: dict[tuple[str, str], set[float]] = {}
        columns = ["organization_id", "week_key", "meter_quota"]
        for name, week, quota in mine[columns].itertuples(index=False, name=None):
            seen.setdefault((str(name), str(week)), set()).add(float(quota))
        return seen

    @cached_property
    def _seen_live(self) -> dict[str, list[tuple[datetime, float]]]:
        """Quotas of the plans that stored nights saw in subscriptions, each with the instant of the night."""
        earlier = self.context.earlier_plans
        mine = earlier[earlier["organization_id"].isin(self.index.organizations)]
        seen: dict[str, list[tuple[datetime, float]]] = {}
        for name, at, plan in mine[["organization_id", "seen_at", "plan"]].itertuples(index=False, name=None):
            quota = self.context.quota_of_plan.get(str(plan))
            if quota is not None:
                seen.setdefault(str(name), []).append((at.to_pydatetime(), quota))
        return seen


def _at_stripe(events: tuple[QuotaEvent, ...], week: Week) -> frozenset[float]:
    """Quotas in force at Stripe in a week: those that its events show, and what the ones around it left or found."""
    earlier = [event.after for event in events if event.at < week.start][-1:]
    within = [quota for event in events if week.start <= event.at < week.end for quota in (event.before, event.after)]
    later = [event.before for event in events if event.at >= week.end][:1]
    return frozenset([*earlier, *within, *later])


def _known(quotas: Floats) -> list[float]:
    return [float(quota) for quota in quotas[~np.isnan(quotas)]]


def _made_at(organization_id: str) -> datetime | None:
    """When the organization was made, by the time in its ObjectId."""
    return datetime.fromtimestamp(int(organization_id[:8], 16), UTC)


def _instant(value: object) -> datetime | None:
    return None if not isinstance(value, pd.Timestamp) or pd.isna(value) else value.to_pydatetime()
