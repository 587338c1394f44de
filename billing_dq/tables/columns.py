"""Columns that several tables share."""

from billing_dq.tables.contract import Column

ORGANIZATION_ID = Column("organization_id", "str", "ObjectId of the organization, 24 hex characters")
WEEK_KEY = Column("week_key", "str", "ISO week, such as 2026-W47")
REF_ID = Column("ref_id", "str", "refId of the ledger entry", nullable=True)
ENTRY_ID = Column("entry_id", "str", "ObjectId of the ledger entry")
