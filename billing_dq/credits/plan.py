"""The plan of a dispute's credit: what one position, one ledger and the limits allow, and a hash of what it rests on.

Pure: the same inputs give the same plan, whoever asks, so what was proposed is what is applied. The source of every
rule is docs/stripe.md, "The credit of a reinstated dispute". No money becomes units here: the clawback is mirrored.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

import pandas as pd

from billing_dq.vocabulary.references import REINSTATEMENT, is_clawback_of, reinstatement_ref

Decision = Literal["due", "needs_approval", "above_cap", "parked", "refused", "nothing_due"]

_HASH_LENGTH = 24
#: What a person should know before they approve (docs/stripe.md, "The credit of a reinstated dispute").
AFTERWARDS = (
    "Afterwards the application settles no later overflow of this organization until it buys a pack: a credit does not "
    "repay what the clawback took"
)


@dataclass(frozen=True)
class Position:
    """One row of DISPUTE_POSITIONS: amounts of money in minor units, the rest in units."""

    dispute_id: str
    organization_id: str | None
    charge_id: str
    currency: str
    withdrawn_minor: int
    reinstated_minor: int
    fraction: float | None
    clawed_back_units: float
    credited_units: float
    due_units: float
    decision: str
    reason: str


@dataclass(frozen=True)
class DisputeEntry:
    """One entry of an organization's ledger that names a dispute or is a credit given by hand."""

    entry_id: str
    kind: str
    ref_id: str
    amount: float


@dataclass(frozen=True)
class LedgerState:
    """What is known of the organization beside the position; ``length`` is None without a balance document.

    ``entries`` are oldest first. ``credited_on_record`` says that the audit log holds a credit of the dispute as given.
    """

    organization_known: bool
    length: int | None
    parked: bool
    entries: tuple[DisputeEntry, ...]
    credited_on_record: bool = False


@dataclass(frozen=True)
class Limits:
    """The limits of one credit, in units."""

    approve_above_units: float
    max_units_per_credit: float


@dataclass(frozen=True)
class CreditPlan:
    """What is to be done about one dispute; ``units`` is above 0 for due, needs_approval and above_cap only.

    ``plan_hash`` covers the dispute's money, its clawback, the credits counted and whatever people gave the
    organization by hand. The ledger's length is no part of it: an unrelated debit changes no decision, and an approval
    must survive it. The length guards the write instead.
    """

    dispute_id: str
    organization_id: str | None
    charge_id: str
    decision: Decision
    reason: str
    units: float
    clawed_back_units: float
    credited_units: float
    fraction: float | None
    clawback_entry_id: str | None
    ledger_length: int | None
    plan_hash: str


def positions_of(frame: pd.DataFrame) -> list[Position]:
    """The rows of a DISPUTE_POSITIONS frame, in its order."""
    rows = frame[[field.name for field in fields(Position)]].astype(object)
    return [Position(**cast("dict[str, Any]", row)) for row in rows.where(rows.notna(), None).to_dict("records")]


def entries_of(frame: pd.DataFrame, organization_id: str | None) -> tuple[DisputeEntry, ...]:
    """The rows of one organization in a DISPUTE_ENTRIES frame, oldest first: by time, then by entry id."""
    rows = frame[frame["organization_id"] == organization_id].sort_values(["at", "entry_id"])
    cells = zip(rows["entry_id"], rows["kind"], rows["ref_id"].fillna(""), rows["amount"], strict=True)
    return tuple(DisputeEntry(str(name), str(kind), str(ref_id), float(amount)) for name, kind, ref_id, amount in cells)


def plan_credit(position: Position, ledger: LedgerState, limits: Limits) -> CreditPlan:
    """Decide about one dispute, by docs/stripe.md, "The credit of a reinstated dispute", 1 to 5 and 7.

    Mode, kill switch and the run's caps come later.

    Args:
        position: what Stripe and the ledger say of the dispute, in minor units and units.
        ledger: what is known of its organization.
        limits: of one credit, in units.
    """
    clawback = _clawback(position.dispute_id, ledger.entries)
    decision, reason = _decide(position, ledger, clawback, limits)
    carries_units = decision in ("due", "needs_approval", "above_cap")
    return CreditPlan(
        dispute_id=position.dispute_id,
        organization_id=position.organization_id,
        charge_id=position.charge_id,
        decision=decision,
        reason=reason,
        units=position.due_units if carries_units else 0.0,
        clawed_back_units=position.clawed_back_units,
        credited_units=position.credited_units,
        fraction=position.fraction,
        clawback_entry_id=clawback.entry_id if clawback else None,
        ledger_length=ledger.length,
        plan_hash=_hash(position, ledger.entries, clawback),
    )


def _clawback(dispute_id: str, entries: Iterable[DisputeEntry]) -> DisputeEntry | None:
    """The first refund entry that names the dispute; a second one is a finding, not a debt."""
    return next(
        (entry for entry in entries if entry.kind == "refund" and is_clawback_of(entry.ref_id, dispute_id)), None
    )


def _decide(
    position: Position, ledger: LedgerState, clawback: DisputeEntry | None, limits: Limits
) -> tuple[Decision, str]:
    if position.decision == "nothing_due" or position.decision == "parked":
        return position.decision, position.reason
    if position.decision != "due":
        return "refused", position.reason
    refusal = _refusal(position, ledger, clawback)
    if refusal:
        return "refused", refusal
    if any(entry.ref_id == reinstatement_ref(position.dispute_id) for entry in ledger.entries):
        return "parked", "credited_before"  # one refId is one entry: what is left over is for a person to give
    if ledger.credited_on_record:
        return "parked", "credit_is_gone"  # given once and not there: a restore, or a deletion, of which a person knows
    if ledger.parked:
        return "parked", "organization_parked"
    if position.due_units > limits.max_units_per_credit:
        return "above_cap", "max_units_per_credit"
    if position.due_units > limits.approve_above_units:
        return "needs_approval", "approve_above_units"
    return "due", position.reason


def _refusal(position: Position, ledger: LedgerState, clawback: DisputeEntry | None) -> str | None:
    """Why a position that claims to be due cannot be credited; every credit passes through here."""
    due, remaining = position.due_units, position.clawed_back_units - position.credited_units
    if position.organization_id is None or not ledger.organization_known:
        return "organization_unknown"
    if ledger.length is None:
        return "no_balance_document"
    if clawback is None:
        return "no_clawback"
    if position.reinstated_minor <= 0:
        return "not_reinstated"
    if position.credited_units < 0 or not math.isclose(-clawback.amount, position.clawed_back_units):
        return "impossible_units"
    return None if math.isfinite(due) and 0 < due <= remaining and due.is_integer() else "impossible_units"


def _hash(position: Position, entries: Iterable[DisputeEntry], clawback: DisputeEntry | None) -> str:
    ref_id = reinstatement_ref(position.dispute_id)
    # Another dispute's clawback, credit of ours or correction decides nothing here.
    credits = [
        [entry.entry_id, entry.ref_id, entry.amount]
        for entry in entries
        if entry.ref_id == ref_id or (entry.amount > 0 and not entry.ref_id.startswith(REINSTATEMENT))
    ]
    rests_on = {
        "dispute": position.dispute_id,
        "organization": position.organization_id,
        "charge": position.charge_id,
        "currency": position.currency,
        "withdrawn_minor": position.withdrawn_minor,
        "reinstated_minor": position.reinstated_minor,
        "fraction": None if position.fraction is None else round(position.fraction, 12),
        "clawback": [clawback.entry_id, clawback.amount] if clawback else None,
        "clawed_back_units": position.clawed_back_units,
        "credited_units": position.credited_units,
        "credits": credits,
        "due_units": position.due_units,
    }
    text = json.dumps(rests_on, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
