"""The courses of a quota that may leave no trace in a document: nothing attests them, and nothing rules them out.

- *Dunning.* While a subscription is past due the application may set the organization to the free plan, and the paid
  invoice ends that. Neither is written to a week's document, and Stripe knows of the past due only (docs/domain.md,
  "What was learnt later"). Other changes come before and after it in the same week. Example: the document says 500, and
  Stripe raised the plan to 5 000 by a webhook that came late. Live were 500, 5 000, 0 until it was paid, and 5 000.
- *Carried along.* Every event of a subscription carries its plan, whatever the event is about. Where the plan here was
  not Stripe's, as a webhook was lost or a person changed the plan, such an event replaces it and rewrites the week's
  document. Example: Stripe changed 500 to 5 000 on Monday, and the webhook was lost. A new card on Thursday brings
  5 000 along: the document says 5 000, and until Thursday 500 were live.
- *Written over.* A plan that a person set leaves `adminUpdatedAt`, and the next one writes over it. A synchronization
  that took the first one back leaves the subscription's marker at an instant at which Stripe made no event. Example: a
  person set 5 000 on Tuesday, a synchronization went back to 500 on Friday, and a person set 5 000 again two weeks
  later. Every document says 500; 5 000 were live from Tuesday to Friday.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from billing_dq.reconcile.meter.quota.facts import Overdue, QuotaRecord, StepTimes
from billing_dq.reconcile.meter.quota.free_usage import Change, Scenario

#: The names of these courses in the evidence.
DUNNING = "dunning_and_recovery"
CARRIED = "carried_by_a_later_event"
WRITTEN_OVER = "set_by_hand_and_written_over"

#: A synchronization so long after the week comes before the next week's usage; later, its document would show the plan.
_NEXT_WEEK = timedelta(weeks=1)


def dunned_while_overdue(record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Scenarios of quota 0 within the spans in which the subscription was past due at Stripe, plainest first."""
    for span in record.stripe.overdue:
        yield from _dunned_alone(span, record, times)
        yield from _beside_other_changes(span, record, times)
        yield from _before_what_was_announced(span, record, times)


def _dunned_alone(span: Overdue, record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Quota 0 within the span, and the document's quota or one around it afterwards."""
    begin, end = _began(span, times), _ended(span, record, times)
    document = record.document
    if document and end is None:
        yield Scenario(document, (Change(0.0, begin),), None, DUNNING)
    if end is None:
        return
    if document:
        yield Scenario(document, (Change(0.0, begin, end[1]), Change(document, *end)), None, DUNNING)
    for quota in _recovered_to(span, record):
        yield Scenario(0.0, (Change(quota, *end),), None, DUNNING)


def _beside_other_changes(span: Overdue, record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """The same, with one change before the span or one after it that the document does not show."""
    begin, end = _began(span, times), _ended(span, record, times)
    document = record.document
    for quota in _unwritten(record):
        raised = Change(quota)
        if document and quota and end is None:
            yield Scenario(document, (raised, Change(0.0, begin)), None, DUNNING)
        elif document and quota and end is not None:
            yield Scenario(document, (raised, Change(0.0, begin, end[1]), Change(quota, *end)), None, DUNNING)
    if end is None:
        return
    for recovered in _recovered_to(span, record):
        for quota in _unwritten(record):
            if quota != recovered:
                later = (Change(recovered, *end), Change(quota, end[0]))
                yield Scenario(0.0, later, None, DUNNING)
                if document:
                    yield Scenario(document, (Change(0.0, begin, end[1]), *later), None, DUNNING)


def _before_what_was_announced(span: Overdue, record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Quota 0 after the quota of Monday, and before Stripe announced the document's in the same week."""
    begin, end, document = _began(span, times), _ended(span, record, times), record.document
    for event in record.stripe.changes or ():
        if event.after != document or event.before == document or not event.before:
            continue
        least, most = times.window(event.at)
        announced = Change(document, least, most)
        if span.since is None or span.since < event.at:
            yield Scenario(event.before, (Change(0.0, begin, most), announced), None, DUNNING)
            if end is not None:
                dunned = Change(0.0, begin, end[1])
                yield Scenario(event.before, (dunned, Change(event.before, *end), announced), None, DUNNING)


def _began(span: Overdue, times: StepTimes) -> int:
    """How many steps came before the span at least."""
    return times.window(span.since)[0] if span.since is not None else 0


def _ended(span: Overdue, record: QuotaRecord, times: StepTimes) -> tuple[int, int] | None:
    """How many steps came before the end of the span, at least and at most; None where the week ended first."""
    return None if span.until is None or span.until >= record.week.end else times.window(span.until)


def _recovered_to(span: Overdue, record: QuotaRecord) -> list[float]:
    """Quotas that the paid invoice may have brought back; what Stripe announced after the week tells nothing of it."""
    around = {record.after, record.plan.quota} - record.stripe.announced_later
    return sorted({quota for quota in (*around, record.before, record.document, span.quota) if quota})


def _unwritten(record: QuotaRecord) -> list[float]:
    """Quotas that something shows and that may have come into force without being written to the document."""
    quotas = {record.after, record.plan.quota} - record.stripe.announced_later
    quotas |= {record.document, *(event.after for event in record.stripe.changes or ())}
    return sorted(quota for quota in quotas if quota is not None)


def carried_by_an_event(record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Scenarios in which an event that is no change of plan wrote the document's quota, plainest first."""
    for quota, since in _replaced_by_an_event(record):
        carriers = [at for at in record.stripe.event_times if since is None or at > since]
        if carriers:
            least, most = times.window(carriers[0])[0], times.window(carriers[-1])[1]
            yield Scenario(quota, (Change(record.document, least, most),), None, CARRIED)
    by_hand = record.by_hand_at
    if by_hand is not None and any(at > by_hand for at in record.stripe.event_times):
        begin = times.window(by_hand)[0]
        for quota in record.other_quotas:
            yield Scenario(record.document, (Change(quota, begin), Change(record.document, begin)), None, CARRIED)


def _replaced_by_an_event(record: QuotaRecord) -> Iterator[tuple[float, datetime | None]]:
    """Quotas that may have been live at the start of the week, and the instant after which an event replaced them."""
    if record.stripe.announced_before == record.document and record.before is not None:
        yield record.before, None
    for event in record.stripe.changes or ():
        if event.after == record.document:
            yield event.before, event.at
    if record.plan.changed_by_hand_at is not None and record.plan.changed_by_hand_at < record.week.start:
        for quota in record.other_quotas:
            yield quota, None


def written_over(record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Scenarios of a plan set by hand in the week and taken back in it, or in the week after."""
    by_hand, synchronized = record.plan.changed_by_hand_at, record.stripe.synchronized_at
    if by_hand is None or synchronized is None:
        return
    if not record.week.start <= synchronized < min(by_hand, record.week.end + _NEXT_WEEK):
        return
    undone = (Change(record.document, *times.window(synchronized)),) if synchronized < record.week.end else ()
    for quota in record.other_quotas:
        yield Scenario(record.document, (Change(quota), *undone), None, WRITTEN_OVER)
