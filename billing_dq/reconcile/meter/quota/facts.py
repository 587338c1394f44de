"""The facts about the quota of one organization in one week: what was read, before anything is concluded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_dq.weeks import Week

#: From the creation of a Stripe event to its application; retries after an outage take longer, and then a change of
#: plan in the first hours of a week is found unexplained.
DELIVERY = timedelta(hours=1)

#: A history that is older than a week before the week of its step is no ObjectId with a time in it.
_PLAUSIBLE = timedelta(weeks=1)


@dataclass(frozen=True)
class QuotaEvent:
    """A subscription event of Stripe that changed what is live.

    Attributes:
        at: creation of the event.
        before, after: live quota before and after it, units a week.
    """

    at: datetime
    before: float
    after: float


@dataclass(frozen=True)
class Overdue:
    """A span in which a subscription was past due at Stripe.

    Attributes:
        since: its start; None: before the events.
        until: its end; None: it is not over yet.
        quota: of the plan that Stripe shows at its end, units a week; None where it shows none that is known.
    """

    since: datetime | None
    until: datetime | None
    quota: float | None = None


@dataclass(frozen=True)
class PlanFacts:
    """What the subscription says of the plan; no subscription: the defaults.

    Attributes:
        quota: of its plan now, units a week; None where it has none that is known.
        status: empty where there is no subscription.
        paid: whether it has or had a subscription at Stripe.
        left_stripe: whether it had one and names neither customer nor subscription any more, as after the deletion of
            the customer. So nothing tells which of Stripe's events were its own.
        event_at, changed_by_hand_at, updated_at: its markers; None where absent.
        seen_quotas: of its plans that earlier nights saw within the week.
    """

    quota: float | None = None
    status: str = ""
    paid: bool = False
    left_stripe: bool = False
    event_at: datetime | None = None
    changed_by_hand_at: datetime | None = None
    updated_at: datetime | None = None
    seen_quotas: frozenset[float] = frozenset()


@dataclass(frozen=True)
class StripeFacts:
    """What Stripe's events say of the week; quotas are units a week.

    Attributes:
        changes: of the live quota in the week, oldest first; None where the events were not read or do not reach back
            to the start of the week.
        some_changes: the same where they do not reach back that far, or one names a plan that is none of ours: what
            they show did happen, and more may have.
        event_times: of all events of the subscription in the week, oldest first, whatever they are about.
        synchronized_at: when a person synchronized the organization: the subscription's newest event, where Stripe's
            events were read and are none of that time; None where nothing tells.
        overdue: spans in which the subscription was past due and that meet the week.
        announced_later: quotas that the events announced after the week.
        announced_before: the quota announced last before the week, where that was in the week of the document before
            and this document does not show it; else None.
        at_stripe: quotas of the plans in force at Stripe in the week.
    """

    changes: tuple[QuotaEvent, ...] | None = None
    some_changes: tuple[QuotaEvent, ...] = ()
    event_times: tuple[datetime, ...] = ()
    synchronized_at: datetime | None = None
    overdue: tuple[Overdue, ...] = ()
    announced_later: frozenset[float] = frozenset()
    announced_before: float | None = None
    at_stripe: frozenset[float] = frozenset()

    @property
    def shown_changes(self) -> tuple[QuotaEvent, ...]:
        """Changes in the week that the events show, whether or not they show all."""
        return self.some_changes if self.changes is None else self.changes


@dataclass(frozen=True)
class QuotaRecord:
    """What is known about the quota of one organization in one week. Quotas are units a week.

    Attributes:
        week: the week.
        document: quota of the week's document.
        before, after: quota of the newest document before it that was read, and of the oldest after it; None: none.
        seen_quotas: what earlier nights saw in the same document.
        made_at: when the organization was made, by its ObjectId.
        plan: what the subscription says.
        stripe: what Stripe's events say.
        plans: quotas of all plans.
        unreadable: whether the subscription or the document of the week before could not be read.
        settled: whether the document holds a settlement; there is none while the live quota is 0.
        is_open: whether the week is still running.
        change_resets_usage: whether the application is configured to reset the usage at a change of plan.
    """

    week: Week
    document: float
    before: float | None = None
    after: float | None = None
    seen_quotas: frozenset[float] = frozenset()
    made_at: datetime | None = None
    plan: PlanFacts = PlanFacts()
    stripe: StripeFacts = StripeFacts()
    plans: frozenset[float] = frozenset()
    unreadable: bool = False
    settled: bool = False
    is_open: bool = False
    change_resets_usage: bool = False

    @property
    def other_quotas(self) -> tuple[float, ...]:
        """Quotas of all plans but the document's."""
        return tuple(sorted(self.plans - {self.document}))

    @property
    def began_with_another(self) -> bool:
        """Whether Stripe's events show that the document's quota replaced another one in this week.

        A plan that a person set before the week can be what the document was made with, whatever Stripe had then.
        """
        by_hand, changes = self.plan.changed_by_hand_at, self.stripe.changes
        if (by_hand is not None and by_hand < self.week.start) or not changes or changes[0].before == self.document:
            return False
        return any(change.after == self.document for change in changes)

    @property
    def may_have_changed(self) -> bool:
        """Whether Stripe may have announced a change of plan in the week or later.

        The subscription keeps the newest event that was applied: where that is older than the week, none came in it. A
        subscription that knows of no event proves nothing.
        """
        return self.plan.event_at is None or self.plan.event_at >= self.week.start - DELIVERY

    @property
    def by_hand_at(self) -> datetime | None:
        """When a person changed the plan, if that was in the week."""
        instant = self.plan.changed_by_hand_at
        return instant if self.within(instant) else None

    def within(self, instant: datetime | None) -> bool:
        """Whether an instant lies in the week."""
        return instant is not None and self.week.start <= instant < self.week.end


@dataclass(frozen=True)
class StepTimes:
    """What is known about the times of a week's steps: one element a step, in commit order, milliseconds since 1970.

    Attributes:
        debited_at: of the debit; 0 where there is none. The step was counted before that.
        begun_at: when the history of the key was made; 0 where the key does not tell. The step was counted after that.
    """

    debited_at: Sequence[int]
    begun_at: Sequence[int]

    def window(self, change_at: datetime) -> tuple[int, int]:
        """How many steps, at least and at most, were counted before a change that Stripe announced at an instant."""
        announced = int(change_at.timestamp() * 1000)
        applied = announced + int(DELIVERY.total_seconds() * 1000)
        least = max((place + 1 for place, at in enumerate(self.debited_at) if 0 < at < announced), default=0)
        most = next((place for place, at in enumerate(self.begun_at) if at > applied), len(self.begun_at))
        return (least, most) if least <= most else (0, len(self.begun_at))


def begin_seconds(ref_id: str) -> int | None:
    """When the history of an attribution key was made, in seconds since 1970; None where it is no ObjectId."""
    history = ref_id.partition(":")[0]
    return int(history[:8], 16) if re.fullmatch("[0-9a-f]{24}", history) else None


def plausible_begin(ref_id: str, week: Week) -> int:
    """When the history of a key was made, in milliseconds; 0 where it does not tell or is no time near the week."""
    seconds = begin_seconds(ref_id)
    if seconds is None or not (week.start - _PLAUSIBLE).timestamp() < seconds < week.end.timestamp():
        return 0
    return seconds * 1000
