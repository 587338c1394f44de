"""The facts about the quota of one organization in one week: what was read, before anything is concluded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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
class QuotaRecord:
    """What is known about the quota of one organization in one week. Quotas are units a week.

    Attributes:
        start, end: of the week.
        document: quota of the week's document.
        before: quota of the newest document before it that was read; None where there is none.
        after: quota of the oldest document after it that was read; None where there is none.
        seen: quotas that earlier nights saw in the same document.
        seen_live: quotas of the subscription's plan that earlier nights saw within the week.
        plan: quota of the subscription's plan now; None where it has none that is known.
        status: of the subscription now, empty where there is none.
        paid: whether it has or had a subscription at Stripe.
        left_stripe: whether it had one and names neither customer nor subscription any more, as after the deletion of
            the customer. So nothing tells which of Stripe's events were its own.
        made_at: when the organization was made, by its ObjectId.
        subscription_event_at, changed_by_hand_at, updated_at: markers of the subscription; None where absent.
        events: changes that Stripe's events show in the week, oldest first; None where its events were not read or do
            not reach back to the start of the week.
        incomplete_events: the same where they do not reach back that far, or one names a plan that is none of ours:
            what they show did happen, and more may have.
        synchronized_at: when a person synchronized the organization: the subscription's newest event, where Stripe's
            events were read and are none of that time; None where nothing tells.
        told_at: instants of all events of the subscription in the week, oldest first, whatever they are about.
        overdue: spans in which the subscription was past due at Stripe and that meet the week.
        announced_later: quotas that those events announced after the week.
        announced_before: the quota that Stripe announced last before the week, where it did so in the week of the
            document before and that document does not show it; None where it shows it, or where nothing was announced.
        at_stripe: quotas of the plans that those events show in force at Stripe in the week.
        plans: quotas of all plans.
        unreadable: whether the subscription or the document of the week before could not be read.
        settled: whether the document holds a settlement; there is none while the live quota is 0.
        is_open: whether the week is still running.
        change_resets_usage: whether the application is configured to reset the usage at a change of plan.
    """

    start: datetime
    end: datetime
    document: float
    before: float | None = None
    after: float | None = None
    seen: frozenset[float] = frozenset()
    seen_live: frozenset[float] = frozenset()
    plan: float | None = None
    status: str = ""
    paid: bool = False
    left_stripe: bool = False
    made_at: datetime | None = None
    subscription_event_at: datetime | None = None
    changed_by_hand_at: datetime | None = None
    updated_at: datetime | None = None
    events: tuple[QuotaEvent, ...] | None = None
    incomplete_events: tuple[QuotaEvent, ...] = ()
    synchronized_at: datetime | None = None
    told_at: tuple[datetime, ...] = ()
    overdue: tuple[Overdue, ...] = ()
    announced_later: frozenset[float] = frozenset()
    announced_before: float | None = None
    at_stripe: frozenset[float] = frozenset()
    plans: frozenset[float] = frozenset()
    unreadable: bool = False
    settled: bool = False
    is_open: bool = False
    change_resets_usage: bool = False

    @property
    def others(self) -> tuple[float, ...]:
        """Quotas of all plans but the document's."""
        return tuple(sorted(self.plans - {self.document}))

    @property
    def shown_events(self) -> tuple[QuotaEvent, ...]:
        """Changes in the week that Stripe's events show, whether or not they show all."""
        return self.incomplete_events if self.events is None else self.events

    @property
    def began_with_another(self) -> bool:
        """Whether Stripe's events show that the document's quota replaced another one in this week.

        A plan that a person set before the week can be what the document was made with, whatever Stripe had then.
        """
        by_hand = self.changed_by_hand_at
        if by_hand is not None and by_hand < self.start:
            return False
        if not self.events or self.events[0].before == self.document:
            return False
        return any(event.after == self.document for event in self.events)

    @property
    def may_have_changed(self) -> bool:
        """Whether Stripe may have announced a change of plan in the week or later.

        The subscription keeps the newest event that was applied: where that is older than the week, none came in it. A
        subscription that knows of no event proves nothing.
        """
        event = self.subscription_event_at
        return event is None or event >= self.start - DELIVERY

    def within(self, instant: datetime | None) -> bool:
        """Whether an instant lies in the week."""
        return instant is not None and self.start <= instant < self.end


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


def begun(ref_id: str) -> int | None:
    """When the history of an attribution key was made, in seconds since 1970; None where it is no ObjectId."""
    history = ref_id.partition(":")[0]
    return int(history[:8], 16) if re.fullmatch("[0-9a-f]{24}", history) else None


def plausible_begin(ref_id: str, start: datetime, end: datetime) -> int:
    """When the history of a key was made, in milliseconds; 0 where it does not tell or is no time near the week."""
    made = begun(ref_id)
    if made is None or not (start - _PLAUSIBLE).timestamp() < made < end.timestamp():
        return 0
    return made * 1000
