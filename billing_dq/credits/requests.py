"""A request for a credit, what became of it, and what one run may still credit."""

from dataclasses import dataclass, field
from typing import Literal

from billing_dq.credits.plan import CreditPlan
from billing_dq.settings import Credits, Settings

State = Literal[
    "credited",  # written by this request, or by an earlier one that was interrupted
    "nothing_due",
    "proposed",  # the mode is propose, and nobody has approved it yet
    "needs_approval",
    "above_cap",
    "parked",
    "refused",
    "stopped",  # the kill switch, or the mode, at the last moment
]


@dataclass(frozen=True)
class CreditRequest:
    """What is asked: a dispute, by whom and why. Without a ``plan_hash``, whatever plan stands now.

    ``asking`` are the names under which a person asks: what was typed, and the login of the process where there is one.
    None of them can have approved the plan. It is empty where the machine asks by itself.
    """

    dispute_id: str
    actor: str
    why: str
    plan_hash: str | None = None
    asking: tuple[str, ...] = ()


@dataclass(frozen=True)
class CreditOutcome:
    """What became of a request; ``reason`` is one word of the plan or one clear line. Units are 0 unless credited."""

    dispute_id: str
    state: State
    reason: str
    units: float = 0.0
    plan: CreditPlan | None = None
    entry_id: str | None = None


@dataclass
class RunBudget:
    """What one run may still credit."""

    units: float
    credits: int
    caps: tuple[float, int] = field(init=False)

    def __post_init__(self) -> None:
        self.caps = self.units, self.credits

    @classmethod
    def of(cls, settings: Settings) -> "RunBudget":
        """The caps of a run in the settings."""
        return cls(settings.credits.max_units_per_run, settings.credits.max_credits_per_run)

    def lower_to(self, credits: Credits) -> None:
        """Take over caps that were lowered since the run began; what it has spent counts. Raised ones wait."""
        units, count = self.caps
        lowered = min(units, credits.max_units_per_run), min(count, credits.max_credits_per_run)
        self.units += lowered[0] - units
        self.credits += lowered[1] - count
        self.caps = lowered

    def refusal(self, units: float) -> str | None:
        """The cap that a credit of so many units would break."""
        if self.credits < 1:
            return "max_credits_per_run"
        return "max_units_per_run" if units > self.units else None

    def spend(self, units: float) -> None:
        """Count a credit, before it is tried: one whose outcome stays unknown counts."""
        self.units -= units
        self.credits -= 1

    def give_back(self, units: float) -> None:
        """Count a credit no longer: it was certainly not written."""
        self.units += units
        self.credits += 1
