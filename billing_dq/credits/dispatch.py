"""Which credits are to be started now: what is due less what is done, in flight or given up. Pure.

Level-triggered: it looks at what should be and at what is, and remembers nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from billing_dq.credits.approvals import approvals_of
from billing_dq.credits.audit import Record
from billing_dq.credits.plan import CreditPlan
from billing_dq.credits.planner import NightPlans
from billing_dq.credits.requests import RunBudget
from billing_dq.settings import Credits

#: After so many runs of one plan a person has to look.
ATTEMPTS = 3


@dataclass(frozen=True)
class PastRun:
    """A run that was started for a dispute; ``proposes`` where it was to show the plan, and to write nothing."""

    plan_hash: str
    state: Literal["in_flight", "succeeded", "failed"]
    proposes: bool = False


@dataclass(frozen=True)
class Start:
    """A credit to be started, and the number of the attempt at this plan; 0 where it is only to be proposed."""

    plan: CreditPlan
    attempt: int

    @property
    def proposes(self) -> bool:
        """Whether the run shows the plan and writes nothing."""
        return self.attempt == 0

    @property
    def run_key(self) -> str:
        """Unique for each attempt: a run key that was used once is never run again, failed or not."""
        if self.proposes:
            return f"{self.plan.dispute_id}-{self.plan.plan_hash}-proposal"
        return f"{self.plan.dispute_id}-{self.plan.plan_hash}-attempt-{self.attempt}"


@dataclass(frozen=True)
class Dispatch:
    """What to start, and one line that says what was looked at."""

    starts: tuple[Start, ...]
    looked_at: str


def dispatch(
    night: NightPlans, records: Sequence[Record], runs: Mapping[str, Sequence[PastRun]], credits: Credits
) -> Dispatch:
    """Decide which credits to start: in the mode `propose` one run that shows each plan, and the credit once a person
    has approved that very plan.

    Args:
        night: the plans of the newest stored night; its due credits share the caps of one run.
        records: the audit log, for approvals and for what is credited since.
        runs: the runs so far, by dispute.
        credits: mode and caps.
    """
    credited = {record.dispute_id for record in records if record.kind == "verified"}
    budget = RunBudget(credits.max_units_per_run, credits.max_credits_per_run)
    starts: list[Start] = []
    notes: list[str] = []
    for plan in night.plans:
        if plan.decision not in ("due", "needs_approval", "above_cap"):
            continue
        why_not = "credited since" if plan.dispute_id in credited else _waits(plan, records)
        if why_not is None and budget.refusal(plan.units):
            why_not = f"over {budget.refusal(plan.units)} of this night"
        elif why_not in (None, "credited since"):
            budget.spend(plan.units)
        past = runs.get(plan.dispute_id, ())
        attempts = [run for run in past if run.plan_hash == plan.plan_hash and not run.proposes]
        if _is_to_be_proposed(plan, records, credits) and plan.dispute_id not in credited:
            is_proposed = any(run.proposes and run.plan_hash == plan.plan_hash for run in past)
            why_not = f"proposed, {plan.units:,.0f} units, plan {plan.plan_hash}" if is_proposed else None
            attempt = 0
        else:
            why_not = why_not or _held_back(past, attempts)
            attempt = len(attempts) + 1
        if why_not is None:
            starts.append(Start(plan, attempt))
        else:
            notes.append(f"{plan.dispute_id} {why_not}")
    due = f"{len(starts) + len(notes)} due on the night of {night.night} among {len(night.plans)} disputes"
    return Dispatch(tuple(starts), "; ".join([f"mode {credits.mode}, {due}", *notes]))


def _is_to_be_proposed(plan: CreditPlan, records: Sequence[Record], credits: Credits) -> bool:
    return credits.mode == "propose" and plan.decision != "above_cap" and not approvals_of(records, plan)


def _waits(plan: CreditPlan, records: Sequence[Record]) -> str | None:
    if plan.decision == "above_cap":
        return f"above {plan.reason}: for a person"
    if plan.decision == "needs_approval" and not approvals_of(records, plan):
        return f"waits for approval, {plan.units:,.0f} units, plan {plan.plan_hash}"
    return None


def _held_back(runs: Sequence[PastRun], attempts: Sequence[PastRun]) -> str | None:
    if any(run.state == "in_flight" for run in runs):
        return "in flight"
    if any(run.state == "succeeded" for run in attempts):
        return "done, the next night will tell"
    return f"given up after {ATTEMPTS} attempts: for a person" if len(attempts) >= ATTEMPTS else None
