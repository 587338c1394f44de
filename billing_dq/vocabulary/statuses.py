"""The statuses of subscriptions and disputes, as Stripe names them and the application copies them."""

from typing import Final

#: Every status of a subscription that Stripe knows.
SUBSCRIPTION_STATUSES: Final = (
    "incomplete",
    "incomplete_expired",
    "trialing",
    "active",
    "past_due",
    "canceled",
    "unpaid",
    "paused",
)
#: Those of a subscription that is in force (docs/domain.md, "Against Stripe").
LIVE_SUBSCRIPTION: Final = ("active", "past_due", "trialing", "unpaid")

#: Every status of a dispute that Stripe knows.
DISPUTE_STATUSES: Final = (
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
    "needs_response",
    "under_review",
    "appeal_needs_response",
    "appeal_under_review",
    "won",
    "lost",
    "prevented",
)

#: Of a ledger entry.
ENTRY_KINDS = ("topup", "debit", "refund", "expiration", "adjustment")

#: Of a refund at Stripe.
REFUND_STATUSES = ("pending", "requires_action", "succeeded", "failed", "canceled")
