"""The best readings of credits against claims by dynamic programming, over counts of equal credits.

Claims are taken from the newest to the oldest, so every credit that one may have, all later-taken claims may have as
well: of the credits left over so far only the number of each size matters, not which they are or when they came.

A worked example. Credits: 60, 60, 50 (all late). Claims, newest first: B owes 60 and accepts {60, 50}, A owes 60 and
accepts {60}. A state is how many of (60, 50) are used; its value is the least excess so far.

    start   (0,0): 0
    B       (0,0): 0   (1,0): 0   (2,0): 60   (0,1): 0   (1,1): 50   (2,1): 110
    A       from (1,1), taking one 60: (2,1): 50        <- all three used, and the least excess of these
            from (0,1), taking two 60: (2,1): 60
            from (2,1), taking nothing: (2,1): 110

The best uses three credits with an excess of 50: B has 60 + 50, A has 60. A second pass from the end keeps the least
excess still to come, so that every transition on a best way is known, and with them all units that a claim may have.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

#: Units in millionths: whole numbers, so that equal sums are equal.
Micro = int

#: Transitions between states that are looked at in one part before it counts as unread: about a second.
MOST_STEPS = 300_000


@dataclass(frozen=True)
class Part:
    """Claims (since, owed, accepted amounts) and credits (at, units), each oldest first."""

    claims: tuple[tuple[datetime, Micro, frozenset[Micro]], ...]
    credits: tuple[tuple[datetime, Micro], ...]


@dataclass(frozen=True)
class BestReading:
    """For each claim the places of its credits in one best reading, and the claims that are not clear."""

    credits_of: list[list[int]]
    unclear: frozenset[int]


class _TooMuch(Exception):
    """The bound is passed."""


@dataclass
class _Steps:
    """Counts the work against its bound."""

    remaining: int

    def spend(self, number: int) -> None:
        self.remaining -= number
        if self.remaining < 0:
            raise _TooMuch


#: How many credits of each size, in the order of `_Layers.sizes`.
Counts = tuple[int, ...]


@dataclass(frozen=True)
class _Layer:
    """A claim's turn: the credits that have come within reach by then, and what it may take, each with its excess."""

    claim: int
    reach: Counts
    takings: dict[Counts, Micro]


#: A state for each set of credits used: the least excess on the way to it, or from it.
States = dict[Counts, Micro]


def search(part: Part, most_steps: int) -> BestReading | None:
    """The best readings of a part; None where telling them takes more than so many steps."""
    sizes = sorted({units for _, units in part.credits})
    steps = _Steps(most_steps)
    try:
        layers = list(_layers(part, sizes, steps))
        forward = _forward(layers, len(sizes), steps)
    except _TooMuch:
        return None
    backward = _backward(layers, forward)
    unclear: set[int] = set()
    used: Counts = (0,) * len(sizes)
    way: list[tuple[_Layer, Counts]] = []
    for place, layer in enumerate(layers):
        best = list(_best_steps(layer, forward[place], backward[place], backward[place + 1]))
        possible = {_units(sizes, counts) for _, counts in best}
        if len(possible) > 1 and min(possible) < part.claims[layer.claim][1]:
            unclear.add(layer.claim)
        counts = max(counts for before, counts in best if before == used)
        used = _together(used, counts)
        way.append((layer, counts))
    return BestReading(_oldest_credits(part, sizes, way), frozenset(unclear))


def _layers(part: Part, sizes: Sequence[Micro], steps: _Steps) -> Iterator[_Layer]:
    takings_of: dict[tuple[frozenset[Micro], Counts], list[Counts]] = {}
    waiting = list(part.credits)
    reach = dict.fromkeys(sizes, 0)
    for claim in reversed(range(len(part.claims))):
        since, owed, amounts = part.claims[claim]
        while waiting and waiting[-1][0] >= since:
            reach[waiting.pop()[1]] += 1
        counts = tuple(reach.values())
        key = (amounts, counts)
        if key not in takings_of:
            takings_of[key] = _takings(sizes, counts, amounts, steps)
        yield _Layer(claim, counts, {taking: max(0, _units(sizes, taking) - owed) for taking in takings_of[key]})


def _takings(sizes: Sequence[Micro], reach: Counts, amounts: frozenset[Micro], steps: _Steps) -> list[Counts]:
    """What may all be for one claim: groups within reach that each make one of its amounts, and nothing."""
    groups = _groups(sizes, reach, amounts, steps)
    nothing: Counts = (0,) * len(sizes)
    takings: set[Counts] = {nothing}
    frontier: list[Counts] = [nothing]
    while frontier:
        counts = frontier.pop()
        steps.spend(len(groups) + 1)
        for group in groups:
            more = _together(counts, group)
            if more not in takings and _within(more, reach):
                takings.add(more)
                frontier.append(more)
    return sorted(takings)


def _groups(sizes: Sequence[Micro], reach: Counts, amounts: frozenset[Micro], steps: _Steps) -> list[Counts]:
    largest = max(amounts, default=0)
    partial: list[tuple[Counts, Micro]] = [((), 0)]
    for size, available in zip(sizes, reach, strict=True):
        further: list[tuple[Counts, Micro]] = []
        for counts, units in partial:
            most = min(available, (largest - units) // size)
            steps.spend(most + 1)
            further += [((*counts, number), units + number * size) for number in range(most + 1)]
        partial = further
    return [counts for counts, units in partial if units in amounts]


def _forward(layers: Sequence[_Layer], sizes: int, steps: _Steps) -> list[States]:
    """Before each layer and after the last one: the least excess on the way there."""
    best: list[States] = [{(0,) * sizes: 0}]
    for layer in layers:
        steps.spend(len(best[-1]) * len(layer.takings))
        further: States = {}
        for used, counts, excess in _steps(layer, best[-1]):
            _keep(further, _together(used, counts), best[-1][used] + excess)
        best.append(further)
    return best


def _backward(layers: Sequence[_Layer], forward: Sequence[States]) -> list[States]:
    """Before each layer and after the last one: the least excess from there to a best end, where there is a way."""
    most = max(sum(used) for used in forward[-1])
    least = min(excess for used, excess in forward[-1].items() if sum(used) == most)
    ends = {used: 0 for used, excess in forward[-1].items() if sum(used) == most and excess == least}
    best: list[States] = [ends]
    for layer, states in zip(reversed(layers), reversed(forward[:-1]), strict=True):
        earlier: States = {}
        for used, counts, excess in _steps(layer, states):
            after = best[-1].get(_together(used, counts))
            if after is not None:
                _keep(earlier, used, after + excess)
        best.append(earlier)
    return best[::-1]


def _best_steps(layer: _Layer, before: States, from_here: States, after: States) -> Iterator[tuple[Counts, Counts]]:
    """The steps of a layer that lie on a best way: the credits used before, and those taken."""
    least = min(before[used] + excess_left for used, excess_left in from_here.items())
    for used, counts, excess in _steps(layer, before):
        excess_left = after.get(_together(used, counts))
        if excess_left is not None and before[used] + excess + excess_left == least:
            yield used, counts


def _steps(layer: _Layer, states: States) -> Iterator[tuple[Counts, Counts, Micro]]:
    """Every taking that the credits left over allow, after every state, with its excess."""
    for used in states:
        for counts, excess in layer.takings.items():
            if _within(_together(used, counts), layer.reach):
                yield used, counts, excess


def _keep(states: States, used: Counts, excess: Micro) -> None:
    if excess < states.get(used, math.inf):
        states[used] = excess


def _together(counts: Counts, more: Counts) -> Counts:
    return tuple(map(int.__add__, counts, more))


def _within(counts: Counts, reach: Counts) -> bool:
    return all(map(int.__le__, counts, reach))


def _units(sizes: Sequence[Micro], counts: Counts) -> Micro:
    return sum(size * number for size, number in zip(sizes, counts, strict=True))


def _oldest_credits(part: Part, sizes: Sequence[Micro], way: Sequence[tuple[_Layer, Counts]]) -> list[list[int]]:
    """Counts as credits: of those of a size that are within a claim's reach and left over, the oldest."""
    credits_of: list[list[int]] = [[] for _ in part.claims]
    waiting = list(range(len(part.credits)))
    ready: dict[Micro, list[int]] = {size: [] for size in sizes}
    for layer, counts in way:
        since = part.claims[layer.claim][0]
        while waiting and part.credits[waiting[-1]][0] >= since:
            place = waiting.pop()
            ready[part.credits[place][1]].append(place)
        for size, number in zip(sizes, counts, strict=True):
            credits_of[layer.claim] += [ready[size].pop() for _ in range(number)]
    return credits_of
