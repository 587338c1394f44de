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
        Column("changed_at", "time", "newest change of it that Stripe tells the instant of"),
        Column("organization_id", "str", "the organization that its metadata names", nullable=True),
        Column("collection_paused", "str", "what becomes of its invoices; null: they are collected", nullable=True),
    ),
    key=("stripe_subscription_id",),
)

STRIPE_SUBSCRIPTION_EVENTS = Table(
    "stripe_subscription_events",
    "an event of a subscription at Stripe, of the last 30 days: evidence, absent where events may not be read",
    (
        Column("event_id", "str", "evt_..."),
        Column("stripe_subscription_id", "str", "sub_..."),
        Column("type", "str", "customer.subscription.*"),
        Column("created", "time", "when it happened"),
        Column("plan_before", "str", "plan before, as in stripe_subscriptions; null: none or not told", nullable=True),
        Column("plan_after", "str", "plan after; the same where nothing of it changed", nullable=True),
        Column("status_before", "str", "status before; null: none or not told", nullable=True),
        Column("status_after", "str", "status after", nullable=True),
    ),
    key=("event_id",),
)

STRIPE_INVOICES = Table(
    "stripe_invoices",
    "the newest paid invoice of a subscription",
    (
        Column("stripe_subscription_id", "str", "sub_..."),
        Column("invoice_id", "str", "in_..."),
        Column("paid_at", "time", "status_transitions.paid_at"),
        Column("out_of_band", "bool", "paid outside of Stripe: invoice.payment_succeeded was never sent"),
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
        Column("amount_minor", "int64", "disputed amount in the charge's currency, minor units", unit="minor units"),
        Column(
            "charge_amount_minor",
            "Int64",
            "what was captured of the whole charge, likewise; null where not told",
            nullable=True,
            unit="minor units",
        ),
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

STRIPE_CHARGES = Table(
    "stripe_charges",
    "a charge of a pack at Stripe, paid or not: of the last 30 days, of a refund or dispute that was read, or with an "
    "open finding; a checkout session of a top-up that has no charge; absent where charges may not be read",
    (
        Column("charge_id", "str", "ch_... or py_..., cs_... of a session without charge"),
        Column("organization_id", "str", "from the charge's metadata, else its payment intent's", nullable=True),
        Column("stripe_session_id", "str", "likewise; __pending__ counts as absent", nullable=True),
        Column("pack_id", "str", "likewise", nullable=True),
        Column(
            "amount_minor", "int64", "amount in the charge's currency, minor units, tax included", unit="minor units"
        ),
        Column(
            "captured_minor",
            "Int64",
            "what was captured of it, 0 where nothing was paid; null in nights of earlier releases",
            nullable=True,
            unit="minor units",
        ),
        Column(
            "refunded_minor",
            "int64",
            "what of it was refunded or never captured; a refund that failed is none",
            unit="minor units",
        ),
        Column("currency", "str", "the charge's currency"),
        Column(
            "status",
            "str",
            "succeeded, pending or failed; of a session paid, unpaid, expired or no_payment_required; "
            "null in nights of earlier releases",
            nullable=True,
        ),
        Column("disputed", "bool", "whether it was ever disputed"),
        Column("created", "time", "when it was made"),
        Column("livemode", "bool", "live or test mode"),
    ),
    key=("charge_id",),
)

STRIPE_REFUNDS = Table(
    "stripe_refunds",
    "a refund at Stripe, as far back as disputes are read or with an open finding; absent where it may not be read",
    (
        Column("refund_id", "str", "re_... or pyr_..."),
        Column("charge_id", "str", "the refunded charge", nullable=True),
        Column("status", "str", "status at Stripe, passed on as it is", nullable=True),
        Column("amount_minor", "int64", "amount in the charge's currency, minor units", unit="minor units"),
        Column("created", "time", "when it was made"),
    ),
    key=("refund_id",),
)
