"""Why the debits of one week's keys are not what its usage document asks for.

`explain_week` looks at one organization's week: the keys of its document in commit order, each with its debit, and
what is known about its quota. Whatever a debit's `at` or a copy of it contributes is accounted for in `evidence`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from billing_dq.reconcile.meter.causes import CANCELLATION, Cause, Confidence, Piece
from billing_dq.reconcile.meter.quota_path import EPSILON, Course, Step, explainable_band, possible

#: Steps of one organization that may be between the write of their usage and that of their debit at one instant.
STEPS_AT_ONCE = 3


@dataclass(frozen=True)
class Key:
    """A key of the week's usage document that is no settlement; units of its debit, None where there is none."""

    ref_id: str
    debited: float | None = None
    replayed: bool = False


@dataclass(frozen=True)
class Week:
    """What is known about one organization's week; units throughout.

    Attributes:
        keys: the document's keys in commit order, without the settlement's.
        settled: units that a settlement added to `meter_used`; 0 without one.
        settled_before: how many keys were committed before the settlement.
        settled_amiss: units of `settled` that the ledger does not have: all of them, or what the amounts differ by.
        meter_used, meter_quota: as the document has them.
        earlier_quotas: quotas that may have been in force before the document's.
        live_changes: what may have come into force after it without a trace in the document: quotas, in order.
        steps_before_change: how many of the week's steps may have come before the last change that Stripe announced.
        middle_quotas: quotas that may have been in force in between, where more than one change is known of.
        cancelled: whether the subscription shows a cancellation in this week.
        quota_unknown: whether a quota that was in force may be hidden from us.
        fresh: whether the document was written so recently that debits may still be under way.
        has_balance: whether the organization has a balance document.
        owed_before: whether an earlier week asks for debits, the first of which makes the balance document.
        balance_gap: cached balance less the sum of the ledger.
    """

    keys: Sequence[Key]
    meter_used: float
    meter_quota: float
    settled: float = 0.0
    settled_before: int = 0
    settled_amiss: float = 0.0
    earlier_quotas: tuple[float, ...] = ()
    live_changes: tuple[tuple[float, ...], ...] = ()
    middle_quotas: tuple[float, ...] = ()
    steps_before_change: int | None = None
    cancelled: bool = False
    quota_unknown: bool = False
    fresh: bool = False
    has_balance: bool = True
    owed_before: bool = False
    balance_gap: float = 0.0

    @property
    def debited(self) -> float:
        """Units of the debits of the week's keys."""
        return sum(key.debited for key in self.keys if key.debited is not None)

    @property
    def expected(self) -> float:
        """Units that the plain rule expects."""
        return self.meter_used if self.meter_quota == 0 else max(0.0, self.meter_used - self.meter_quota)

    @property
    def core(self) -> float:
        """What is to be explained: expected units less those debited for the week's keys."""
        return self.expected - self.debited

    @property
    def half_applied(self) -> str:
        """The rule of a settlement amiss: which side lacks it."""
        if not self.settled:
            return "ledger_side_only"
        return "meter_side_only" if self.settled_amiss == self.settled else "amounts_differ"

    def steps(self, lost: frozenset[int] = frozenset()) -> list[Step]:
        """The week as steps; `lost` has the places of keys whose debit may be missing."""
        steps = [Step(debited=key.debited, lost=place in lost) for place, key in enumerate(self.keys)]
        if self.settled:
            steps.insert(self.settled_before, Step(settled=self.settled))
        return steps

    def undebited(self) -> frozenset[int]:
        """Places of the keys without a debit."""
        return frozenset(place for place, key in enumerate(self.keys) if key.debited is None)


def explain_week(week: Week) -> list[Piece]:
    """Pieces whose units add up to `week.core`; the design of the application is tried before any defect."""
    return (
        _altered(week)
        or _by_design(week)
        or (_band_share(week) if week.quota_unknown else None)
        or _without_balance(week)
        or _with_lost_debits(week)
        or _with_altered_amounts(week)
    )


def _altered(week: Week) -> list[Piece] | None:
    """A debit whose amount is not what the cached balance remembers; no step may have lost its debit for certain."""
    if not week.balance_gap or abs(week.core + week.balance_gap) > EPSILON or _certain_gaps(week):
        return None
    return [Piece(Cause.DEBIT_ALTERED, "balance_kept_the_amount", "proved", week.core)]


def _by_design(week: Week) -> list[Piece] | None:
    """The pieces of a course of events that is the application's design, None where none fits."""
    for course in _courses(week):
        if possible(course, week.steps(), week.meter_used):
            return _pieces(week, course, week.core, "proved")
    late = _trailing_undebited(week) if week.has_balance or not week.owed_before else None
    if week.fresh and late and possible(Course(week.meter_quota), week.steps(late), week.meter_used):
        settlement = _settlement_share(week, week.core)
        last = week.keys[max(late)].ref_id
        late_piece = Piece(Cause.LATE_DEBIT, "written_minutes_ago", "consistent", week.core - settlement, last)
        return [*_settlement_pieces(week, settlement, "consistent"), late_piece]
    return None


def _without_balance(week: Week) -> list[Piece] | None:
    """The first debit makes the balance document: where there is none, none was ever written."""
    if week.has_balance or week.core <= 0:
        return None
    return [Piece(Cause.NO_BALANCE_DOCUMENT, "balance_document_absent", "proved", week.core)]


def _with_lost_debits(week: Week) -> list[Piece] | None:
    """The pieces of a course in which debits are missing, None where that does not help either."""
    undebited = week.undebited()
    replayed = frozenset(place for place in undebited if week.keys[place].replayed)
    for cause, lost in ((Cause.REPLAYED_ACROSS_WEEKS, replayed), (Cause.MISSING_DEBIT, undebited)):
        for course in _courses(week):
            missing = _missing_units(week, course)
            if missing > EPSILON and possible(course, week.steps(lost), week.meter_used):
                design = _pieces(week, course, week.core - missing, "consistent")
                if cause is Cause.REPLAYED_ACROSS_WEEKS:
                    return [*design, *_replayed(week, missing)]
                return [*design, *_missing(week, course, missing)]
    return None


def _courses(week: Week) -> Iterator[Course]:
    """The courses of the quota that the data allows, simplest first."""
    quota, until = week.meter_quota, week.steps_before_change
    if until is not None and week.settled and week.settled_before <= until:
        until += 1  # the settlement is a step of its own
    yield Course(quota)
    if week.cancelled:
        for earlier in (*week.earlier_quotas, quota):
            yield Course(earlier, (quota,), reset=True)
            for middle in week.middle_quotas:
                yield Course(earlier, (middle, quota), reset=True)
    for earlier in week.earlier_quotas:
        yield Course(earlier, (quota,), until=until)
    for changes in week.live_changes:
        yield Course(quota, changes)
    for middle in week.middle_quotas:
        for earlier in (*week.earlier_quotas, quota):
            yield Course(earlier, (middle, quota), until=until)


def _pieces(week: Week, course: Course, units: float, confidence: Confidence) -> list[Piece]:
    """The design's share of the delta under a course, as pieces."""
    settlement = _settlement_share(week, units)
    pieces = _settlement_pieces(week, settlement, confidence)
    rest = units - settlement
    if abs(rest) <= EPSILON:
        return pieces
    if course.reset:
        return [*pieces, Piece(Cause.USAGE_RESET, CANCELLATION, confidence, rest)]
    if course.later:
        return [*pieces, Piece(Cause.QUOTA_CHANGED, "quota_in_force", confidence, rest)]
    return [*pieces, Piece(Cause.UNEXPLAINED, "no_cause_fits", "guess", rest)]


def _settlement_share(week: Week, units: float) -> float:
    """The part of some units that the settlement can account for: what it added to expected, at most."""
    if not week.settled or week.meter_quota == 0:
        return 0.0
    without = max(0.0, week.meter_used - week.settled - week.meter_quota)
    return min(max(units, 0.0), week.expected - without)


def _settlement_pieces(week: Week, units: float, confidence: Confidence) -> list[Piece]:
    amiss = min(units, max(0.0, week.settled_amiss))
    pieces: list[Piece] = []
    if amiss > EPSILON:
        pieces.append(Piece(Cause.SETTLEMENT_HALF_APPLIED, week.half_applied, "proved", amiss))
    if units - amiss > EPSILON:
        pieces.append(Piece(Cause.SETTLEMENT_TIMING, "settled_in_this_week", confidence, units - amiss))
    return pieces


def _trailing_undebited(week: Week) -> frozenset[int]:
    """The last steps without a debit, as many as may be between their two writes at one instant."""
    places: list[int] = []
    for place in range(len(week.keys) - 1, max(-1, len(week.keys) - 1 - STEPS_AT_ONCE), -1):
        if week.keys[place].debited is not None:
            break
        places.append(place)
    return frozenset(places)


def _missing_units(week: Week, course: Course) -> float:
    """Units that the course would have debited beyond those that were; none where it asks for fewer."""
    if course.reset:
        return week.expected - _debited_since_reset(week)
    used = week.meter_used - week.settled
    at_least = used - max((course.first, *course.later)) - week.debited
    if at_least > EPSILON:
        return at_least
    if not course.later:
        return week.core
    return used - course.first - week.debited if week.keys and week.keys[-1].debited is not None else 0.0


def _debited_since_reset(week: Week) -> float:
    """The largest sum of the last debits that the meter's count since the reset can hold."""
    total = 0.0
    for key in reversed(week.keys):
        debited = key.debited or 0.0
        if total + debited > week.expected + EPSILON:
            break
        total += debited
    return total


def _replayed(week: Week, units: float) -> list[Piece]:
    refs = [key.ref_id for key in week.keys if key.replayed and key.debited is None]
    shares = [units] + [0.0] * (len(refs) - 1)
    return [
        Piece(Cause.REPLAYED_ACROSS_WEEKS, "key_in_two_weeks", "proved", share, ref)
        for ref, share in zip(refs, shares, strict=True)
    ]


def _missing(week: Week, course: Course, units: float) -> list[Piece]:
    """Which steps lost their debit: certain ones by name, else the one candidate, the last step without a debit."""
    certain = [] if course.later else _certain_gaps(week)
    if certain:
        shares = [units] + [0.0] * (len(certain) - 1)
        return [
            Piece(Cause.MISSING_DEBIT, "certain_gap", "proved", share, week.keys[place].ref_id)
            for place, share in zip(certain, shares, strict=True)
        ]
    last = max(week.undebited())
    alone = possible(Course(week.meter_quota), week.steps(frozenset({last})), week.meter_used)
    ref = week.keys[last].ref_id if alone else None
    return [Piece(Cause.MISSING_DEBIT, "candidate", "consistent", units, ref)]


def _certain_gaps(week: Week) -> list[int]:
    """Places of the keys that must have a debit at a stable quota: all at 0, else those after the first debited one."""
    undebited = sorted(week.undebited())
    if week.meter_quota == 0:
        return undebited
    first = next((place for place, key in enumerate(week.keys) if key.debited is not None), len(week.keys))
    return [place for place in undebited if place > first]


def _with_altered_amounts(week: Week) -> list[Piece]:
    """What is left: usage set back, an amount that is not what it was, or nothing that is known."""
    core = week.core
    if core < 0 and any(
        possible(Course(first, (week.meter_quota,), reset=True), week.steps(), week.meter_used)
        for first in (week.meter_quota, *week.earlier_quotas)
    ):
        return [Piece(Cause.USAGE_RESET, "meter_set_back", "consistent", core)]
    band = _band_share(week)
    if band is not None:
        return band
    if any(key.debited is not None for key in week.keys):
        return [Piece(Cause.DEBIT_ALTERED, "keys_matched_sums_differ", "consistent", core)]
    return [Piece(Cause.UNEXPLAINED, "no_cause_fits", "guess", core)]


def _band_share(week: Week) -> list[Piece] | None:
    """The explainable band of CAUSES.md, where more changes of the quota than can be followed are possible."""
    live = (quota for changes in week.live_changes for quota in changes)
    quotas = (week.meter_quota, *week.earlier_quotas, *live, *week.middle_quotas)
    if len(set(quotas)) == 1 and not week.quota_unknown:
        return None
    low, high = explainable_band(week.meter_used, week.settled, quotas)
    if week.quota_unknown or low - EPSILON <= week.debited <= high + EPSILON:
        settlement = _settlement_share(week, week.core)
        rest = week.core - settlement
        changed = [Piece(Cause.QUOTA_CHANGED, "inside_the_band", "consistent", rest)] if abs(rest) > EPSILON else []
        return [*_settlement_pieces(week, settlement, "consistent"), *changed]
    return None
