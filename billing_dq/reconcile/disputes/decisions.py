"""What is to be done about a dispute, and why, in a word each (docs/stripe.md, "The credit of a reinstated dispute").

| decision | reasons |
|---|---|
| nothing_due | not_a_pack, inquiry, open, lost, not_reinstated, prevented, credited, credited_by_hand, nothing_to_credit |
| due | not_credited, credited_short |
| parked | unknown_status, second_withdrawal, possible_hand_credit, too_many_hand_credits, fx_unknown, more_reinstated, no_withdrawal, other_organization, clawback_without_withdrawal, status_contradicts_money, small_reinstatement, clawed_back_by_hand, clawback_beyond_pack |
| refused | wrong_mode, organization_unknown, no_balance_document, unreadable_ledger, ledger_of_other_mode, no_clawback |

Units are due where the money came back **and** the dispute is won. `inquiry` and `open` wait for Stripe, also where
money moved meanwhile: it may move back. `not_reinstated` (won, and no money yet) waits for the money.
"""  # noqa: E501 - a table

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from billing_dq.reconcile.disputes.account import Account, Owed, account_of, owed_of
from billing_dq.reconcile.disputes.cases import DisputeCase, PackPrice
from billing_dq.reconcile.disputes.hand_credits import Claim, HandCredit, Reading
from billing_dq.reconcile.disputes.possible_credits import may_be_for
from billing_dq.reconcile.disputes.statuses import FINAL, KNOWN
from billing_dq.vocabulary.likeness import dispute_key

Decision = Literal["nothing_due", "due", "parked", "refused"]

#: Why nothing is due where no money came back, by status at Stripe.
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
class Claimed:
    """A dispute with what its clawbacks took wrongly, and whether more was clawed back than its pack can have given."""

    case: DisputeCase
    owed: Owed
    beyond_pack: bool

    @classmethod
    def of(cls, case: DisputeCase, packs: Mapping[str, PackPrice]) -> "Claimed":
        """The dispute, its clawback measured by the part of the pack that it is about."""
        return cls(case, owed_of(case, case.share_of_pack(packs)), case.beyond_its_pack(packs))

    def claim(self, dollars_to_units: float) -> Claim | None:
        """The dispute as the reading of hand-given credits sees it; none where nothing was clawed back."""
        case, faults = self.case, self.owed
        if case.clawback is None:
            return None
        mirrored = max(0.0, case.to_credit_units - case.own_credit_units - case.units_by_hand)
        # A person who took units back in the dispute's name had credited them in its name before.
        taken_back = max(0.0, sum(entry.units for entry in case.corrections) - faults.shortfall)
        owed = mirrored + faults.to_customer + taken_back
        amounts = {owed, mirrored, case.to_credit_units, case.clawed_back_units}
        amounts |= {faults.to_customer, faults.again, faults.surplus, faults.expired}
        amounts |= {entry.units for entry in case.second_clawbacks}
        since = case.money.first_withdrawal or case.clawback.at
        return Claim(case.dispute_id, since, owed, frozenset(amounts) | case.mistaken_units(dollars_to_units))


@dataclass(frozen=True)
class Judgement:
    """A dispute with its account, its decision and why; ``open_units`` are owed whether or not they may be credited."""

    case: DisputeCase
    by_hand: tuple[HandCredit, ...]
    account: Account
    decision: Decision
    reason: str

    @property
    def credited_units(self) -> float:
        """Units given back of the clawback that counts."""
        return self.account.credited

    @property
    def open_units(self) -> float:
        """Units still owed to the customer of the reinstatement; none while Stripe has not decided."""
        return 0.0 if self.case.undecided else self.account.open_units

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
        self._organization_ids = {
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
        if organization_id not in self._organization_ids:
            return "organization_unknown"
        return None if organization_id in self._with_balance else "no_balance_document"


@dataclass(frozen=True)
class CreditsByHand:
    """An organization's credits by hand: how they are best read, and those left over that may be for any dispute."""

    reading: Reading
    left_over: Sequence[HandCredit]


def judge(claimed: Claimed, by_hand: CreditsByHand, organizations: Organizations, livemode: bool) -> Judgement:
    """Decide about a dispute, given how its organization's credits by hand are best read.

    Args:
        claimed: the dispute.
        by_hand: the credits by hand of its organization.
        organizations: which there are, and which ledgers could not be read.
        livemode: the mode of the key that read the dispute.
    """
    case = claimed.case
    units = by_hand.reading.units(case.dispute_id)
    account = account_of(case, units + case.units_by_hand, claimed.owed)
    decision, reason = _before_money(case, livemode) or _by_money(claimed, account, organizations, by_hand)
    return Judgement(case, by_hand.reading.credited.get(case.dispute_id, ()), account, decision, reason)


def _before_money(case: DisputeCase, livemode: bool) -> tuple[Decision, str] | None:
    """What is decided whatever became of the money."""
    if case.livemode != livemode:
        return "refused", "wrong_mode"
    if case.status not in KNOWN:
        return "parked", "unknown_status"
    if not case.is_pack:
        return "nothing_due", "not_a_pack"
    if case.money.problem == "second_withdrawal":
        return "parked", "second_withdrawal"
    if case.elsewhere:
        return "parked", "other_organization"
    return None


def _by_money(
    claimed: Claimed, account: Account, organizations: Organizations, by_hand: CreditsByHand
) -> tuple[Decision, str]:
    case = claimed.case
    if not case.reinstated and case.clawback and not case.money.withdrawn_minor:
        return "parked", "clawback_without_withdrawal"
    if not case.reinstated or case.undecided:
        return "nothing_due", _NOT_REINSTATED[case.status]
    if account.taken_by_hand:
        return "parked", "clawed_back_by_hand"
    refusal = organizations.refusal(case.organization_id) or (None if case.clawback else "no_clawback")
    if refusal:
        return "refused", refusal
    if account.open_units and case.of_another_mode:
        return "refused", "ledger_of_other_mode"
    doubt = _doubt(claimed, account, by_hand)
    if doubt:
        return "parked", doubt
    if not account.open_units:
        return "nothing_due", _why_nothing_is_open(case, by_hand.reading)
    return "due", "credited_short" if account.credited else "not_credited"


def _doubt(claimed: Claimed, account: Account, by_hand: CreditsByHand) -> str | None:
    """Why a person has to say what is owed: for what is open, or for what one reading of the credits leaves open."""
    case, reading = claimed.case, by_hand.reading
    if account.open_units and case.status in FINAL:
        return "status_contradicts_money"
    if account.open_units and case.money.problem:
        return case.money.problem
    if account.open_units and case.money.may_be_conversion:
        return "small_reinstatement"
    if case.dispute_id in reading.unclear:
        return "possible_hand_credit"
    if account.open_units and case.dispute_id in reading.unread:
        return "too_many_hand_credits"
    if _may_be_credited(claimed, account, by_hand):
        return "possible_hand_credit"
    return "clawback_beyond_pack" if account.open_units and claimed.beyond_pack else None


def _may_be_credited(claimed: Claimed, account: Account, by_hand: CreditsByHand) -> bool:
    """Whether a person may have given units that are open: in the dispute's name, or near its amount."""
    case = claimed.case
    if case.by_hand and account_of(case, by_hand.reading.units(case.dispute_id), claimed.owed).open_units:
        return True
    since = case.money.first_withdrawal
    if not account.open_units or since is None:
        return False
    amounts = {account.open_units, case.to_credit_units, case.clawed_back_units}
    return may_be_for(by_hand.left_over, dispute_key(case.dispute_id), since, amounts)


def _why_nothing_is_open(case: DisputeCase, reading: Reading) -> str:
    if reading.units(case.dispute_id) or case.by_hand:
        return "credited_by_hand"
    return "credited" if case.credits else "nothing_to_credit"
