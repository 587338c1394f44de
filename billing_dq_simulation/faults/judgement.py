"""What the data left behind can tell of one week: that something was lost, that it may have been, or nothing at all.

A judgement of the simulator's own, which shares nothing with the rules of a night and knows no more than they may: the
keys of the week's document in commit order, the debits, the settlement's credit, the documents of the weeks around,
the subscription as it is now, and Stripe's events of 30 days. It asks which stories of the live quota these allow, and
which of them lead to the document's `meterUsed` (docs/domain.md, "How the application writes" and "What was learnt
later").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import combinations, product

from billing_dq_simulation.clock import HOUR, MINUTE, SECOND, WEEK, to_millis, week_key
from billing_dq_simulation.company.application import Entry
from billing_dq_simulation.company.story import Story
from billing_dq_simulation.config import QUOTAS
from billing_dq_simulation.faults.evidence import PlanEvent, plan_events

Span = tuple[float, float]
_NOISE = 1e-6
#: A webhook is applied within so long after its event.
_DELIVERY = HOUR


class Verdict(Enum):
    """The best answer that the data allows about a week that diverges."""

    #: Every story by design is contradicted.
    DEFECT = "defect"
    #: A story by design fits, but nothing attests that it happened.
    UNDECIDED = "undecided"
    #: A story by design fits whose every quota is attested.
    DESIGN = "design"


@dataclass(frozen=True)
class Mark:
    """A key of the document: its debit or settlement, and between which instants it was pushed."""

    debited: float | None
    settled: float | None
    after: float
    before: float


@dataclass(frozen=True)
class Change:
    """The live quota becomes another one at an instant between two; ``reset``: the meter is set to 0 with it."""

    quota: int
    earliest: float
    latest: float
    reset: bool = False


@dataclass(frozen=True)
class Course:
    """The live quota of a week: the first one, then its changes in order."""

    first: int
    changes: tuple[Change, ...] = ()


def judge(story: Story, start: int, tolerance: float = 0.0, settled: float | None = None) -> Verdict:
    """The verdict about the week that starts then, from what the story left behind.

    Args:
        story: the organization's life with whatever was broken in it.
        start: the week.
        tolerance: units that an explanation by a change or a settlement may leave over.
        settled: units that the settlement added to the meter; None: what the ledger credits.
    """
    marks = _marks(story, start, settled)
    used = float(story.application.usage[start].document["meterUsed"])  # type: ignore[arg-type]
    has_settlement = any(mark.settled is not None for mark in marks)

    def fits(course: Course) -> bool:
        slack = tolerance if course.changes or has_settlement else 0.0
        return _leads_to(used, course, marks, slack + _NOISE)

    if any(fits(course) for course in _attested(story, start)):
        return Verdict.DESIGN
    return Verdict.UNDECIDED if any(fits(course) for course in _doubtful(story, start)) else Verdict.DEFECT


# The week as the data shows it


def _marks(story: Story, start: int, settled: float | None) -> list[Mark]:
    application = story.application
    settle = f"settle:{week_key(start)}"
    entries = {str(entry.get("refId")): entry for entry in reversed(application.ledger)}
    marks: list[Mark] = []
    for key in application.usage[start].keys:
        entry = entries.get(key)
        if key == settle:
            at = float("-inf") if entry is None else _at(entry)
            credited = 0.0 if entry is None else _units(entry)
            charged = credited if settled is None else settled
            marks.append(Mark(None, charged, at, at if entry else float("inf")))
            continue
        began = int(key[:8], 16) * SECOND
        marks.append(Mark(None if entry is None else _units(entry), None, began, _at(entry) if entry else float("inf")))
    return marks


def _units(entry: Entry) -> float:
    return abs(float(entry["amount"]))  # type: ignore[arg-type]


def _at(entry: Entry) -> float:
    return float(to_millis(entry["at"]))  # type: ignore[arg-type]


# The stories


def _attested(story: Story, start: int) -> Iterator[Course]:
    """Courses whose every quota something shows: a document, the subscription, Stripe's events."""
    own = _own_quota(story, start)
    events = [event for event in plan_events(story.account.objects["events"]) if event.at < start + WEEK]
    shown = [Course(own), *_announced(events, start, own)]
    yield from shown
    # No document is rewritten: what follows is seen in the next document, the subscription of today, Stripe's events.
    for quota in {_next_quota(story, start), *(event.after for event in events)} - {own}:
        unwritten = Change(quota, _known_since(events, quota, start), start + WEEK)
        yield from (Course(course.first, (*course.changes, unwritten)) for course in shown)


def _announced(events: list[PlanEvent], start: int, own: int) -> Iterator[Course]:
    """Changes of plan, recoveries and cancellations that Stripe announced in a week; each may reset the usage."""
    moves = [
        event
        for event in events
        if event.at >= start - _DELIVERY and (event.before != event.after or (event.recovered and own == 0))
    ]
    for first, last in combinations(range(len(moves) + 1), 2):
        for resets, ends in product((False, True), repeat=2):
            changes = tuple(
                Change(event.after, event.at - MINUTE, event.at + _DELIVERY, ends if event.ended else resets)
                for event in moves[first:last]
            )
            yield Course(0 if moves[first].recovered else moves[first].before, changes)


def _doubtful(story: Story, start: int) -> Iterator[Course]:
    """Courses with a quota that nothing shows, in weeks with a trace of what may have brought it."""
    own, end = _own_quota(story, start), start + WEEK
    events = plan_events(story.account.objects["events"])
    shown = [Course(own), *_announced([event for event in events if event.at < end], start, own)]
    for first, last in _overdue(events, story.end):
        if first < end and last > start:
            dunned, back = Change(0, first, last), Change(own, last, last + _DELIVERY)
            yield from (Course(course.first, (*course.changes, dunned)) for course in shown)
            yield from (Course(course.first, (*course.changes, dunned, back)) for course in shown)
            yield from (Course(0, (back,)), Course(0))
    yield from _carried(story, events, start)
    yield from _written_over(story, events, start)
    yield from _untold(story, start)
    by_hand = _changed_by_hand(story)
    if by_hand is not None and start <= by_hand < end:
        for quota in QUOTAS.values():
            yield Course(own, (Change(quota, by_hand, by_hand),))
            for back in {own, _next_quota(story, start), 0}:
                yield Course(own, (Change(quota, by_hand, by_hand), Change(back, by_hand, end)))


def _carried(story: Story, events: list[PlanEvent], start: int) -> Iterator[Course]:
    """Courses in which an event that changes no plan brought Stripe's along, where the plan here was another one."""
    own, by_hand = _own_quota(story, start), _changed_by_hand(story)
    within = [event for event in events if start - _DELIVERY <= event.at < start + WEEK]
    carriers = [event.at for event in within if event.before == event.after]
    if not carriers:
        return
    unheard = _unheard_before(story, events, start)
    origins = {event.before for event in within if event.after == own and event.at < carriers[-1]}
    origins |= set() if unheard is None else {unheard}
    origins |= set(QUOTAS.values()) if by_hand is not None and by_hand < start else set()
    for reset in (False, True):
        back = Change(own, carriers[0] - MINUTE, carriers[-1] + _DELIVERY, reset)
        yield from (Course(origin, (back,)) for origin in origins)
        if by_hand is not None and start <= by_hand < carriers[-1]:
            yield from (Course(own, (Change(quota, by_hand, by_hand), back)) for quota in QUOTAS.values())


def _untold(story: Story, start: int) -> Iterator[Course]:
    """Courses of any plan that came and went, where the customer was deleted: Stripe's events are nobody's then."""
    subscription, own = story.application.subscription, _own_quota(story, start)
    if subscription is None or subscription.get("stripeCustomerId") is not None:
        return
    newest = subscription["lastSubscriptionEventCreatedAt"]
    if newest is not None and int(newest) * SECOND >= start - _DELIVERY:  # type: ignore[call-overload]
        end = start + WEEK
        yield from (Course(own, (Change(quota, start, end), Change(own, start, end))) for quota in QUOTAS.values())


def _written_over(story: Story, events: list[PlanEvent], start: int) -> Iterator[Course]:
    """Courses of a plan set by hand that a synchronization took back, before the change by hand that still shows.

    A synchronization moves the subscription's marker to an instant at which Stripe made no event.
    """
    own, by_hand = _own_quota(story, start), _changed_by_hand(story)
    if by_hand is None:
        return
    marker = int(story.application.paid_subscription["lastSubscriptionEventCreatedAt"]) * SECOND  # type: ignore[call-overload]
    of_stripe = any(abs(event.at - marker) <= MINUTE for event in events)
    if of_stripe or not start <= marker < min(by_hand, start + 2 * WEEK):
        return
    back = (Change(own, marker, marker),) if marker < start + WEEK else ()
    yield from (Course(own, (Change(quota, start, marker), *back)) for quota in QUOTAS.values())


def _unheard_before(story: Story, events: list[PlanEvent], start: int) -> int | None:
    """The quota of the document before, where Stripe changed the plan in its week and it does not show that.

    The application may have learnt of the change in this week.
    """
    earlier = [week for week in story.application.usage.values() if week.start < start]
    changes = [event for event in events if event.at < start and event.before != event.after]
    if not earlier or not changes:
        return None
    newest = max(earlier, key=lambda week: week.start)
    quota = int(newest.document["meterQuota"])  # type: ignore[call-overload]
    unheard = newest.start <= changes[-1].at < newest.start + WEEK and changes[-1].after != quota
    return quota if unheard and changes[-1].after == _own_quota(story, start) else None


def _overdue(events: list[PlanEvent], end: int) -> Iterator[tuple[float, float]]:
    """When the subscription was overdue at Stripe, so that dunning may have set the plan to free here."""
    since: float | None = None
    for event in events:
        if event.fell_behind:
            since = event.at
        elif event.recovered:
            yield (since or float("-inf")), event.at
            since = None
    if since is not None:
        yield since, end


def _own_quota(story: Story, start: int) -> int:
    return int(story.application.usage[start].document["meterQuota"])  # type: ignore[call-overload]


def _next_quota(story: Story, start: int) -> int:
    """The quota of the next document, or of today's plan where there is none."""
    later = [week for week in story.application.usage.values() if week.start > start]
    if later:
        return int(min(later, key=lambda week: week.start).document["meterQuota"])  # type: ignore[call-overload]
    return story.application.quota


def _known_since(events: list[PlanEvent], quota: int, start: int) -> float:
    """When Stripe first showed a quota in or before the week; the week's start where it shows none."""
    shown = [
        event.at
        for event in events
        if event.at < start + WEEK and (event.after == quota != event.before or (quota == 0 and event.fell_behind))
    ]
    return max(start, min(shown)) - MINUTE if shown else float(start)


def _changed_by_hand(story: Story) -> int | None:
    subscription = story.application.subscription
    at = subscription["adminUpdatedAt"] if subscription else None
    return None if at is None else to_millis(at)  # type: ignore[arg-type]


# Whether a story fits


def _leads_to(used: float, course: Course, marks: list[Mark], slack: float) -> bool:
    """Whether the steps lead to `meterUsed`, for some instant of each change within its bounds."""
    quotas = (course.first, *(change.quota for change in course.changes))
    phases: list[list[Span]] = [[(0.0, 0.0)], *([] for _ in course.changes)]
    for place in range(len(marks) + 1):
        after = max((mark.after for mark in marks[:place]), default=float("-inf"))
        before = min((mark.before for mark in marks[place:]), default=float("inf"))
        for number, change in enumerate(course.changes):
            if after <= change.latest and before >= change.earliest:
                arriving = [(0.0, 0.0)] if change.reset and phases[number] else phases[number]
                phases[number + 1] = _joined([*phases[number + 1], *arriving])
        if place < len(marks):
            phases = [
                _joined([span for before_it in spans for span in _after(marks[place], before_it, quota)])
                for spans, quota in zip(phases, quotas, strict=True)
            ]
    return any(low - slack <= used <= high + slack for low, high in phases[-1])


def _after(mark: Mark, before: Span, quota: int) -> Iterator[Span]:
    """What may be used after a step, in spans: a step without a debit ends at the quota at most, or costs nothing."""
    low, high = before
    if mark.settled is not None:
        yield low + mark.settled, high + mark.settled
    elif mark.debited is not None:
        yield max(low, quota) + mark.debited, max(high, quota) + mark.debited
    else:
        if low <= quota:
            yield low, float(quota)
        if high > quota:
            yield max(low, float(quota)), high


def _joined(spans: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for low, high in sorted(spans):
        if joined and low <= joined[-1][1] + _NOISE:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined
