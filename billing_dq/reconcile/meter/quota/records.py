"""What is known about the quota of each organization's week, from the tables of a night and of earlier ones.

`scenarios` draws the conclusions. Here the facts are looked up, cell by cell, for the few weeks that need it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from billing_dq.reconcile.meter.context import Booleans, MeterContext
from billing_dq.reconcile.meter.organization_weeks import OrganizationWeeks
from billing_dq.reconcile.meter.quota.events import instant
from billing_dq.reconcile.meter.quota.facts import DELIVERY, PlanFacts, QuotaEvent, QuotaRecord, StripeFacts
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
        first = organization * len(self.index.weeks)
        before = self.quota[first:cell][~np.isnan(self.quota[first:cell])]
        later = self.quota[cell + 1 : first + len(self.index.weeks)]
        after = later[~np.isnan(later)]
        plan = self._plan(name, organization, week)
        return QuotaRecord(
            week=week,
            document=float(self.quota[cell]),
            before=float(before[-1]) if before.size else None,
            after=float(after[0]) if after.size else None,
            seen_quotas=frozenset(self._seen_quotas.get((name, week.key), ())),
            made_at=datetime.fromtimestamp(int(name[:8], 16), UTC),
            plan=plan,
            stripe=self._stripe(name, cell, week, plan),
            plans=frozenset(self.context.quota_of_plan.values()),
            unreadable=(column > 0 and bool(self.unreadable[cell - 1]))
            or name in self.context.unreadable_subscriptions,
            settled=bool(self.settled[cell]),
            is_open=week.end > self.context.night.as_of,
            change_resets_usage=self.context.change_resets_usage,
        )

    def _plan(self, name: str, organization: int, week: Week) -> PlanFacts:
        row = self._subscriptions.iloc[organization]
        event_at = instant(row["last_subscription_event_at"])
        plan_quotas = self._seen_plan_quotas.get(name, ())
        return PlanFacts(
            quota=self.context.quota_of_plan.get(str(row["plan"])),
            status=row["status"] if isinstance(row["status"], str) else "",
            paid=isinstance(row["stripe_subscription_id"], str) or event_at is not None,
            left_stripe=event_at is not None and name not in self._of_stripe,
            event_at=event_at,
            changed_by_hand_at=instant(row["admin_updated_at"]),
            updated_at=instant(row["updated_at"]),
            seen_quotas=frozenset(quota for at, quota in plan_quotas if week.start <= at < week.end),
        )

    def _stripe(self, name: str, cell: int, week: Week, plan: PlanFacts) -> StripeFacts:
        events = self.context.quota_events
        if events is None:
            return StripeFacts()
        overdue = tuple(
            span
            for span in events.overdue_of.get(name, ())
            if (span.since is None or span.since < week.end) and (span.until is None or span.until > week.start)
        )
        changes, times = events.changes_of.get(name, []), events.times_of.get(name, [])
        in_week = tuple(change for change in changes if week.start - DELIVERY <= change.at < week.end)
        if name not in self._of_stripe or not events.cover(name, week.start):
            return StripeFacts(some_changes=in_week, overdue=overdue)
        is_stripes = plan.event_at is None or any(abs(at - plan.event_at) <= _SAME_EVENT for at in times)
        return StripeFacts(
            changes=in_week,
            event_times=tuple(at for at in times if week.start - DELIVERY <= at < week.end),
            synchronized_at=None if is_stripes else plan.event_at,
            overdue=overdue,
            announced_later=frozenset(change.after for change in changes if change.at >= week.end),
            announced_before=self._announced_before(changes, cell),
            at_stripe=_at_stripe(changes, week),
        )

    def _announced_before(self, changes: Sequence[QuotaEvent], cell: int) -> float | None:
        """What the newest event before the week announced, if the document of the event's own week does not show it."""
        first = cell - cell % len(self.index.weeks)
        documents = np.flatnonzero(~np.isnan(self.quota[first:cell]))
        start = Week.parse(self.index.weeks[cell - first]).start
        earlier = [change for change in changes if change.at < start]
        if not documents.size or not earlier:
            return None
        before, quota = Week.parse(self.index.weeks[int(documents[-1])]), float(self.quota[first + documents[-1]])
        announced = earlier[-1]
        return announced.after if before.start <= announced.at < before.end and announced.after != quota else None

    @cached_property
    def _subscriptions(self) -> pd.DataFrame:
        return self.context.subscriptions_of(self.index.organizations)

    @cached_property
    def _of_stripe(self) -> frozenset[str]:
        """Organizations that still name their customer or subscription: the events of others are nobody's."""
        rows = self._subscriptions
        named = rows["stripe_customer_id"].notna() | rows["stripe_subscription_id"].notna()
        return frozenset(rows.index[named])

    @cached_property
    def _seen_quotas(self) -> dict[tuple[str, str], set[float]]:
        """Quotas that stored nights saw in usage documents, of this batch's organizations."""
        earlier = self.context.earlier_quotas
        rows = earlier[earlier["organization_id"].isin(self.index.organizations)]
        quotas: dict[tuple[str, str], set[float]] = {}
        columns = ["organization_id", "week_key", "meter_quota"]
        for name, week, quota in rows[columns].itertuples(index=False, name=None):
            quotas.setdefault((str(name), str(week)), set()).add(float(quota))
        return quotas

    @cached_property
    def _seen_plan_quotas(self) -> dict[str, list[tuple[datetime, float]]]:
        """Quotas of the plans that stored nights saw in subscriptions, each with the instant of the night."""
        earlier = self.context.earlier_plans
        rows = earlier[earlier["organization_id"].isin(self.index.organizations)]
        quotas: dict[str, list[tuple[datetime, float]]] = {}
        for name, at, plan in rows[["organization_id", "seen_at", "plan"]].itertuples(index=False, name=None):
            quota = self.context.quota_of_plan.get(str(plan))
            if quota is not None:
                quotas.setdefault(str(name), []).append((at.to_pydatetime(), quota))
        return quotas


def _at_stripe(events: Sequence[QuotaEvent], week: Week) -> frozenset[float]:
    """Quotas in force at Stripe in a week: those that its events show, and what the ones around it left or found."""
    earlier = [event.after for event in events if event.at < week.start][-1:]
    within = [quota for event in events if week.start <= event.at < week.end for quota in (event.before, event.after)]
    later = [event.before for event in events if event.at >= week.end][:1]
    return frozenset([*earlier, *within, *later])
