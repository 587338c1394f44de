"""The causes of docs/causes.md: their names, their order, and which of them are the application's design."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Confidence = Literal["proved", "consistent", "guess"]


class Cause(StrEnum):
    """Why the meter and the extras of a week disagree, in the order of docs/causes.md."""

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

#: Causes that are never a defect; a usage_reset is none where a change of plan explains it.
ALWAYS_BY_DESIGN = frozenset(
    {Cause.BOUNDARY_SKEW, Cause.SETTLEMENT_TIMING, Cause.QUOTA_CHANGED, Cause.LATE_DEBIT},
)

#: Rules of a usage_reset that is by design; any other reset of usage is a defect.
CANCELLATION = "cancellation"
CHANGE_OF_PLAN = "change_of_plan"
RESETS_BY_DESIGN = frozenset({CANCELLATION, CHANGE_OF_PLAN})


#: Causes that can stand beside a defect as the other story, with no units of their own.
STORIES = frozenset({Cause.QUOTA_CHANGED, Cause.USAGE_RESET})


@dataclass(frozen=True)
class EvidenceItem:
    """One item of evidence: a signed share of a week's delta and what proves it.

    Attributes:
        cause: what happened.
        rule: the proof, or what attests it, in a word.
        confidence: ``proved`` where no other story fits.
        units: signed share of the delta; 0 for a story that is only an alternative.
        ref_id, entry_id: the attribution key and the ledger entry that it rests on.
        in_doubt: of a defect: a story by design, which nothing attests, fits the week as well.
    """

    cause: Cause
    rule: str
    confidence: Confidence
    units: float
    ref_id: str | None = None
    entry_id: str | None = None
    in_doubt: bool = False

    @property
    def by_design(self) -> bool:
        """Whether the application's design accounts for it; every other item is a defect."""
        reset = self.cause is Cause.USAGE_RESET and self.rule in RESETS_BY_DESIGN
        return self.cause in ALWAYS_BY_DESIGN or reset

    @property
    def of_ledger(self) -> bool:
        """Whether it is half of a settlement that moves no unit of the week: the ledger's finding tells of it."""
        return self.cause is Cause.SETTLEMENT_HALF_APPLIED and not self.units
