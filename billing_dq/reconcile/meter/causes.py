"""The causes of CAUSES.md: their names, their order, and which of them are the application's design."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Confidence = Literal["proved", "consistent", "guess"]


class Cause(StrEnum):
    """Why the meter and the extras of a week disagree, in the order of CAUSES.md."""

    DUPLICATE_DEBIT = "duplicate_debit"
    BOUNDARY_SKEW = "boundary_skew"
    REPLAYED_ACROSS_WEEKS = "replayed_across_weeks"
    DEBIT_WITHOUT_USAGE = "debit_without_usage"
    SETTLEMENT_HALF_APPLIED = "settlement_half_applied"
    SETTLEMENT_TIMING = "settlement_timing"
    QUOTA_CHANGED = "quota_changed"
    USAGE_RESET = "usage_reset"
    LATE_DEBIT = "late_debit"
    MISSING_DEBIT = "missing_debit"
    NO_USAGE_DOCUMENT = "no_usage_document"
    NO_BALANCE_DOCUMENT = "no_balance_document"
    DEBIT_ALTERED = "debit_altered"
    UNEXPLAINED = "unexplained"


CAUSE_ORDER = tuple(Cause)

#: Causes that are never a defect; a usage_reset is none where a cancellation explains it.
ALWAYS_BY_DESIGN = frozenset(
    {Cause.BOUNDARY_SKEW, Cause.SETTLEMENT_TIMING, Cause.QUOTA_CHANGED, Cause.LATE_DEBIT},
)

#: Rule of a usage_reset that a cancellation explains; any other reset of usage is a defect.
CANCELLATION = "cancellation"


@dataclass(frozen=True)
class Piece:
    """A piece of evidence: a signed share of a week's delta and what proves it."""

    cause: Cause
    rule: str
    confidence: Confidence
    units: float
    ref_id: str | None = None
    entry_id: str | None = None

    @property
    def by_design(self) -> bool:
        """Whether the application's design accounts for it (DESIGN.md, "Outputs"); every other piece is a defect."""
        return self.cause in ALWAYS_BY_DESIGN or (self.cause is Cause.USAGE_RESET and self.rule == CANCELLATION)
