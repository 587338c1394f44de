"""The courses of a quota in a week in which the application may have dunned.

While a subscription is past due the application may set the organization to the free plan, and the paid invoice ends
that. Neither writes to a week's document, and Stripe knows of the past due only (docs/domain.md, "What was learnt
later"). So a span of past due makes quota 0 possible and attests nothing.

Other changes come before and after it in the same week. Example: the document says 500, and Stripe raised the plan to
5 000 by a webhook that came late. Live were 500, then 5 000, then 0 until the invoice was paid, then 5 000 again.
"""

from collections.abc import Iterator

from billing_dq.reconcile.meter.quota.facts import Overdue, QuotaRecord, StepTimes
from billing_dq.reconcile.meter.quota.free_usage import Change, Scenario

#: Why quota 0 is thought of where no document shows it: the application dunned, and recovery left no trace.
DUNNING = "dunning_and_recovery"


def dunned_while_overdue(record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Scenarios of quota 0 within the spans in which the subscription was past due at Stripe, plainest first."""
    for span in record.overdue:
        yield from _plain(span, record, times)
        yield from _beside_other_changes(span, record, times)
        yield from _before_what_was_announced(span, record, times)


def _plain(span: Overdue, record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Quota 0 within the span, and the document's quota or one around it afterwards."""
    begin, end = _began(span, times), _ended(span, record, times)
    own = record.document
    if own and end is None:
        yield Scenario(own, (Change(0.0, begin),), None, DUNNING)
    if end is None:
        return
    if own:
        yield Scenario(own, (Change(0.0, begin, end[1]), Change(own, *end)), None, DUNNING)
    for quota in _recovered_to(span, record):
        yield Scenario(0.0, (Change(quota, *end),), None, DUNNING)


def _beside_other_changes(span: Overdue, record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """The same, with one change before the span or one after it that the document does not show."""
    begin, end = _began(span, times), _ended(span, record, times)
    own = record.document
    for quota in _unwritten(record):
        raised = Change(quota)
        if own and quota and end is None:
            yield Scenario(own, (raised, Change(0.0, begin)), None, DUNNING)
        elif own and quota and end is not None:
            yield Scenario(own, (raised, Change(0.0, begin, end[1]), Change(quota, *end)), None, DUNNING)
    if end is None:
        return
    for back in _recovered_to(span, record):
        for quota in _unwritten(record):
            if quota != back:
                later = (Change(back, *end), Change(quota, end[0]))
                yield Scenario(0.0, later, None, DUNNING)
                if own:
                    yield Scenario(own, (Change(0.0, begin, end[1]), *later), None, DUNNING)


def _before_what_was_announced(span: Overdue, record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Quota 0 after the quota of Monday, and before Stripe announced the document's in the same week."""
    begin, end, own = _began(span, times), _ended(span, record, times), record.document
    for event in record.events or ():
        if event.after != own or event.before == own or not event.before:
            continue
        least, most = times.window(event.at)
        announced = Change(own, least, most)
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
    return None if span.until is None or span.until >= record.end else times.window(span.until)


def _recovered_to(span: Overdue, record: QuotaRecord) -> list[float]:
    """Quotas that the paid invoice may have brought back; what Stripe announced after the week tells nothing of it."""
    around = {record.after, record.plan} - record.announced_later
    return sorted({quota for quota in (*around, record.before, record.document, span.quota) if quota})


def _unwritten(record: QuotaRecord) -> list[float]:
    """Quotas that something shows and that may have come into force without being written to the document."""
    shown = {record.after, record.plan} - record.announced_later
    shown |= {record.document, *(event.after for event in record.events or ())}
    return sorted(quota for quota in shown if quota is not None)
