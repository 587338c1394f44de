"""The contract of every table. Import the tables from here; each family has its own module.

Nothing here reads or computes: a table is what others agree on.
"""

from billing_dq.tables.acceptances import ACCEPTANCES as ACCEPTANCES
from billing_dq.tables.alerts import ALERT_CHANGES as ALERT_CHANGES
from billing_dq.tables.alerts import ALERTS as ALERTS
from billing_dq.tables.alerts import NOTIFIED_ALERTS as NOTIFIED_ALERTS
from billing_dq.tables.application import (
    DEAD_LETTERED_EVENTS,
    EXTRAS_BALANCES,
    FOLLOWED_USAGE,
    FOLLOWED_WEEKS,
    ORGANIZATIONS,
    SUBSCRIPTIONS,
    WEEKLY_USAGE,
)
from billing_dq.tables.contract import Column as Column
from billing_dq.tables.contract import Dtype as Dtype
from billing_dq.tables.contract import FrameError as FrameError
from billing_dq.tables.contract import Table
from billing_dq.tables.ledgers import (
    DISPUTE_ENTRIES,
    EXPIRING_LEDGERS,
    FOLLOWED_ENTRIES,
    LEDGER_ENTRIES,
    LEDGER_SEALS,
    LEDGER_SUSPECTS,
    PACK_PURCHASES,
    REFUND_ENTRIES,
)
from billing_dq.tables.meter import METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE
from billing_dq.tables.quality import COLUMN_PROFILES, DOCUMENT_SHAPES, NIGHT_MEASURES
from billing_dq.tables.quarantine import QUARANTINED_DOCUMENTS, QUARANTINED_STRIPE_OBJECTS, UNREADABLE_KEYS
from billing_dq.tables.results import (
    DISPUTE_POSITIONS,
    FINDINGS,
    LEDGER_VIOLATIONS,
    NIGHTLY_REPORT,
    RUNAWAY_BALANCES,
    SUBSCRIPTION_DRIFT,
)
from billing_dq.tables.stripe import (
    STRIPE_CHARGES,
    STRIPE_DISPUTES,
    STRIPE_INVOICES,
    STRIPE_REFUNDS,
    STRIPE_SUBSCRIPTION_EVENTS,
    STRIPE_SUBSCRIPTIONS,
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        ORGANIZATIONS,
        SUBSCRIPTIONS,
        WEEKLY_USAGE,
        EXTRAS_BALANCES,
        LEDGER_ENTRIES,
        FOLLOWED_WEEKS,
        FOLLOWED_USAGE,
        FOLLOWED_ENTRIES,
        EXPIRING_LEDGERS,
        LEDGER_SUSPECTS,
        DISPUTE_ENTRIES,
        PACK_PURCHASES,
        REFUND_ENTRIES,
        LEDGER_SEALS,
        DEAD_LETTERED_EVENTS,
        QUARANTINED_DOCUMENTS,
        QUARANTINED_STRIPE_OBJECTS,
        UNREADABLE_KEYS,
        DOCUMENT_SHAPES,
        STRIPE_SUBSCRIPTIONS,
        STRIPE_SUBSCRIPTION_EVENTS,
        STRIPE_INVOICES,
        STRIPE_DISPUTES,
        STRIPE_CHARGES,
        STRIPE_REFUNDS,
        METER_EXTRAS_DELTAS,
        METER_EXTRAS_EVIDENCE,
        RUNAWAY_BALANCES,
        LEDGER_VIOLATIONS,
        SUBSCRIPTION_DRIFT,
        DISPUTE_POSITIONS,
        FINDINGS,
        NIGHTLY_REPORT,
        NIGHT_MEASURES,
        COLUMN_PROFILES,
    )
}
