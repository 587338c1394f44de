"""In which weeks a change of plan may have set the meter to 0, so that it no longer tells what was charged before.

Only a change that Stripe announced does that: a cancellation, and, in some versions, any change of plan
(docs/domain.md, "How the application writes").
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from billing_dq.reconcile.meter.quota.events import QuotaEvents, instant
from billing_dq.weeks import Week

#: How long before a week an event may have been made that was applied within it: Stripe tries for three days.
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
        if organization not in self._subscription_of.index:
            return False
        since = week.start - RETRIES
        row = self._subscription_of.loc[organization]
        if self.events is not None and self.events.cover(organization, since):
            changes = [change.at for change in self.events.changes_of.get(organization, ())]
            carriers = [at for at in self.events.times_of.get(organization, ()) if since <= at < week.end]
            # An event that is no change of plan may bring Stripe's plan along (`untraced`). The plan here may have
            # been another one after a change by hand, and for a while after a lost webhook.
            by_hand = instant(row["admin_updated_at"])
            return (
                any(since <= at < week.end for at in changes)
                or any(at - _UNHEARD < change < at for at in carriers for change in changes)
                or (by_hand is not None and any(by_hand < at for at in carriers))
            )
        newest = instant(row["last_subscription_event_at"])
        return newest is None or newest >= since

    @cached_property
    def _subscription_of(self) -> pd.DataFrame:
        """SUBSCRIPTIONS by organization, of those that have, or had, a subscription at Stripe."""
        named = ["stripe_customer_id", "stripe_subscription_id", "last_subscription_event_at"]
        return self.subscriptions.loc[self.subscriptions[named].notna().any(axis=1)].set_index("organization_id")
