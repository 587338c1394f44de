"""What is to be done about a dispute, and why, in a word each (STRIPE.md, "The credit of a reinstated dispute").

| decision | reasons |
|---|---|
| nothing_due | not_a_pack, inquiry, open, lost, not_reinstated, prevented, credited, credited_by_hand, nothing_to_credit |
| due | not_credited, credited_short |
| parked | unknown_status, second_withdrawal, possible_hand_credit, fx_unknown, more_reinstated, no_withdrawal, other_organization, clawback_without_withdrawal |
| refused | wrong_mode, organization_unknown, no_balance_document, unreadable_ledger, no_clawback |
"""  # noqa: E501 - a table

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from billing_dq.reconcile.disputes.cases import DisputeCase
from billing_dq.reconcile.disputes.hand_credits import HandCredit, Reading

Decision = Literal["nothing_due", "due", "parked", "refused"]

#: Why nothing is due where no money came back, by status at Stripe. A status that is not here is unknown to us.
_NOT_REINSTATED = {
    "warning_needs_response": "inquiry",
    "warning_under_review": "inquiry",
    "warning_closed": "inquiry",
    "needs_response": "open",
    "under_review": "open",
    "appeal_needs_response": "open",
    "appeal_under_review": "open",
    "won": "not_reinstated",
    "lost": "lost",
    "prevented": "prevented",
}


@dataclass(frozen=True)
class Judgement:
    """A dispute with its decision: units given by hand and in all, units due (0 where parked or refused), and why.

    ``open_units`` are the units still owed to the customer, whether or not they may be credited.
    """

    case: DisputeCase
    by_hand: tuple[HandCredit, ...]
    credited_units: float
    open_units: float
    decision: Decision
    reason: str

    @property
    def due_units(self) -> float:
        """Units to be credited now."""
        return self.open_units if self.decision == "due" else 0.0


class Organizations:
    """Which organizations and balance documents there are; an unreadable one is there, but its ledger is not known."""

    def __init__(
        self, organizations: pd.DataFrame, subscriptions: pd.DataFrame, balances: pd.DataFrame, unreadable: pd.DataFrame
    ) -> None:
        owners = unreadable[unreadable["collection"].isin(["organizations", "subscriptions"])]
        dark = unreadable[unreadable["collection"] == "billingextrabalances"]
        self._known = {
            *organizations["organization_id"],
            *subscriptions["organization_id"],
            *owners["organization_id"].dropna(),
        }
        self._with_balance = {*balances["organization_id"]}
        self._dark = {*dark["organization_id"].dropna()}
        self._any_dark_of_nobody = bool(dark["organization_id"].isna().any())

    def unreadable(self, organization_id: str | None) -> bool:
        """Whether the organization's ledger may be one that could not be read."""
        if organization_id is None:
            return bool(self._dark) or self._any_dark_of_nobody
        hidden = self._any_dark_of_nobody and organization_id not in self._with_balance
        return organization_id in self._dark or hidden

    def refusal(self, organization_id: str | None) -> str | None:
        """Why nothing can be credited to the organization, null where it can."""
        if self.unreadable(organization_id):
            return "unreadable_ledger"
        if organization_id not in self._known:
            return "organization_unknown"
        return None if organization_id in self._with_balance else "no_balance_document"


def judge(case: DisputeCase, reading: Reading, organizations: Organizations, livemode: bool) -> Judgement:
    """Decide about a dispute, given how its organization's credits by hand are best read."""
    by_hand = reading.credited.get(case.dispute_id, ())
    credited = case.own_credit_units + reading.units(case.dispute_id)
    still_open = max(0.0, case.to_credit_units - credited) if case.reinstated else 0.0
    decision, reason = _before_money(case, livemode) or _by_money(case, credited, still_open, organizations, reading)
    return Judgement(case, by_hand, credited, still_open, decision, reason)


def _before_money(case: DisputeCase, livemode: bool) -> tuple[Decision, str] | None:
    """What is decided whatever became of the money."""
    if case.livemode != livemode:
        return "refused", "wrong_mode"
    if case.status not in _NOT_REINSTATED:
        return "parked", "unknown_status"
    if not case.is_pack:
        return "nothing_due", "not_a_pack"
    if case.money.problem == "second_withdrawal":
        return "parked", "second_withdrawal"
    if case.elsewhere:
        return "parked", "other_organization"
    return None


def _by_money(
    case: DisputeCase, credited: float, still_open: float, organizations: Organizations, reading: Reading
) -> tuple[Decision, str]:
    if not case.reinstated:
        if case.clawback and not case.money.withdrawn_minor:
            return "parked", "clawback_without_withdrawal"
        return "nothing_due", _NOT_REINSTATED[case.status]
    refusal = organizations.refusal(case.organization_id) or (None if case.clawback else "no_clawback")
    if refusal:
        return "refused", refusal
    if still_open and case.money.problem:
        return "parked", case.money.problem
    if _unclear(case, reading):
        return "parked", "possible_hand_credit"
    if not still_open:
        return "nothing_due", _why_nothing_is_open(case, reading)
    return "due", "credited_short" if credited else "not_credited"


def _unclear(case: DisputeCase, reading: Reading) -> bool:
    """Whether a person has to say if a credit by hand was for this dispute.

    So it is where the best readings differ, and where a credit that fits nothing was given since the withdrawal of a
    dispute with units due: it may have been meant for it ("no business of this system where nothing is due").
    """
    units = [case.own_credit_units + possible for possible in reading.possible_units(case.dispute_id)]
    if case.to_credit_units <= min(units):
        return False
    return len(units) > 1 or _given_since(case, reading.left_over)


def _given_since(case: DisputeCase, credits: Sequence[HandCredit]) -> bool:
    since = case.money.first_withdrawal
    return since is not None and any(credit.at >= since for credit in credits)


def _why_nothing_is_open(case: DisputeCase, reading: Reading) -> str:
    if reading.units(case.dispute_id):
        return "credited_by_hand"
    return "credited" if case.credits else "nothing_to_credit"
