"""Which entries of whole ledgers the tables of a night hold; no entry is judged here.

What can be chosen by numbers is chosen from columns of them. The tables of purchases, disputes and refunds are chosen
by text, from entries with the columns of `ledger_entries` and without the debits: nearly all are debits, and none of
these is one.
"""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from billing_dq.sources.mongodb.bson.contract import CLOCK_TOLERANCE
from billing_dq.sources.mongodb.bson.contract_table import milliseconds
from billing_dq.vocabulary.statuses import ENTRY_KINDS

TOPUP, DEBIT, REFUND, EXPIRATION, ADJUSTMENT = range(len(ENTRY_KINDS))

#: A top-up this long past its expiry must have been swept (docs/domain.md, "Ledger").
SWEEP_GRACE = timedelta(hours=48)

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class EntryColumns:
    """Ledger entries by column.

    Attributes:
        kinds: places in `ENTRY_KINDS`, -1 for an unknown kind.
        amounts: units.
        referenced: whether there is a reference that is not empty.
        settles: whether it is that of a settlement.
        grants: whether it is that of a grant.
        at: milliseconds since 1970.
        expires: whether the entry expires, and ``expires_at`` when (meaningless where it does not).
    """

    kinds: np.ndarray
    amounts: np.ndarray
    referenced: Mask
    settles: Mask
    grants: Mask
    at: np.ndarray
    expires: Mask
    expires_at: np.ndarray


def suspected(entries: EntryColumns, as_of: datetime) -> Mask:
    """The entries that a rule of single entries may be about, or that may correct another.

    Too many rather than too few. Ordinary entries stay out: of a known kind, with its sign, not dated in the future,
    with a reference. All grants, refunds, expirations and adjustments but settlements are in.
    """
    kinds, amounts = entries.kinds, entries.amounts
    credit = _among(kinds, TOPUP, ADJUSTMENT) & (amounts > 0)
    debit = _among(kinds, DEBIT, REFUND, EXPIRATION) & (amounts < 0)
    past = entries.at <= milliseconds(as_of + CLOCK_TOLERANCE)
    ordinary = (credit | debit) & past & ((kinds == TOPUP) | entries.referenced)
    correcting = _among(kinds, REFUND, EXPIRATION) | ((kinds == ADJUSTMENT) & ~entries.settles)
    return ~ordinary | correcting | ((kinds == TOPUP) & entries.grants)


def swept_or_late(entries: EntryColumns, as_of: datetime) -> Mask:
    """The top-ups that must have been swept, and the expirations."""
    late = entries.expires & (entries.expires_at < milliseconds(as_of - SWEEP_GRACE))
    return ((entries.kinds == TOPUP) & late) | (entries.kinds == EXPIRATION)


def purchases(entries: pa.Table) -> pa.Table:
    """The top-ups that were bought in a checkout session."""
    session = entries.column("stripe_session_id")
    bought = pc.and_(pc.equal(entries.column("kind"), "topup"), pc.fill_null(pc.not_equal(session, ""), False))
    return entries.filter(bought)


def naming_a_dispute(entries: pa.Table) -> pa.Table:
    """Clawbacks of disputes, every adjustment but the settlements (reinstatements, and whatever people gave or took by
    hand), other entries whose reference names a dispute, and the expirations of top-ups that were clawed back.
    """
    kind, ref = entries.column("kind"), pc.fill_null(entries.column("ref_id"), "")
    refund, adjustment = pc.equal(kind, "refund"), pc.equal(kind, "adjustment")
    clawback = pc.and_(refund, pc.match_substring_regex(ref, "^(refund-)?dispute_"))
    by_hand = pc.and_(adjustment, pc.invert(pc.starts_with(ref, "settle:")))
    named = pc.match_substring_regex(ref, "(?i)(^|[^a-z0-9])d[up][^a-z0-9]")
    named = pc.and_(named, pc.is_in(kind, value_set=pa.array(["topup", "refund"])))
    naming_topup = pc.and_(refund, pc.match_substring_regex(ref, "^refund-dispute_.+-[^-]+$"))
    topups = pc.replace_substring_regex(ref.filter(naming_topup), "^.*-", "expire-")
    expired = pc.and_(pc.equal(kind, "expiration"), pc.is_in(ref, value_set=pc.unique(topups)))
    return entries.filter(pc.or_(pc.or_(clawback, by_hand), pc.or_(named, expired)))


def of_refunds(entries: pa.Table) -> pa.Table:
    """What was taken back for refunds at Stripe; the withdrawals of disputes are not among them."""
    ref = pc.fill_null(entries.column("ref_id"), "")
    named = pc.and_(pc.starts_with(ref, "refund-"), pc.invert(pc.starts_with(ref, "refund-dispute_")))
    return entries.filter(pc.and_(pc.equal(entries.column("kind"), "refund"), named))


def _among(kinds: np.ndarray, *chosen: int) -> Mask:
    return np.isin(kinds, chosen)
