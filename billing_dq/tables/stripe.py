"""What Stripe says."""

from billing_dq.tables.contract import Column, Table

STRIPE_SUBSCRIPTIONS = Table(
    "stripe_subscriptions",
    "a subscription at Stripe",
    (
        Column("stripe_subscription_id", "str", "sub_..."),
        Column("customer_id", "str", "cus_..."),
        Column("status", "str", "status at Stripe, passed on as it is"),
        Column("price_ids", "list<str>", "price of each item"),
        Column("plan", "str", "plan of the items, or `unresolved` or `ambiguous`"),
        Column("created", "time", "creation"),
        Column("livemode", "bool", "live or test mode"),
    ),
    key=("stripe_subscription_id",),
)

STRIPE_INVOICES = Table(
    "stripe_invoices",
    "the newest paid invoice of a subscription",
    (
        Column("stripe_subscription_id", "str", "sub_..."),
        Column("invoice_id", "str", "in_..."),
        Column("paid_at", "time", "status_transitions.paid_at"),
    ),
    key=("stripe_subscription_id",),
)

STRIPE_DISPUTES = Table(
    "stripe_disputes",
    "a dispute at Stripe, with the movements of its money",
    (
        Column("dispute_id", "str", "du_... or dp_..."),
        Column("charge_id", "str", "ch_..."),
        Column("status", "str", "status at Stripe, passed on as it is"),
        Column("amount_minor", "int64", "disputed amount in the charge's currency, minor units"),
        Column("currency", "str", "the charge's currency"),
        Column("organization_id", "str", "from the charge's metadata, else its payment intent's", nullable=True),
        Column("stripe_session_id", "str", "likewise; __pending__ counts as absent", nullable=True),
        Column("pack_id", "str", "likewise", nullable=True),
        Column("created", "time", "when the dispute was opened"),
        Column("movements", "list<movement>", "balance transactions in settlement currency, fees left out"),
        Column("livemode", "bool", "live or test mode"),
    ),
    key=("dispute_id",),
)
