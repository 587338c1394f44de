"""Which entries the tables of purchases, disputes and refunds hold.

Entries come with the columns of `ledger_entries`, and without the debits: nearly all are debits, and none of these is.
"""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

import pyarrow as pa
import pyarrow.compute as pc


def purchases(entries: pa.Table) -> pa.Table:
    """The top-ups that were bought in a checkout session."""
    session = entries.column("stripe_session_id")
    bought = pc.and_(pc.equal(entries.column("kind"), "topup"), pc.fill_null(pc.not_equal(session, ""), False))
    return entries.filter(bought)


def naming_a_dispute(entries: pa.Table) -> pa.Table:
    """Clawbacks and reinstatements of disputes, and credits given by hand."""
    entries = entries.filter(pc.is_in(entries.column("kind"), value_set=pa.array(["refund", "adjustment"])))
    refund, ref = pc.equal(entries.column("kind"), "refund"), pc.fill_null(entries.column("ref_id"), "")
    clawback = pc.match_substring_regex(ref, "^(refund-)?dispute_")
    credit = pc.match_substring_regex(ref, "^dispute(-credit-|_reinstate_)")
    return entries.filter(pc.if_else(refund, clawback, credit))


def of_refunds(entries: pa.Table) -> pa.Table:
    """What was taken back for refunds at Stripe; the withdrawals of disputes are not among them."""
    ref = pc.fill_null(entries.column("ref_id"), "")
    named = pc.and_(pc.starts_with(ref, "refund-"), pc.invert(pc.starts_with(ref, "refund-dispute_")))
    return entries.filter(pc.and_(pc.equal(entries.column("kind"), "refund"), named))
