"""Carries out the credit of one dispute: plan afresh, record the intent, write once, verify.

The rule is docs/stripe.md, "The credit of a reinstated dispute", 5 and 6.

Every step leaves a record before the next one starts. Whatever was interrupted is settled first when the dispute is
looked at again: the ledger says whether the entry of an open intent is there.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from bson import ObjectId

from billing_dq.credits.approvals import approvals_of, approved_by_another
from billing_dq.credits.audit import AuditLog, Kind, Record, Subject, Value
from billing_dq.credits.ledger_writer import Credit, LedgerReading, LedgerWriter
from billing_dq.credits.parking import OnRecord
from billing_dq.credits.plan import CreditPlan
from billing_dq.credits.requests import CreditOutcome, CreditRequest, RunBudget, State
from billing_dq.errors import SettingsError, SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.stripe.client import mode_of_key
from billing_dq.vocabulary.references import reinstatement_ref

_ATTEMPTS = 5
_CLOSED = ("verified", "unverified", "missed", "refused", "resolved")
MEMO_PREFIX = "billing_dq: "
STOP_FILE = "STOP"
UNKNOWN_MODE = (
    "BILLING_DQ_STRIPE_API_KEY tells neither live nor test mode; credits need a key that begins with "
    "sk_live_, rk_live_, sk_test_ or rk_test_"
)


class UnverifiedCredit(SourceError):
    """What was read after a write is not what was written: nothing more is credited before a person has looked."""


def _nothing(_step: str) -> None:
    return None


@dataclass(frozen=True)
class Applier:
    """The parts that a credit needs.

    ``plan`` plans a dispute afresh, given what the audit log forbids. ``settings_now`` reads the settings again: mode,
    key and kill switch count at the last moment. ``observer`` hears the name of each step before it is taken.
    """

    plan: Callable[[str, OnRecord], CreditPlan]
    writer: LedgerWriter
    audit: AuditLog
    settings_now: Callable[[], Settings]
    observer: Callable[[str], None] = field(default=_nothing)

    def apply(self, request: CreditRequest, budget: RunBudget) -> CreditOutcome:
        """Credit a dispute if, and only if, everything allows it.

        Raises:
            TransientSourceError: a source does not answer, or the ledger kept changing; trying again may help.
            UnverifiedCredit: what was read after the write is not what was written.
            SourceError: the server refuses.
            AuditError: the audit log is not whole.
        """
        settled = self.settle(request.dispute_id, request.actor)
        if settled is not None:
            return settled
        for _ in range(_ATTEMPTS):
            outcome = self._attempt(request, budget)
            if outcome is not None:
                return outcome
        raise TransientSourceError(
            f"{request.dispute_id}: the ledger changed {_ATTEMPTS} times between the plan and the write; try again"
        )

    def settle(self, dispute_id: str, actor: str) -> CreditOutcome | None:
        """Look up what an interrupted request left open; the outcome where its entry turns out to be there.

        Raises:
            TransientSourceError, SourceError: as `apply`.
        """
        outcome = None
        for intent in unverified_intents(self.audit.read().records, dispute_id):
            subject = Subject(intent.dispute_id, intent.organization_id, intent.plan_hash)
            entry_id = str(intent.facts["entry_id"])
            self.observer("settle:read")
            ledger = self.writer.read(str(intent.organization_id), reinstatement_ref(dispute_id))
            is_written = any(entry.entry_id == entry_id for entry in ledger.entries)
            if is_written or not intent.facts["closed"]:
                self._record("resolved", subject, actor, {"entry_id": entry_id, "found": is_written})
            if is_written:
                self._verify(subject, actor, intent.facts, ledger)
                units = float(intent.facts["units"] or 0)
                outcome = CreditOutcome(dispute_id, "credited", "credited_before_interruption", units, None, entry_id)
        return outcome

    def _attempt(self, request: CreditRequest, budget: RunBudget) -> CreditOutcome | None:
        """One plan and at most one write; None where the ledger changed in between."""
        reading = self.audit.read()
        self.observer("plan")
        plan = self.plan(request.dispute_id, OnRecord.of(reading))
        subject = Subject(plan.dispute_id, plan.organization_id, plan.plan_hash)
        proposing = self.settings_now().credits.mode == "propose"
        approvals = approvals_of(reading.records, plan) if proposing or plan.decision == "needs_approval" else []
        approval = approved_by_another(approvals, request.asking)
        stop = self._why_not(request, plan, budget, approvals, approval)
        if stop is not None:
            if request.plan_hash is not None and stop.state not in ("nothing_due", "proposed"):
                self._record(
                    "refused", subject, request.actor, {"state": stop.state, "reason": stop.reason}, request.why
                )
            return stop
        organization_id, length = str(plan.organization_id), plan.ledger_length
        before = self.writer.read(organization_id, reinstatement_ref(plan.dispute_id))
        approved = approval is not None  # the early look records no intent in vain; the later one counts
        stopped = self._stopped(organization_id, before, approved)
        if stopped is not None:
            return CreditOutcome(plan.dispute_id, "stopped", stopped, 0.0, plan)
        if length is None or before.length != length:
            return None
        entry_id = str(ObjectId())
        intent = self._announce(request, plan, approval, before, entry_id)
        stopped = self._stopped(organization_id, before, approved)
        if stopped is not None:
            self._record("refused", subject, request.actor, {"entry_id": entry_id, "reason": stopped}, request.why)
            return CreditOutcome(plan.dispute_id, "stopped", stopped, 0.0, plan)
        return self._write(request, plan, intent, budget)

    def _why_not(
        self,
        request: CreditRequest,
        plan: CreditPlan,
        budget: RunBudget,
        approvals: list[Record],
        approval: Record | None,
    ) -> CreditOutcome | None:
        def outcome(state: State, reason: str) -> CreditOutcome:
            return CreditOutcome(plan.dispute_id, state, reason, 0.0, plan)

        credits = self.settings_now().credits
        if plan.decision in ("nothing_due", "parked", "refused", "above_cap"):
            return outcome(plan.decision, plan.reason)
        if request.plan_hash is not None and plan.plan_hash != request.plan_hash:
            return outcome("refused", f"plan_changed: the plan is {plan.plan_hash} by now, look at it again")
        if plan.decision == "needs_approval" and approval is None:
            if approvals:
                return outcome("refused", "same_person: who asks for a credit cannot approve it")
            return outcome("proposed" if credits.mode == "propose" else "needs_approval", plan.reason)
        if credits.mode == "propose" and approval is None:
            return outcome("proposed", plan.reason)
        budget.lower_to(credits)
        cap = budget.refusal(plan.units)
        return outcome("above_cap", cap) if cap else None

    def _announce(
        self,
        request: CreditRequest,
        plan: CreditPlan,
        approval: Record | None,
        before: LedgerReading,
        entry_id: str,
    ) -> Record:
        """Record the decision and the intent; the intent's facts are what the verification is measured against."""
        subject = Subject(plan.dispute_id, plan.organization_id, plan.plan_hash)
        decision: dict[str, Value] = {
            "units": plan.units,
            "clawed_back_units": plan.clawed_back_units,
            "credited_units": plan.credited_units,
            "fraction": plan.fraction,
            "clawback_entry_id": plan.clawback_entry_id,
            "approved_by": approval.actor if approval else None,
            "approved_under": approval.facts["login"] if approval else None,
        }
        self._record("decided", subject, request.actor, decision, request.why)
        intent: dict[str, Value] = {
            "entry_id": entry_id,
            "units": plan.units,
            "ledger_length": before.length,
            "balance_before": before.cached_balance,
            "gap_before": before.gap,
            "home": self.audit.home,
        }
        return self._record("intent", subject, request.actor, intent, request.why)

    def _stopped(self, organization_id: str, ledger: LedgerReading, approved: bool) -> str | None:
        """Why nothing may be written any more, read at the last moment; unreadable settings stop it, too. In the mode
        `propose` only what a person approved is written.
        """
        self.observer("stop?")
        if kill_file(self.audit.directory).exists():
            return f"kill_switch: {kill_file(self.audit.directory)} exists"
        try:
            settings = self.settings_now()
            livemode = mode_of_key(settings)
        except (SettingsError, SourceError) as error:
            return f"settings: {error}"
        if settings.credits.kill_switch:
            return "kill_switch: the setting credits.kill_switch is on"
        if settings.credits.mode != "apply" and not (settings.credits.mode == "propose" and approved):
            return f"mode: credits.mode is {settings.credits.mode}"
        if livemode is None:
            return f"mode: {UNKNOWN_MODE}"
        if (not livemode) in ledger.livemode:
            return "mode: the ledger's checkout sessions are not of the key's mode"
        return "organization_parked" if organization_id in OnRecord.of(self.audit.read()).parked else None

    def _write(
        self, request: CreditRequest, plan: CreditPlan, intent: Record, budget: RunBudget
    ) -> CreditOutcome | None:
        subject = Subject(plan.dispute_id, plan.organization_id, plan.plan_hash)
        organization_id, entry_id = str(plan.organization_id), str(intent.facts["entry_id"])
        credit = Credit(
            organization_id=organization_id,
            ref_id=reinstatement_ref(plan.dispute_id),
            units=plan.units,
            ledger_length=int(intent.facts["ledger_length"] or 0),
            entry_id=entry_id,
            at=_now(),
            memo=memo_of(plan, str(intent.facts["home"])),
        )
        budget.spend(plan.units)  # before the write: an unknown outcome counts as spent
        self.observer("write")
        result = self.writer.write(credit)
        self.observer(f"wrote:{result}")
        if result == "missed":
            self._record("missed", subject, request.actor, {"entry_id": entry_id})
            budget.give_back(plan.units)
            return None
        if result == "unknown":
            self._record("unknown_outcome", subject, request.actor, {"entry_id": entry_id})
            settled = self.settle(plan.dispute_id, request.actor)
            if settled is None:
                budget.give_back(plan.units)
            return settled
        self._record("written", subject, request.actor, {"entry_id": entry_id, "units": plan.units})
        self._verify(subject, request.actor, intent.facts, self.writer.read(organization_id, credit.ref_id))
        return CreditOutcome(plan.dispute_id, "credited", plan.reason, plan.units, plan, entry_id)

    def _verify(self, subject: Subject, actor: str, intent: dict[str, Value], ledger: LedgerReading) -> None:
        """One entry, of the right amount, and the balance moved by it: its gap to the ledger's sum stays."""
        units, gap = float(intent["units"] or 0), float(intent["gap_before"] or 0)
        if len(ledger.entries) != 1:
            fault = f"there are {len(ledger.entries)} entries of one reference"
        elif ledger.entries[0].entry_id != intent["entry_id"] or ledger.entries[0].amount != units:
            fault = f"the entry is {ledger.entries[0].entry_id} of {ledger.entries[0].amount} units"
        elif not math.isclose(ledger.gap, gap, rel_tol=0.0, abs_tol=1e-6 * max(1.0, abs(ledger.cached_balance))):
            fault = f"the balance is off its ledger by {ledger.gap} units and was off by {gap} before"
        else:
            fault = None
        facts: dict[str, Value] = {
            "entry_id": intent["entry_id"],
            "units": units,
            "ledger_length": ledger.length,
            "balance_after": ledger.cached_balance if math.isfinite(ledger.cached_balance) else None,
        }
        if fault is None:
            self._record("verified", subject, actor, facts)
            return
        self._record("unverified", subject, actor, {**facts, "wrong": fault})
        raise UnverifiedCredit(
            f"{subject.dispute_id}: the credit of {units:,.0f} units is not as it should be: {fault}"
        )

    def _record(self, kind: Kind, subject: Subject, actor: str, facts: dict[str, Value], why: str = "") -> Record:
        self.observer(f"record:{kind}")
        record = self.audit.append(kind, subject, actor, why, facts)
        self.observer(f"recorded:{kind}")
        return record


def memo_of(plan: CreditPlan, home: str) -> str:
    """What the entry says of itself: why it was written, and by which home."""
    return f"{MEMO_PREFIX}dispute {plan.dispute_id}, charge {plan.charge_id}, plan {plan.plan_hash}, home {home}"


def unverified_intents(records: Iterable[Record], dispute_id: str | None = None) -> list[Record]:
    """The intents (of one dispute) whose write was never verified, oldest first.

    An intent that was given up (missed, refused, or not found when looked up) stays in the list, with ``closed`` among
    its facts: a server may carry out late what it had received.
    """
    intents: dict[Value, Record] = {}
    closed: set[Value] = set()
    for record in records:
        entry_id = record.facts.get("entry_id")
        if dispute_id is not None and record.dispute_id != dispute_id:
            continue
        if record.kind == "intent":
            intents[entry_id] = record
        elif record.kind in ("verified", "unverified"):
            intents.pop(entry_id, None)
        elif record.kind in _CLOSED:
            closed.add(entry_id)
    return [
        replace(intent, facts={**intent.facts, "closed": entry_id in closed}) for entry_id, intent in intents.items()
    ]


def kill_file(directory: Path) -> Path:
    """The file whose existence stops every credit."""
    return directory / STOP_FILE


def _now() -> datetime:
    """Now, with the milliseconds that the database keeps."""
    instant = datetime.now(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
