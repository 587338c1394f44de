"""What the rules of the meter know beside the batch they look at: the night, the tolerance, plans and balances.

The frames of a context cover the whole company and are indexed once; a batch asks for its own organizations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from billing_dq.reconcile.meter.quota.events import QuotaEvents
from billing_dq.reconcile.meter.quota.resets import Resets
from billing_dq.units import Tolerance
from billing_dq.weeks import NightWeeks

Booleans = npt.NDArray[np.bool_]


def no_earlier_plans() -> pd.DataFrame:
    """``organization_id``, ``seen_at``, ``plan`` of a first night."""
    columns = {"organization_id": "str", "seen_at": "datetime64[ms, UTC]", "plan": "str"}
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in columns.items()})


@dataclass(frozen=True)
class MeterContext:
    """What holds for every batch of a night.

    Attributes:
        night: the weeks that are reconciled, and the instant of the snapshot.
        tolerance: materiality of a difference.
        quota_of_plan: units per week by plan, of the plans whose quota is known.
        subscriptions: SUBSCRIPTIONS, of the whole company.
        balances: EXTRAS_BALANCES, of the whole company.
        unreadable: UNREADABLE_KEYS.
        earlier_quotas: ``organization_id``, ``week_key``, ``meter_quota`` as stored nights saw them (repeats allowed).
        earlier_plans: ``organization_id``, ``seen_at``, ``plan`` as stored nights saw them in subscriptions.
        quota_events: changes of live quotas that Stripe's events show; None where they were not read.
        change_resets_usage: whether the application is configured to reset the usage at a change of plan.
    """

    night: NightWeeks
    tolerance: Tolerance
    quota_of_plan: Mapping[str, float]
    subscriptions: pd.DataFrame
    balances: pd.DataFrame
    unreadable: pd.DataFrame
    earlier_quotas: pd.DataFrame
    earlier_plans: pd.DataFrame = field(default_factory=no_earlier_plans)
    quota_events: QuotaEvents | None = None
    change_resets_usage: bool = False

    @cached_property
    def resets(self) -> Resets:
        """What is known of changes that may have set a meter to 0."""
        return Resets(self.subscriptions, self.quota_events)

    @cached_property
    def unreadable_usage(self) -> pd.DataFrame:
        """Organizations (and weeks, null: any) of the usage documents that could not be read."""
        return self._unreadable_in("billingusages")

    @cached_property
    def unreadable_ledgers(self) -> pd.Index:
        """Organizations whose balance document could not be read."""
        return pd.Index(self._unreadable_in("billingextrabalances")["organization_id"])

    @cached_property
    def unreadable_subscriptions(self) -> pd.Index:
        """Organizations whose subscription could not be read."""
        return pd.Index(self._unreadable_in("subscriptions")["organization_id"])

    def subscriptions_of(self, organizations: pd.Index) -> pd.DataFrame:
        """One row for each organization, in that order; nulls where there is no subscription."""
        return self._subscription_index.reindex(organizations)

    def balances_of(self, organizations: pd.Index) -> pd.DataFrame:
        """One row for each organization, in that order; nulls where there is no balance document."""
        return self._balance_index.reindex(organizations)

    @cached_property
    def _subscription_index(self) -> pd.DataFrame:
        return self.subscriptions.set_index("organization_id")

    @cached_property
    def _balance_index(self) -> pd.DataFrame:
        return self.balances.set_index("organization_id")

    def _unreadable_in(self, collection: str) -> pd.DataFrame:
        has_organization = self.unreadable["organization_id"].notna()
        rows = self.unreadable[(self.unreadable["collection"] == collection) & has_organization]
        return rows[["organization_id", "week_key"]]
