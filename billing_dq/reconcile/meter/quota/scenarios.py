"""Which quotas may have been in force in an organization's week, and what attests each of them.

The live quota decides what is debited; the week's document shows the last one that was written to it. Where the two
disagree, or where the document's own was rewritten in mid-week, the debits follow a quota that the document does not
show (docs/domain.md, "How the application writes"). A scenario says which. It is *attested* where something shows that
each of its quotas was in force in this very week (docs/causes.md, "Which quotas count" and "Two stories"):

=========================  =============================================================================================
`document`                 the week's own document
`earlier_night`            an earlier night saw another quota in the same document, or another plan in the subscription
`week_before`              the document of the week before has another quota, and a change may have come in this week
`week_after`               the document of the week after has quota 0, and the subscription is canceled or unpaid
`subscription`             the subscription has another plan now, and no later week stands between
`changed_by_hand`          `adminUpdatedAt` lies in the week
`stripe_event`             Stripe's events show the change, with its time
`started_free`             the organization was made in this week, and every organization starts on the free plan
=========================  =============================================================================================

A marker that moved (`lastSubscriptionEventCreatedAt`, `updatedAt`) attests nothing: it moves with every card and every
cancellation that is taken back. It only limits what is possible: where no marker moved since the week began, nothing
changed in it. Where Stripe's events were read and cover the week, Stripe made no change that they do not show.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from billing_dq.reconcile.meter.quota.facts import QuotaRecord, StepTimes
from billing_dq.reconcile.meter.quota.free_usage import Change, Scenario
from billing_dq.reconcile.meter.quota.untraced import DUNNING, carried_by_an_event, dunned_while_overdue, written_over

#: Changes in one week, beyond which their order is not followed: such a week is undecided at best.
_MOST_EVENTS = 4


def attested(record: QuotaRecord, times: StepTimes) -> list[Scenario]:
    """Scenarios of which each quota is attested for the week, simplest first; the document's own comes first."""
    written = _written(record, times)
    plain = Scenario(record.document, (), "document", "document")
    return _unique([plain, *written, *_composed(written, _live(record, times), record)])


def possible(record: QuotaRecord, times: StepTimes) -> list[Scenario]:
    """Scenarios that nothing attests and nothing rules out, simplest first."""
    return _unique(
        [
            *_unattested_rewritten(record, times),
            *_composed(_written_or_reset(record, times), _unattested_live(record, times), record),
            *_composed(_possible_resets(record, times), _live(record, times), record, alone=False),
            *_possible_resets(record, times),
            *_unreadable(record),
            *_untold(record),
        ]
    )


def _written(record: QuotaRecord, times: StepTimes) -> list[Scenario]:
    """Attested scenarios of what Stripe announced, which the application writes to the document."""
    return [*_from_events(record, times), *_rewritten(record, times)]


def _composed(
    written: Sequence[Scenario], live: Iterable[Scenario], record: QuotaRecord, alone: bool = True
) -> Iterator[Scenario]:
    """What came into force beside the document, after what was written to it in the same week, and also alone.

    It does not follow the document's quota alone where Stripe's events show that this one came in the week.
    """
    starts = [scenario for scenario in written if scenario.changes[-1].quota == record.document]
    for scenario in live:
        if alone and not (record.began_with_another and scenario.first == record.document):
            yield scenario
        if scenario.first == record.document:
            for start in starts:
                attested_by = scenario.attested_by if start.attested_by else None
                changes = (*start.changes, *scenario.changes)
                yield replace(scenario, first=start.first, changes=changes, attested_by=attested_by)


def _from_events(record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """The changes that Stripe's events show, each at its time, and each of them alone: a webhook may have been lost."""
    events = record.stripe.shown_changes
    if not events:
        return
    if len(events) <= _MOST_EVENTS:
        changes = tuple(_change(event.after, times, event.at, record) for event in events)
        yield from _applied(Scenario(events[0].before, changes, "stripe_event", "stripe_event"), record)
    if len(events) > 1:
        for event in events:
            change = _change(event.after, times, event.at, record)
            yield from _applied(Scenario(event.before, (change,), "stripe_event", "stripe_event"), record)


def _rewritten(record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Attested quotas that were in force before the document's was written over them."""
    window = _window(record.plan.event_at, times)
    for quota in sorted(record.seen_quotas - {record.document}):
        change = Change(record.document, *window)
        yield from _applied(Scenario(quota, (change,), "earlier_night", "earlier_night"), record)
    if record.stripe.changes is not None:
        return  # a change by Stripe is among the events, or did not come in this week
    before = record.before
    if before is not None and before != record.document and (record.document == 0 or record.may_have_changed):
        change = Change(record.document, *window)
        yield from _applied(Scenario(before, (change,), "week_before", "week_before"), record)
    if before is None and record.document > 0 and record.made_at is not None and record.made_at >= record.week.start:
        yield Scenario(0.0, (Change(record.document, *window),), "started_free", "started_free")


def _live(record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Attested quotas that came into force while the document kept its own: by hand, dunning, cancellation, sync."""
    document = record.document
    for quota in sorted(record.plan.seen_quotas - {document}):
        yield Scenario(document, (Change(quota),), "earlier_night", "plan_seen_earlier")
    gone = record.plan.status in ("canceled", "unpaid")
    if document > 0 and gone and record.after == 0:
        yield Scenario(document, (Change(0.0),), "week_after", record.plan.status)
    if document > 0 and gone and record.after is None:
        yield Scenario(document, (Change(0.0),), "subscription", record.plan.status)
    if record.is_open and record.plan.quota is not None and record.plan.quota != document:
        yield Scenario(document, (Change(record.plan.quota),), "subscription", "plan_now")
    by_hand = record.by_hand_at
    if by_hand is not None:
        least, _ = times.window(by_hand)
        for quota in _set_by_hand(record):
            yield Scenario(document, (Change(quota, least),), "changed_by_hand", "changed_by_hand")


def _set_by_hand(record: QuotaRecord) -> list[float]:
    """What a change by hand in the week set, where something still shows it."""
    quotas = {record.after} - {record.plan.quota} if _replaced(record) else {record.after, record.plan.quota}
    return sorted(quota for quota in quotas - {record.document} if quota is not None)


def _replaced(record: QuotaRecord) -> bool:
    """Whether a later event of Stripe, dunning, or recovery from it may have replaced the plan that was set by hand."""
    by_hand, event = record.plan.changed_by_hand_at, record.plan.event_at
    if by_hand is None:
        return False
    overdue_since = any(span.until is None or span.until > by_hand for span in record.stripe.overdue)
    return record.plan.status == "unpaid" or overdue_since or (event is not None and event > by_hand)


def _unattested_rewritten(record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """A plan before the document's that nothing shows any more.

    Where an earlier document tells another story, two changes would have been needed, and that is not thought of.
    """
    ended = record.plan.status == "canceled" or record.plan.quota == 0
    newest = record.plan.event_at
    is_unshown = record.stripe.changes is None
    if record.document == 0 and ended and is_unshown and newest is not None and record.within(newest):
        # nothing comes after a cancellation, so it is the newest event
        yield Scenario(0.0, (Change(0.0, *times.window(newest), resets=True),), None, "canceled_in_this_week")
    for scenario in carried_by_an_event(record, times):
        yield from (scenario, _resetting(scenario))
    if record.before is not None or not (is_unshown and record.plan.paid and record.may_have_changed):
        return
    # The newest event may have been the change. That an older one was, and this one was not, takes two that are unseen.
    window = times.window(newest) if newest is not None and record.within(newest) else (0, None)
    for quota in record.other_quotas:
        yield from _applied(Scenario(quota, (Change(record.document, *window),), None, "unknown_before"), record)


def _possible_resets(record: QuotaRecord, times: StepTimes) -> list[Scenario]:
    """Attested changes of plan that reset the usage, where we are not told that the application does that."""
    if record.document == 0 or record.change_resets_usage:
        return []
    return [
        replace(_resetting(scenario), attested_by=None, reason="change_of_plan_reset")
        for scenario in _written(record, times)
        if scenario.changes[-1].quota == record.document
    ]


def _written_or_reset(record: QuotaRecord, times: StepTimes) -> list[Scenario]:
    return [*_written(record, times), *_possible_resets(record, times)]


def _unattested_live(record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Live quotas that may have come, or come and gone, without a trace that tells which or when."""
    document, by_hand = record.document, record.by_hand_at
    later = record.after if record.after is not None else record.plan.quota
    # Where Stripe's events show the change, in this week or a later one, it is no mystery when it came.
    announced = {*record.stripe.announced_later, *(event.after for event in record.stripe.changes or ())}
    if later is not None and later != document and later not in announced:
        yield Scenario(document, (Change(later),), None, "changed_later")
    if by_hand is not None and _replaced(record):
        least, most = times.window(by_hand)
        for quota in record.other_quotas:
            set_by_hand = Change(quota, least, most)
            may_be_dunned = record.plan.status == "unpaid" or record.stripe.overdue
            for replaced_by in (document, 0.0) if may_be_dunned else (document,):
                changes = (set_by_hand, Change(replaced_by, least))
                yield Scenario(document, changes, None, "set_by_hand_and_replaced")
    if document > 0 and record.plan.paid and record.stripe.changes is None and _written_since(record):
        yield Scenario(document, (Change(0.0),), None, DUNNING)
    if document == 0 and record.settled and record.stripe.changes is None and record.before:
        yield Scenario(document, (Change(record.before),), None, DUNNING)
    yield from written_over(record, times)
    yield from dunned_while_overdue(record, times)
    for quota in sorted(record.stripe.at_stripe - {document, later}):
        yield Scenario(document, (Change(quota),), None, "synchronized")


def _written_since(record: QuotaRecord) -> bool:
    """Whether the subscription was written since the week began; recovery from dunning leaves no other trace."""
    return record.plan.updated_at is None or record.plan.updated_at >= record.week.start


def _unreadable(record: QuotaRecord) -> Iterator[Scenario]:
    """Any plan, where the document that would tell could not be read."""
    if record.unreadable:
        for quota in record.other_quotas:
            yield Scenario(quota, (Change(record.document),), None, "unreadable")
            yield Scenario(record.document, (Change(quota),), None, "unreadable")


def _untold(record: QuotaRecord) -> Iterator[Scenario]:
    """Any plan that came and went, where the customer was deleted and an event came in the week or later.

    Whose Stripe's events are is not known any more, so nothing shows that this organization's plan stayed.
    """
    if record.plan.left_stripe and record.plan.status == "canceled" and record.may_have_changed:
        for quota in record.other_quotas:
            changes = (Change(quota), Change(record.document))
            yield Scenario(record.document, changes, None, "customer_deleted")


def _applied(scenario: Scenario, record: QuotaRecord) -> Iterator[Scenario]:
    """The scenario as the application applies it: a change of plan keeps the usage, one to quota 0 sets it to 0.

    The application goes to quota 0 by a cancellation only, which sets quota and meter of the document to 0. It can be
    configured to reset the usage at any change of plan.
    """
    written = scenario.changes[-1].quota == record.document
    if not (written and record.document == 0):
        yield scenario
    if written and (record.document == 0 or record.change_resets_usage):
        yield _resetting(scenario)


def _resetting(scenario: Scenario) -> Scenario:
    *earlier, last = scenario.changes
    return replace(scenario, changes=(*earlier, replace(last, resets=True)))


def _change(quota: float, times: StepTimes, at: datetime, record: QuotaRecord) -> Change:
    """A change that Stripe announced; one that the document does not show came later, by a sync or a late webhook."""
    least, most = times.window(at)
    return Change(quota, least, most if quota == record.document else None)


def _window(newest_event: datetime | None, times: StepTimes) -> tuple[int, int | None]:
    """Places of a change that is not later than the newest event of the subscription."""
    return (0, None) if newest_event is None else (0, times.window(newest_event)[1])


def _unique(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios without those that say the same of the quotas as one before."""
    first: dict[tuple[float, tuple[Change, ...]], Scenario] = {}
    for scenario in scenarios:
        first.setdefault((scenario.first, scenario.changes), scenario)
    return list(first.values())
