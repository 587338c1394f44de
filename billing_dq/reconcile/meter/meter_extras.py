"""The meter against the extras: for every organization and week, what should have been debited and what was.

`expected_units`, `actual_units` and `diverged` are the plain rule of DOMAIN.md ("What must hold") and nothing else. The
causes come from the evidence, and the grade from both.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from billing_dq.reconcile.meter.causes import CAUSE_ORDER, Cause, Piece
from billing_dq.reconcile.meter.context import Booleans, MeterContext
from billing_dq.reconcile.meter.evidence import Evidence, Usage, collect_evidence, evidence_frame
from billing_dq.reconcile.meter.matching import ledger_settlements, match
from billing_dq.reconcile.meter.organization_weeks import (
    Codes,
    Grid,
    grid_of,
    milliseconds,
    unreadable_cells,
    unreadable_documents,
)
from billing_dq.reconcile.meter.quota_path import EPSILON
from billing_dq.reconcile.meter.sentences import EXACT, explain_in_words, unreadable_in_words
from billing_dq.tables import METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE
from billing_dq.units import Floats, Tolerance

__all__ = ["MeterContext", "MeterResult", "expected_units", "reconcile_meter", "unreadable_elsewhere"]


Texts = npt.NDArray[np.str_]


class ReconciliationError(RuntimeError):
    """The books of the reconciliation itself do not add up; a fault of this program."""


@dataclass(frozen=True)
class MeterResult:
    """What a batch came to: METER_EXTRAS_DELTAS and METER_EXTRAS_EVIDENCE."""

    deltas: pd.DataFrame
    evidence: pd.DataFrame


def expected_units(used: Floats, quota: Floats) -> Floats:
    """Units that should have been debited: all of the usage at quota 0, else the part above the quota."""
    return np.where(quota == 0, used, np.maximum(0.0, used - quota))


def divergences(expected: Floats, actual: Floats, tolerance: Tolerance) -> tuple[Floats, Floats, Booleans]:
    """Signed delta, tolerance and verdict of each pair; exactly at the tolerance is no divergence."""
    delta, limit = expected - actual, tolerance.of(expected, actual)
    return delta, limit, np.abs(delta) > limit


def reconcile_meter(
    usage: pd.DataFrame, keys: pd.DataFrame, entries: pd.DataFrame, context: MeterContext
) -> MeterResult:
    """Reconcile a batch of whole organizations.

    Args:
        usage: WEEKLY_USAGE without ``attribution_keys``, of the matching weeks of the night.
        keys: ``row`` (position of a row of ``usage``) and ``key``, in commit order within a row.
        entries: LEDGER_ENTRIES of the same organizations.
        context: what holds for every batch.

    Raises:
        ReconciliationError: evidence does not add up to a delta, or a row has no grade.
    """
    grid, usage_organizations, entry_organizations = grid_of(usage, entries, context.night)
    usage_cells = grid.of(usage_organizations, grid.week_codes(usage["week_key"]))
    debit = (entries["kind"] == "debit").to_numpy(dtype=bool)
    found_keys, debits = match(grid, keys, usage_cells, entries[debit], entry_organizations[debit])
    ledger = ledger_settlements(grid, entries, entry_organizations, milliseconds(entries["at"]))
    documents = _documents(grid, usage, usage_cells, ledger.units, context)

    expected = expected_units(documents.used, documents.quota)
    actual = grid.sums(debits.cells, debits.amounts)
    evidence = collect_evidence(grid, documents, found_keys, debits, ledger, expected, context)
    dark_documents = unreadable_documents(grid, context)
    rows = np.flatnonzero(grid.inner() & (documents.present | grid.any(debits.cells) | dark_documents))
    return _result(grid, rows, documents, expected[rows], actual[rows], evidence, context)


def unreadable_elsewhere(organizations: Iterable[str], context: MeterContext) -> pd.DataFrame:
    """METER_EXTRAS_DELTAS rows of unreadable usage documents whose organization was in no batch.

    Args:
        organizations: those that were in a batch.
        context: what holds for every batch.
    """
    known = context.unreadable_usage.dropna()
    known = known[known["week_key"].isin(context.night.keys) & ~known["organization_id"].isin(set(organizations))]
    known = known.drop_duplicates().sort_values(["organization_id", "week_key"])
    states = context.night.states()
    rows: list[dict[str, object]] = [
        {
            "organization_id": organization,
            "week_key": week,
            "week_state": states[week],
            **dict.fromkeys(
                ("meter_used", "meter_quota", "expected_units", "actual_units", "delta_units"),
                0.0,
            ),
            "tolerance_units": context.tolerance.absolute_units,
            "diverged": None,
            "grade": "unreadable",
            "cause": None,
            "explained_units": 0.0,
            "unexplained_units": 0.0,
            "explanation": unreadable_in_words(usage_is_dark=True, ledger_is_dark=False),
        }
        for organization, week in zip(known["organization_id"], known["week_key"], strict=True)
    ]
    return METER_EXTRAS_DELTAS.from_rows(rows)


def _documents(grid: Grid, usage: pd.DataFrame, cells: Codes, ledger_settled: Floats, context: MeterContext) -> Usage:
    present = grid.any(cells)
    settled = usage["settled_units"].to_numpy()
    settled = np.where(np.isnan(settled), ledger_settled[cells], settled)
    updated_at = np.zeros(grid.size, dtype=np.int64)
    updated_at[cells] = np.maximum(milliseconds(usage["updated_at"]), 0)
    return Usage(
        used=grid.sums(cells, usage["meter_used"].to_numpy()),
        quota=grid.sums(cells, usage["meter_quota"].to_numpy()),
        present=present,
        dark=unreadable_cells(grid, present, context),
        settled=np.maximum(0.0, grid.sums(cells, settled)),
        updated_at=updated_at,
    )


def _result(
    grid: Grid,
    rows: Codes,
    usage: Usage,
    expected: Floats,
    actual: Floats,
    evidence: Evidence,
    context: MeterContext,
) -> MeterResult:
    delta, limit, diverged = divergences(expected, actual, context.tolerance)
    dark = usage.dark[rows]
    pieces = _pieces_by_row(grid, rows, evidence)
    totals = _Totals.of(pieces, len(rows))
    _assert_it_adds_up(delta, totals, dark)
    grade = _grades(delta, limit, diverged, dark, totals)
    exact = grade == "exact"
    states = context.night.states()
    week_keys = grid.week_keys(rows)
    explanations = [EXACT] * len(rows)
    for row in np.flatnonzero(~exact & ~dark):
        explanations[row] = explain_in_words(
            float(usage.used[rows[row]]),
            float(usage.quota[rows[row]]),
            float(expected[row]),
            float(actual[row]),
            pieces[int(row)],
        )
    for row in np.flatnonzero(dark):
        organization = grid.organizations[rows[row] // len(grid.weeks)]
        ledger_is_dark = organization in context.unreadable_ledgers
        usage_is_dark = not usage.present[rows[row]] or not ledger_is_dark
        explanations[row] = unreadable_in_words(usage_is_dark, ledger_is_dark)
    explained = np.where(exact, 0.0, totals.design)
    deltas = pd.DataFrame(
        {
            "organization_id": grid.organizations[rows // len(grid.weeks)],
            "week_key": week_keys,
            "week_state": [states[key] for key in week_keys],
            "meter_used": usage.used[rows],
            "meter_quota": usage.quota[rows],
            "expected_units": expected,
            "actual_units": actual,
            "delta_units": delta,
            "tolerance_units": limit,
            "diverged": pd.Series(diverged, dtype="boolean").mask(pd.Series(dark)),
            "grade": grade,
            "cause": [None if exact[row] or dark[row] else _main_cause(pieces[row]) for row in range(len(rows))],
            "explained_units": explained,
            "unexplained_units": delta - explained,
            "explanation": explanations,
        }
    )
    shown = np.zeros(grid.size, dtype=bool)
    shown[rows[~exact]] = True
    return MeterResult(
        METER_EXTRAS_DELTAS.conform(deltas),
        METER_EXTRAS_EVIDENCE.conform(evidence_frame(grid, evidence, shown[np.array(evidence.cells, dtype=np.int64)])),
    )


@dataclass(frozen=True)
class _Totals:
    """Sums of the pieces of each row: by design, of all others (signed and gross); and whether there is a defect."""

    design: Floats
    rest: Floats
    gross: Floats
    defect: Booleans

    @classmethod
    def of(cls, pieces: dict[int, list[Piece]], rows: int) -> "_Totals":
        totals = cls(np.zeros(rows), np.zeros(rows), np.zeros(rows), np.zeros(rows, dtype=bool))
        for row, found in pieces.items():
            for piece in found:
                if piece.by_design:
                    totals.design[row] += piece.units
                else:
                    totals.rest[row] += piece.units
                    totals.gross[row] += abs(piece.units)
                    totals.defect[row] |= piece.cause is not Cause.UNEXPLAINED
        return totals


def _pieces_by_row(grid: Grid, rows: Codes, evidence: Evidence) -> dict[int, list[Piece]]:
    row_of = np.full(grid.size, -1, dtype=np.int64)
    row_of[rows] = np.arange(len(rows))
    pieces: dict[int, list[Piece]] = {}
    for cell, piece in zip(evidence.cells, evidence.pieces, strict=True):
        if row_of[cell] >= 0:
            pieces.setdefault(int(row_of[cell]), []).append(piece)
    return pieces


def _grades(delta: Floats, limit: Floats, diverged: Booleans, dark: Booleans, totals: _Totals) -> Texts:
    """Grades as DESIGN.md has them; breaks that cancel out are unexplained where they exceed the tolerance together."""
    explained = diverged & ~totals.defect & (np.abs(delta - totals.design) <= limit)
    exact = (np.abs(delta) <= EPSILON) & ~totals.defect & (totals.gross <= limit)
    conditions = [dark, exact, explained, diverged | (totals.gross > limit)]
    return np.select(conditions, ["unreadable", "exact", "explained", "unexplained"], "within_tolerance")


def _main_cause(pieces: list[Piece]) -> str:
    """The largest cause; where there is a defect, the largest defect: the design beside it needs nobody's attention."""
    units: dict[Cause, float] = {}
    defects = [piece for piece in pieces if not piece.by_design]
    for piece in defects or pieces:
        units[piece.cause] = units.get(piece.cause, 0.0) + abs(piece.units)
    return max(units, key=lambda cause: (units[cause], -CAUSE_ORDER.index(cause)))


def _assert_it_adds_up(delta: Floats, totals: _Totals, dark: Booleans) -> None:
    """Every readable row's evidence adds up to its delta (CAUSES.md); only binary noise of fractions is let pass."""
    off = np.abs(delta - totals.design - totals.rest)
    wrong = ~dark & (off > EPSILON * np.maximum(1.0, np.abs(delta)))
    if bool(wrong.any()):
        raise ReconciliationError(f"evidence does not add up to the delta in {int(wrong.sum())} org-weeks")
