"""The rules of single ledger entries (DOMAIN.md, What must hold), on entries that the server picked out."""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from billing_dq.frames import LEDGER_SUSPECTS
from billing_dq.lake import arrow_schema
from billing_dq.sources.contract import GRACE
from billing_dq.sources.mongo_queries import KINDS, SWEEP_GRACE

_SUSPECT_COLUMNS = [
    "organization_id",
    "entry_id",
    "position",
    "kind",
    "ref_id",
    "stripe_session_id",
    "amount",
    "at",
]


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
    rows = entries.select(_SUSPECT_COLUMNS).append_column("rule", pa.array([rule] * entries.num_rows, pa.string()))
    return rows.select(LEDGER_SUSPECTS.column_names).cast(arrow_schema(LEDGER_SUSPECTS))


def further_purchases(purchases: pa.Table) -> pa.Table:
    """Of the purchases in commit order, those in a checkout session that an earlier one of the ledger has."""
    return _repeating(purchases, "stripe_session_id")


def further_references(entries: pa.Table) -> pa.Table:
    """Of entries in commit order, those with a refId that an earlier one of the ledger has."""
    return _repeating(entries, "ref_id")


def purchases(entries: pa.Table) -> pa.Table:
    """The top-ups that were bought in a checkout session."""
    session = entries.column("stripe_session_id")
    bought = pc.and_(pc.equal(entries.column("kind"), "topup"), pc.fill_null(pc.not_equal(session, ""), False))
    return entries.filter(bought)


def naming_a_dispute(entries: pa.Table) -> pa.Table:
    """Clawbacks and reinstatements of disputes, and credits given by hand."""
    kind, ref = entries.column("kind"), pc.fill_null(entries.column("ref_id"), "")
    clawback = pc.and_(pc.equal(kind, "refund"), pc.match_substring_regex(ref, "^(refund-)?dispute_"))
    credit = pc.and_(pc.equal(kind, "adjustment"), pc.match_substring_regex(ref, "^dispute(-credit-|_reinstate_)"))
    return entries.filter(pc.or_(clawback, credit))


def organizations_with_expiry(entries: pa.Table, as_of: datetime) -> list[str]:
    """Organizations with a top-up that must have been swept, or with any expiration."""
    kind = entries.column("kind")
    late = pc.fill_null(pc.less(entries.column("expires_at"), _time(as_of - SWEEP_GRACE)), False)
    chosen = pc.or_(pc.and_(pc.equal(kind, "topup"), late), pc.equal(kind, "expiration"))
    return pc.unique(entries.filter(chosen).column("organization_id")).to_pylist()


def between(entries: pa.Table, first: datetime, until: datetime) -> pa.Table:
    """The entries dated from ``first`` to before ``until``."""
    at = entries.column("at")
    return entries.filter(pc.and_(pc.greater_equal(at, _time(first)), pc.less(at, _time(until))))


def _repeating(entries: pa.Table, reference: str) -> pa.Table:
    keys = entries.select(["organization_id", reference]).to_pandas()
    return entries.filter(pa.array(keys.duplicated().to_numpy()))


def _among(kind: pa.ChunkedArray, *kinds: str) -> pa.ChunkedArray:
    return pc.is_in(kind, value_set=pa.array(kinds, pa.string()))


def _time(instant: datetime) -> pa.Scalar:
    return pa.scalar(instant, pa.timestamp("ms", "UTC"))
