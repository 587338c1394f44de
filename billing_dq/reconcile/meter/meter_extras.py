"""The meter against the extras: for every organization and week, what should have been debited and what was.

`expected_units`, `actual_units` and `diverged` are the plain rule of docs/domain.md, "Meter against extras", and
nothing else. The causes come from the evidence, and the grade from both:
it says whether the row becomes a finding `meter_extras_divergence`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from billing_dq.reconcile.meter.causes import CAUSE_ORDER, Cause, EvidenceItem
from billing_dq.reconcile.meter.context import Booleans, MeterContext
from billing_dq.reconcile.meter.evidence import Evidence, MatchedBatch, Usage, collect_evidence, evidence_frame
from billing_dq.reconcile.meter.matching import ledger_settlements, match
from billing_dq.reconcile.meter.organization_weeks import (
    Codes,
    OrganizationWeeks,
    milliseconds,
    organization_weeks_of,
    unreadable_cells,
    unreadable_documents,
)
from billing_dq.reconcile.meter.sentences import EXACT, explain_in_words, unreadable_in_words
from billing_dq.tables import METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE
from billing_dq.units import EPSILON, Floats, Tolerance

__all__ = ["MeterContext", "MeterResult", "expected_units", "reconcile_meter", "unreadable_elsewhere"]


Texts = npt.NDArray[np.str_]
#: What is left of a week whose list of keys is not whole.
_OF_LISTS = {Cause.DEBIT_WITHOUT_USAGE, Cause.UNEXPLAINED}


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
    index, usage_organizations, entry_organizations = organization_weeks_of(usage, entries, context.night)
    usage_cells = index.of(usage_organizations, index.week_codes(usage["week_key"]))
    found_keys, debits = match(index, keys, usage_cells, entries, entry_organizations)
    ledger = ledger_settlements(index, entries, entry_organizations, milliseconds(entries["at"]))
    documents = _documents(index, usage, usage_cells, context)

    expected = expected_units(documents.used, documents.quota)
    actual = index.sums(debits.cells, debits.amounts)
    batch = MatchedBatch(index, documents, found_keys, debits, ledger, expected)
    evidence = collect_evidence(batch, context)
    unreadable_usage = unreadable_documents(index, context)
    rows = np.flatnonzero(index.inner() & (documents.present | index.any(debits.cells) | unreadable_usage))
    return _result(batch, rows, actual[rows], evidence, context)


def unreadable_elsewhere(organizations: Iterable[str], context: MeterContext) -> pd.DataFrame:
    """METER_EXTRAS_DELTAS rows of unreadable usage documents whose organization was in no batch.

    Args:
        organizations: those that were in a batch.
        context: what holds for every batch.
    """
    documents = context.unreadable_usage.dropna()
    documents = documents[
        documents["week_key"].isin(context.night.keys) & ~documents["organization_id"].isin(set(organizations))
    ]
    documents = documents.drop_duplicates().sort_values(["organization_id", "week_key"])
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
            "explanation": unreadable_in_words(usage_unreadable=True, ledger_unreadable=False),
        }
        for organization, week in zip(documents["organization_id"], documents["week_key"], strict=True)
    ]
    return METER_EXTRAS_DELTAS.from_rows(rows)


def _documents(index: OrganizationWeeks, usage: pd.DataFrame, cells: Codes, context: MeterContext) -> Usage:
    present = index.any(cells)
    settled_at_most = np.zeros(index.size)
    settled_at_most[cells] = usage["settled_units"].to_numpy()
    updated_at = np.zeros(index.size, dtype=np.int64)
    updated_at[cells] = np.maximum(milliseconds(usage["updated_at"]), 0)
    return Usage(
        used=index.sums(cells, usage["meter_used"].to_numpy()),
        quota=index.sums(cells, usage["meter_quota"].to_numpy()),
        present=present,
        unreadable=unreadable_cells(index, present, context),
        settled_at_most=settled_at_most,
        updated_at=updated_at,
    )


def _result(batch: MatchedBatch, rows: Codes, actual: Floats, evidence: Evidence, context: MeterContext) -> MeterResult:
    index, usage, expected = batch.index, batch.usage, batch.expected[rows]
    delta, limit, diverged = divergences(expected, actual, context.tolerance)
    unreadable = usage.unreadable[rows]
    items = _items_by_row(index, rows, evidence)
    totals = _Totals.of(items, len(rows))
    _assert_it_adds_up(delta, totals, unreadable)
    grade = _grades(delta, limit, diverged, unreadable, totals)
    exact = grade == "exact"
    states = context.night.states()
    week_keys = index.week_keys(rows)
    explanations = [EXACT] * len(rows)
    for row in np.flatnonzero(~exact & ~unreadable):
        explanations[row] = explain_in_words(
            float(usage.used[rows[row]]),
            float(usage.quota[rows[row]]),
            float(expected[row]),
            float(actual[row]),
            items[int(row)],
        )
    for row in np.flatnonzero(unreadable):
        organization = index.organizations[rows[row] // len(index.weeks)]
        ledger_unreadable = organization in context.unreadable_ledgers
        usage_unreadable = not usage.present[rows[row]] or not ledger_unreadable
        explanations[row] = unreadable_in_words(usage_unreadable, ledger_unreadable)
    explained = np.where(exact, 0.0, totals.design)
    deltas = pd.DataFrame(
        {
            "organization_id": index.organizations[rows // len(index.weeks)],
            "week_key": week_keys,
            "week_state": [states[key] for key in week_keys],
            "meter_used": usage.used[rows],
            "meter_quota": usage.quota[rows],
            "expected_units": expected,
            "actual_units": actual,
            "delta_units": delta,
            "tolerance_units": limit,
            "diverged": pd.Series(diverged, dtype="boolean").mask(pd.Series(unreadable)),
            "grade": grade,
            "cause": [None if exact[row] or unreadable[row] else _main_cause(items[row]) for row in range(len(rows))],
            "explained_units": explained,
            "unexplained_units": delta - explained,
            "explanation": explanations,
        }
    )
    is_listed = np.zeros(index.size, dtype=bool)
    is_listed[rows[~exact]] = True
    return MeterResult(
        METER_EXTRAS_DELTAS.conform(deltas),
        METER_EXTRAS_EVIDENCE.conform(
            evidence_frame(index, evidence, is_listed[np.array(evidence.cells, dtype=np.int64)])
        ),
    )


@dataclass(frozen=True)
class _Totals:
    """Sums of the items of each row.

    Attributes:
        design: units by design.
        defects: units of all other items, signed.
        gross: units of all other items, without their signs.
        in_doubt: units of ``gross`` beside which a story by design fits as well.
        is_certain: whether there is a defect beyond doubt.
        of_meter: likewise, but for half of a settlement that moves no unit: the ledger's finding tells of it.
        of_lists: whether all there is are debits whose keys are not listed, and units that are in no listed key.
    """

    design: Floats
    defects: Floats
    gross: Floats
    in_doubt: Floats
    is_certain: Booleans
    of_meter: Booleans
    of_lists: Booleans

    @classmethod
    def of(cls, items: dict[int, list[EvidenceItem]], rows: int) -> "_Totals":
        design, defects, gross, in_doubt = np.zeros((4, rows))
        totals = cls(design, defects, gross, in_doubt, *np.zeros((3, rows), dtype=bool))
        for row, of_row in items.items():
            totals.of_lists[row] = {item.cause for item in of_row} <= _OF_LISTS
            for item in of_row:
                if item.by_design:
                    totals.design[row] += item.units
                    continue
                totals.defects[row] += item.units
                totals.gross[row] += abs(item.units)
                if item.in_doubt:
                    totals.in_doubt[row] += abs(item.units)
                elif item.cause is not Cause.UNEXPLAINED:
                    totals.is_certain[row] = True
                    totals.of_meter[row] |= not item.of_ledger
        return totals


def _items_by_row(index: OrganizationWeeks, rows: Codes, evidence: Evidence) -> dict[int, list[EvidenceItem]]:
    row_of = np.full(index.size, -1, dtype=np.int64)
    row_of[rows] = np.arange(len(rows))
    items: dict[int, list[EvidenceItem]] = {}
    for cell, item in zip(evidence.cells, evidence.items, strict=True):
        if row_of[cell] >= 0:
            items.setdefault(int(row_of[cell]), []).append(item)
    return items


def _grades(delta: Floats, limit: Floats, diverged: Booleans, unreadable: Booleans, totals: _Totals) -> Texts:
    """Grades; breaks that cancel out are unexplained where they exceed the tolerance together.

    See docs/tables.md, "Grades".
    """
    # A list of keys may be capped or missing. Where the sums agree to the unit, it accuses nobody.
    listed_elsewhere = (np.abs(delta) <= EPSILON) & totals.of_lists
    doubted = (totals.in_doubt > 0) & ~listed_elsewhere
    explained = diverged & ~totals.of_meter & ~doubted & (np.abs(delta - totals.design) <= limit)
    exact = (np.abs(delta) <= EPSILON) & ~totals.is_certain & ~doubted & (totals.gross <= limit)
    material = diverged | ((totals.gross > limit) & ~listed_elsewhere)
    undecided = material & doubted & ~totals.of_meter & (totals.gross - totals.in_doubt <= limit)
    conditions = [unreadable, exact, explained, undecided, material]
    return np.select(conditions, ["unreadable", "exact", "explained", "undecided", "unexplained"], "within_tolerance")


def _main_cause(items: list[EvidenceItem]) -> str:
    """The largest cause; where there is a defect, the largest defect: the design beside it needs nobody's attention.

    A defect beyond doubt comes before one in doubt, and what the ledger's finding tells of comes last.
    """
    units: dict[Cause, float] = {}
    of_meter = [item for item in items if not item.of_ledger] or items
    defects = [item for item in of_meter if not item.by_design]
    certain = [item for item in defects if not item.in_doubt]
    for item in certain or defects or of_meter:
        units[item.cause] = units.get(item.cause, 0.0) + abs(item.units)
    return max(units, key=lambda cause: (units[cause], -CAUSE_ORDER.index(cause)))


def _assert_it_adds_up(delta: Floats, totals: _Totals, unreadable: Booleans) -> None:
    """Every readable row's evidence adds up to its delta; only binary noise of fractions is let pass.

    See docs/causes.md, "Evidence adds up".
    """
    difference = np.abs(delta - totals.design - totals.defects)
    is_broken = ~unreadable & (difference > EPSILON * np.maximum(1.0, np.abs(delta)))
    if bool(is_broken.any()):
        raise ReconciliationError(f"evidence does not add up to the delta in {int(is_broken.sum())} org-weeks")
