"""Changes of an organization's live quota, as Stripe's events of its subscription show them.

Stripe keeps events for 30 days and tells in each what it changed. They are the one witness of a change of plan with a
time, and, where they were read and show nothing, the witness that Stripe changed nothing.
"""

from collections.abc import Mapping

import pandas as pd

#: The columns of `quota_events`; quotas are units a week.
COLUMNS = ("organization_id", "at", "before", "after")

#: Statuses under which the application debits everything: there is no plan to have a quota.
_WITHOUT_QUOTA = ("unpaid", "canceled", "incomplete_expired")


def quota_events(
    events: pd.DataFrame,
    stripe_subscriptions: pd.DataFrame,
    subscriptions: pd.DataFrame,
    quota_of_plan: Mapping[str, float],
) -> tuple[pd.DataFrame, frozenset[str]]:
    """The events that changed a live quota, and the organizations whose events do not tell it.

    Args:
        events: STRIPE_SUBSCRIPTION_EVENTS.
        stripe_subscriptions: STRIPE_SUBSCRIPTIONS; an organization may have had more than one.
        subscriptions: SUBSCRIPTIONS, which tell whose a subscription or a customer is.
        quota_of_plan: units a week of each plan.

    Returns:
        ``organization_id``, ``at``, ``before``, ``after`` (units a week), oldest first; and the organizations of which
        an event names a plan that is none of ours.
    """
    owner = _owners(stripe_subscriptions, subscriptions)
    mine = events.assign(organization_id=events["stripe_subscription_id"].map(owner).astype("str"))
    mine = mine.loc[events["stripe_subscription_id"].isin(owner.index)]
    before = _live(mine["plan_before"], mine["status_before"], quota_of_plan)
    after = _live(mine["plan_after"], mine["status_after"], quota_of_plan)
    # A subscription that is new replaces the free plan, and one that is deleted returns to it.
    before = before.mask(mine["type"] == "customer.subscription.created", 0.0)
    after = after.mask(mine["type"] == "customer.subscription.deleted", 0.0)
    unknown = before.isna() | after.isna()
    found = pd.DataFrame(
        {"organization_id": mine["organization_id"], "at": mine["created"], "before": before, "after": after}
    )
    changed = found.loc[~unknown & (before != after)].sort_values("at", kind="stable").reset_index(drop=True)
    return changed[list(COLUMNS)], frozenset(mine.loc[unknown, "organization_id"])


def _owners(stripe_subscriptions: pd.DataFrame, subscriptions: pd.DataFrame) -> pd.Series:
    """The organization of each subscription at Stripe: the one that points to it, else the one of its customer."""
    pointing = subscriptions.dropna(subset=["stripe_subscription_id"])
    by_subscription = pointing.set_index("stripe_subscription_id")["organization_id"]
    customers = subscriptions.dropna(subset=["stripe_customer_id"]).drop_duplicates("stripe_customer_id", keep=False)
    of_customer = stripe_subscriptions["customer_id"].map(customers.set_index("stripe_customer_id")["organization_id"])
    by_customer = pd.Series(of_customer.to_numpy(), index=stripe_subscriptions["stripe_subscription_id"]).dropna()
    both = pd.concat([by_subscription, by_customer])
    return both[~both.index.duplicated()]


def _live(plans: pd.Series, statuses: pd.Series, quota_of_plan: Mapping[str, float]) -> pd.Series:
    """The quota that is live under a plan and a status; null where the plan is none of ours."""
    quotas = plans.map(dict(quota_of_plan)).astype("float64")
    return quotas.mask(statuses.isin(_WITHOUT_QUOTA), 0.0)
