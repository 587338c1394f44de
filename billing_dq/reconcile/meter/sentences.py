"""One sentence for people about an organization's week, with the arithmetic."""

from collections.abc import Sequence

from billing_dq.reconcile.meter.causes import CANCELLATION, CAUSE_ORDER, CHANGE_OF_PLAN, Cause, EvidenceItem

EXACT = "Exactly what was expected was debited."

_CLAUSES = {
    Cause.DUPLICATE_DEBIT: "{units} were debited a second time",
    Cause.REPLAYED_ACROSS_WEEKS: "{units} were counted in two weeks and debited once",
    Cause.DEBIT_WITHOUT_USAGE: "{units} were debited for keys that no usage document holds",
    Cause.SETTLEMENT_HALF_APPLIED: "a settlement is on one side only or its amounts differ, by {units}",
    Cause.SETTLEMENT_TIMING: "{units} were added by the weekly settlement, for which nothing is debited",
    Cause.LATE_DEBIT: "{units} were used minutes before the snapshot and may be debited yet",
    Cause.MISSING_DEBIT: "{units} were used and never debited",
    Cause.NO_USAGE_DOCUMENT: "{units} were debited in a week without a usage document",
    Cause.NO_BALANCE_DOCUMENT: "{units} were never debited, as there is no balance document",
    Cause.DEBIT_ALTERED: "one debit is {units} other than what the cached balance remembers",
    Cause.UNEXPLAINED: "{units} remain unexplained",
}

#: What attests a quota, by the rule of the evidence.
_ATTESTED = {
    "attested_by_earlier_night": "an earlier night saw the other quota",
    "attested_by_week_before": "the week before shows the other quota",
    "attested_by_week_after": "the week after shows the other quota",
    "attested_by_subscription": "the subscription shows the other plan",
    "attested_by_changed_by_hand": "a person changed the plan in this week",
    "attested_by_stripe_event": "Stripe's events show the change",
    "attested_by_started_free": "the organization started on the free plan in this week",
}

#: The story by design that nothing attests, and what would decide, by the rule of the evidence.
_STORIES = {
    "may_be_unknown_before": (
        "the plan was another one before an event of this week, and no earlier document tells which",
        "Stripe's events of the week",
    ),
    "may_be_changed_later": (
        "the plan that the next document shows was already live in this week",
        "Stripe's events, or the application's log of syncs and cancellations",
    ),
    "may_be_set_by_hand_and_replaced": (
        "a person set another plan in this week, and it was replaced later",
        "the application's log of changes by hand",
    ),
    "may_be_set_by_hand_and_written_over": (
        "a person set another plan in this week, a synchronization took it back, and a later change by hand wrote over"
        " its trace",
        "the application's log of changes by hand",
    ),
    "may_be_dunning_and_recovery": (
        "the subscription was unpaid for a part of the week, and everything was debited meanwhile",
        "Stripe's events or invoices of the week",
    ),
    "may_be_synchronized": (
        "a synchronization brought in the plan that Stripe had in this week",
        "the application's log of syncs",
    ),
    "may_be_carried_by_a_later_event": (
        "the plan here was not Stripe's until an event of this week brought Stripe's along",
        "the application's log of webhooks and of changes by hand",
    ),
    "may_be_customer_deleted": (
        "another plan came and went in this week; the customer was deleted since, so that Stripe's events do not tell",
        "Stripe's events of the customer that was deleted",
    ),
    "may_be_unreadable": (
        "the plan was another one, as a document that could not be read may tell",
        "the document that could not be read",
    ),
}
_OTHER_STORY = ("the plan changed several times in this week", "Stripe's events of the week, one by one")


def number(units: float) -> str:
    """Units for people: thousands apart, no decimals where there are none."""
    return f"{units:,.0f}" if units == int(units) else f"{units:,.2f}"


def explain_in_words(used: float, quota: float, expected: float, actual: float, items: Sequence[EvidenceItem]) -> str:
    """The sentence of a week that could be read; items of one cause and sign are said together.

    Where a defect is in doubt, the story by design follows it, and what would decide between the two.
    """
    start = f"{number(used)} used of {number(quota)}: {number(expected)} expected, {number(actual)} debited"
    in_doubt = any(item.in_doubt for item in items)
    stories = [item for item in items if in_doubt and item.by_design and not item.units]
    other_items = [item for item in items if item not in stories]
    clauses = [
        _clause(cause, same)
        for cause in CAUSE_ORDER
        for over in (True, False)
        if (same := [item for item in other_items if item.cause is cause and (item.units >= 0) is over])
    ]
    sentence = "; ".join([start, *clauses]) + "."
    return " ".join([sentence, *(_story(item) for item in stories)])


def unreadable_in_words(usage_unreadable: bool, ledger_unreadable: bool) -> str:
    """The sentence of a week that was not compared."""
    sides = (("usage document", usage_unreadable), ("balance document", ledger_unreadable))
    return f"Not compared: the {' and the '.join(name for name, unreadable in sides if unreadable)} could not be read."


def _story(item: EvidenceItem) -> str:
    if item.cause is Cause.USAGE_RESET:
        story, decides = "a change of plan in this week set the meter to 0", "Stripe's events of the week"
    else:
        story, decides = _STORIES.get(item.rule, _OTHER_STORY)
    return f"Or nothing was lost, and {story}: nothing here attests it. {decides[0].upper()}{decides[1:]} would decide."


def _clause(cause: Cause, items: Sequence[EvidenceItem]) -> str:
    total = sum(item.units for item in items)
    units = number(abs(total))
    rule = items[0].rule
    if cause is Cause.BOUNDARY_SKEW:
        return _moved(units, total, rule)
    if cause is Cause.QUOTA_CHANGED:
        done = "were debited under the other quota" if total < 0 else "were within the quota of that time"
        attested = _ATTESTED.get(rule, "nothing here attests when")
        return f"the plan changed in mid-week ({attested}), and {units} {done}"
    if cause is Cause.USAGE_RESET:
        why = {CANCELLATION: "a cancellation", CHANGE_OF_PLAN: "a change of plan"}.get(
            rule, "something other than a change of plan"
        )
        consequence = f"{units} had been debited before" if total else "it lacks the settlement that was charged before"
        return f"{why} set the meter to 0, and {consequence}"
    if all(item.of_ledger for item in items):
        return "a settlement is on one side only or its amounts differ, which moves no debit of this week"
    if rule == "key_older_than_the_weeks_read":
        return f"{units} were debited for keys that are older than the weeks that were read"
    return _CLAUSES[cause].format(units=units)


def _moved(units: str, total: float, rule: str) -> str:
    if rule == "dated_weeks_later":
        where = "weeks later for usage of this one" if total > 0 else "here for usage of weeks before"
    else:
        where = "in a neighbouring week for usage of this one" if total > 0 else "here for usage of a neighbouring week"
    return f"{units} were debited {where}"
