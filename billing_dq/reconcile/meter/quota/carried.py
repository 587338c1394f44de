"""The courses of a quota in a week in which an event of the subscription may have brought Stripe's plan along.

Every event of a subscription carries its plan, whatever the event is about. Where the plan here was not Stripe's, as a
webhook was lost or a person changed the plan, such an event replaces it and rewrites the week's document. That an event
came is certain; that the plan here was another one until then is not, so nothing attests these courses.

Example: Stripe changed 500 to 5 000 on Monday, and the webhook was lost. A new card on Thursday brings 5 000 along. The
document says 5 000, and until Thursday 500 were live.
"""

from collections.abc import Iterator
from datetime import datetime

from billing_dq.reconcile.meter.quota.facts import QuotaRecord, StepTimes
from billing_dq.reconcile.meter.quota.free_usage import Change, Scenario

#: Why another quota is thought of, though Stripe's events do not show a change of plan at that time.
CARRIED = "carried_by_a_later_event"


def carried_by_an_event(record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Scenarios in which an event that is no change of plan wrote the document's quota, plainest first."""
    for quota, since in _replaced(record):
        carriers = [at for at in record.told_at if since is None or at > since]
        if carriers:
            least, most = times.window(carriers[0])[0], times.window(carriers[-1])[1]
            yield Scenario(quota, (Change(record.document, least, most),), None, CARRIED)
    by_hand = record.changed_by_hand_at
    if record.within(by_hand) and by_hand is not None and any(at > by_hand for at in record.told_at):
        begin = times.window(by_hand)[0]
        for quota in record.others:
            yield Scenario(record.document, (Change(quota, begin), Change(record.document, begin)), None, CARRIED)


def _replaced(record: QuotaRecord) -> Iterator[tuple[float, datetime | None]]:
    """Quotas that may have been live at the start of the week, and the instant after which an event replaced them."""
    if record.announced_before == record.document and record.before is not None:
        yield record.before, None
    for event in record.events or ():
        if event.after == record.document:
            yield event.before, event.at
    if record.changed_by_hand_at is not None and record.changed_by_hand_at < record.start:
        for quota in record.others:
            yield quota, None
