"""Which dispute a credit given by hand was for (docs/stripe.md, "The credit of a reinstated dispute", 4).

Nothing ties such a credit to its dispute but the organization, the time and the amount. A reading gives each credit to
one dispute, or to none: credits alone or several together make one of the amounts that a person may have meant. Of all
readings of an organization those count that leave the fewest credits over, and of these the ones that credit least
beyond what is owed. Where these still differ for a dispute with units owed, a person has to say.

A credit that makes no such amount, alone or with others, is in no reading; `possible_credits` says which of them may be
for a dispute all the same. What is left falls into
parts that share no credit. A part where every dispute has a credit of exactly its units is settled by sorting; any
other is searched (`reading_search`), within a bound: beyond it the part is unread, and a person has to say.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from billing_dq.reconcile.disputes import reading_search
from billing_dq.reconcile.disputes.reading_search import Micro, Part

#: Different sums that are tried to tell whether a credit can be a part of an amount; with more, it is taken to be.
_MOST_SUMS = 2_000
#: Different units that are looked at one by one for it.
_MOST_CHECKS = 32


@dataclass(frozen=True)
class Claim:
    """A dispute that a credit may be for: since when, units still owed, and the units that one may have meant."""

    dispute_id: str
    since: datetime
    owed: float
    amounts: frozenset[float]


@dataclass(frozen=True)
class HandCredit:
    """A credit given by hand: its ledger entry, units above 0, and its time.

    ``names`` are the keys of the disputes that its reference may name (`vocabulary/likeness.py`).
    """

    entry_id: str
    units: float
    at: datetime
    names: frozenset[str] = frozenset()
    has_reference: bool = True


@dataclass(frozen=True)
class Reading:
    """The best reading of an organization's credits.

    ``credited`` holds each dispute's credits (in one of the best readings, always the same one). ``unclear`` are the
    disputes with units owed that the best readings credit differently, ``unread`` those of a part too large to search.
    """

    credited: dict[str, tuple[HandCredit, ...]]
    unclear: frozenset[str]
    unread: frozenset[str]

    def left_over(self, credits: Sequence[HandCredit]) -> list[HandCredit]:
        """Of an organization's credits those that are for no dispute in the reading."""
        read = {credit.entry_id for of_dispute in self.credited.values() for credit in of_dispute}
        return [credit for credit in credits if credit.entry_id not in read]

    def units(self, dispute_id: str) -> float:
        """Units given by hand for a dispute."""
        return sum(_micro(credit.units) for credit in self.credited.get(dispute_id, ())) / _MICRO


#: Units are whole but for old documents; a millionth tells two amounts apart and forgives the sum of floats.
_MICRO = 1_000_000


def read_hand_credits(
    credits: Sequence[HandCredit], claims: Sequence[Claim], most_steps: int = reading_search.MOST_STEPS
) -> Reading:
    """Read an organization's credits against its disputes; the order of neither matters.

    Args:
        credits: the organization's credits by hand.
        claims: its disputes.
        most_steps: how far one part is searched before it counts as unread.
    """
    ordered = sorted(claims, key=lambda claim: (claim.since, claim.dispute_id))
    by_time = sorted(credits, key=lambda credit: (credit.at, credit.entry_id))
    credited: dict[str, tuple[HandCredit, ...]] = {}
    unclear: set[str] = set()
    unread: set[str] = set()
    for some_credits, some_claims in _parts(by_time, ordered):
        part = Part(
            tuple((claim.since, _micro(claim.owed), _micros(claim.amounts)) for claim in some_claims),
            tuple((credit.at, _micro(credit.units)) for credit in some_credits),
        )
        reading = _settled(part) or reading_search.search(part, most_steps)
        if reading is None:
            unread.update(claim.dispute_id for claim in some_claims if claim.owed > 0)
            continue
        for claim, places in zip(some_claims, reading.credits_of, strict=True):
            credited[claim.dispute_id] = tuple(some_credits[place] for place in sorted(places))
        unclear.update(some_claims[place].dispute_id for place in reading.unclear)
    return Reading(credited, frozenset(unclear), frozenset(unread))


def _parts(credits: Sequence[HandCredit], claims: Sequence[Claim]) -> list[tuple[list[HandCredit], list[Claim]]]:
    """Credits and claims in parts that share no amount: what happens in one says nothing about another.

    Claims are joined by the units of a credit that can be a part of an amount of both (union-find over the claims).
    """
    units_of = {credit: _micro(credit.units) for credit in credits}
    fitting: dict[frozenset[Micro], frozenset[Micro]] = {}
    root = list(range(len(claims)))

    def find(place: int) -> int:
        while root[place] != place:
            root[place] = root[root[place]]
            place = root[place]
        return place

    holder: dict[Micro, int] = {}
    for place, claim in enumerate(claims):
        amounts = _micros(claim.amounts)
        if amounts not in fitting:
            fitting[amounts] = _fitting(list(units_of.values()), amounts)
        for units in fitting[amounts]:
            root[find(place)] = find(holder.setdefault(units, place))
    parts: dict[int, tuple[list[HandCredit], list[Claim]]] = {}
    for place, claim in enumerate(claims):
        parts.setdefault(find(place), ([], []))[1].append(claim)
    for credit in credits:
        if units_of[credit] in holder:
            parts[find(holder[units_of[credit]])][0].append(credit)
    return list(parts.values())


def _fitting(units: Sequence[Micro], amounts: frozenset[Micro]) -> frozenset[Micro]:
    """The credits, by their units, that make one of the amounts alone or with others; where that is too much work to
    tell, a credit is taken to do so (its part is only larger for it).
    """
    largest = max(amounts, default=0)
    usable = sorted(size for size in units if size <= largest)
    up_to = [0, *accumulate(usable)]

    def enough(size: Micro, amount: Micro) -> bool:
        """Whether all the others together that are not too large would make up the rest of the amount."""
        missing = amount - size
        return missing == 0 or 0 < missing <= up_to[bisect_right(usable, missing)] - (size if size <= missing else 0)

    candidates = {size for size in usable if any(enough(size, amount) for amount in amounts)}
    if len(candidates - amounts) > _MOST_CHECKS or _sums(usable, largest) is None:
        return frozenset(candidates)
    fitting = set(candidates & amounts)
    for size in candidates - amounts:
        other_sizes = usable.copy()
        other_sizes.remove(size)
        sums = _sums(other_sizes, largest - size)
        if sums is None or any(amount - size in sums for amount in amounts):
            fitting.add(size)
    return frozenset(fitting)


def _sums(units: Sequence[Micro], largest: Micro) -> set[Micro] | None:
    """All sums up to the largest that some of the units make; None where there are too many to tell."""
    sums = {0}
    for size in units:
        if size > largest:
            break
        sums |= {total + size for total in sums if total + size <= largest}
        if len(sums) > _MOST_SUMS:
            return None
    return sums


def _settled(part: Part) -> reading_search.BestReading | None:
    """The reading of a part where every claim with units owed has a credit of exactly these; None where not.

    Such a reading, if it leaves no credit over, is as good as any, and every other best one credits each claim in full
    as well: the units beyond what is owed are what all credits have beyond all that is owed, in every one of them.
    """
    credits_of: list[list[int]] = [[] for _ in part.claims]
    by_units: dict[Micro, list[int]] = {}
    for place, (_, units) in enumerate(part.credits):  # oldest first
        by_units.setdefault(units, []).append(place)
    next_of = dict.fromkeys(by_units, 0)
    over: list[int] = []
    for place, (since, owed, amounts) in enumerate(part.claims):  # oldest first
        if not owed:
            continue
        if owed not in amounts:
            return None
        ready = by_units.get(owed, [])
        at = next_of.get(owed, 0)
        while at < len(ready) and part.credits[ready[at]][0] < since:
            over.append(ready[at])  # too early for this claim, so for every later one too
            at += 1
        if at == len(ready):
            return None
        credits_of[place].append(ready[at])
        next_of[owed] = at + 1
    over += [place for units, places in by_units.items() for place in places[next_of[units] :]]
    if not over:
        return reading_search.BestReading(credits_of, frozenset())
    first: dict[Micro, int] = {}
    for place, (_, _, amounts) in enumerate(part.claims):
        for amount in amounts:
            first.setdefault(amount, place)  # the oldest claim of an amount accepts whatever a later one does
    for place in over:
        at, units = part.credits[place]
        claim = first.get(units)
        if claim is None or at < part.claims[claim][0]:
            return None
        credits_of[claim].append(place)
    return reading_search.BestReading(credits_of, frozenset())


def _micro(units: float) -> Micro:
    return round(units * _MICRO)


def _micros(amounts: frozenset[float]) -> frozenset[Micro]:
    return frozenset(_micro(amount) for amount in amounts) - {0}
