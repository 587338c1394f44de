"""Which tables a night reads, by where they come from. All others say what was found, or how the reading went."""

OF_MONGODB = (
    "organizations",
    "subscriptions",
    "weekly_usage",
    "extras_balances",
    "ledger_entries",
    "expiring_ledgers",
    "ledger_suspects",
    "dispute_entries",
    "pack_purchases",
    "refund_entries",
    "dead_lettered_events",
)
OF_STRIPE = (
    "stripe_subscriptions",
    "stripe_subscription_events",
    "stripe_invoices",
    "stripe_disputes",
    "stripe_charges",
    "stripe_refunds",
)
