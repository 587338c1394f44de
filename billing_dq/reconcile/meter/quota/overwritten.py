"""The courses of a quota in a week in which a person may have set a plan that left one trace only.

A plan that a person set leaves `adminUpdatedAt`, and the next one writes over it. A synchronization that replaced the
first one leaves the subscription's marker at an instant at which Stripe made no event. So where somebody synchronized
before the change by hand that still shows, there may have been an earlier change by hand that the synchronization took
back. Nothing attests it, and where nobody synchronized it is not thought of.

Example: a person set 5 000 on Tuesday, a synchronization went back to 500 on Friday, and a person set 5 000 again two
weeks later. Every document says 500; 5 000 were live from Tuesday to Friday.
"""

from collections.abc import Iterator
from datetime import timedelta

from billing_dq.reconcile.meter.quota.facts import QuotaRecord, StepTimes
from billing_dq.reconcile.meter.quota.free_usage import Change, Scenario

#: Why another quota is thought of, though no change by hand shows in this week.
WRITTEN_OVER = "set_by_hand_and_written_over"

#: A synchronization so long after the week comes before the next week's usage; later, its document would show the plan.
_NEXT_WEEK = timedelta(weeks=1)


def written_over(record: QuotaRecord, times: StepTimes) -> Iterator[Scenario]:
    """Scenarios of a plan set by hand in the week and taken back in it, or in the week after."""
    by_hand, synchronized = record.changed_by_hand_at, record.synchronized_at
    if by_hand is None or synchronized is None:
        return
    if not record.start <= synchronized < min(by_hand, record.end + _NEXT_WEEK):
        return
    back = (Change(record.document, *times.window(synchronized)),) if synchronized < record.end else ()
    for quota in record.others:
        yield Scenario(record.document, (Change(quota), *back), None, WRITTEN_OVER)
