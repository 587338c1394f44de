"""Entries of the prepaid ledgers: those of the night's weeks, and those that a rule of whole ledgers needs."""

from billing_dq.tables.columns import ENTRY_ID, ORGANIZATION_ID, REF_ID
from billing_dq.tables.contract import Column, Table

_LEDGER_COLUMNS = (
    ORGANIZATION_ID,
    Column("position", "int64", "place in the ledger, from 0: the commit order", unit="entries"),
    ENTRY_ID,
    Column("kind", "str", "topup, debit, refund, expiration, adjustment (or what the document says)"),
    Column("amount", "float64", "units, signed", unit="units"),
    REF_ID,
    Column("stripe_session_id", "str", "checkout session of a bought pack or its refund", nullable=True),
    Column("source", "str", "signup_grant, referral, adjustment", nullable=True),
    Column("at", "time", "when the entry was written"),
    Column("expires_at", "time", "when what is left of a top-up expires", nullable=True),
)

LEDGER_ENTRIES = Table(
    "ledger_entries",
    "a ledger entry dated in the night's weeks or a day either side, in organization and commit order",
    _LEDGER_COLUMNS,
    key=("organization_id", "position"),
)

FOLLOWED_ENTRIES = Table(
    "followed_entries",
    "a ledger entry of an organization with a followed week, from a day before it up to those of `ledger_entries`",
    _LEDGER_COLUMNS,
    key=LEDGER_ENTRIES.key,
)

EXPIRING_LEDGERS = Table(
    "expiring_ledgers",
    "an entry of the whole ledger of an organization with a top-up past its expiry, for the replay of its lots",
    _LEDGER_COLUMNS,
    key=("organization_id", "position"),
)

LEDGER_SUSPECTS = Table(
    "ledger_suspects",
    "an entry of a whole ledger that a rule of entries may be about, a grant, or one that may correct another; "
    "the rules judge it",
    (
        ORGANIZATION_ID,
        Column("position", "int64", "place in the ledger, from 0: the commit order", unit="entries"),
        ENTRY_ID,
        Column("kind", "str", "kind of the entry"),
        REF_ID,
        Column("stripe_session_id", "str", "checkout session", nullable=True),
        Column("amount", "float64", "units, signed", unit="units"),
        Column("at", "time", "when the entry was written"),
    ),
    key=("organization_id", "position"),
)

LEDGER_SEALS = Table(
    "ledger_seals",
    "the seal of an organization's ledger, and the earlier seal that the ledger must continue",
    (
        ORGANIZATION_ID,
        Column("reading", "str", "read, unread (the document could not be read) or gone; see tables.md"),
        Column("entry_count", "int64", "entries in the ledger", unit="entries"),
        Column("ledger_sum", "float64", "units, sum of their amounts", unit="units"),
        Column("digest", "str", "of the entries in order, SHA-256; null where the ledger was not read", nullable=True),
        Column("earlier_count", "int64", "entries in the earlier seal, 0 where there is none", unit="entries"),
        Column("earlier_sum", "float64", "units, sum of their amounts in the earlier seal", unit="units"),
        Column("earlier_digest", "str", "digest of the earlier seal, null where there is none", nullable=True),
        Column("first_sum", "float64", "units, sum of as many first entries as the earlier seal has", unit="units"),
        Column("first_digest", "str", "digest of as many first entries; null where there are fewer", nullable=True),
    ),
    key=("organization_id",),
)

DISPUTE_ENTRIES = Table(
    "dispute_entries",
    "an entry of a whole ledger that a rule of disputes needs: a clawback, every adjustment but the settlements "
    "(reinstatements, what people gave or took by hand), another entry whose refId names a dispute, or the expiration "
    "of a top-up that was clawed back",
    (
        ORGANIZATION_ID,
        ENTRY_ID,
        Column("kind", "str", "refund, adjustment, topup or expiration"),
        Column(
            "ref_id",
            "str",
            "refund-dispute_..., dispute_..., dispute_reinstate_..., dispute-credit-..., expire-... or another",
            nullable=True,
        ),
        Column("amount", "float64", "units, signed", unit="units"),
        Column("at", "time", "when the entry was written"),
    ),
    key=(),
)

PACK_PURCHASES = Table(
    "pack_purchases",
    "a top-up of a whole ledger that was bought in a checkout session, to find the organization of a dispute",
    (
        ORGANIZATION_ID,
        ENTRY_ID,
        Column("stripe_session_id", "str", "checkout session"),
        Column("amount", "float64", "units", unit="units"),
        Column("at", "time", "when the entry was written"),
    ),
    key=(),
)

REFUND_ENTRIES = Table(
    "refund_entries",
    "an entry of a whole ledger that took units back for a refund at Stripe",
    (
        ORGANIZATION_ID,
        ENTRY_ID,
        Column("ref_id", "str", "refund-<refund>-<top-up entry>"),
        Column("amount", "float64", "units, signed", unit="units"),
        Column("at", "time", "when the entry was written"),
    ),
    key=(),
)
