"""Changes of an organization's live quota, as Stripe's events of its subscription show them.

Stripe keeps events for 30 days and tells in each what it changed. They are the one witness of a change of plan with a
time, and, where they were read and show nothing, the witness that Stripe changed nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import pandas as pd

from billing_dq.reconcile.meter.quota.facts import Overdue, QuotaEvent

#: Statuses under which the application debits everything: there is no plan to have a quota.
_OVERDUE = "past_due"
_WITHOUT_QUOTA = ("unpaid", "canceled", "incomplete_expired")
_ENDED = ("canceled", "incomplete_expired")


@dataclass(frozen=True)
class QuotaEvents:
    """What Stripe's events say of live quotas.

    Attributes:
        changes: ``organization_id``, ``at``, ``before``, ``after`` (units a week), oldest first.
        times: ``organization_id``, ``at`` of every event of a subscription, whatever it is about.
        since: the instant from which on they are complete.
        incomplete: organizations whose events do not tell all: one names a plan that is none of ours, or none is there
            though the application applied one since.
        overdue: ``organization_id``, ``since``, ``until``: spans in which a subscription was past due at Stripe; null:
            since before the events, and until after the snapshot. The application may have dunned in them, with quota
            0, and did not tell Stripe. ``quota``: live by the event that ended the span; null where that is not known.
    """

    changes: pd.DataFrame
    times: pd.DataFrame
    since: datetime
    incomplete: frozenset[str]
    overdue: pd.DataFrame

    def cover(self, organization: str, since: datetime) -> bool:
        """Whether no event of an organization is missing from an instant on."""
        return self.since <= since and organization not in self.incomplete

    @cached_property
    def changes_of(self) -> dict[str, list[QuotaEvent]]:
        """The changes by organization, oldest first."""
        rows = self.changes.sort_values("at", kind="stable")
        instants = rows["at"].dt.to_pydatetime()
        changes: dict[str, list[QuotaEvent]] = {}
        for name, at, before, after in zip(
            rows["organization_id"], instants, rows["before"], rows["after"], strict=True
        ):
            changes.setdefault(str(name), []).append(QuotaEvent(at, float(before), float(after)))
        return changes

    @cached_property
    def times_of(self) -> dict[str, list[datetime]]:
        """The instants of all events by organization, oldest first."""
        rows = self.times.sort_values("at", kind="stable")
        times: dict[str, list[datetime]] = {}
        for name, at in zip(rows["organization_id"], rows["at"].dt.to_pydatetime(), strict=True):
            times.setdefault(str(name), []).append(at)
        return times

    @cached_property
    def overdue_of(self) -> dict[str, list[Overdue]]:
        """The spans of past due by organization."""
        columns = ["organization_id", "since", "until", "quota"]
        spans: dict[str, list[Overdue]] = {}
        for name, since, until, quota in self.overdue[columns].itertuples(index=False, name=None):
            span = Overdue(instant(since), instant(until), None if pd.isna(quota) else float(quota))
            spans.setdefault(str(name), []).append(span)
        return spans


def quota_events(
    events: pd.DataFrame,
    stripe_subscriptions: pd.DataFrame,
    subscriptions: pd.DataFrame,
    quota_of_plan: Mapping[str, float],
    since: datetime,
) -> QuotaEvents:
    """The events that changed a live quota.

    Args:
        events: STRIPE_SUBSCRIPTION_EVENTS.
        stripe_subscriptions: STRIPE_SUBSCRIPTIONS; an organization may have had more than one.
        subscriptions: SUBSCRIPTIONS, which tell whose a subscription or a customer is.
        quota_of_plan: units a week of each plan.
        since: the instant from which on no event is missing.
    """
    owner = _owners(stripe_subscriptions, subscriptions)
    events = events.loc[events["stripe_subscription_id"].isin(owner.index)]
    events = events.loc[~_of_a_second_one(events, stripe_subscriptions, subscriptions, owner)]
    organizations = events["stripe_subscription_id"].map(owner).astype("str")
    before = _live(events["plan_before"], events["status_before"], quota_of_plan)
    after = _live(events["plan_after"], events["status_after"], quota_of_plan)
    # A subscription that is new replaces the free plan, and one that is deleted returns to it.
    before = before.mask(events["type"] == "customer.subscription.created", 0.0)
    after = after.mask(events["type"] == "customer.subscription.deleted", 0.0)
    unknown = before.isna() | after.isna()
    rows = pd.DataFrame({"organization_id": organizations, "at": events["created"], "before": before, "after": after})
    return QuotaEvents(
        changes=rows.loc[~unknown & (before != after)].sort_values("at", kind="stable").reset_index(drop=True),
        times=rows[["organization_id", "at"]].reset_index(drop=True),
        since=since,
        incomplete=frozenset(organizations[unknown]) | _without_the_applied_one(organizations, subscriptions, since),
        overdue=_overdue(events.assign(organization_id=organizations, quota=after), stripe_subscriptions, owner),
    )


def instant(value: object) -> datetime | None:
    """A cell of a column of instants; None where it is null."""
    return None if not isinstance(value, pd.Timestamp) or pd.isna(value) else value.to_pydatetime()


def _of_a_second_one(
    events: pd.DataFrame, stripe_subscriptions: pd.DataFrame, subscriptions: pd.DataFrame, owner: pd.Series
) -> pd.Series:
    """Of each event: whether it is of a live subscription beside the live one that the document points to.

    The application never heard of it, or the document would point to it: it replaced no plan here.
    """
    live = stripe_subscriptions.loc[~stripe_subscriptions["status"].isin(_ENDED)]
    pointed_to = live["stripe_subscription_id"].isin(subscriptions["stripe_subscription_id"].dropna())
    documented = live.loc[pointed_to]
    since = documented.groupby(documented["stripe_subscription_id"].map(owner))["created"].min()
    began = since.reindex(events["stripe_subscription_id"].map(owner)).set_axis(events.index)
    second = events["stripe_subscription_id"].isin(live.loc[~pointed_to, "stripe_subscription_id"])
    return second & (events["created"] > began)


def _without_the_applied_one(organizations: pd.Series, subscriptions: pd.DataFrame, since: datetime) -> frozenset[str]:
    """Organizations to which an event was applied since, by their marker, and of which none was listed.

    An empty list would otherwise prove that nothing changed. It does not where the list is known to lack an event.
    """
    applied = subscriptions.loc[subscriptions["last_subscription_event_at"] >= pd.Timestamp(since), "organization_id"]
    return frozenset(applied[~applied.isin(organizations)])


def _overdue(events: pd.DataFrame, stripe_subscriptions: pd.DataFrame, owner: pd.Series) -> pd.DataFrame:
    """Spans of past due by the events that began or ended one; one without an event is as old as the events."""
    before, after = events["status_before"] == _OVERDUE, events["status_after"] == _OVERDUE
    edges = events.assign(begins=~before & after, ends=before & ~after)
    edges = edges.loc[edges["begins"] | edges["ends"]].sort_values(["stripe_subscription_id", "created"])
    of_one = edges.groupby("stripe_subscription_id")
    ended_by = {"until": of_one["created"].shift(-1), "quota": of_one["quota"].shift(-1)}
    started = edges.assign(since=edges["created"], **ended_by).loc[edges["begins"]]
    # an end without a beginning ends a span that is older than the events
    first = ~of_one["begins"].shift(1, fill_value=False).astype("bool")
    older = edges.assign(since=_no_time(edges.index), until=edges["created"]).loc[edges["ends"] & first]
    quiet = stripe_subscriptions.loc[
        (stripe_subscriptions["status"] == _OVERDUE)
        & ~stripe_subscriptions["stripe_subscription_id"].isin(edges["stripe_subscription_id"])
        & stripe_subscriptions["stripe_subscription_id"].isin(owner.index)
    ]
    endless = pd.DataFrame(
        {
            "organization_id": quiet["stripe_subscription_id"].map(owner).astype("str"),
            "since": _no_time(quiet.index),
            "until": _no_time(quiet.index),
            "quota": float("nan"),
        }
    )
    instant = "datetime64[ms, UTC]"
    columns = {"organization_id": "str", "since": instant, "until": instant, "quota": "float64"}
    parts = [part[list(columns)].astype(columns) for part in (started, older, endless)]
    return pd.concat(parts, ignore_index=True)


def _no_time(index: pd.Index) -> pd.Series:
    """A column of unknown instants."""
    return pd.Series(index=index, dtype="datetime64[ms, UTC]")


def _owners(stripe_subscriptions: pd.DataFrame, subscriptions: pd.DataFrame) -> pd.Series:
    """The organization of each subscription at Stripe: the one that points to it, else the one of its customer."""
    pointing = subscriptions.dropna(subset=["stripe_subscription_id"])
    by_subscription = pointing.set_index("stripe_subscription_id")["organization_id"]
    customers = subscriptions.dropna(subset=["stripe_customer_id"]).drop_duplicates("stripe_customer_id", keep=False)
    of_customer = stripe_subscriptions["customer_id"].map(customers.set_index("stripe_customer_id")["organization_id"])
    by_customer = pd.Series(of_customer.to_numpy(), index=stripe_subscriptions["stripe_subscription_id"]).dropna()
    owners = pd.concat([by_subscription, by_customer])
    return owners[~owners.index.duplicated()]


def _live(plans: pd.Series, statuses: pd.Series, quota_of_plan: Mapping[str, float]) -> pd.Series:
    """The quota that is live under a plan and a status; null where the plan is none of ours."""
    quotas = plans.map(dict(quota_of_plan)).astype("float64")
    return quotas.mask(statuses.isin(_WITHOUT_QUOTA), 0.0)
