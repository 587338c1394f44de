"""What the application's documents say, an organization, subscription, week or balance a row."""

from billing_dq.tables.columns import ORGANIZATION_ID, WEEK_KEY
from billing_dq.tables.contract import Column, Table

ORGANIZATIONS = Table(
    "organizations",
    "an organization",
    (ORGANIZATION_ID, Column("plan", "str", "plan as the organization's document has it", nullable=True)),
    key=("organization_id",),
)

SUBSCRIPTIONS = Table(
    "subscriptions",
    "a subscription document (one per organization)",
    (
        ORGANIZATION_ID,
        Column("stripe_customer_id", "str", "cus_..., null for organizations that never paid", nullable=True),
        Column("stripe_subscription_id", "str", "sub_..., null for free organizations", nullable=True),
        Column("plan", "str", "plan in the application", nullable=True),
        Column("status", "str", "status in the application", nullable=True),
        Column("current_period_start", "time", "start of the paid period", nullable=True),
        Column("past_due_since", "time", "set while a payment is overdue", nullable=True),
        Column("last_invoice_event_at", "time", "creation of the newest invoice event applied", nullable=True),
        Column("last_subscription_event_at", "time", "likewise, of subscription events", nullable=True),
        Column("admin_updated_at", "time", "when a person changed the plan by hand", nullable=True),
        Column("updated_at", "time", "last write of the document", nullable=True),
    ),
    key=("organization_id",),
)

WEEKLY_USAGE = Table(
    "weekly_usage",
    "an organization's usage document of a week, in organization and week order (one week further on both ends)",
    (
        ORGANIZATION_ID,
        WEEK_KEY,
        Column("meter_used", "float64", "units used, settlements included", unit="units"),
        Column("meter_quota", "float64", "units included, as snapshotted in the document", unit="units"),
        Column("plan_version", "str", "label of the plan's definition", nullable=True),
        Column(
            "settled_units",
            "float64",
            "units that a settlement charged: meter_used less the breakdown where the settle key is there, else 0; "
            "null where the key is there without a breakdown",
            nullable=True,
            unit="units",
        ),
        Column("updated_at", "time", "last write of the document", nullable=True),
        Column("attribution_keys", "list<str>", "consumed keys in commit order, settle keys included"),
        Column(
            "document_bytes",
            "Int64",
            "BSON size of the document, null in nights before it was read",
            nullable=True,
            unit="bytes",
        ),
    ),
    key=("organization_id", "week_key"),
)

FOLLOWED_WEEKS = Table(
    "followed_weeks",
    "an organization's week that has left the window and was looked at again, for a finding about it is open",
    (ORGANIZATION_ID, WEEK_KEY),
    key=("organization_id", "week_key"),
)

FOLLOWED_USAGE = Table(
    "followed_usage",
    "a usage document of an organization with a followed week, from the week before it up to those of `weekly_usage`",
    WEEKLY_USAGE.columns,
    key=WEEKLY_USAGE.key,
)

EXTRAS_BALANCES = Table(
    "extras_balances",
    "an organization's balance document",
    (
        ORGANIZATION_ID,
        Column("cached_balance", "float64", "units, as the document caches them", unit="units"),
        Column("ledger_sum", "float64", "units, sum of the amounts of the whole ledger", unit="units"),
        Column("entry_count", "int64", "entries in the ledger", unit="entries"),
        Column("document_bytes", "int64", "BSON size of the document", unit="bytes"),
        Column("cached_balance_at", "time", "when the balance was last written", nullable=True),
    ),
    key=("organization_id",),
)

DEAD_LETTERED_EVENTS = Table(
    "dead_lettered_events",
    "a webhook event that the application gave up on",
    (
        Column("event_id", "str", "evt_..."),
        Column("type", "str", "event type", nullable=True),
        Column("last_error", "str", "the application's last error, without addresses", nullable=True),
        Column("attempts", "float64", "attempts made", nullable=True, unit="attempts"),
        Column("at", "time", "processedAt", nullable=True),
    ),
    key=("event_id",),
)
