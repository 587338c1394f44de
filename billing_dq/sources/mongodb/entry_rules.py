"""The rules of single ledger entries (DOMAIN.md, What must hold), over columns of numbers.

Kinds are places in `KINDS`, -1 for an unknown one. A zero amount that may not be is `zero_amount`, and not `sign` too.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from billing_dq.sources.mongodb.contract import GRACE
from billing_dq.sources.mongodb.contract_table import milliseconds

KINDS = ("topup", "debit", "refund", "expiration", "adjustment")
TOPUP, DEBIT, REFUND, EXPIRATION, ADJUSTMENT = range(len(KINDS))

#: A top-up this long past its expiry must have been swept.
SWEEP_GRACE = timedelta(hours=48)

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class EntryColumns:
    """Ledger entries: kinds, amounts (units), whether there is a reference that is not empty, milliseconds of `at` and
    of `expiresAt` (meaningless where ``expires`` is false).
    """

    kinds: np.ndarray
    amounts: np.ndarray
    referenced: Mask
    at: np.ndarray
    expires: Mask
    expires_at: np.ndarray


def broken_rules(entries: EntryColumns, as_of: datetime) -> dict[str, Mask]:
    """Which entries break which rule of single entries."""
    kinds, amounts = entries.kinds, entries.amounts
    positive, negative = _among(kinds, TOPUP, ADJUSTMENT), _among(kinds, DEBIT, REFUND, EXPIRATION)
    return {
        "zero_amount": (amounts == 0) & (kinds != EXPIRATION),
        "sign": (positive & (amounts < 0)) | (negative & (amounts > 0)),
        "future_entry": entries.at > milliseconds(as_of + GRACE),
        "missing_ref": _among(kinds, DEBIT, ADJUSTMENT) & ~entries.referenced,
        "unknown_kind": kinds < 0,
    }


def swept_or_late(entries: EntryColumns, as_of: datetime) -> Mask:
    """The top-ups that must have been swept, and the expirations."""
    late = entries.expires & (entries.expires_at < milliseconds(as_of - SWEEP_GRACE))
    return ((entries.kinds == TOPUP) & late) | (entries.kinds == EXPIRATION)


def _among(kinds: np.ndarray, *chosen: int) -> Mask:
    return np.isin(kinds, chosen)
