"""In which weeks a change of plan may have set the meter to 0, so that it no longer tells what was charged before.

Only a change that Stripe announced does that: a cancellation, and, in some versions, any change of plan
(docs/domain.md, "How the application writes"). Stripe tries for three days to deliver an event.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from billing_dq.reconcile.meter.quota.events import QuotaEvents
from billing_dq.weeks import Week

#: How long before a week an event may have been made that was applied within it.
RETRIES = timedelta(days=3)


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
            return any(since <= at < week.end for at in self._changes.get(organization, ()))
        newest = self._newest_event.get(organization)
        return organization in self._of_stripe and (newest is None or newest >= pd.Timestamp(since))

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
    def _changes(self) -> dict[str, list[pd.Timestamp]]:
        changes: dict[str, list[pd.Timestamp]] = {}
        if self.events is not None:
            rows = self.events.changes[["organization_id", "at"]].itertuples(index=False, name=None)
            for organization, at in rows:
                changes.setdefault(str(organization), []).append(at)
        return changes
