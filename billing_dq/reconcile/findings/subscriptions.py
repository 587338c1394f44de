"""Findings about subscriptions, and which drift is by design (docs/domain.md, "Against Stripe")."""

from collections.abc import Iterable, Iterator

import pandas as pd

from billing_dq.reconcile.findings import severity
from billing_dq.reconcile.findings.finding import Finding, records, text, text_or_none
from billing_dq.reconcile.subscriptions.markers import PAID_OUT_OF_BAND
from billing_dq.reconcile.subscriptions.payers import COLLECTION_PAUSED

_DRIFT = {
    "subscription_status": "the status is {here} here and {there} at Stripe",
    "subscription_plan": "the plan is {here} here and {there} at Stripe",
    "subscription_unresolved_plan": "no item at Stripe names a known plan; the plan here is {here}",
    "subscription_ambiguous_plan": "the items at Stripe name several plans; the plan here is {here}",
    "subscription_missing_in_stripe": "the subscription, {here} here, is not known at Stripe",
    "subscription_unknown_here": "a live subscription at Stripe ({there}) to which no document points",
    "subscription_other_customer": "the subscription at Stripe is of customer {there}; the customer here is {here}",
    "subscription_not_collecting": "the plan here is {here} and the subscription at Stripe is {there}: nobody pays",
    COLLECTION_PAUSED: "the plan here is {here}, the status is live, and collection is paused at Stripe ({there}): "
    "no invoice of it will be paid",
    "subscriptions_not_ours": "{there} live subscriptions at Stripe are of no plan of ours, and neither their "
    "customers nor their metadata are",
    "plan_without_subscription": "the plan is {here}, no subscription pays for it, and no person set it by hand",
    "subscription_shared": "one subscription serves several organizations: {here}",
    "customer_shared": "the customer {there} at Stripe is the customer of several organizations: {here}",
    "organization_plan": "the subscription's plan is {here}; recovery from dunning leaves such a difference",
    "subscription_several_live": "the customer has several live subscriptions at Stripe, {there}; pointed to: {here}",
    "livemode_mix": "the key is of {here} mode and the subscription at Stripe of {there} mode",
    "invoice_marker_lag": "the newest invoice event applied is of {here}, the newest paid invoice at Stripe of {there}",
    PAID_OUT_OF_BAND: "the newest invoice event applied is of {here}; the newest paid invoice at Stripe, of {there}, "
    "was paid out of band, so no invoice.payment_succeeded exists that could be replayed: sync the organization from "
    "Stripe, then accept the finding if the marker stays",
    "stale_past_due": "pastDueSince is {here} although the subscription is active",
}


#: Causes that make a drift no more than a warning.
_MILD = frozenset({PAID_OUT_OF_BAND, COLLECTION_PAUSED})


def subscription_findings(
    drift: pd.DataFrame | None, without_stripe: Iterable[pd.DataFrame | None], subscriptions: pd.DataFrame | None
) -> Iterator[Finding]:
    """Findings of `SUBSCRIPTION_DRIFT` tables, against Stripe and without it; None: not examined.

    `subscriptions` (`SUBSCRIPTIONS`) tells which drift is by design.
    """
    by_design = _drift_by_design(drift, subscriptions)
    for frame in (drift, *without_stripe):
        for position, row in enumerate(records(frame) if frame is not None else []):
            kind, cause = text(row, "kind"), text_or_none(row, "cause")
            subject = _subject(kind, row)
            designed = frame is drift and position in by_design
            yield Finding(
                kind=kind,
                organization_id=text_or_none(row, "organization_id"),
                subject=subject,
                severity=severity.of_drift(kind, designed or cause in _MILD),
                units=0.0,
                cause=cause,
                explanation=_DRIFT.get(cause or "", _DRIFT[kind]).format(
                    here=text_or_none(row, "in_database") or "nothing",
                    there=text_or_none(row, "in_stripe") or "nothing",
                )
                + (", by design" if designed else ""),
            )


def _subject(kind: str, row: dict[str, object]) -> str:
    if kind == "customer_shared":
        return text(row, "in_stripe")
    if kind == "subscriptions_not_ours":
        return "stripe"
    return text_or_none(row, "stripe_subscription_id") or text(row, "organization_id")


def _drift_by_design(drift: pd.DataFrame | None, subscriptions: pd.DataFrame | None) -> set[int]:
    """Positions of the drift that the application's design leaves: a plan changed by hand, and dunning.

    Dunning sets `unpaid` and `free` here against `past_due` and a paid plan at Stripe (docs/domain.md, "Plan changes").
    """
    if drift is None or subscriptions is None:
        return set()
    by_hand = set(subscriptions.loc[subscriptions["admin_updated_at"].notna(), "organization_id"])
    in_dunning = set(
        subscriptions.loc[(subscriptions["status"] == "unpaid") & (subscriptions["plan"] == "free"), "organization_id"]
    )
    plan_drift = drift["kind"] == "subscription_plan"
    status_drift = drift["kind"] == "subscription_status"
    dunning_status = status_drift & (drift["in_stripe"] == "past_due") & drift["organization_id"].isin(in_dunning)
    paid_there = plan_drift & drift["organization_id"].isin(in_dunning)
    # Both halves or none: `unpaid` against `past_due` alone says nothing about the plan.
    both = set(drift.loc[dunning_status, "organization_id"]) & set(drift.loc[paid_there, "organization_id"])
    dunning = (dunning_status | paid_there) & drift["organization_id"].isin(both)
    designed = dunning | (plan_drift & drift["organization_id"].isin(by_hand))
    return {position for position, is_designed in enumerate(designed) if is_designed}
