"""The tables that each collection comes to, by its name in docs/domain.md."""

from billing_dq import tables
from billing_dq.tables import Table

TABLES_OF: dict[str, tuple[Table, ...]] = {
    "organizations": (tables.ORGANIZATIONS,),
    "subscriptions": (tables.SUBSCRIPTIONS,),
    "billingusages": (tables.WEEKLY_USAGE, tables.FOLLOWED_USAGE),
    "billingextrabalances": (
        tables.EXTRAS_BALANCES,
        tables.LEDGER_ENTRIES,
        tables.FOLLOWED_ENTRIES,
        tables.EXPIRING_LEDGERS,
        tables.LEDGER_SUSPECTS,
        tables.DISPUTE_ENTRIES,
        tables.PACK_PURCHASES,
        tables.REFUND_ENTRIES,
        tables.LEDGER_SEALS,
    ),
    "processedstripeevents": (tables.DEAD_LETTERED_EVENTS,),
}

#: Organizations of one query for older usage documents: each costs the server a seek, and the query some bytes.
ASKED_AT_ONCE = 5_000
