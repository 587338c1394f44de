"""What Stripe's own events show of a subscription: its plan and status before and after each change.

One list for all subscriptions, never a look at each. Stripe keeps events for 30 days and shows each as the API version
of its day rendered it, so little of it is asked for. Events are evidence and nothing rests on them: where they cannot
be read the night has less of it, and no error.
"""

from datetime import datetime, timedelta
from typing import Final

from billing_dq.sources.stripe.client import PAGE_SIZE, StripeConnection
from billing_dq.sources.stripe.objects import Item, Quarantine, SubscriptionEvent
from billing_dq.sources.stripe.rows import Plans, Row, moment

#: Stripe lists events for so long.
EVENTS_OF: Final = timedelta(days=30)
#: The types that show a plan or a status; with each of the other types comes an `updated`.
TYPES: Final = tuple(
    f"customer.subscription.{change}" for change in ("created", "updated", "deleted", "paused", "resumed")
)
#: Events read for each subscription, on average, and for so many subscriptions at least: a limit on the requests.
EVENTS_OF_SUBSCRIPTION: Final = 4
SMALL_COMPANY: Final = 10_000


def read_subscription_events(
    connection: StripeConnection,
    as_of: datetime,
    livemode: bool,
    plans: Plans,
    quarantine: Quarantine,
    subscriptions: int,
) -> tuple[list[Row], datetime]:
    """The events of the 30 days before the snapshot, newest first, as far as the allowance of requests goes.

    Args:
        connection: where to read.
        as_of: the night's instant; what happened after it is the next night's.
        livemode: the night's mode; an event of the other one says nothing about it.
        plans: the map by which a subscription's plan is read, too.
        quarantine: takes the events that cannot be read.
        subscriptions: their number; the allowance grows with it.

    Returns:
        Rows of `stripe_subscription_events`, and the instant from which on none is missing.

    Raises:
        SourceError: the list may not be read, or fails; `TransientSourceError` where trying again may help.
    """
    since, oldest = as_of - EVENTS_OF, as_of
    allowance = EVENTS_OF_SUBSCRIPTION * max(subscriptions, SMALL_COMPANY) // PAGE_SIZE
    rows: list[Row] = []
    created = {"gte": int(since.timestamp()), "lte": int(as_of.timestamp())}
    for number, page in enumerate(connection.pages("events", {"types": list(TYPES), "created": created})):
        if number == allowance:
            return rows, oldest
        for raw in page:
            with quarantine.instead_of_error("events", raw):
                event = SubscriptionEvent.model_validate(raw)
                oldest = moment(event.created)
                if event.livemode == livemode:
                    rows.append(event_row(event, plans))
    return rows, since


def event_row(event: SubscriptionEvent, plans: Plans) -> Row:
    """A row of `stripe_subscription_events`. What an event does not show is null, and never a guess."""
    after, before = event.data.object, event.data.previous_attributes
    plan = _plan(after.priced, plans)
    plan_before = plan if before.priced is None else _plan(before.priced, plans)
    status_before = before.status or after.status
    if event.type == "customer.subscription.created":
        plan_before = status_before = None
    elif event.type != "customer.subscription.updated":
        # To end, to pause and to resume are changes of the status, and these events rarely say from which.
        status_before = before.status
    return {
        "event_id": event.id,
        "stripe_subscription_id": after.id,
        "type": event.type,
        "created": moment(event.created),
        "plan_before": plan_before,
        "plan_after": plan,
        "status_before": status_before,
        "status_after": after.status,
    }


def _plan(items: list[Item] | None, plans: Plans) -> str | None:
    """The plan of items; null where one of them came without its price, or there are more than came along."""
    if not items or not all(item.price or item.plan for item in items):
        return None
    return plans.of_items(items)
