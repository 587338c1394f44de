"""Why the debits of one week's keys are not what its usage document asks for.

`explain_week` looks at one organization's week: the steps of its document in commit order, each with its debit, and
the scenarios of its quota. What a debit's `at` or a copy of it contributes is accounted for in `evidence`.

The order of the stories is that of the evidence for them. What the documents prove goes first, then what is by design
and attested, then defects. A story by design that nothing attests never explains a week: where one fits, the defect is
told as one of two stories (docs/causes.md, "Two stories").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from billing_dq.reconcile.meter.causes import CANCELLATION, CHANGE_OF_PLAN, Cause, Confidence, EvidenceItem
from billing_dq.reconcile.meter.quota.free_usage import Change, Fit, Scenario, Steps, fit, may_miss
from billing_dq.reconcile.meter.quota.untraced import DUNNING
from billing_dq.units import EPSILON

#: Steps of one organization that may be between the write of their usage and that of their debit at one instant.
STEPS_AT_ONCE = 3

#: Keys without a debit that are listed as candidates for a lost one; a week can hold thousands.
MOST_CANDIDATES = 20

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WeekAccount:
    """What is known about one organization's week; units throughout.

    Attributes:
        steps: of its usage document, the settlement among them.
        refs: the key of each step.
        replayed: whether each step's key belongs to another week's document.
        meter_used, meter_quota: as the document has them.
        attested: scenarios of the quota that something attests; the document's own first.
        possible: scenarios that nothing attests and nothing rules out.
        settlement_mismatch: units that the settlement charged beyond what the ledger credits: all of them where the
            ledger has none; negative where the ledger credits more.
        settlement_at_most: units that the settlement can have charged, by the breakdown of the document.
        set_back: whether nothing is left in the meter of a settlement that the ledger credits, and no change of plan
            may have set it to 0.
        fresh: whether the document was written so recently that debits may still be under way.
        has_balance: whether the organization has a balance document.
        owed_before: whether an earlier week asks for debits, the first of which makes the balance document.
        balance_gap: cached balance less the sum of the ledger.
    """

    steps: Steps
    refs: Sequence[str]
    replayed: npt.NDArray[np.bool_]
    meter_used: float
    meter_quota: float
    attested: Sequence[Scenario]
    possible: Sequence[Scenario] = ()
    settlement_mismatch: float = 0.0
    settlement_at_most: float = 0.0
    set_back: bool = False
    fresh: bool = False
    has_balance: bool = True
    owed_before: bool = False
    balance_gap: float = 0.0

    @property
    def settled(self) -> float:
        """Units that the settlement added to the meter; 0 without one."""
        return float(self.steps.settled.sum())

    @property
    def debited(self) -> float:
        """Units of the debits of the week's keys."""
        return float(np.nansum(self.steps.debited))

    @property
    def expected(self) -> float:
        """Units that the plain rule expects."""
        return self.meter_used if self.meter_quota == 0 else max(0.0, self.meter_used - self.meter_quota)

    @property
    def not_debited(self) -> float:
        """What is to be explained: expected units less those debited for the week's keys; negative where more were."""
        return self.expected - self.debited

    @property
    def mismatch_rule(self) -> str:
        """The rule of a settlement whose two sides do not agree: which side lacks it."""
        if self.settlement_mismatch > 0:
            return "meter_side_only"
        return "amounts_differ" if self.settled else "ledger_side_only"

    @cached_property
    def attested_fits(self) -> list[tuple[Scenario, Fit | None]]:
        """How far each attested scenario is from the week; several stories ask for it."""
        return [(scenario, fit(scenario, self.steps, self.meter_used)) for scenario in self.attested]

    @cached_property
    def undebited(self) -> Places:
        """Places of the steps of usage without a debit."""
        return np.flatnonzero(self.steps.is_usage & ~self.steps.has_debit)

    @cached_property
    def after_the_quota(self) -> Places:
        """Places of the undebited steps that were counted when the document's quota was used up.

        All of them at quota 0, else those after the first debit. Any units of these should have been debited.
        """
        if self.meter_quota == 0:
            return self.undebited
        debits = np.flatnonzero(self.steps.has_debit)
        return self.undebited[self.undebited > debits[0]] if len(debits) else self.undebited[:0]


def explain_week(week: WeekAccount) -> list[EvidenceItem]:
    """Items whose units add up to ``week.not_debited``."""
    return _altered(week) or _by_design(week) or _late(week) or _beside_a_story(week, _defect(week))


def _altered(week: WeekAccount) -> list[EvidenceItem] | None:
    """The ledger lacks to the unit what the cached balance remembers: an amount was altered, or an entry removed.

    It is proved where every step that the quota asks to be debited has its debit, so that none can have been removed.
    Where no scenario lacks just that much, one that lacks less leaves room for it.
    """
    lacking = -week.balance_gap
    if not lacking or not week.debited:
        return None
    scenarios = [*week.attested, *week.possible]
    fits = [fit(scenario, week.steps, week.meter_used) for scenario in scenarios]
    fitted = [(scenario, fit_.missing) for scenario, fit_ in zip(scenarios, fits, strict=True) if fit_ is not None]
    for scenario, missing in fitted:
        if abs(missing - lacking) <= EPSILON:
            proved = scenario.attested_by is not None and not len(week.after_the_quota)
            return _altered_under(week, scenario, "proved" if proved else "consistent")
    if any(abs(missing) <= EPSILON for _, missing in fitted):
        return None  # the week is right without it: the balance alone is wrong
    for scenario, missing in fitted:
        if missing > EPSILON and may_miss(scenario, week.steps, week.meter_used, lacking):
            return _altered_under(week, scenario, "consistent")
    return None


def _altered_under(week: WeekAccount, scenario: Scenario, confidence: Confidence) -> list[EvidenceItem]:
    altered = EvidenceItem(Cause.DEBIT_ALTERED, "balance_kept_the_amount", confidence, -week.balance_gap)
    return [*_design(week, scenario, week.not_debited + week.balance_gap, "consistent"), altered]


def _by_design(week: WeekAccount) -> list[EvidenceItem] | None:
    """The items of an attested scenario that fits; the plainest first."""
    for scenario, fitted in week.attested_fits:
        if fitted is not None and fitted.fits:
            return _design(week, scenario, week.not_debited, "proved" if fitted.tight else "consistent")
    return None


def _late(week: WeekAccount) -> list[EvidenceItem] | None:
    """The last steps of a document written minutes ago, whose debits may be under way."""
    may_be_late = week.fresh and (week.has_balance or not week.owed_before)
    trailing = _trailing_undebited(week)
    scenario, fitted = _closest(week)
    if not may_be_late or not len(trailing) or fitted.missing <= EPSILON:
        return None
    newest = week.refs[int(trailing[-1])]
    item = EvidenceItem(Cause.LATE_DEBIT, "written_minutes_ago", "consistent", fitted.missing, newest)
    return [*_design(week, scenario, week.not_debited - fitted.missing, "consistent"), item]


def _defect(week: WeekAccount) -> list[EvidenceItem]:
    """The defect that comes closest to the week."""
    if not week.has_balance and week.not_debited > 0:
        # The first debit makes the balance document: where there is none, none was ever written.
        lost = EvidenceItem(Cause.NO_BALANCE_DOCUMENT, "balance_document_absent", "proved", week.not_debited)
        # The keys carry no units of their own: they are what another organization's debits are looked for by.
        return [lost, *(replace(lost, units=0.0, ref_id=ref) for ref in week.refs)]
    scenario, fitted = _closest(week)
    if fitted.missing < 0:
        scenario, fitted = _lost_beside_a_possible_one(week) or (scenario, fitted)
    if fitted.missing > 0:
        defect = _lost(week, fitted.missing) or [_unknown(fitted.missing)]
        return [*_design(week, scenario, week.not_debited - fitted.missing, "consistent"), *defect]
    return _too_much(week) or [_unknown(week.not_debited)]


def _beside_a_story(week: WeekAccount, items: list[EvidenceItem]) -> list[EvidenceItem]:
    """A defect, and beside it the first story by design that fits and that nothing attests."""
    alternative = next((scenario for scenario in (*week.attested, *week.possible) if _may_fit(week, scenario)), None)
    if alternative is None:
        return items
    doubted = [item if item.by_design else replace(item, confidence="consistent", in_doubt=True) for item in items]
    return [*doubted, _story(alternative)]


def _lost_beside_a_possible_one(week: WeekAccount) -> tuple[Scenario, Fit] | None:
    """The scenario of dunning under which the least is missing, where more was debited than any attested one asks for.

    Too much is debited by dunning or hardly ever, so the two happened together: dunning, and a lost debit.
    """
    dunned = [scenario for scenario in week.possible if scenario.reason == DUNNING]
    fitted = [(scenario, fit(scenario, week.steps, week.meter_used)) for scenario in dunned]
    short = [(scenario, fit_) for scenario, fit_ in fitted if fit_ is not None and fit_.missing > EPSILON]
    return min(short, key=lambda pair: pair[1].missing) if short and len(week.undebited) else None


def _story(scenario: Scenario) -> EvidenceItem:
    """A story by design that may account for a week as well as the defect does; it carries no units."""
    if scenario.reset is not None:
        return EvidenceItem(Cause.USAGE_RESET, _reset_rule(scenario), "guess", 0.0)
    return EvidenceItem(Cause.QUOTA_CHANGED, f"may_be_{scenario.reason}", "guess", 0.0)


def _quota_rule(scenario: Scenario) -> str:
    return f"attested_by_{scenario.attested_by}" if scenario.attested_by else f"may_be_{scenario.reason}"


def _may_fit(week: WeekAccount, scenario: Scenario) -> bool:
    """Whether a scenario fits; one with too many places to try may."""
    fitted = fit(scenario, week.steps, week.meter_used)
    return fitted is None or fitted.fits


def _closest(week: WeekAccount) -> tuple[Scenario, Fit]:
    """The attested scenario that comes closest, the plainest among equals, and how far it is."""
    fits = [(scenario, fitted) for scenario, fitted in week.attested_fits if fitted is not None]
    return min(fits, key=lambda pair: pair[1].distance)


def _lost(week: WeekAccount, missing: float) -> list[EvidenceItem] | None:
    """Units that were used and not debited: by a replay, a settlement that charged too much, or lost debits."""
    replayed = [int(place) for place in week.undebited if week.replayed[place]]
    if replayed:
        return _replayed(week, replayed, missing)
    charged_more = week.settlement_at_most - week.settled
    may_be_settled = charged_more >= missing - EPSILON and not len(week.undebited)
    used_beside = week.meter_used - week.settled - missing > EPSILON  # else no step would have cost anything
    if week.settled and (may_be_settled or (used_beside and abs(charged_more - missing) <= EPSILON)):
        return [EvidenceItem(Cause.SETTLEMENT_HALF_APPLIED, "amounts_differ", "consistent", missing)]
    return _missing(week, missing) if len(week.undebited) else None


def _replayed(week: WeekAccount, places: list[int], missing: float) -> list[EvidenceItem]:
    shares = [missing] + [0.0] * (len(places) - 1)
    return [
        EvidenceItem(Cause.REPLAYED_ACROSS_WEEKS, "key_in_two_weeks", "proved", share, week.refs[place])
        for place, share in zip(places, shares, strict=True)
    ]


def _missing(week: WeekAccount, missing: float) -> list[EvidenceItem]:
    """Lost debits. The sum is certain; a key is named only where every other one is debited.

    A step of 0 units has a key and no debit, so any of several undebited steps may be one.
    """
    certain = week.after_the_quota
    rule = "certain_gap" if len(certain) else "candidate"
    confidence: Confidence = "proved" if len(certain) else "consistent"
    candidates = certain if len(certain) else week.undebited
    if len(candidates) == 1 and (len(certain) or len(week.undebited) == 1):
        return [EvidenceItem(Cause.MISSING_DEBIT, rule, confidence, missing, week.refs[int(candidates[0])])]
    # The newest candidates: without a debit so far, the step that passed the quota is the last one.
    places = [int(place) for place in candidates[-MOST_CANDIDATES:]]
    return [
        EvidenceItem(Cause.MISSING_DEBIT, rule, confidence, missing),
        *(EvidenceItem(Cause.MISSING_DEBIT, "candidate", "guess", 0.0, week.refs[place]) for place in places),
    ]


def _unknown(units: float) -> EvidenceItem:
    return EvidenceItem(Cause.UNEXPLAINED, "no_cause_fits", "guess", units)


def _too_much(week: WeekAccount) -> list[EvidenceItem] | None:
    """Debits beyond what the meter asks for: the meter was set back, though no cancellation tells of it, or was charged
    less for a settlement than the ledger credits.
    """
    live = {scenario.changes[-1].quota for scenario in week.attested if scenario.changes}
    if any(scenario.reason == DUNNING for scenario in week.possible):
        live.add(0.0)
    for quota in (week.meter_quota, *sorted(live - {week.meter_quota})):
        if _may_fit(week, Scenario(quota, (Change(quota, resets=True),))):
            return [EvidenceItem(Cause.USAGE_RESET, "meter_set_back", "consistent", week.not_debited)]
    if -week.not_debited <= week.settled:
        return [EvidenceItem(Cause.SETTLEMENT_HALF_APPLIED, "amounts_differ", "consistent", week.not_debited)]
    return None


def _design(week: WeekAccount, scenario: Scenario, units: float, confidence: Confidence) -> list[EvidenceItem]:
    """The design's share of what is not debited under a scenario, as items."""
    settlement = _settlement_share(week, units)
    items = list(_settlement(week, settlement, confidence))
    remaining = units - settlement
    if abs(remaining) <= EPSILON:
        return items
    if scenario.reset is not None:
        return [*items, EvidenceItem(Cause.USAGE_RESET, _reset_rule(scenario), confidence, remaining)]
    if scenario.changes:
        return [*items, EvidenceItem(Cause.QUOTA_CHANGED, _quota_rule(scenario), confidence, remaining)]
    return [*items, _unknown(remaining)]


def _reset_rule(scenario: Scenario) -> str:
    to = [change.quota for change in scenario.changes if change.resets]
    return CANCELLATION if to == [0.0] else CHANGE_OF_PLAN


def _settlement_share(week: WeekAccount, units: float) -> float:
    """The part of some units that the settlement can account for: what it added to expected, at most.

    Nothing is settled from quota 0, but a document of quota 0 can be settled: the quota that was live was another one.
    """
    without = max(0.0, week.meter_used - week.settled - week.meter_quota)
    return min(max(units, 0.0), week.expected - without)


def _settlement(week: WeekAccount, units: float, confidence: Confidence) -> Iterator[EvidenceItem]:
    """A settlement's share of a week: what its timing accounts for, and what one side has beyond the other.

    What was credited and not charged lacks in a week that the settlement lifted above its quota; below it, nothing
    tells how much of that would have been expected.
    """
    mismatch = min(units, max(0.0, week.settlement_mismatch))
    if units > EPSILON and week.settled:
        mismatch += min(0.0, week.settlement_mismatch)
    if abs(mismatch) > EPSILON:
        yield EvidenceItem(Cause.SETTLEMENT_HALF_APPLIED, week.mismatch_rule, "proved", mismatch)
    if units - mismatch > EPSILON:
        yield EvidenceItem(Cause.SETTLEMENT_TIMING, "settled_in_this_week", confidence, units - mismatch)


def _trailing_undebited(week: WeekAccount) -> Places:
    """The last steps without a debit, as many as may be between their two writes at one instant."""
    usage = np.flatnonzero(week.steps.is_usage)[-STEPS_AT_ONCE:]
    debited = np.flatnonzero(week.steps.has_debit[usage])
    return usage[debited[-1] + 1 :] if len(debited) else usage
