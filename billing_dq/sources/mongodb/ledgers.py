"""Balance documents as the tables of a night: sums over whole ledgers, the night's entries, and the entries that a rule
of entries (docs/domain.md, "Ledger"), a dispute, a purchase or an expiry needs. No entry is judged here.
"""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from billing_dq import tables
from billing_dq.sources.mongodb.bson_tables import (
    COUNT,
    NUMBER,
    OBJECT_ID,
    TEXT,
    TIME,
    Columns,
    Undecodable,
    objects,
    unnest,
)
from billing_dq.sources.mongodb.contract import GRACE
from billing_dq.storage.arrow import arrow_schema, arrow_table
from billing_dq.tables import LEDGER_SUSPECTS, Table
from billing_dq.weeks import NightWeeks

#: A top-up this long past its expiry must have been swept (docs/domain.md, "Ledger").
SWEEP_GRACE = timedelta(hours=48)

#: An entry on the wire, in the order of `ledger_entries`.
ENTRY: Columns = {
    "_id": OBJECT_ID,
    "kind": TEXT,
    "amount": NUMBER,
    "refId": TEXT,
    "stripeSessionId": TEXT,
    "source": TEXT,
    "at": TIME,
    "expiresAt": TIME,
}
_ENTRY_REQUIRED = ("_id", "kind", "amount", "at")

#: A balance document on the wire: ``count`` is the length of its ledger, ``bytes`` its size.
DOCUMENT: Columns = {
    "organization": OBJECT_ID,
    "cachedBalance": NUMBER,
    "cachedBalanceAt": TIME,
    "count": COUNT,
    "bytes": COUNT,
    "ledger": objects(ENTRY),
}
REQUIRED = ("organization", "cachedBalance", "count", "bytes", "ledger")


def tables_of(documents: pa.Table, night: NightWeeks) -> dict[str, pa.Table]:
    """The tables, by name, that balance documents come to.

    Args:
        documents: decoded as `DOCUMENT`.
        night: the weeks whose entries are kept.

    Raises:
        Undecodable: a ledger is not as long as the server says, or a required field of an entry is null.
    """
    items = unnest(documents, "ledger", _ENTRY_REQUIRED)
    parent, amount = items.column("parent").to_numpy(), items.column("amount").to_numpy()
    length = np.bincount(parent, minlength=documents.num_rows)
    if (length != documents.column("count").to_numpy()).any():
        raise Undecodable("ledger is no list of objects")
    total = np.bincount(parent, amount, documents.num_rows).astype(np.float64)
    balances = [documents.column("organization"), documents.column("cachedBalance"), total, length]
    balances += [documents.column(name) for name in ("bytes", "cachedBalanceAt")]
    organization = documents.column("organization").take(items.column("parent"))
    fields = [items.column(name) for name in ("position", *ENTRY)]
    entries = arrow_table(tables.LEDGER_ENTRIES, [organization, *fields])
    bought = purchases(entries)
    return {
        tables.EXTRAS_BALANCES.name: arrow_table(tables.EXTRAS_BALANCES, balances),
        tables.LEDGER_ENTRIES.name: between(entries, night.entries_from, night.entries_until),
        tables.EXPIRING_LEDGERS.name: ledgers_with_expiry(entries, night.as_of),
        tables.LEDGER_SUSPECTS.name: suspects(entries, night.as_of),
        tables.DISPUTE_ENTRIES.name: _cut(tables.DISPUTE_ENTRIES, naming_a_dispute(entries)),
        tables.PACK_PURCHASES.name: _cut(tables.PACK_PURCHASES, bought),
        tables.REFUND_ENTRIES.name: _cut(tables.REFUND_ENTRIES, of_refunds(entries)),
    }


def suspects(entries: pa.Table, as_of: datetime) -> pa.Table:
    """The entries that a rule of entries may be about, as `ledger_suspects`: too many rather than too few.

    Ordinary entries stay out: of a known kind, with its sign, not dated in the future, with a reference. All refunds,
    expirations and adjustments but settlements are in, because they may correct another entry; and so are whole ledgers
    in which a reference or a checkout session repeats.

    Args:
        entries: the columns of `ledger_entries`, whole ledgers in commit order.
        as_of: the instant of the snapshot.
    """
    kind, amount, ref = entries.column("kind"), entries.column("amount"), pc.fill_null(entries.column("ref_id"), "")
    credit = pc.and_(_among(kind, "topup", "adjustment"), pc.greater(amount, 0.0))
    debit = pc.and_(_among(kind, "debit", "refund", "expiration"), pc.less(amount, 0.0))
    past = pc.less_equal(entries.column("at"), _time(as_of + GRACE))
    ordinary = pc.and_(pc.and_(pc.or_(credit, debit), past), pc.or_(pc.equal(kind, "topup"), pc.not_equal(ref, "")))
    correcting = pc.or_(
        _among(kind, "refund", "expiration"),
        pc.and_(pc.equal(kind, "adjustment"), pc.invert(pc.starts_with(ref, "settle:"))),
    )
    again = pa.concat_tables([further(entries, "ref_id"), further(purchases(entries), "stripe_session_id")])
    repeating = pc.is_in(entries.column("organization_id"), value_set=pc.unique(again.column("organization_id")))
    return _cut(LEDGER_SUSPECTS, entries.filter(pc.or_(pc.or_(pc.invert(ordinary), correcting), repeating)))


def further(entries: pa.Table, reference: str) -> pa.Table:
    """Of entries in commit order, those with a reference (not empty) that an earlier one of their ledger has."""
    known = pc.fill_null(pc.not_equal(entries.column(reference), ""), False).to_numpy()
    organization, code = _codes(entries.column("organization_id")), _codes(entries.column(reference))
    again = pd.Series(organization * (len(code) + 1) + code).duplicated().to_numpy()
    return entries.filter(pa.array(known & again))


def purchases(entries: pa.Table) -> pa.Table:
    """The top-ups that were bought in a checkout session."""
    session = entries.column("stripe_session_id")
    bought = pc.and_(pc.equal(entries.column("kind"), "topup"), pc.fill_null(pc.not_equal(session, ""), False))
    return entries.filter(bought)


def naming_a_dispute(entries: pa.Table) -> pa.Table:
    """Clawbacks and reinstatements of disputes, credits given by hand, corrections (units taken back under a reference
    of its own that names a dispute), and the expirations of top-ups that were clawed back.
    """
    kind, ref = entries.column("kind"), pc.fill_null(entries.column("ref_id"), "")
    refund, negative = pc.equal(kind, "refund"), pc.less(entries.column("amount"), 0.0)
    clawback = pc.match_substring_regex(ref, "^(refund-)?dispute_")
    credit = pc.match_substring_regex(ref, "^dispute(-credit-|_reinstate_)")
    correction = pc.and_(negative, pc.match_substring_regex(ref, "(^|[^A-Za-z0-9])d[up]_"))
    named = pc.or_(pc.if_else(refund, clawback, credit), correction)
    named = pc.and_(_among(kind, "refund", "adjustment"), named)
    naming_topup = pc.and_(refund, pc.match_substring_regex(ref, "^refund-dispute_.+-[^-]+$"))
    topups = pc.replace_substring_regex(ref.filter(naming_topup), "^.*-", "expire-")
    expired = pc.and_(pc.equal(kind, "expiration"), pc.is_in(ref, value_set=pc.unique(topups)))
    return entries.filter(pc.or_(named, expired))


def of_refunds(entries: pa.Table) -> pa.Table:
    """What was taken back for refunds at Stripe; the withdrawals of disputes are not among them."""
    ref = pc.fill_null(entries.column("ref_id"), "")
    named = pc.and_(pc.starts_with(ref, "refund-"), pc.invert(pc.starts_with(ref, "refund-dispute_")))
    return entries.filter(pc.and_(pc.equal(entries.column("kind"), "refund"), named))


def ledgers_with_expiry(entries: pa.Table, as_of: datetime) -> pa.Table:
    """The whole ledgers with a top-up that must have been swept, or with any expiration."""
    kind = entries.column("kind")
    late = pc.fill_null(pc.less(entries.column("expires_at"), _time(as_of - SWEEP_GRACE)), False)
    chosen = pc.or_(pc.and_(pc.equal(kind, "topup"), late), pc.equal(kind, "expiration"))
    organizations = pc.unique(entries.filter(chosen).column("organization_id"))
    return entries.filter(pc.is_in(entries.column("organization_id"), value_set=organizations))


def between(entries: pa.Table, first: datetime, until: datetime) -> pa.Table:
    """The entries dated from ``first`` to before ``until``."""
    at = entries.column("at")
    return entries.filter(pc.and_(pc.greater_equal(at, _time(first)), pc.less(at, _time(until))))


def _cut(table: Table, rows: pa.Table) -> pa.Table:
    """The contract's columns of rows that have them by name."""
    return rows.select(table.column_names).cast(arrow_schema(table))


def _codes(texts: pa.ChunkedArray) -> np.ndarray:
    """A number for each different text, 0 for null."""
    return pc.add(pc.fill_null(texts.combine_chunks().dictionary_encode().indices, -1).cast(pa.int64()), 1).to_numpy()


def _among(kind: pa.ChunkedArray, *kinds: str) -> pa.ChunkedArray:
    return pc.is_in(kind, value_set=pa.array(kinds, pa.string()))


def _time(instant: datetime) -> pa.Scalar:
    return pa.scalar(instant, pa.timestamp("ms", "UTC"))
