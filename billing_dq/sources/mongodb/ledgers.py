"""Balance documents as the tables of a night: sums over whole ledgers, the night's entries, and the entries that break
a rule of single entries (DOMAIN.md, What must hold), or that a dispute, a purchase or an expiry needs.
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
from billing_dq.storage.lake import arrow_schema, arrow_table
from billing_dq.tables import LEDGER_SUSPECTS, Table
from billing_dq.weeks import NightWeeks

KINDS = ("topup", "debit", "refund", "expiration", "adjustment")

#: A top-up this long past its expiry must have been swept (DOMAIN.md, What must hold).
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
    found = [
        suspects(entries, night.as_of),
        labelled(further(entries, "ref_id"), "duplicate_ref"),
        labelled(further(bought, "stripe_session_id"), "duplicate_session"),
    ]
    return {
        tables.EXTRAS_BALANCES.name: arrow_table(tables.EXTRAS_BALANCES, balances),
        tables.LEDGER_ENTRIES.name: between(entries, night.entries_from, night.entries_until),
        tables.EXPIRING_LEDGERS.name: ledgers_with_expiry(entries, night.as_of),
        tables.LEDGER_SUSPECTS.name: pa.concat_tables(found),
        tables.DISPUTE_ENTRIES.name: _cut(tables.DISPUTE_ENTRIES, naming_a_dispute(entries)),
        tables.PACK_PURCHASES.name: _cut(tables.PACK_PURCHASES, bought),
    }


def suspects(entries: pa.Table, as_of: datetime) -> pa.Table:
    """The entries that break a rule of single entries, once for each rule, as `ledger_suspects`.

    ``entries`` has the columns of `ledger_entries`. A zero amount that may not be is `zero_amount`, and not `sign` too.
    """
    kind, amount, ref = entries.column("kind"), entries.column("amount"), entries.column("ref_id")
    zero = pc.and_(pc.equal(amount, 0.0), pc.not_equal(kind, "expiration"))
    must_be_positive, must_be_negative = _among(kind, "topup", "adjustment"), _among(kind, "debit", "refund")
    wrong_sign = pc.or_(
        pc.and_(must_be_positive, pc.less(amount, 0.0)),
        pc.or_(
            pc.and_(must_be_negative, pc.greater(amount, 0.0)),
            pc.and_(pc.equal(kind, "expiration"), pc.greater(amount, 0.0)),
        ),
    )
    no_reference = pc.or_(pc.is_null(ref), pc.fill_null(pc.equal(ref, ""), False))
    rules = {
        "zero_amount": zero,
        "sign": wrong_sign,
        "future_entry": pc.greater(entries.column("at"), _time(as_of + GRACE)),
        "missing_ref": pc.and_(_among(kind, "debit", "adjustment"), no_reference),
        "unknown_kind": pc.invert(_among(kind, *KINDS)),
    }
    return pa.concat_tables([labelled(entries.filter(broken), rule) for rule, broken in rules.items()])


def labelled(entries: pa.Table, rule: str) -> pa.Table:
    """Entries as `ledger_suspects` rows of a rule."""
    return _cut(LEDGER_SUSPECTS, entries.append_column("rule", pa.repeat(pa.scalar(rule), entries.num_rows)))


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
    """Clawbacks and reinstatements of disputes, and credits given by hand."""
    entries = entries.filter(_among(entries.column("kind"), "refund", "adjustment"))
    refund, ref = pc.equal(entries.column("kind"), "refund"), pc.fill_null(entries.column("ref_id"), "")
    clawback = pc.match_substring_regex(ref, "^(refund-)?dispute_")
    credit = pc.match_substring_regex(ref, "^dispute(-credit-|_reinstate_)")
    return entries.filter(pc.if_else(refund, clawback, credit))


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
