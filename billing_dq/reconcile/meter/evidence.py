"""The evidence of a batch: what each entry, each settlement and each week contributes to the deltas, item by item.

Entries are judged in columns; weeks whose document and debits disagree are few and are looked at one by one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import pandas as pd

from billing_dq.reconcile.ledger.settlements import SETTLEMENT_GRACE
from billing_dq.reconcile.meter.causes import Cause, Confidence, EvidenceItem
from billing_dq.reconcile.meter.context import Booleans, MeterContext
from billing_dq.reconcile.meter.matching import Debits, Keys, Settlements
from billing_dq.reconcile.meter.organization_weeks import Codes, OrganizationWeeks
from billing_dq.reconcile.meter.quota.facts import QuotaRecord, StepTimes, begin_seconds, plausible_begin
from billing_dq.reconcile.meter.quota.free_usage import Steps
from billing_dq.reconcile.meter.quota.records import QuotaRecords
from billing_dq.reconcile.meter.quota.scenarios import attested, possible
from billing_dq.reconcile.meter.week_explanation import WeekAccount, explain_week
from billing_dq.units import EPSILON, Floats
from billing_dq.vocabulary.references import SETTLEMENT
from billing_dq.weeks import Week

#: A document written so recently that the debit of its last steps may still be on its way. The application writes a
#: debit right after the usage; minutes are generous, and anything older is looked at as lost.
LATE_DEBIT = timedelta(minutes=5)


@dataclass(frozen=True)
class Usage:
    """The usage documents of a batch, by cell.

    Attributes:
        used, quota: units.
        present: whether there is a document.
        unreadable: whether it, or the ledger of its organization, could not be read.
        settled_at_most: units that a settlement can have charged; NaN where the document does not tell.
        updated_at: milliseconds since 1970; 0 where unknown.
    """

    used: Floats
    quota: Floats
    present: Booleans
    unreadable: Booleans
    settled_at_most: Floats
    updated_at: Codes


@dataclass
class Evidence:
    """Items of evidence and the cells that they belong to, in the order in which they were found."""

    cells: list[int] = field(default_factory=list[int])
    items: list[EvidenceItem] = field(default_factory=list[EvidenceItem])

    def add(self, cell: int, item: EvidenceItem) -> None:
        """Add an item to a cell."""
        self.cells.append(cell)
        self.items.append(item)


@dataclass(frozen=True)
class MatchedBatch:
    """A batch after matching: its documents, keys, debits and settlements; ``expected`` are units by cell."""

    index: OrganizationWeeks
    usage: Usage
    keys: Keys
    debits: Debits
    ledger: Settlements
    expected: Floats


def collect_evidence(batch: MatchedBatch, context: MeterContext) -> Evidence:
    """All evidence of the night's weeks that could be read."""
    evidence = Evidence()
    readable = batch.index.inner() & ~batch.usage.unreadable
    _judge_entries(evidence, readable, batch.usage, batch.index, batch.debits)
    _judge_weeks(evidence, readable, batch, context)
    return evidence


def _judge_entries(
    evidence: Evidence, readable: Booleans, usage: Usage, index: OrganizationWeeks, debits: Debits
) -> None:
    """Copies, debits of no usage, and debits dated in another week than their usage."""
    strays = np.flatnonzero(debits.copies | (debits.owners != debits.cells))
    for place, ref, entry in zip(strays, *debits.texts(strays), strict=True):
        cell, owner, units = int(debits.cells[place]), int(debits.owners[place]), float(debits.amounts[place])
        if debits.copies[place]:
            items = [
                (cell, EvidenceItem(Cause.DUPLICATE_DEBIT, "one_reference_two_entries", "proved", -units, ref, entry))
            ]
        elif owner < 0:
            items = [(cell, _unmatched(usage, index, cell, units, ref, entry))]
        else:
            cause, rule, confidence = _move(owner, cell)
            items = [
                (owner, EvidenceItem(cause, rule, confidence, units, ref, entry)),
                (cell, EvidenceItem(cause, rule, confidence, -units, ref, entry)),
            ]
        for at, item in items:
            if at >= 0 and readable[at]:
                evidence.add(at, item)


def _unmatched(
    usage: Usage, index: OrganizationWeeks, cell: int, units: float, ref: str | None, entry: str
) -> EvidenceItem:
    """A debit whose key is in no document that was read."""
    began = begin_seconds(ref) if ref is not None else None
    if began is not None and began < Week.parse(index.weeks[0]).start.timestamp():
        # Its usage may stand in a document of a week before those that a night reads: charged late, or never used.
        rule = "key_older_than_the_weeks_read"
        return EvidenceItem(Cause.DEBIT_WITHOUT_USAGE, rule, "consistent", -units, ref, entry, in_doubt=True)
    if cell > 0 and usage.unreadable[cell - 1]:
        return EvidenceItem(Cause.BOUNDARY_SKEW, "week_before_is_unreadable", "guess", -units, ref, entry)
    if cell >= 0 and not usage.present[cell]:
        return EvidenceItem(Cause.NO_USAGE_DOCUMENT, "usage_document_absent", "proved", -units, ref, entry)
    rule = "key_in_no_document" if ref is not None else "debit_without_reference"
    return EvidenceItem(Cause.DEBIT_WITHOUT_USAGE, rule, "proved", -units, ref, entry)


def _move(owner: int, cell: int) -> tuple[Cause, str, Confidence]:
    """What it means that a debit is dated in another week than the one whose document holds its key."""
    if cell == owner + 1:
        return Cause.BOUNDARY_SKEW, "dated_in_the_next_week", "proved"
    if cell > owner:
        return Cause.BOUNDARY_SKEW, "dated_weeks_later", "proved"
    if cell == owner - 1:
        return Cause.BOUNDARY_SKEW, "dated_in_the_week_before", "consistent"
    return Cause.UNEXPLAINED, "dated_weeks_before", "guess"


def _judge_weeks(evidence: Evidence, readable: Booleans, batch: MatchedBatch, context: MeterContext) -> None:
    """Weeks whose document asks for other units than its keys were debited, replays and half settlements."""
    index, usage, keys, debits, ledger = batch.index, batch.usage, batch.keys, batch.debits, batch.ledger
    owned = index.sums(debits.owners, debits.amounts)
    in_document = index.any(keys.cells[_own_settlements(index, keys)])
    mismatch = _settlement_mismatch(batch, in_document, context)
    set_back = _set_back(batch, in_document, context)
    replayed = index.any(keys.cells[keys.replays])
    differs = np.abs(batch.expected - owned) > EPSILON
    chosen = readable & ((usage.present & (differs | replayed)) | (mismatch != 0) | set_back)
    quotas = np.where(usage.present, usage.quota, np.nan)
    records = QuotaRecords(index, context, quotas, usage.unreadable, settled=in_document)
    balances = context.balances_of(index.organizations)
    gaps = (balances["cached_balance"] - balances["ledger_sum"]).to_numpy(dtype=np.float64)
    fresh = _fresh(index, usage, context)
    owed = batch.expected.reshape(-1, len(index.weeks))
    owed_before = (np.cumsum(owed, axis=1) > owed).ravel()
    places_of = dict(_keys_by_cell(keys, chosen))
    for cell in np.flatnonzero(chosen).tolist():  # few weeks differ, and each is looked at by itself
        places = places_of.get(cell, np.zeros(0, dtype=np.int64))
        gap = float(gaps[cell // len(index.weeks)])
        steps = _Steps.of(keys, debits, places, _charged(usage, ledger, owned, cell) if in_document[cell] else 0.0)
        record = records.of(cell) if usage.present[cell] else None
        times = steps.times(record) if record else StepTimes((), ())
        week = WeekAccount(
            steps=steps.steps,
            refs=steps.refs,
            replayed=steps.replayed,
            meter_used=float(usage.used[cell]),
            meter_quota=float(usage.quota[cell]),
            attested=attested(record, times) if record else [],
            possible=possible(record, times) if record else [],
            settlement_mismatch=float(mismatch[cell]),
            settlement_at_most=float(usage.settled_at_most[cell]),
            set_back=bool(set_back[cell]),
            fresh=bool(fresh[cell]),
            has_balance=not np.isnan(gap),
            owed_before=bool(owed_before[cell]),
            balance_gap=0.0 if np.isnan(gap) else gap,
        )
        items = explain_week(week) if differs[cell] and record else []
        for item in (*items, *_without_units(week, items)):
            evidence.add(cell, item)


@dataclass(frozen=True)
class _Steps:
    """The steps of one week's document, the settlement among them, with the key and the debit of each."""

    steps: Steps
    refs: list[str]
    replayed: Booleans
    debited_at: Codes

    @classmethod
    def of(cls, keys: Keys, debits: Debits, places: Codes, settled: float) -> "_Steps":
        """The steps of the keys at some places; of settlements only the first counts, and none without units."""
        settlements = keys.settlements[places]
        first = np.flatnonzero(settlements)[:1] if settled else np.zeros(0, dtype=np.int64)
        counts = ~settlements
        counts[first] = True
        settled_at = np.zeros(len(places))
        settled_at[first] = settled
        entries = np.where(settlements, -1, keys.debits[places])[counts]
        has_debit = entries >= 0
        amounts = np.where(has_debit, debits.amounts[entries], np.nan) if len(debits.amounts) else entries * np.nan
        at = np.where(has_debit, debits.at[entries], 0) if len(debits.at) else np.zeros(len(entries), dtype=np.int64)
        return cls(
            Steps(amounts, settled_at[counts]),
            keys.texts.iloc[places[counts]].tolist(),
            keys.replays[places[counts]],
            at.astype(np.int64),
        )

    def times(self, record: QuotaRecord) -> StepTimes:
        """When the steps were begun and debited."""
        begins = [plausible_begin(ref, record.week) for ref in self.refs]
        return StepTimes(self.debited_at.tolist(), begins)


def _without_units(week: WeekAccount, items: Sequence[EvidenceItem]) -> Iterator[EvidenceItem]:
    """Defects that the delta does not show: a replay below the quota, half of a settlement, a meter that was set back
    before anything was debited.
    """
    causes = {item.cause for item in items}
    if Cause.REPLAYED_ACROSS_WEEKS not in causes:
        for place in np.flatnonzero(week.replayed).tolist():
            yield EvidenceItem(Cause.REPLAYED_ACROSS_WEEKS, "key_in_two_weeks", "proved", 0.0, week.refs[place])
    if week.settlement_mismatch and Cause.SETTLEMENT_HALF_APPLIED not in causes:
        yield EvidenceItem(Cause.SETTLEMENT_HALF_APPLIED, week.mismatch_rule, "proved", 0.0)
    if week.set_back and Cause.USAGE_RESET not in causes:
        yield EvidenceItem(Cause.USAGE_RESET, "meter_set_back", "consistent", 0.0)


def _charged(usage: Usage, ledger: Settlements, owned: Floats, cell: int) -> float:
    """Units that the settlement of a week added to its meter.

    The ledger tells; where its side is missing, or credits more than the document can hold, the document does. Its
    breakdown gives no more than an upper bound, as units can be in no part of it, so no more is taken than the week's
    debits leave room for.
    """
    at_most = float(usage.settled_at_most[cell])
    if ledger.present[cell]:
        return float(ledger.units[cell]) if np.isnan(at_most) else min(float(ledger.units[cell]), max(0.0, at_most))
    above = float(usage.used[cell] - usage.quota[cell] - owned[cell])
    return 0.0 if np.isnan(at_most) else min(max(0.0, at_most), max(0.0, above))


def _own_settlements(index: OrganizationWeeks, keys: Keys) -> Codes:
    """Places of the settle keys that name the week of their own document."""
    places = np.flatnonzero(keys.settlements)
    named = index.week_codes(keys.texts.iloc[places].str.removeprefix(SETTLEMENT))
    return places[named == keys.cells[places] % len(index.weeks)]


def _settlement_mismatch(batch: MatchedBatch, in_document: Booleans, context: MeterContext) -> Floats:
    """Units by which the two sides of a settlement differ: meter less ledger, 0 where they agree or may yet.

    The breakdown bounds what the meter was charged from above only, so the amounts differ for certain only where the
    ledger credits more than that.
    """
    usage, ledger = batch.usage, batch.ledger
    as_of = int(context.night.as_of.timestamp() * 1000)
    grace = as_of - int(SETTLEMENT_GRACE.total_seconds() * 1000)
    meter_only = in_document & ~ledger.present & (usage.updated_at > 0) & (usage.updated_at < grace)
    ledger_only = ledger.present & ~in_document & (ledger.at < grace)
    comparable = in_document & ledger.present & (usage.settled_at_most > 0)
    too_little = comparable & (ledger.units - usage.settled_at_most > EPSILON)
    cells = np.flatnonzero(too_little)
    # a cancellation or a change of plan may set the meter to 0 and keeps the key: nothing is left to compare
    too_little[cells] = ~context.resets.possible(batch.index.frame(cells))
    at_most = np.nan_to_num(usage.settled_at_most)
    return np.where(meter_only | too_little, at_most - ledger.units, np.where(ledger_only, -ledger.units, 0.0))


def _set_back(batch: MatchedBatch, in_document: Booleans, context: MeterContext) -> Booleans:
    """Of every cell: whether its meter is below a settlement that both sides hold, and holds nothing of it.

    The breakdown is cleared with the meter, so what is in no part of it is 0 where a settlement's units are gone.
    """
    usage, ledger = batch.usage, batch.ledger
    nothing_left = (usage.settled_at_most <= EPSILON) & (ledger.units - usage.used > EPSILON)
    gone = in_document & ledger.present & nothing_left
    cells = np.flatnonzero(gone)
    gone[cells] = ~context.resets.possible(batch.index.frame(cells))
    return gone


def _fresh(index: OrganizationWeeks, usage: Usage, context: MeterContext) -> Booleans:
    """Of every cell: whether its week is open or settling and its document was written minutes ago."""
    states = context.night.states()
    unsettled = np.array([states.get(week) != "closed" for week in index.weeks])
    since = int((context.night.as_of - LATE_DEBIT).timestamp() * 1000)
    return np.tile(unsettled, len(index.organizations)) & (usage.updated_at >= since)


def _keys_by_cell(keys: Keys, chosen: Booleans) -> Iterator[tuple[int, Codes]]:
    """Places of the keys of each chosen cell, in commit order."""
    places = np.flatnonzero((keys.cells >= 0) & chosen[keys.cells])
    places = places[np.argsort(keys.cells[places], kind="stable")]
    if len(places):
        cells = keys.cells[places]
        starts = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
        for start, part in zip(starts, np.split(places, starts[1:]), strict=True):
            yield int(cells[start]), part


def evidence_frame(index: OrganizationWeeks, evidence: Evidence, keep: Booleans) -> pd.DataFrame:
    """The columns of METER_EXTRAS_EVIDENCE for the items in `keep`, ordered by cell, then as they were found."""
    order: list[int] = np.argsort(np.array(evidence.cells, dtype=np.int64), kind="stable").tolist()
    places = [place for place in order if keep[place]]
    items = [evidence.items[place] for place in places]
    cells = [evidence.cells[place] for place in places]
    return pd.DataFrame(
        {
            "organization_id": [index.organizations[cell // len(index.weeks)] for cell in cells],
            "week_key": [index.weeks[cell % len(index.weeks)] for cell in cells],
            "cause": [item.cause.value for item in items],
            "rule": [item.rule for item in items],
            "confidence": [item.confidence for item in items],
            "ref_id": [item.ref_id for item in items],
            "entry_id": [item.entry_id for item in items],
            "units": [item.units for item in items],
        }
    )
