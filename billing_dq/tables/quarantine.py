"""What could not be read, and what may therefore not be compared."""

from billing_dq.tables.contract import Column, Table

_QUARANTINE_COLUMNS = (
    Column("collection", "str", "collection, or stripe.<resource>"),
    Column("document_id", "str", "_id of the document as text"),
    Column("field", "str", "path of the field that breaks the contract"),
    Column("reason", "str", "what is wrong with it, in words"),
)

QUARANTINED_DOCUMENTS = Table(
    "quarantined_documents",
    "a field of a document that could not be read",
    _QUARANTINE_COLUMNS,
    key=("collection", "document_id", "field"),
)

QUARANTINED_STRIPE_OBJECTS = Table(
    "quarantined_stripe_objects",
    "a field of a Stripe object that could not be read",
    _QUARANTINE_COLUMNS,
    key=("collection", "document_id", "field"),
)

UNREADABLE_KEYS = Table(
    "unreadable_keys",
    "an organization, or a week of one, that a quarantined document leaves in the dark (duplicate_key leaves nothing)",
    (
        Column("collection", "str", "the collection's name in docs/domain.md, whatever it is called in the settings"),
        Column("document_id", "str", "_id of the document as text"),
        Column("organization_id", "str", "organization, null where the document does not tell", nullable=True),
        Column("week_key", "str", "week, null: every week that has no other document", nullable=True),
        Column(
            "stripe_subscription_id",
            "str",
            "subscription that a subscription document still points to, empty: to none, null: it does not tell",
            nullable=True,
        ),
        Column("stripe_customer_id", "str", "customer of a subscription document, where it tells", nullable=True),
    ),
    key=("collection", "document_id"),
)
