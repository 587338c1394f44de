"""Faults of the meter against the extras: debits lost, doubled, invented, altered; usage lost, repeated.

See docs/causes.md.

Each makes the life of its organization go wrong at one point and replays it, so that what follows follows.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random

from billing_dq_simulation.clock import DAY, HOUR, MINUTE, WEEK, to_millis, week_key, week_start
from billing_dq_simulation.company.application import Crashes
from billing_dq_simulation.company.story import Changes, Story
from billing_dq_simulation.config import QUOTAS
from billing_dq_simulation.faults.cases import Case, Documents, debits_of, tolerance_of, week_delta
from billing_dq_simulation.faults.evidence import plan_events
from billing_dq_simulation.faults.judgement import Verdict, judge
from billing_dq_simulation.labels import Label, SimulatedOrganization

_DIVERGENCE = "meter_extras_divergence"
_TWO_DAYS = timedelta(days=2)
_WEEKS_OF_DRIFT = 3
#: Units; the absolute tolerance that a night has unless its settings say otherwise.
_TOLERANCE = 50

Outcome = SimulatedOrganization | None


def _lost(case: Case, start: int, key: str) -> Outcome:
    """A crash between the two writes of a step."""
    story = case.replay(Changes(Crashes(lost={key})))
    if story.application.balance is None or case.moved(story, start) != case.story.application.due[key]:
        return None
    return case.end(story, [case.divergence(story, start, "missing_debit")])


def dropped_debit(case: Case) -> Outcome:
    """Quota 0: any debit is lost."""
    choices = [(start, key) for start in case.weeks() for key in case.debited(start)]
    return _lost(case, *case.random.choice(choices)) if choices and not case.quota else None


def dropped_debit_gap(case: Case) -> Outcome:
    """With a quota: a debit between two others is lost."""
    choices = [(start, key) for start in case.weeks() for key in case.debited(start)[1:-1]]
    return _lost(case, *case.random.choice(choices)) if choices and case.quota else None


def dropped_debit_edge(case: Case) -> Outcome:
    """With a quota: the first or the last debit of a week is lost; only the amount tells."""
    debited = {start: case.debited(start) for start in case.weeks()}
    choices = [(start, keys[end]) for start, keys in debited.items() if keys for end in (0, -1)]
    return _lost(case, *case.random.choice(choices)) if choices and case.quota else None


def dropped_debit_run(case: Case) -> Outcome:
    """A worker is down for a while: several debits in a row are lost, or all of a week."""
    choices = [start for start in case.weeks() if len(case.debited(start)) > 1]
    if not choices:
        return None
    start = case.random.choice(choices)
    keys = case.debited(start)
    first = case.random.randrange(len(keys) - 1)
    lost = set(keys[first : first + case.random.randint(2, 12)])
    story = case.replay(Changes(Crashes(lost=lost)))
    due = sum(case.story.application.due[key] for key in lost)
    if story.application.balance is None or case.moved(story, start) != due:
        return None
    return case.end(story, [case.divergence(story, start, "missing_debit")])


def dropped_debit_in_band(case: Case) -> Outcome:
    """The first debit of a week is lost, and the plan is raised a minute later: the new quota covers the usage."""
    raised = {"starter": "pro", "pro": "enterprise"}.get(case.story.application.plan)
    choices = [(start, case.debited(start)[0]) for start in case.steady_weeks() if case.debited(start)]
    if raised is None or not choices:
        return None
    start, key = case.random.choice(choices)
    at = to_millis(case.story.application.debits[key]["at"]) + MINUTE  # type: ignore[arg-type]
    changes = Changes(Crashes(lost={key}), happenings=[(at, lambda story: story.change_plan(raised))])
    story = case.replay(changes)
    week = story.application.usage[start]
    inside = week.document["meterQuota"] == QUOTAS[raised] and not week.settled and week_delta(story, start) == 0
    if not inside or debits_of(story).get(start, 0.0):
        return None
    units = case.story.application.due[key]
    why = "the plan was raised in that week, and no document says whether before or after the step"
    return case.end(story, [case.label(_DIVERGENCE, week_key(start), units, "missing_debit", why)])


def duplicate_debit(case: Case) -> Outcome:
    """One key is debited twice: the guard did not hold."""
    choices = [(start, key) for start in case.weeks() for key in case.debited(start)]
    if not choices:
        return None
    start, key = case.random.choice(choices)
    units = case.story.application.due[key]
    story = case.replay(Changes(Crashes(doubled={key})))
    if case.moved(story, start) != -units:  # the debt it makes is settled within the week, and blurs what it is
        return None
    return case.end(
        story,
        [
            case.label(_DIVERGENCE, week_key(start), -units, "duplicate_debit").without_money(),
            case.label("ledger_violation", _copy_of(story, key), -units, "duplicate_ref"),
        ],
    )


def _copy_of(story: Story, ref_id: str) -> str:
    return str([entry for entry in story.application.ledger if entry.get("refId") == ref_id][-1]["_id"])


def debit_without_usage(case: Case) -> Outcome:
    """A debit whose key is in no week's document."""
    weeks = case.weeks()
    if not weeks:
        return None
    start, units = case.random.choice(weeks), case.random.randint(1, 400)
    step = case.step(case.instant(start), units)
    if step.at <= case.story.born:
        return None
    changes = Changes(happenings=[(step.at, lambda story: story.application.debit(step.at, step.key, units))])
    story = case.replay(changes)
    if case.moved(story, start) != -units:
        return None
    return case.end(story, [case.label(_DIVERGENCE, week_key(start), -units, "debit_without_usage")])


def cancelling_debits(case: Case) -> Outcome:
    """One debit lost and another of the same amount doubled in one week: the sums agree."""
    weeks = [start for start in case.weeks() if case.exists_in(start)]
    if not weeks or case.quota or not case.steady_plan or case.story.application.balance is None:
        return None
    start, units = case.random.choice(weeks), case.random.randint(1, 300)
    lost, doubled = case.step(case.instant(start), units), case.step(case.instant(start), units)
    story = case.replay(Changes(Crashes(lost={lost.key}, doubled={doubled.key}), [lost, doubled]))
    return case.end(
        story,
        [
            case.label(_DIVERGENCE, week_key(start), units, "missing_debit"),
            case.label(_DIVERGENCE, week_key(start), -units, "duplicate_debit").without_money(),
            case.label("ledger_violation", _copy_of(story, doubled.key), -units, "duplicate_ref"),
        ],
    )


def replayed_across_weeks(case: Case) -> Outcome:
    """A step is retried after Monday 00:00: counted in two weeks, debited once. Quota 0, where both weeks debit."""
    weeks = case.weeks()
    choices = [(start, key) for start in weeks if start + WEEK in weeks for key in case.debited(start)]
    if not choices or case.quota or not case.steady_plan:
        return None
    start, key = case.random.choice(choices)
    step = next(step for step in case.story.steps if step.key == key)
    at = start + WEEK + case.random.randint(1, 50) * MINUTE

    def retry(story: Story) -> None:
        due = story.application.finish_step(at, key, step.units, step.feature)
        story.application.debit(at + 40, key, due)

    story = case.replay(Changes(happenings=[(at, retry)]))
    # the debit counts where it is dated: a step at midnight on Sunday may have its debit in the week of the retry
    debited = week_start(to_millis(story.application.debits[key]["at"]))  # type: ignore[arg-type]
    short = start if debited == start + WEEK else start + WEEK
    return case.end(story, [case.label(_DIVERGENCE, week_key(short), step.units, "replayed_across_weeks")])


def altered_debit(case: Case) -> Outcome:
    """The amount of a debit is made smaller afterwards; the cached balance still knows the first one."""
    choices = [
        (start, key) for start in case.weeks() for key in case.debited(start) if case.story.application.due[key] > 1
    ]
    if not choices:
        return None
    start, key = case.random.choice(choices)
    units = case.random.randint(1, max(1, int(case.story.application.due[key]) - 1))

    entry = case.story.application.debits[key]

    def alter(units: float) -> None:
        entry["amount"] = entry["amount"] + units  # type: ignore[operator]

    alter(units)
    label = case.judged(case.label(_DIVERGENCE, week_key(start), units, "debit_altered"), case.story, start)
    alter(-units)
    # the balance still has the first amount: it differs from the ledger by what the debit was changed
    of_balance = case.label("ledger_violation", case.organization, -units, "cached_balance").without_money()
    labels = [label, of_balance]
    return case.end(case.story, labels, lambda documents: alter(units))


def _settled_weeks(case: Case) -> list[int]:
    """Steady but for a settlement that is more than two days old."""
    application = case.story.application
    if not case.steady_plan and not case.config.trouble:
        return []
    found: list[int] = []
    for start in case.night_weeks:
        credit, week = application.credits.get(f"settle:{week_key(start)}"), application.usage.get(start)
        if credit is None or week is None or (week_delta(case.story, start) != 0 and not case.config.trouble):
            continue
        if not week.settled or (case.config.trouble and start not in case.story.troubled):
            continue
        newest = max(credit["at"], week.document["updatedAt"])  # type: ignore[type-var]
        if case.config.as_of - newest > _TWO_DAYS:  # type: ignore[operator]
            found.append(start)
    return found


def _half_settled(
    case: Case,
    changes: Changes,
    start: int,
    units: float,
    shows: Callable[[Story, int], bool] = lambda story, start: True,
) -> Outcome:
    story = case.replay(changes)
    why_not = None if shows(story, start) else "the settlement and what is in no part of the breakdown are one number"
    label = case.label("ledger_violation", week_key(start), units, "settlement_half_applied", why_not)
    labels = [replace(label, open_units=_beyond_the_breakdown(story, start))]
    uncredited = f"settle:{week_key(start)}" not in story.application.credits
    if week_delta(story, start) and (case.moved(story, start) or uncredited):  # else the ledger alone tells
        label = case.divergence(story, start, "settlement_half_applied").without_money()
        charged = story.application.usage[start].settled
        if label.tellable and judge(story, start, tolerance_of(story, start), charged) is Verdict.UNDECIDED:
            # the ledger's label tells of the settlement; what the meter was charged leaves the week in doubt
            label = replace(label, undecided=True)
        labels.append(label)
    return case.end(story, labels)


def _beyond_the_breakdown(story: Story, start: int) -> float:
    """Units of a week that are in no part of its breakdown, but for the settlement: the settlement may be these."""
    week = story.application.usage[start]
    return max(0.0, float(week.document["meterUsed"]) - sum(week.breakdown.values()) - week.settled)  # type: ignore[arg-type]


def settlement_without_credit(case: Case) -> Outcome:
    """A settlement is counted in the week and never credited."""
    weeks = _settled_weeks(case)
    if not weeks:
        return None
    start = case.random.choice(weeks)
    settled = case.story.application.usage[start].settled
    return _half_settled(case, Changes(Crashes(lost={f"settle:{week_key(start)}"})), start, -settled)


def settlement_without_usage(case: Case) -> Outcome:
    """A settlement is credited and never counted in the week."""
    weeks = _settled_weeks(case)
    if not weeks:
        return None
    start = case.random.choice(weeks)
    settled = case.story.application.usage[start].settled
    return _half_settled(case, Changes(Crashes(uncounted={f"settle:{week_key(start)}"})), start, settled)


def settlement_amounts_differ(case: Case) -> Outcome:
    """A settlement is counted with a smaller number than it was credited with."""
    weeks = [start for start in _settled_weeks(case) if case.story.application.usage[start].settled > 1]
    if not weeks:
        return None
    start = case.random.choice(weeks)
    units = case.random.randint(1, min(500, int(case.story.application.usage[start].settled) - 1))
    changes = Changes(Crashes(miscounted={f"settle:{week_key(start)}": -units}))
    return _half_settled(case, changes, start, units, _counts_too_little)


def settlement_counted_too_high(case: Case) -> Outcome:
    """A settlement is counted with a larger number than it was credited with: only the meter can tell."""
    weeks = _settled_weeks(case)
    if not weeks:
        return None
    start, units = case.random.choice(weeks), case.random.randint(1, 500)
    story = case.replay(Changes(Crashes(miscounted={f"settle:{week_key(start)}": units})))
    why_not = "units beyond the breakdown and the credit may be a run's base, or of a feature without a part"
    settlement = case.label("ledger_violation", week_key(start), -units, "settlement_half_applied", why_not)
    labels = [settlement.without_money()]  # only the meter tells it
    moved, tolerance = case.moved(story, start), tolerance_of(story, start)
    untold = None
    if not moved:
        untold = "the week's delta is the same without it; the order of its debits may tell"
    elif abs(week_delta(story, start)) <= tolerance:
        untold = "within the tolerance"
    elif judge(story, start, tolerance) is Verdict.DESIGN:
        untold = "what is below the quota leaves it open whether more was counted than credited"
    week = case.label(_DIVERGENCE, week_key(start), moved, None, untold)
    labels.append(week if untold else case.divergence(story, start, None))
    return case.end(story, labels)


def _counts_too_little(story: Story, start: int) -> bool:
    """Whether less is in the week beyond its breakdown than the settlement credited.

    After a change of plan it does not tell: the change may have set the meter to 0. Stripe tries for three days to
    deliver one.
    """
    week = story.application.usage[start]
    subscription = story.application.subscription
    if subscription is not None and subscription["stripeCustomerId"] is None:
        return False  # nothing here says whose Stripe's events are
    events = plan_events(story.account.objects["events"])
    if any(event.before != event.after and start - 3 * DAY <= event.at < start + WEEK for event in events):
        return False
    credited = float(story.application.credits[f"settle:{week_key(start)}"]["amount"])  # type: ignore[arg-type]
    return float(week.document["meterUsed"]) - sum(week.breakdown.values()) < credited  # type: ignore[arg-type]


def usage_reset(case: Case) -> Outcome:
    """The usage of a week is set to 0 although nothing was canceled; keys and debits stay."""
    weeks = case.weeks()
    if not weeks:
        return None
    start = case.random.choice(weeks)
    at = start + case.random.randint(4, 6) * DAY + case.random.randint(1, 20) * HOUR
    story = case.replay(Changes(happenings=[(at, lambda story: story.application.reset_meter(at))]))
    return case.end(story, [case.divergence(story, start, "usage_reset")]) if case.moved(story, start) else None


def usage_document_lost(case: Case) -> Outcome:
    """The usage document of a week is gone; its debits are there."""
    debits = debits_of(case.story)
    weeks = [start for start in case.weeks() if debits.get(start) and _debited_within(case, start)]
    if not weeks:
        return None
    start = case.random.choice(weeks)

    def edit(documents: Documents) -> None:
        kept = [usage for usage in documents["billingusages"] if usage.get("weekKey") != week_key(start)]
        documents["billingusages"] = kept

    labels = [case.label(_DIVERGENCE, week_key(start), -debits[start], "no_usage_document")]
    after_midnight = _debited_after(case, start)
    if after_midnight:  # their keys went with the document
        labels.append(case.label(_DIVERGENCE, week_key(start + WEEK), -after_midnight, "debit_without_usage"))
    credit = case.story.application.credits.get(f"settle:{week_key(start)}")
    if credit is not None and case.config.as_of - credit["at"] > _TWO_DAYS:  # type: ignore[operator]
        settled = case.story.application.usage[start].settled  # the settlement's key went with the document
        labels.append(case.label("ledger_violation", week_key(start), settled, "settlement_half_applied"))
    return case.end(case.story, labels, edit)


def _debited_after(case: Case, start: int) -> float:
    """Units of a week's keys that were debited after its end, which a step at midnight does."""
    application = case.story.application
    entries = [application.debits[key] for key in application.usage[start].keys if key in application.debits]
    late = [entry for entry in entries if to_millis(entry["at"]) >= start + WEEK]  # type: ignore[arg-type]
    return sum(abs(float(entry["amount"])) for entry in late)  # type: ignore[arg-type]


def _debited_within(case: Case, start: int) -> bool:
    """Whether a debit dated in a week is of the week's own keys; others are moved by midnight, document or not."""
    application = case.story.application
    dates = (application.debits[key]["at"] for key in application.usage[start].keys if key in application.debits)
    return any(week_start(to_millis(at)) == start for at in dates)  # type: ignore[arg-type]


def balance_document_lost(case: Case) -> Outcome:
    """The balance document is gone; every week with overflow lacks its debits."""
    application = case.story.application
    if application.credits or application.sweeps or case.story.purchases or not case.steady_plan:
        return None
    night = [start for start in application.usage if start >= week_start(case.story.end) - 3 * WEEK]
    lost = {start: _expected(case, start) for start in sorted(night)}
    labels = [
        case.label(_DIVERGENCE, week_key(start), units, "no_balance_document") for start, units in lost.items() if units
    ]
    closed = {week_key(start): lost.get(start, 0.0) for start in case.night_weeks}
    labels = _with_drift(case, labels, closed)
    return case.end(case.story, labels, lambda documents: documents["billingextrabalances"].clear()) if labels else None


def _with_drift(case: Case, labels: list[Label], closed: dict[str, float]) -> list[Label]:
    """The labels of weeks, and the drift that small losses of closed ones add up to, which has their money then.

    docs/causes.md, "Drift", defines it.
    """
    short = [units for units in closed.values() if units]
    if len(short) < _WEEKS_OF_DRIFT or max(short) > _TOLERANCE or sum(short) <= _TOLERANCE:
        return labels
    weeks = [label.without_money() if label.subject in closed else label for label in labels]
    return [*weeks, case.label("meter_extras_drift", case.organization, sum(short))]


def _expected(case: Case, start: int) -> float:
    document = case.story.application.usage[start].document
    used, quota = float(document["meterUsed"]), float(document["meterQuota"])  # type: ignore[arg-type]
    return max(0.0, used - quota) if quota else used


def runaway_balance(case: Case) -> Outcome:
    """A step uses many quotas at once, and nobody stops it."""
    start = week_start(case.story.end)
    application = case.story.application
    if not case.quota or not case.steady_plan or case.story.end - start < DAY or not case.exists_in(start):
        return None
    step = case.step(case.instant(start), 12 * case.quota + int(max(0.0, application.balance_units)) + 1)
    broken = case.end(case.replay(Changes(steps=[step])), [])
    return broken if broken.labels else None


def steady_drift(case: Case) -> Outcome:
    """Every closed week loses a little, below the tolerance and always in the same direction."""
    weeks = [start for start in case.steady_weeks() if case.exists_in(start)]
    if len(weeks) < _WEEKS_OF_DRIFT or case.quota or case.story.application.balance is None:
        return None
    steps = [case.step(case.instant(start), case.random.randint(20, 45)) for start in weeks]
    story = case.replay(Changes(Crashes(lost={step.key for step in steps}), steps))
    labels = [case.label(_DIVERGENCE, week_key(week_start(step.at)), step.units, "missing_debit") for step in steps]
    closed = {week_key(week_start(step.at)): step.units for step in steps}
    return case.end(story, _with_drift(case, labels, closed))


def incident(case: Case) -> Outcome:
    """A worker dies: the debits of many organizations are lost within the same four minutes."""
    weeks = case.night_weeks
    if not weeks:
        return None
    moment = Random(f"{case.config.seed}:incident")
    start = moment.choice(weeks)
    begin = start + int((0.1 + 0.8 * moment.random()) * WEEK)
    if (
        case.quota
        or start not in case.steady_weeks()
        or not case.exists_in(start)
        or not case.story.application.balance
    ):
        return None
    step = case.step(begin + case.random.randrange(4 * MINUTE), case.random.randint(20, 400))
    story = case.replay(Changes(Crashes(lost={step.key}), [step]))
    return case.end(story, [case.label(_DIVERGENCE, week_key(start), step.units, "missing_debit")])
