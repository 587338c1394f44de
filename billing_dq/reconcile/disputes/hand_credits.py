"""Which dispute a credit given by hand was for (STRIPE.md, "The credit of a reinstated dispute", 4).

Nothing ties such a credit to its dispute but the organization, the time and the amount. A reading gives each credit to
one dispute, or to none: credits alone or several together make one of the amounts that a person may have meant. Of all
readings of an organization those count that leave the fewest credits over, and of these the ones that credit least
beyond what is owed. Where these still differ for a dispute, a person has to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

#: More credits than this after a withdrawal are not read one against the other: the readings double with each.
MOST_CREDITS = 10

#: Units are whole but for old documents; a millionth tells two amounts apart and forgives the sum of floats.
_DIGITS = 6


@dataclass(frozen=True)
class Claim:
    """A dispute that a credit may be for: since when, units still owed, and the units that one may have meant."""

    dispute_id: str
    since: datetime
    owed: float
    amounts: frozenset[float]


@dataclass(frozen=True)
class HandCredit:
    """A credit given by hand: its ledger entry, units above 0, and its time."""

    entry_id: str
    units: float
    at: datetime


@dataclass(frozen=True)
class Reading:
    """The best reading of an organization's credits.

    ``credited`` holds each dispute's credits (in one of the best readings, always the same one), ``possible`` the units
    that each has in any of them, ``left_over`` the credits that at least one of them leaves over.
    """

    credited: dict[str, tuple[HandCredit, ...]]
    possible: dict[str, frozenset[float]]
    left_over: tuple[HandCredit, ...]

    def units(self, dispute_id: str) -> float:
        """Units given by hand for a dispute."""
        return round(sum(credit.units for credit in self.credited.get(dispute_id, ())), _DIGITS)

    def possible_units(self, dispute_id: str) -> frozenset[float]:
        """Units that may have been given by hand for a dispute; several where the best readings differ."""
        return self.possible.get(dispute_id, frozenset((0.0,)))


@dataclass(frozen=True)
class _State:
    """Readings of the claims so far that use the same credits: the least excess, one choice, all choices' units."""

    beyond: float
    chosen: tuple[int, ...]
    units: tuple[frozenset[float], ...]


def read_hand_credits(credits: Sequence[HandCredit], claims: Sequence[Claim]) -> Reading:
    """Read an organization's credits against its disputes; the order of neither matters.

    With more than `MOST_CREDITS` that could be meant, none is assigned and all are left over.
    """
    ordered = sorted(claims, key=lambda claim: (claim.since, claim.dispute_id))
    every = tuple(sorted(credits, key=lambda credit: (credit.at, credit.entry_id)))
    usable = [credit for credit in every if any(_may_be_for(credit, claim) for claim in ordered)]
    if len(usable) > MOST_CREDITS:
        return Reading({}, {}, every)
    best = _best(usable, ordered)
    used = max((mask.bit_count() for mask in best), default=0)
    least = min(state.beyond for mask, state in best.items() if mask.bit_count() == used)
    winners = {mask: s for mask, s in best.items() if mask.bit_count() == used and s.beyond == least}
    chosen = max(state.chosen for state in winners.values())
    over = {index for mask in winners for index in range(len(usable)) if not mask >> index & 1}
    left_over = [c for c in every if c not in usable or usable.index(c) in over]
    possible = {
        claim.dispute_id: frozenset[float]().union(*(state.units[place] for state in winners.values()))
        for place, claim in enumerate(ordered)
    }
    credited = {claim.dispute_id: tuple(_picked(usable, mask)) for claim, mask in zip(ordered, chosen, strict=True)}
    return Reading(credited, possible, tuple(left_over))


def _may_be_for(credit: HandCredit, claim: Claim) -> bool:
    return credit.at >= claim.since and any(credit.units <= amount for amount in claim.amounts)


def _best(credits: Sequence[HandCredit], claims: Sequence[Claim]) -> dict[int, _State]:
    """By the credits used (a bit each): the least excess over all claims, and every reading that has it.

    Claim by claim: what is least for a set of credits rests on what was least for a part of it.
    """
    best = {0: _State(0.0, (), ())}
    for claim in claims:
        further: dict[int, _State] = {}
        for taken in _takings(credits, claim):
            units = _units(credits, taken)
            excess = max(0.0, units - claim.owed)
            for mask, state in best.items():
                if not mask & taken:
                    _keep(further, mask | taken, state, taken, units, excess)
        best = further
    return best


def _keep(best: dict[int, _State], mask: int, before: _State, taken: int, units: float, excess: float) -> None:
    """Keep one more choice for these credits, if it is none the worse."""
    beyond = round(before.beyond + excess, _DIGITS)
    chosen, seen = (*before.chosen, taken), (*before.units, frozenset((units,)))
    there = best.get(mask)
    if there is None or beyond < there.beyond:
        best[mask] = _State(beyond, chosen, seen)
    elif beyond == there.beyond:
        both = tuple(one | other for one, other in zip(there.units, seen, strict=True))
        best[mask] = _State(beyond, max(there.chosen, chosen), both)


def _takings(credits: Sequence[HandCredit], claim: Claim) -> list[int]:
    """The sets of credits (a bit each) that may all be for a claim: groups that each make one of its amounts."""
    fitting = sum(1 << index for index, credit in enumerate(credits) if _may_be_for(credit, claim))
    meant = {round(amount, _DIGITS) for amount in claim.amounts}
    groups = [mask for mask in range(1, 1 << len(credits)) if not mask & ~fitting and _units(credits, mask) in meant]
    takings = {0}
    frontier = [0]
    while frontier:
        taken = frontier.pop()
        for group in groups:
            if not taken & group and taken | group not in takings:
                takings.add(taken | group)
                frontier.append(taken | group)
    return sorted(takings)


def _units(credits: Sequence[HandCredit], mask: int) -> float:
    return round(sum(credit.units for credit in _picked(credits, mask)), _DIGITS)


def _picked(credits: Sequence[HandCredit], mask: int) -> list[HandCredit]:
    return [credit for index, credit in enumerate(credits) if mask >> index & 1]
