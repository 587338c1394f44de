"""What is not judged yet, because it changed minutes before the snapshot: a webhook may be under way.

See docs/domain.md, "Against Stripe".

Both sides tell by their own instants: a document by `updated_at`, a subscription at Stripe by `changed_at`. The minutes
are the setting ``stripe_pending_minutes`` everywhere.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd


@dataclass(frozen=True)
class Pending:
    """The pending minutes before a snapshot."""

    as_of: datetime
    minutes: float

    @property
    def earliest(self) -> datetime:
        """What changed later is pending."""
        return self.as_of - timedelta(minutes=self.minutes)

    def written(self, documents: pd.DataFrame) -> "pd.Series[bool]":
        """Whether a document of SUBSCRIPTIONS was written in that time, or as long after the snapshot.

        Clocks differ, and Stripe is read last. A document that claims a later time is not believed.
        """
        at = documents["updated_at"]
        return (at > self.earliest) & (at < self.as_of + (self.as_of - self.earliest))

    def changed(self, at_stripe: pd.DataFrame) -> "pd.Series[bool]":
        """Whether a subscription of STRIPE_SUBSCRIPTIONS changed in that time or since."""
        return at_stripe["changed_at"] > self.earliest
