"""Columns that several tables share."""

from billing_dq.tables.contract import Column, Reference

ORGANIZATION_ID = Column(
    "organization_id", "str", "ObjectId of the organization, 24 hex characters", pattern=r"^[0-9a-f]{24}$"
)
WEEK_KEY = Column("week_key", "str", "ISO week, such as 2026-W47", pattern=r"^[0-9]{4}-W[0-5][0-9]$")
REF_ID = Column("ref_id", "str", "refId of the ledger entry", nullable=True)
ENTRY_ID = Column("entry_id", "str", "ObjectId of the ledger entry", pattern=r"^[0-9a-f]{24}$")

OF_AN_ORGANIZATION = Reference("organization_id", "organizations", "organization_id", "organizations")
OF_A_BALANCE = Reference("organization_id", "extras_balances", "organization_id", "billingextrabalances")
