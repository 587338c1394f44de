"""The evidence of a batch: what each entry, each settlement and each week contributes to the deltas, piece by piece.

Entries are judged in columns; weeks whose document and debits disagree are few and are looked at one by one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import pandas as pd

from billing_dq.reconcile.meter.causes import Cause, Confidence, Piece
from billing_dq.reconcile.meter.context import Booleans, MeterContext
from billing_dq.reconcile.meter.matching import Debits, Keys, Settlements
from billing_dq.reconcile.meter.organization_weeks import Codes, Grid
from billing_dq.reconcile.meter.quota_evidence import QuotaTraces
from billing_dq.reconcile.meter.quota_path import EPSILON
from billing_dq.reconcile.meter.week_explanation import Key, Week, explain_week
from billing_dq.units import Floats

#: A document written so recently that the debit of its last steps may still be on its way. The application writes a
#: debit right after the usage; minutes are generous, and anything older is looked at as lost.
LATE_DEBIT = timedelta(minutes=5)

#: One side of a settlement alone for longer than this is a defect (DOMAIN.md, "What must hold").
SETTLEMENT_GRACE = timedelta(hours=48)


@dataclass(frozen=True)
class Usage:
    """The usage documents of a batch, by cell of the grid; units, and `updated_at` in milliseconds (0: unknown)."""

    used: Floats
    quota: Floats
    present: Booleans
    dark: Booleans
    settled: Floats
    updated_at: Codes


@dataclass
class Evidence:
    """Pieces of evidence and the cells that they belong to, in the order in which they were found."""

    cells: list[int] = field(default_factory=list[int])
    pieces: list[Piece] = field(default_factory=list[Piece])

    def add(self, cell: int, piece: Piece) -> None:
        """Add a piece to a cell."""
        self.cells.append(cell)
        self.pieces.append(piece)


def collect_evidence(
    grid: Grid,
    usage: Usage,
    keys: Keys,
    debits: Debits,
    ledger: Settlements,
    expected: Floats,
    context: MeterContext,
) -> Evidence:
    """All evidence of the night's weeks that could be read; `expected` is by cell."""
    evidence = Evidence()
    wanted = grid.inner() & ~usage.dark
    _judge_entries(evidence, wanted, usage, debits)
    _judge_weeks(evidence, wanted, grid, usage, keys, debits, ledger, expected, context)
    return evidence


def _judge_entries(evidence: Evidence, wanted: Booleans, usage: Usage, debits: Debits) -> None:
    """Copies, debits of no usage, and debits dated in another week than their usage."""
    strays = debits.copies | (debits.owners != debits.cells)
    for place in np.flatnonzero(strays):
        cell, owner = int(debits.cells[place]), int(debits.owners[place])
        units, ref = float(debits.amounts[place]), debits.refs.iloc[place]
        ref = ref if isinstance(ref, str) else None
        entry = str(debits.entry_ids.iloc[place])
        if debits.copies[place]:
            found = [(cell, Piece(Cause.DUPLICATE_DEBIT, "one_reference_two_entries", "proved", -units, ref, entry))]
        elif owner < 0:
            found = [(cell, _unmatched(usage, cell, units, ref, entry))]
        else:
            cause, rule, confidence = _move(owner, cell)
            found = [
                (owner, Piece(cause, rule, confidence, units, ref, entry)),
                (cell, Piece(cause, rule, confidence, -units, ref, entry)),
            ]
        for at, piece in found:
            if at >= 0 and wanted[at]:
                evidence.add(at, piece)


def _unmatched(usage: Usage, cell: int, units: float, ref: str | None, entry: str) -> Piece:
    """A debit whose key is in no document."""
    if cell > 0 and usage.dark[cell - 1]:
        return Piece(Cause.BOUNDARY_SKEW, "week_before_is_unreadable", "guess", -units, ref, entry)
    if cell >= 0 and not usage.present[cell]:
        return Piece(Cause.NO_USAGE_DOCUMENT, "usage_document_absent", "proved", -units, ref, entry)
    rule = "key_in_no_document" if ref is not None else "debit_without_reference"
    return Piece(Cause.DEBIT_WITHOUT_USAGE, rule, "proved", -units, ref, entry)


def _move(owner: int, cell: int) -> tuple[Cause, str, Confidence]:
    """What it means that a debit is dated in another week than the one whose document holds its key."""
    if cell == owner + 1:
        return Cause.BOUNDARY_SKEW, "dated_in_the_next_week", "proved"
    if cell == owner - 1:
        return Cause.BOUNDARY_SKEW, "dated_in_the_week_before", "consistent"
    return Cause.UNEXPLAINED, "dated_in_a_far_week", "guess"


def _judge_weeks(
    evidence: Evidence,
    wanted: Booleans,
    grid: Grid,
    usage: Usage,
    keys: Keys,
    debits: Debits,
    ledger: Settlements,
    expected: Floats,
    context: MeterContext,
) -> None:
    """Weeks whose document asks for other units than its keys were debited, replays and half settlements."""
    owned = grid.sums(debits.owners, debits.amounts)
    core = expected - owned
    settle_places = _own_settlements(grid, keys)
    in_document = grid.any(keys.cells[settle_places])
    amiss = _amiss(usage, ledger, in_document, context)
    replayed = grid.any(keys.cells[keys.replays])
    odd = np.abs(core) > EPSILON
    chosen = wanted & ((usage.present & (odd | replayed)) | (amiss != 0))
    traces = QuotaTraces(grid, context, np.where(usage.present, usage.quota, np.nan), usage.dark)
    balances = context.balances_of(grid.organizations)
    gaps = (balances["cached_balance"] - balances["ledger_sum"]).to_numpy(dtype=np.float64)
    fresh = _fresh(grid, usage, context)
    owed = expected.reshape(-1, len(grid.weeks))
    owed_before = (np.cumsum(owed, axis=1) > owed).ravel()
    held = dict(_keys_by_cell(keys, chosen))
    for cell in np.flatnonzero(chosen):
        places = held.get(int(cell), np.zeros(0, dtype=np.int64))
        settles = np.flatnonzero(keys.settlements[places])
        own_keys = [_key(keys, debits, int(place)) for place in places if not keys.settlements[place]]
        week = Week(
            keys=own_keys,
            meter_used=float(usage.used[cell]),
            meter_quota=float(usage.quota[cell]),
            settled=float(usage.settled[cell]) if in_document[cell] else 0.0,
            settled_before=int(settles[0]) if len(settles) else 0,
            settled_amiss=float(amiss[cell]),
            earlier_quotas=traces.earlier(int(cell)),
            live_changes=traces.live(int(cell)),
            middle_quotas=traces.middle(int(cell)),
            steps_before_change=traces.steps_before_change(int(cell), [key.ref_id for key in own_keys]),
            cancelled=traces.cancelled(int(cell)),
            quota_unknown=traces.subscription_is_dark(int(cell)) or traces.neighbour_is_dark(int(cell)),
            fresh=bool(fresh[cell]),
            has_balance=not np.isnan(gaps[cell // len(grid.weeks)]),
            owed_before=bool(owed_before[cell]),
            balance_gap=float(np.nan_to_num(gaps[cell // len(grid.weeks)])),
        )
        pieces = explain_week(week) if odd[cell] else []
        for piece in (*pieces, *_without_units(week, pieces)):
            evidence.add(int(cell), piece)


def _without_units(week: Week, pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Defects that are certain and that the delta does not show: a replay below the quota, a settlement amiss."""
    causes = {piece.cause for piece in pieces}
    if Cause.REPLAYED_ACROSS_WEEKS not in causes:
        for key in week.keys:
            if key.replayed:
                yield Piece(Cause.REPLAYED_ACROSS_WEEKS, "key_in_two_weeks", "proved", 0.0, key.ref_id)
    if week.settled_amiss and Cause.SETTLEMENT_HALF_APPLIED not in causes:
        yield Piece(Cause.SETTLEMENT_HALF_APPLIED, week.half_applied, "proved", 0.0)


def _own_settlements(grid: Grid, keys: Keys) -> Codes:
    """Places of the settle keys that name the week of their own document."""
    places = np.flatnonzero(keys.settlements)
    named = grid.week_codes(keys.texts.iloc[places].str.removeprefix("settle:"))
    return places[named == keys.cells[places] % len(grid.weeks)]


def _amiss(usage: Usage, ledger: Settlements, in_document: Booleans, context: MeterContext) -> Floats:
    """Units by which the two sides of a settlement differ: meter less ledger, 0 where they agree or may yet."""
    as_of = int(context.night.as_of.timestamp() * 1000)
    grace = as_of - int(SETTLEMENT_GRACE.total_seconds() * 1000)
    meter_only = in_document & ~ledger.present & (usage.updated_at > 0) & (usage.updated_at < grace)
    ledger_only = ledger.present & ~in_document & (ledger.at < grace)
    # a cancellation sets the meter to 0 and keeps the key: nothing is left to compare
    both = in_document & ledger.present & (usage.settled > 0) & (np.abs(usage.settled - ledger.units) > EPSILON)
    return np.where(meter_only | both, usage.settled - ledger.units, np.where(ledger_only, -ledger.units, 0.0))


def _fresh(grid: Grid, usage: Usage, context: MeterContext) -> Booleans:
    """Of every cell: whether its week is open or settling and its document was written minutes ago."""
    states = context.night.states()
    unsettled = np.array([states.get(week) != "closed" for week in grid.weeks])
    since = int((context.night.as_of - LATE_DEBIT).timestamp() * 1000)
    return np.tile(unsettled, len(grid.organizations)) & (usage.updated_at >= since)


def _keys_by_cell(keys: Keys, chosen: Booleans) -> Iterator[tuple[int, Codes]]:
    """Places of the keys of each chosen cell, in commit order."""
    places = np.flatnonzero((keys.cells >= 0) & chosen[keys.cells])
    places = places[np.argsort(keys.cells[places], kind="stable")]
    if len(places):
        cells = keys.cells[places]
        starts = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
        for start, part in zip(starts, np.split(places, starts[1:]), strict=True):
            yield int(cells[start]), part


def _key(keys: Keys, debits: Debits, place: int) -> Key:
    debit = int(keys.debits[place])
    return Key(
        ref_id=str(keys.texts.iloc[place]),
        debited=float(debits.amounts[debit]) if debit >= 0 else None,
        replayed=bool(keys.replays[place]),
    )


def evidence_frame(grid: Grid, evidence: Evidence, keep: Booleans) -> pd.DataFrame:
    """The columns of METER_EXTRAS_EVIDENCE for the pieces in `keep`, ordered by cell, then as they were found."""
    order: list[int] = np.argsort(np.array(evidence.cells, dtype=np.int64), kind="stable").tolist()
    places = [place for place in order if keep[place]]
    pieces = [evidence.pieces[place] for place in places]
    cells = [evidence.cells[place] for place in places]
    return pd.DataFrame(
        {
            "organization_id": [grid.organizations[cell // len(grid.weeks)] for cell in cells],
            "week_key": [grid.weeks[cell % len(grid.weeks)] for cell in cells],
            "cause": [piece.cause.value for piece in pieces],
            "rule": [piece.rule for piece in pieces],
            "confidence": [piece.confidence for piece in pieces],
            "ref_id": [piece.ref_id for piece in pieces],
            "entry_id": [piece.entry_id for piece in pieces],
            "units": [piece.units for piece in pieces],
        }
    )
