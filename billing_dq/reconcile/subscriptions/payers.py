"""Who pays for each paid organization (docs/domain.md, "Who pays").

One live, collecting subscription of its own customer, or an administrator's mark. What takes both sides to see and what
the documents alone show are told apart, so that a night without Stripe still tells the latter. What was written or
changed within the pending minutes, and what rests on a document that could not be read, is not judged. What two
documents share is judged at once: no webhook moves it from one to the other.
"""

from collections.abc import Mapping

import pandas as pd

from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.reconcile.pending import Pending
from billing_dq.tables import SUBSCRIPTION_DRIFT
from billing_dq.vocabulary.statuses import LIVE_SUBSCRIPTION

#: The cause of a subscription whose status is live and whose invoices are not collected.
COLLECTION_PAUSED = "collection_paused"


def unpaid_by_documents(
    ours: ApplicationTables, quota_of_plan: Mapping[str, float], pending_minutes: float
) -> pd.DataFrame:
    """What the application's own documents show of who pays; needs no Stripe.

    Args:
        ours: organizations, subscriptions and unreadable keys.
        quota_of_plan: units a week by plan; a plan of quota 0 is not paid for.
        pending_minutes: a document that was written less than so many minutes before the snapshot is pending.

    Returns:
        SUBSCRIPTION_DRIFT, a row for each `plan_without_subscription`, `subscription_shared`, `customer_shared` and
        `organization_plan`. A shared subscription or customer is one row, of the smallest organization id;
        ``in_database`` lists all of them, and ``in_stripe`` has the customer.
    """
    readable = _readable(ours)
    documents = readable[~Pending(ours.weeks.as_of, pending_minutes).written(readable)]
    paid = _is_paid(documents["plan"], quota_of_plan)
    without = documents[paid & documents["stripe_subscription_id"].isna() & documents["admin_updated_at"].isna()]
    shared = _shared(readable, "stripe_subscription_id")
    customers = _shared(readable, "stripe_customer_id")
    told_already = customers["organizations"].isin(shared["organizations"])
    customers = customers[~told_already].rename(columns={"stripe_customer_id": "in_stripe"})
    differing = documents.merge(ours.organizations, on="organization_id", suffixes=("", "_of_organization"))
    differing = differing[
        differing["plan"].notna()
        & differing["plan_of_organization"].notna()
        & (differing["plan"] != differing["plan_of_organization"])
    ]
    return _together(
        _rows(without, "plan_without_subscription", here=without["plan"]),
        _undocumented(ours, quota_of_plan),
        _rows(shared, "subscription_shared", here=shared["organizations"]),
        _rows(customers, "customer_shared", here=customers["organizations"], there=customers["in_stripe"]),
        _rows(
            differing,
            "organization_plan",
            here=differing["plan"] + ", its organization's " + differing["plan_of_organization"],
        ),
    )


def unpaid_at_stripe(
    ours: ApplicationTables, theirs: StripeTables, quota_of_plan: Mapping[str, float], pending_minutes: float
) -> pd.DataFrame:
    """Paid plans whose subscription at Stripe is another customer's, or collects no money.

    A status that differs is `subscription_status` and is not told again; so is a shared subscription.

    Args:
        ours: subscriptions and unreadable keys.
        theirs: subscriptions of every status, and the mode of the key that read them.
        quota_of_plan: units a week by plan; a plan of quota 0 is not paid for.
        pending_minutes: what changed less than so many minutes before the snapshot, on either side, is pending.

    Returns:
        SUBSCRIPTION_DRIFT, rows of `subscription_other_customer` (the customer here and at Stripe) and
        `subscription_not_collecting` (the plan here and the status or the paused collection at Stripe).
    """
    pending = Pending(ours.weeks.as_of, pending_minutes)
    documents = _readable(ours)
    at_stripe = theirs.subscriptions[theirs.subscriptions["livemode"] == theirs.livemode]
    at_stripe = at_stripe[~pending.changed(at_stripe)]
    columns = ["stripe_subscription_id", "customer_id", "status", "collection_paused"]
    pairs = documents.merge(at_stripe[columns], on="stripe_subscription_id", suffixes=("", "_there"))
    live = pairs["status"].isin(LIVE_SUBSCRIPTION) | pairs["status_there"].isin(LIVE_SUBSCRIPTION)
    own = ~pairs.duplicated("stripe_subscription_id", keep=False)
    settled = ~pending.written(pairs)
    other = pairs[
        live
        & own
        & settled
        & pairs["stripe_customer_id"].notna()
        & (pairs["stripe_customer_id"] != pairs["customer_id"])
    ]
    charged = pairs[
        settled
        & _is_paid(pairs["plan"], quota_of_plan)
        & pairs["admin_updated_at"].isna()
        & (pairs["status"] == pairs["status_there"])
    ]
    paused = charged[charged["status"].isin(LIVE_SUBSCRIPTION) & charged["collection_paused"].notna()]
    # An incomplete one Stripe ends within a day; of an unpaid one the application takes the plan itself.
    ended = charged[~charged["status"].isin([*LIVE_SUBSCRIPTION, "incomplete"])]
    return _together(
        _rows(other, "subscription_other_customer", here=other["stripe_customer_id"], there=other["customer_id"]),
        _rows(
            paused.assign(cause=COLLECTION_PAUSED),
            "subscription_not_collecting",
            here=paused["plan"],
            there=paused["collection_paused"],
        ),
        _rows(ended, "subscription_not_collecting", here=ended["plan"], there=ended["status"]),
    )


def _readable(ours: ApplicationTables) -> pd.DataFrame:
    documents, unreadable = ours.subscriptions, ours.unreadable
    dark = unreadable.loc[unreadable["collection"] == "subscriptions", "organization_id"].dropna()
    return documents[~documents["organization_id"].isin(dark)]


def _is_paid(plans: "pd.Series[str]", quota_of_plan: Mapping[str, float]) -> "pd.Series[bool]":
    free = [plan for plan, quota in quota_of_plan.items() if quota == 0]
    return plans.notna() & ~plans.isin(free)


def _undocumented(ours: ApplicationTables, quota_of_plan: Mapping[str, float]) -> pd.DataFrame:
    """Organizations on a paid plan that have no subscription document; any unreadable one may be theirs."""
    unreadable = ours.unreadable[ours.unreadable["collection"] == "subscriptions"]
    if bool(unreadable["organization_id"].isna().any()):
        return SUBSCRIPTION_DRIFT.empty()
    known = pd.concat([ours.subscriptions["organization_id"], unreadable["organization_id"]])
    organizations = ours.organizations
    rows = organizations[~organizations["organization_id"].isin(known) & _is_paid(organizations["plan"], quota_of_plan)]
    return _rows(rows, "plan_without_subscription", here=rows["plan"])


def _shared(documents: pd.DataFrame, column: str) -> pd.DataFrame:
    """What several documents have in common: the value, the smallest organization, and all of them in a text."""
    rows = documents[documents[column].notna() & documents.duplicated(column, keep=False)].sort_values(
        "organization_id"
    )
    groups = rows.groupby(column)["organization_id"]
    return groups.agg(organization_id="min", organizations=", ".join).reset_index()


def _rows(rows: pd.DataFrame, kind: str, here: "pd.Series[str]", there: "pd.Series[str] | None" = None) -> pd.DataFrame:
    return SUBSCRIPTION_DRIFT.conform(
        pd.DataFrame(
            {
                "organization_id": rows["organization_id"],
                "stripe_subscription_id": rows.get("stripe_subscription_id"),
                "kind": kind,
                "in_database": here,
                "in_stripe": there,
                "cause": rows.get("cause"),
            },
            index=rows.index,
        )
    )


def _together(*frames: pd.DataFrame) -> pd.DataFrame:
    found = pd.concat([SUBSCRIPTION_DRIFT.empty(), *(frame for frame in frames if len(frame))])
    return SUBSCRIPTION_DRIFT.conform(found.sort_values(["kind", "organization_id"]))
