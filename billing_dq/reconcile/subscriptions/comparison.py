"""Subscriptions here against subscriptions at Stripe, both ways (docs/domain.md, "Against Stripe").

Compared are the documents with a Stripe subscription id where either side is live. What changed within the pending
minutes before the snapshot, by its own instants on either side, is left to the next night: a webhook may be under way.
A document that could not be read is neither compared nor absent, and so is a Stripe object.
"""

import pandas as pd

from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.reconcile.pending import Pending
from billing_dq.tables import SUBSCRIPTION_DRIFT
from billing_dq.vocabulary.statuses import LIVE_SUBSCRIPTION

#: What stripe_subscriptions.plan says where no item names a known plan.
UNRESOLVED_PLAN = "unresolved"
#: The same where two items name two as well; and the finding.
_NO_ONE_PLAN = {UNRESOLVED_PLAN: "subscription_unresolved_plan", "ambiguous": "subscription_ambiguous_plan"}


def subscription_drift(ours: ApplicationTables, theirs: StripeTables, pending_minutes: float) -> pd.DataFrame:
    """Every difference between the two sides.

    Args:
        ours: subscriptions and unreadable keys. The subscription that an unreadable document still points to, and its
            customer's, are excused from `subscription_unknown_here`; a document that tells neither excuses all,
            because any of them may be its own.
        theirs: subscriptions of every status, the mode of the key that read them, and quarantined objects: a
            subscription in these exists at Stripe.
        pending_minutes: what changed less than so many minutes before the snapshot is pending and no finding.

    Returns:
        SUBSCRIPTION_DRIFT. For `livemode_mix` the two sides are the key's mode and the object's. A customer's
        `subscription_several_live` carries the oldest of the live ones, which stays the same when one more is bought.
    """
    subscriptions, unreadable = ours.subscriptions, ours.unreadable
    stripe_subscriptions, livemode = theirs.subscriptions, theirs.livemode
    pending = Pending(ours.weeks.as_of, pending_minutes)
    bad_documents = unreadable[unreadable["collection"] == "subscriptions"]
    in_mode = stripe_subscriptions[stripe_subscriptions["livemode"] == livemode]
    is_ours = _is_ours(in_mode, subscriptions, bad_documents)
    of_ours = in_mode[is_ours]
    found = [
        *_compared(subscriptions, in_mode, pending, bad_documents),
        _missing(subscriptions, stripe_subscriptions, pending, bad_documents, theirs.quarantined),
        _unknown(subscriptions, of_ours[~pending.changed(of_ours)], pending, bad_documents),
        _several(subscriptions, of_ours[of_ours["plan"] != UNRESOLVED_PLAN], pending),
        _not_ours(in_mode[~is_ours]),
        _other_mode(subscriptions, stripe_subscriptions[stripe_subscriptions["livemode"] != livemode], livemode),
    ]
    drift = pd.concat([SUBSCRIPTION_DRIFT.empty(), *(frame for frame in found if len(frame))])
    order = ["stripe_subscription_id", "kind", "organization_id"]
    return SUBSCRIPTION_DRIFT.conform(drift.sort_values(order))


def _is_ours(stripe: pd.DataFrame, subscriptions: pd.DataFrame, bad_documents: pd.DataFrame) -> "pd.Series[bool]":
    """Whether a subscription is of this application: one account at Stripe may serve several products.

    By a plan of ours, by its customer, by a document that points to it, or by the organization that its metadata names.
    """
    documents = pd.concat([subscriptions, bad_documents])
    is_ours = stripe["plan"] != UNRESOLVED_PLAN
    for there, here in (
        ("customer_id", "stripe_customer_id"),
        ("stripe_subscription_id", "stripe_subscription_id"),
        ("organization_id", "organization_id"),
    ):
        is_ours |= stripe[there].isin(documents[here].dropna())
    return is_ours


def _not_ours(stripe: pd.DataFrame) -> pd.DataFrame:
    """One line for all subscriptions in force that are another product's; none where there are none."""
    count = int(stripe["status"].isin(LIVE_SUBSCRIPTION).sum())
    if not count:
        return SUBSCRIPTION_DRIFT.empty()
    return SUBSCRIPTION_DRIFT.from_rows([{"kind": "subscriptions_not_ours", "in_stripe": f"{count:,}"}])


def _compared(
    subscriptions: pd.DataFrame, stripe: pd.DataFrame, pending: Pending, bad_documents: pd.DataFrame
) -> list[pd.DataFrame]:
    """Status and plan of the pairs of which either side is live and none has just changed."""
    columns = ["stripe_subscription_id", "status", "plan", "changed_at"]
    pairs = _pointing(subscriptions, bad_documents).merge(
        stripe[columns], on="stripe_subscription_id", suffixes=("", "_there")
    )
    live = pairs["status"].isin(LIVE_SUBSCRIPTION) | pairs["status_there"].isin(LIVE_SUBSCRIPTION)
    pairs = pairs[live & ~pending.written(pairs) & ~pending.changed(pairs)]
    no_one_plan = pairs["plan_there"].isin(list(_NO_ONE_PLAN))
    other_status = pairs["status"] != pairs["status_there"]
    other_plan = (pairs["plan"] != pairs["plan_there"]) & ~no_one_plan
    return [
        _rows(pairs[other_status], "subscription_status", "status", "status_there"),
        _rows(pairs[other_plan], "subscription_plan", "plan", "plan_there"),
        *(_rows(pairs[pairs["plan_there"] == plan], kind, "plan", "plan_there") for plan, kind in _NO_ONE_PLAN.items()),
    ]


def _missing(
    subscriptions: pd.DataFrame,
    stripe: pd.DataFrame,
    pending: Pending,
    bad_documents: pd.DataFrame,
    quarantined_objects: pd.DataFrame,
) -> pd.DataFrame:
    """Documents in force whose subscription Stripe does not know, in either mode."""
    rows = _pointing(subscriptions, bad_documents)
    known = rows["stripe_subscription_id"].isin(stripe["stripe_subscription_id"])
    known |= rows["stripe_subscription_id"].isin(quarantined_objects["document_id"])
    rows = rows[rows["status"].isin(LIVE_SUBSCRIPTION) & ~known & ~pending.written(rows)]
    return _rows(rows, "subscription_missing_in_stripe", "status", None)


def _unknown(
    subscriptions: pd.DataFrame, stripe: pd.DataFrame, pending: Pending, bad_documents: pd.DataFrame
) -> pd.DataFrame:
    """Subscriptions in force at Stripe that no document points to, as far as the unreadable ones let us know."""
    known_ids, known_customers = bad_documents["stripe_subscription_id"], bad_documents["stripe_customer_id"]
    if bool((known_ids.isna() & known_customers.isna()).any()):
        return SUBSCRIPTION_DRIFT.empty()
    # Where the customer's document was just written, a change from one subscription to the next may be under way.
    busy = subscriptions.loc[pending.written(subscriptions), "stripe_customer_id"]
    excused = stripe["stripe_subscription_id"].isin(pd.concat([subscriptions["stripe_subscription_id"], known_ids]))
    excused |= stripe["customer_id"].isin(pd.concat([busy, known_customers]).dropna())
    rows = stripe[stripe["status"].isin(LIVE_SUBSCRIPTION) & ~excused].assign(organization_id=None)
    return _rows(rows, "subscription_unknown_here", None, "status")


def _several(subscriptions: pd.DataFrame, stripe: pd.DataFrame, pending: Pending) -> pd.DataFrame:
    """Customers with several subscriptions in force, one row each; not where each is an organization's own."""
    live = stripe[stripe["status"].isin(LIVE_SUBSCRIPTION)]
    pointed = live["stripe_subscription_id"].isin(subscriptions["stripe_subscription_id"])
    live = live[~pointed.groupby(live["customer_id"]).transform("all")]
    live = live.sort_values(["customer_id", "created", "stripe_subscription_id"])
    live = live[live.duplicated("customer_id", keep=False)]
    customers = live.groupby("customer_id").agg(
        stripe_subscription_id=("stripe_subscription_id", "first"),
        in_stripe=("stripe_subscription_id", _listed),
        changed_at=("changed_at", "max"),
    )
    pointing = subscriptions.merge(live[["stripe_subscription_id", "customer_id"]], on="stripe_subscription_id")
    pointing = pointing.sort_values("stripe_subscription_id").groupby("customer_id")
    owners = subscriptions.groupby("stripe_customer_id")["organization_id"].min()
    owner = pointing["organization_id"].min().reindex(customers.index)
    rows = customers.assign(
        organization_id=owner.fillna(owners),
        in_database=pointing["stripe_subscription_id"].agg(_listed),
    )
    busy = subscriptions.loc[pending.written(subscriptions), "stripe_customer_id"].dropna()
    rows = rows[~pending.changed(rows) & ~rows.index.isin(busy)]
    return _rows(rows, "subscription_several_live", "in_database", "in_stripe")


def _listed(ids: "pd.Series[str]") -> str:
    return ", ".join(ids.unique())


def _other_mode(subscriptions: pd.DataFrame, stripe: pd.DataFrame, livemode: bool) -> pd.DataFrame:
    """Objects of the mode that is not the key's. They prove nothing about this side and are not compared."""
    owners = subscriptions.loc[subscriptions["stripe_subscription_id"].notna()]
    rows = stripe[["stripe_subscription_id"]].merge(
        owners[["stripe_subscription_id", "organization_id"]], on="stripe_subscription_id", how="left"
    )
    rows = rows.assign(key_mode=_mode(livemode), object_mode=_mode(not livemode))
    return _rows(rows, "livemode_mix", "key_mode", "object_mode")


def _mode(livemode: bool) -> str:
    return "live" if livemode else "test"


def _pointing(subscriptions: pd.DataFrame, bad_documents: pd.DataFrame) -> pd.DataFrame:
    """The readable documents that point to a subscription at Stripe."""
    pointing = subscriptions["stripe_subscription_id"].notna()
    return subscriptions[pointing & ~subscriptions["organization_id"].isin(bad_documents["organization_id"].dropna())]


def _rows(rows: pd.DataFrame, kind: str, here: str | None, there: str | None) -> pd.DataFrame:
    """Rows of SUBSCRIPTION_DRIFT of one kind; a side without a column is null."""
    return SUBSCRIPTION_DRIFT.conform(
        pd.DataFrame(
            {
                "organization_id": rows["organization_id"],
                "stripe_subscription_id": rows["stripe_subscription_id"],
                "kind": kind,
                "in_database": rows[here] if here else None,
                "in_stripe": rows[there] if there else None,
                "cause": None,
            }
        )
    )
