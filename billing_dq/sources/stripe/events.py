"""What Stripe's own events tell of a subscription: its plan and status before and after each change.

One list for all subscriptions, never a look at each. Stripe keeps events for 30 days and shows each as the API version
of its day rendered it, so little of it is asked for. Events are evidence and nothing rests on them: where they cannot
be read the night has less of it, and no error.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from billing_dq.sources.stripe.client import PAGE_SIZE, Parameter, StripeConnection
from billing_dq.sources.stripe.objects import Item, Quarantine, SubscriptionEvent
from billing_dq.sources.stripe.rows import Plans, moment

#: Stripe lists events for so long.
KEPT: Final = timedelta(days=30)
#: The types that tell a plan or a status; of the others each comes with an `updated`.
TYPES: Final = tuple(
    f"customer.subscription.{change}" for change in ("created", "updated", "deleted", "paused", "resumed")
)
#: Events read for each subscription, on average; a page more would cost the night more than it tells.
EVENTS_OF_SUBSCRIPTION: Final = 4
#: A company of fewer subscriptions is read as one of so many.
OF_SUBSCRIPTIONS: Final = 10_000


@dataclass(frozen=True)
class EventsReading:
    """Rows of `stripe_subscription_events`, and the instant from which on none is missing."""

    rows: list[dict[str, object]]
    complete_since: datetime


def read_subscription_events(
    connection: StripeConnection, as_of: datetime, livemode: bool, plans: Plans, quarantine: Quarantine, known: int
) -> EventsReading:
    """The events of the 30 days before the snapshot, newest first, as far as the allowance of requests goes.

    Args:
        connection: where to read.
        as_of: the night's instant; what happened after it is the next night's.
        livemode: the night's mode; an event of the other one says nothing about it.
        plans: the same map that tells the plan of a subscription.
        quarantine: takes the events that cannot be read.
        known: the number of subscriptions, which the allowance follows.

    Raises:
        SourceError: the list may not be read, or fails; `TransientSourceError` where trying again may help.
    """
    since = as_of - KEPT
    pages_left = EVENTS_OF_SUBSCRIPTION * max(known, OF_SUBSCRIPTIONS) // PAGE_SIZE
    rows: list[dict[str, object]] = []
    asked: dict[str, Parameter] = {
        "types": list(TYPES),
        "created": {"gte": int(since.timestamp()), "lte": int(as_of.timestamp())},
    }
    oldest = as_of
    for page in connection.pages("events", asked):
        if pages_left == 0:
            return EventsReading(rows, oldest)
        pages_left -= 1
        for raw in page:
            try:
                event = SubscriptionEvent.model_validate(raw)
            except ValidationError as error:
                quarantine.add_invalid("events", raw, error)
                continue
            oldest = moment(event.created)
            if event.livemode == livemode:
                rows.append(event_row(event, plans))
    return EventsReading(rows, since)


def event_row(event: SubscriptionEvent, plans: Plans) -> dict[str, object]:
    """A row of `stripe_subscription_events`. What an event does not tell is null, and never a guess."""
    now, before = event.data.object, event.data.previous_attributes
    plan = _plan(now.priced, plans)
    plan_before = plan if before.priced is None else _plan(before.priced, plans)
    status_before = before.status or now.status
    if event.type == "customer.subscription.created":
        plan_before = status_before = None
    elif event.type != "customer.subscription.updated":
        # To end, to pause and to resume are changes of the status, and these events rarely say from which.
        status_before = before.status
    return {
        "event_id": event.id,
        "stripe_subscription_id": now.id,
        "type": event.type,
        "created": moment(event.created),
        "plan_before": plan_before,
        "plan_after": plan,
        "status_before": status_before,
        "status_after": now.status,
    }


def _plan(items: list[Item] | None, plans: Plans) -> str | None:
    """The plan of items; null where one of them came without its price, or there are more than came along."""
    if not items or not all(item.price or item.plan for item in items):
        return None
    return plans.of_items(items)
