"""The markers that webhooks leave in subscription documents (docs/domain.md, "Markers").

They have the shape of SUBSCRIPTION_DRIFT: here and at Stripe, as ISO times. A document that could not be read is not
judged.
"""

from datetime import datetime

import pandas as pd

from billing_dq.reconcile.pending import Pending
from billing_dq.tables import SUBSCRIPTION_DRIFT

#: The cause of a marker that lags because no event could move it.
PAID_OUT_OF_BAND = "paid_out_of_band"


def invoice_marker_lag(
    subscriptions: pd.DataFrame,
    stripe_invoices: pd.DataFrame,
    as_of: datetime,
    pending_minutes: float,
    unreadable: pd.DataFrame,
) -> pd.DataFrame:
    """Documents, of any status, whose newest applied invoice event is older than the newest paid invoice.

    Args:
        subscriptions: SUBSCRIPTIONS.
        stripe_invoices: STRIPE_INVOICES, the newest paid invoice of each subscription.
        as_of: instant of the snapshot.
        pending_minutes: an invoice paid less than so many minutes before `as_of` is pending: its webhook may be under
            way.
        unreadable: UNREADABLE_KEYS.

    Returns:
        SUBSCRIPTION_DRIFT rows of kind `invoice_marker_lag`; no marker at all counts as older. Where the invoice was
        paid outside of Stripe the cause is `paid_out_of_band`: Stripe never sent the event that the application
        waits for, so the marker could not advance and nothing can be replayed.
    """
    rows = _readable(subscriptions, unreadable).merge(stripe_invoices, on="stripe_subscription_id")
    marker = rows["last_invoice_event_at"]
    settled = rows["paid_at"] <= Pending(as_of, pending_minutes).earliest
    rows = rows[settled & (marker.isna() | (marker < rows["paid_at"]))]
    rows = rows.assign(cause=rows["out_of_band"].map({True: PAID_OUT_OF_BAND, False: None}))
    return _markers(rows, "invoice_marker_lag", _iso(rows["last_invoice_event_at"]), _iso(rows["paid_at"]))


def stale_past_due(
    subscriptions: pd.DataFrame, as_of: datetime, pending_minutes: float, unreadable: pd.DataFrame
) -> pd.DataFrame:
    """Active subscriptions that are still marked as past due; needs no Stripe.

    Args:
        subscriptions: SUBSCRIPTIONS.
        as_of: instant of the snapshot.
        pending_minutes: a document written less than so many minutes before `as_of` is pending: status and mark are
            written by different webhooks.
        unreadable: UNREADABLE_KEYS.

    Returns:
        SUBSCRIPTION_DRIFT rows of kind `stale_past_due`.
    """
    rows = _readable(subscriptions, unreadable)
    settled = ~Pending(as_of, pending_minutes).written(rows)
    rows = rows[settled & (rows["status"] == "active") & rows["past_due_since"].notna()]
    return _markers(rows.assign(cause=None), "stale_past_due", _iso(rows["past_due_since"]), None)


def _readable(subscriptions: pd.DataFrame, unreadable: pd.DataFrame) -> pd.DataFrame:
    hidden = unreadable.loc[unreadable["collection"] == "subscriptions", "organization_id"].dropna()
    return subscriptions[~subscriptions["organization_id"].isin(hidden)]


def _iso(times: "pd.Series[pd.Timestamp]") -> "pd.Series[str]":
    return times.dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _markers(rows: pd.DataFrame, kind: str, here: "pd.Series[str]", there: "pd.Series[str] | None") -> pd.DataFrame:
    found = pd.DataFrame(
        {
            "organization_id": rows["organization_id"],
            "stripe_subscription_id": rows["stripe_subscription_id"],
            "kind": kind,
            "in_database": here,
            "in_stripe": there,
            "cause": rows["cause"],
        }
    )
    return SUBSCRIPTION_DRIFT.conform(found.sort_values(["organization_id", "stripe_subscription_id"]))
