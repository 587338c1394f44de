"""Which quotas may have been in force in an organization's week, beside the one that its document shows.

A change of plan in mid-week rewrites the document's quota and leaves no trace in it (DOMAIN.md, "How the application
writes", 2); the traces are elsewhere: in the documents of the weeks around it, in the subscription, in stored nights.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from billing_dq.reconcile.meter.context import Booleans, MeterContext
from billing_dq.reconcile.meter.organization_weeks import Grid, milliseconds
from billing_dq.units import Floats
from billing_dq.weeks import Week

#: From the creation of a Stripe event to its application; retries after an outage take longer, and then a change of
#: plan in the first hours of a week is found unexplained.
DELIVERY = timedelta(hours=1)

#: A history that is older than a week before the week of its step is no ObjectId with a time in it.
_PLAUSIBLE = timedelta(weeks=1).total_seconds()


def created(ref_id: str) -> int | None:
    """When the history of an attribution key was made, in seconds since 1970; None where it is no ObjectId."""
    history = ref_id.partition(":")[0]
    return int(history[:8], 16) if re.fullmatch("[0-9a-f]{24}", history) else None


@dataclass(frozen=True)
class QuotaTraces:
    """The traces of a batch; asked cell by cell, for the few weeks that need it.

    Attributes:
        quota: of the usage document, NaN where there is none.
        dark: cells whose usage document could not be read.
    """

    grid: Grid
    context: MeterContext
    quota: Floats
    dark: Booleans

    def earlier(self, cell: int) -> tuple[float, ...]:
        """Quotas that may have been in force before the document's, without the document's own."""
        own = float(self.quota[cell])
        organization, week = divmod(cell, len(self.grid.weeks))
        before = self.quota[organization * len(self.grid.weeks) : cell]
        known = before[~np.isnan(before)]
        found = set(self._seen.get((self.grid.organizations[organization], self.grid.weeks[week]), set()))
        if self.neighbour_is_dark(cell):
            found |= set(self.context.quota_of_plan.values())
        elif own == 0 or self._may_have_changed(organization, week):
            found |= {float(known[-1])} if len(known) else self._at_the_start(organization, week)
        return tuple(sorted(found - {own}))

    def steps_before_change(self, cell: int, refs: Sequence[str]) -> int | None:
        """How many of the week's steps may have come before the newest event of its subscription; None: any.

        A step is not older than its history, whose ObjectId tells when it was made.
        """
        organization, week = divmod(cell, len(self.grid.weeks))
        event = self._event_at[organization]
        if event <= 0:
            return None
        start = Week.parse(self.grid.weeks[week])
        applied = event / 1000 + DELIVERY.total_seconds()
        for place, ref in enumerate(refs):
            made = created(ref)
            if made is not None and max(applied, start.start.timestamp() - _PLAUSIBLE) < made < start.end.timestamp():
                return place
        return None

    def _may_have_changed(self, organization: int, week: int) -> bool:
        """Whether Stripe may have announced a change of plan in the week or later.

        The subscription keeps the newest event that was applied: where that is older than the week, none came in it. A
        subscription that knows of no event proves nothing.
        """
        start = Week.parse(self.grid.weeks[week]).start - DELIVERY
        return self._event_at[organization] <= 0 or self._event_at[organization] >= start.timestamp() * 1000

    def _at_the_start(self, organization: int, week: int) -> set[float]:
        """Quotas of the time before the first document that is known of.

        An organization starts on the free plan. One that is older than the week, by the time in its ObjectId, and has
        or had a subscription at Stripe may have been on any plan.
        """
        name = str(self.grid.organizations[organization])
        older = int(name[:8], 16) < Week.parse(self.grid.weeks[week]).start.timestamp()
        at_stripe = self._event_at[organization] > 0
        return {0.0, *self.context.quota_of_plan.values()} if older and at_stripe else {0.0}

    def live(self, cell: int) -> tuple[tuple[float, ...], ...]:
        """What the live quota may have become while the document kept its own: a change by hand, or dunning.

        Each is the quotas that followed the document's, in order.
        """
        organization = cell // len(self.grid.weeks)
        unpaid = self._status[organization] == "unpaid"
        if not (self._by_hand[organization] or unpaid):
            return ()
        after = self.quota[cell + 1 : (organization + 1) * len(self.grid.weeks)]
        known = after[~np.isnan(after)]
        found = {float(known[0])} if len(known) else set[float]()
        plan = self._plan[organization]
        if plan in self.context.quota_of_plan:
            found.add(self.context.quota_of_plan[plan])
        if unpaid:
            found.add(0.0)
        forgotten = self._forgotten(cell)
        found |= forgotten
        own = float(self.quota[cell])
        single = [(quota,) for quota in sorted(found - {own})]
        dunned = [(quota, 0.0) for quota in sorted(forgotten - {own, 0.0})] if unpaid else []
        return (*single, *dunned)

    def _forgotten(self, cell: int) -> set[float]:
        """Quotas of a change by hand in the week whose plan nothing shows any more: dunning or a later event of Stripe
        replaced it.
        """
        organization = cell // len(self.grid.weeks)
        replaced = self._status[organization] == "unpaid" or self._event_at[organization] > self._admin_at[organization]
        changed = self._within(cell, self._admin_at[organization])
        return set(self.context.quota_of_plan.values()) if changed and replaced else set()

    def middle(self, cell: int) -> tuple[float, ...]:
        """Quotas that may have come and gone within the week: only where the subscription changed in it.

        None of them is 0: the application goes there by a cancellation only, which sets the meter to 0 as well.
        """
        paid = {quota for quota in self.context.quota_of_plan.values() if quota > 0}
        return tuple(sorted(paid)) if self._changed_in(cell) else ()

    def cancelled(self, cell: int) -> bool:
        """Whether the subscription shows a cancellation in the week (DESIGN.md, "Outputs": a reset by design)."""
        if self.quota[cell] != 0:
            return False
        organization = cell // len(self.grid.weeks)
        gone = self._status[organization] == "canceled" or self._plan[organization] == "free"
        return bool(self.earlier(cell)) or (gone and self._changed_in(cell))

    def neighbour_is_dark(self, cell: int) -> bool:
        """Whether the document of the week before could not be read."""
        return cell % len(self.grid.weeks) > 0 and bool(self.dark[cell - 1])

    def subscription_is_dark(self, cell: int) -> bool:
        """Whether the organization's subscription could not be read."""
        return bool(self._subscription_dark[cell // len(self.grid.weeks)])

    def _changed_in(self, cell: int) -> bool:
        """Whether the subscription changed in the week, by Stripe or by hand; a renewal is no change."""
        organization = cell // len(self.grid.weeks)
        event = self._event_at[organization]
        renewal = abs(event - self._period_start[organization]) <= DELIVERY.total_seconds() * 1000
        return (self._within(cell, event) and not renewal) or self._within(cell, self._admin_at[organization])

    def _within(self, cell: int, instant: float) -> bool:
        """Whether an instant, in milliseconds, lies in the cell's week."""
        week = Week.parse(self.grid.weeks[cell % len(self.grid.weeks)])
        return week.start.timestamp() * 1000 <= instant < week.end.timestamp() * 1000

    @cached_property
    def _subscriptions(self) -> pd.DataFrame:
        return self.context.subscriptions_of(self.grid.organizations)

    @cached_property
    def _status(self) -> list[str]:
        return self._subscriptions["status"].fillna("").to_list()

    @cached_property
    def _plan(self) -> list[str]:
        return self._subscriptions["plan"].fillna("").to_list()

    @cached_property
    def _by_hand(self) -> list[bool]:
        return self._subscriptions["admin_updated_at"].notna().to_list()

    @cached_property
    def _event_at(self) -> Floats:
        return milliseconds(self._subscriptions["last_subscription_event_at"]).astype(np.float64)

    @cached_property
    def _period_start(self) -> Floats:
        return milliseconds(self._subscriptions["current_period_start"]).astype(np.float64)

    @cached_property
    def _admin_at(self) -> Floats:
        return milliseconds(self._subscriptions["admin_updated_at"]).astype(np.float64)

    @cached_property
    def _subscription_dark(self) -> Booleans:
        return np.asarray(self.grid.organizations.isin(self.context.unreadable_subscriptions), dtype=np.bool_)

    @cached_property
    def _seen(self) -> dict[tuple[str, str], set[float]]:
        """Quotas that stored nights saw, of this batch's organizations."""
        earlier = self.context.earlier_quotas
        mine = earlier[earlier["organization_id"].isin(self.grid.organizations)]
        seen: dict[tuple[str, str], set[float]] = {}
        for organization, week, quota in zip(
            mine["organization_id"], mine["week_key"], mine["meter_quota"], strict=True
        ):
            seen.setdefault((str(organization), str(week)), set()).add(float(quota))
        return seen
