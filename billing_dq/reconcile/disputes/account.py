"""The units of one dispute as an account: what should have been taken and given back, and what is still open of it.

See docs/domain.md, "Disputes of packs".

The credit of a reinstatement mirrors the clawback that counts. Beside it the customer may be owed what a second
clawback took, what the first one took too much, and what it took for units of the pack that had expired. Credits by
hand settle these first: the system gives the mirrored units back itself, a person the rest. A correction
(units that a person took back) undoes credits beyond what is owed, then makes up for what a clawback took too little.
"""

import math
from dataclasses import dataclass

from billing_dq.reconcile.disputes.cases import DisputeCase, Share
from billing_dq.units import round_half_up


@dataclass(frozen=True)
class Owed:
    """What clawbacks got wrong, in units that no reinstatement gives back; all are 0 or more.

    ``again`` by second clawbacks, ``surplus`` and ``shortfall`` by a wrong amount, ``expired`` for units already gone.
    """

    again: float
    surplus: float
    shortfall: float
    expired: float

    @property
    def to_customer(self) -> float:
        """Units that a person has to give back."""
        return self.again + self.surplus + self.expired


@dataclass(frozen=True)
class Account:
    """An account with its credits and corrections counted in.

    ``credited`` are units given back of the clawback that counts; ``open_units`` what the reinstatement leaves owed, 0
    where no money came back; ``still_owed`` what is still open of its faults; ``taken_by_hand`` what a person
    took where the application had clawed nothing back.
    """

    credited: float
    open_units: float
    still_owed: Owed
    taken_by_hand: float


def owed_of(case: DisputeCase, share: Share | None) -> Owed:
    """What the clawbacks of a dispute took wrongly, by the part of the money that is still withdrawn.

    Args:
        case: the dispute.
        share: its part of the pack; null where it is not known, and then no amount is wrong.
    """
    again = sum(entry.units for entry in case.second_clawbacks)
    if case.clawback is None or case.money.problem or not case.money.withdrawn_minor:
        return Owed(again, 0.0, 0.0, 0.0)
    withdrawn = 1.0 - (case.money.fraction or 0.0)
    clawed_back = case.clawback.units
    # Newer versions of the application compute in whole cents: the neighbour of a half is right as well.
    excess = 0.0 if share is None or share.admits(clawed_back) else (clawed_back - share.rounded) * withdrawn
    due_clawback = clawed_back if share is None else min(clawed_back, share.rounded)
    gone = 0.0
    if case.topup_units is not None and case.clawback.expired_before:
        gone = max(0.0, due_clawback + case.clawback.expired_before - case.topup_units) * withdrawn
    surplus, shortfall = round_half_up(max(0.0, excess)), round_half_up(max(0.0, -excess))
    return Owed(again, surplus, shortfall, round_half_up(min(gone, due_clawback)))


def account_of(case: DisputeCase, by_hand: float, owed: Owed) -> Account:
    """The account of a dispute with so many units given by hand."""
    by_system, to_credit = case.own_credit_units, case.to_credit_units if case.reinstated else 0.0
    settled = min(owed.to_customer, min(by_hand, owed.to_customer) + max(0.0, by_system - to_credit))
    credited = by_system + by_hand - settled
    corrected = sum(entry.units for entry in case.corrections)
    undone = min(corrected, max(0.0, credited - to_credit))
    credited, corrected = credited - undone, corrected - undone
    taken_by_hand = 0.0
    if case.clawback is None:
        taken_by_hand, corrected = corrected, 0.0
    made_up = min(corrected, owed.shortfall)
    of_again = min(settled, owed.again)
    of_surplus = min(settled - of_again, owed.surplus)
    still_owed = Owed(
        again=owed.again - of_again + corrected - made_up,
        surplus=owed.surplus - of_surplus,
        shortfall=owed.shortfall - made_up,
        expired=owed.expired - (settled - of_again - of_surplus),
    )
    # Only whole units are given: what is left of one is nothing.
    open_units = float(math.floor(max(0.0, to_credit - credited) + 1e-9))
    return Account(credited, open_units, still_owed, taken_by_hand)
