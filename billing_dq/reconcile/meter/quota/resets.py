"""In which weeks a change of plan may have set the meter to 0, so that it no longer tells what was charged before.

Only a change that Stripe announced does that: a cancellation, and, in some versions, any change of plan
(docs/domain.md, "How the application writes"). Stripe tries for three days to deliver an event.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from billing_dq.reconcile.meter.quota.events import QuotaEvents, instants_of
from billing_dq.weeks import Week

#: How long before a week an event may have been made that was applied within it.
RETRIES = timedelta(days=3)

#: How long a plan whose webhook was lost is thought to stay unheard of.
_UNHEARD = timedelta(weeks=1)


@dataclass(frozen=True)
class Resets:
    """What is known of changes that may have reset a meter.

    Attributes:
        subscriptions: SUBSCRIPTIONS, of the whole company.
        events: what Stripe's events show; None where they were not read.
    """

    subscriptions: pd.DataFrame
    events: QuotaEvents | None = None

    def possible(self, weeks: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Of each row: whether a change may have set the meter to 0.

        Where Stripe's events were read, they tell. Elsewhere the newest event that was applied does: where it is older
        than the week, none came in it.

        Args:
            weeks: ``organization_id``, ``week_key``; a few rows.
        """
        rows = weeks[["organization_id", "week_key"]].itertuples(index=False, name=None)
        return np.array([self._possible(str(name), Week.parse(str(key))) for name, key in rows], dtype=np.bool_)

    def _possible(self, organization: str, week: Week) -> bool:
        since = week.start - RETRIES
        told = self.events is not None and self.events.since <= since and organization not in self.events.not_told
        if told and organization in self._of_stripe:
            changes = self._changes.get(organization, ())
            return any(since <= at < week.end for at in changes) or self._carried(organization, since, week.end)
        newest = self._newest_event.get(organization)
        return organization in self._of_stripe and (newest is None or newest >= pd.Timestamp(since))

    def _carried(self, organization: str, since: datetime, end: datetime) -> bool:
        """Whether an event that is no change of plan may have brought Stripe's plan along (see `carried`).

        The plan here may have been another one after a change by hand, and for a while after a lost webhook.
        """
        by_hand = self._by_hand.get(organization)
        changes = self._changes.get(organization, ())
        carriers = [at for at in self._told.get(organization, ()) if since <= at < end]
        after_change = any(at - _UNHEARD < change < at for at in carriers for change in changes)
        return after_change or (by_hand is not None and any(by_hand < at for at in carriers))

    @cached_property
    def _of_stripe(self) -> frozenset[str]:
        """Organizations that have, or had, a subscription at Stripe."""
        rows = self.subscriptions
        named = rows[["stripe_customer_id", "stripe_subscription_id", "last_subscription_event_at"]].notna().any(axis=1)
        return frozenset(rows.loc[named, "organization_id"])

    @cached_property
    def _newest_event(self) -> dict[str, pd.Timestamp]:
        rows = self.subscriptions.dropna(subset=["last_subscription_event_at"])
        return dict(zip(rows["organization_id"], rows["last_subscription_event_at"], strict=True))

    @cached_property
    def _by_hand(self) -> dict[str, pd.Timestamp]:
        rows = self.subscriptions.dropna(subset=["admin_updated_at"])
        return dict(zip(rows["organization_id"], rows["admin_updated_at"], strict=True))

    @cached_property
    def _changes(self) -> dict[str, list[pd.Timestamp]]:
        return {} if self.events is None else instants_of(self.events.changes)

    @cached_property
    def _told(self) -> dict[str, list[pd.Timestamp]]:
        return {} if self.events is None else instants_of(self.events.told)
