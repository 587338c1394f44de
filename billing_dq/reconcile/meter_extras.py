"""The meter against the extras: for every organization and week, what should have been debited and what was.

`expected_units`, `actual_units` and `diverged` are the plain rule of DOMAIN.md ("What must hold") and nothing else. Why
a week disagrees is the business of `causes`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from billing_dq.frames import METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE
from billing_dq.reconcile.context import Booleans, MeterContext
from billing_dq.reconcile.matching import Cells, cells_of
from billing_dq.units import Floats

__all__ = ["MeterContext", "MeterResult", "expected_units", "reconcile_meter"]


@dataclass(frozen=True)
class MeterResult:
    """What a batch came to: METER_EXTRAS_DELTAS and METER_EXTRAS_EVIDENCE."""

    deltas: pd.DataFrame
    evidence: pd.DataFrame


def expected_units(used: Floats, quota: Floats) -> Floats:
    """Units that should have been debited: all of the usage at quota 0, else the part above the quota."""
    return np.where(quota == 0, used, np.maximum(0.0, used - quota))


def reconcile_meter(
    usage: pd.DataFrame, keys: pd.DataFrame, entries: pd.DataFrame, context: MeterContext
) -> MeterResult:
    """Reconcile a batch of whole organizations.

    Args:
        usage: WEEKLY_USAGE without ``attribution_keys``, of the matching weeks of the night.
        keys: ``row`` (position of a row of ``usage``) and ``key``, in commit order within a row.
        entries: LEDGER_ENTRIES of the same organizations.
        context: what holds for every batch.
    """
    cells, usage_organizations, entry_organizations = cells_of(usage, entries, context.night)
    usage_cells = cells.of(usage_organizations, cells.week_codes(usage["week_key"]))
    used = cells.sums(usage_cells, usage["meter_used"].to_numpy())
    quota = cells.sums(usage_cells, usage["meter_quota"].to_numpy())
    has_usage = cells.sums(usage_cells, np.ones(len(usage))) > 0
    debit = (entries["kind"] == "debit").to_numpy()
    debits = entries[debit]
    debit_cells = cells.of(entry_organizations[debit], cells.weeks_of_instants(debits["at"]))
    amounts = np.abs(debits["amount"].to_numpy())
    actual = cells.sums(debit_cells, amounts)
    has_debit = cells.sums(debit_cells, np.ones(len(debits))) > 0
    dark = unreadable_cells(cells, has_usage, context)
    row = np.flatnonzero(cells.inner() & (has_usage | has_debit | _known_dark(cells, context)))

    expected = expected_units(used[row], quota[row])
    delta = expected - actual[row]
    tolerance = context.tolerance.of(expected, actual[row])
    diverged = np.abs(delta) > tolerance
    states = context.night.states()
    week_keys = [cells.weeks[week] for week in row % len(cells.weeks)]
    grade = np.where(diverged, "unexplained", np.where(delta == 0, "exact", "within_tolerance"))
    deltas = pd.DataFrame(
        {
            "organization_id": cells.organizations[row // len(cells.weeks)],
            "week_key": week_keys,
            "week_state": [states[key] for key in week_keys],
            "meter_used": used[row],
            "meter_quota": quota[row],
            "expected_units": expected,
            "actual_units": actual[row],
            "delta_units": delta,
            "tolerance_units": tolerance,
            "diverged": pd.Series(diverged, dtype="boolean").mask(dark[row]),
            "grade": np.where(dark[row], "unreadable", grade),
            "cause": None,
            "explained_units": 0.0,
            "unexplained_units": delta,
            "explanation": "",
        }
    )
    return MeterResult(METER_EXTRAS_DELTAS.conform(deltas), METER_EXTRAS_EVIDENCE.empty())


def unreadable_cells(cells: Cells, has_usage: Booleans, context: MeterContext) -> Booleans:
    """Of every cell: whether either side could not be read.

    A usage document without a readable week darkens every week of its organization that has no other document, an
    unreadable balance document all its weeks (DESIGN.md, "Unreadable is not absent").
    """
    weeks = len(cells.weeks)
    dark = _known_dark(cells, context)
    anywhere = context.unreadable_usage[context.unreadable_usage["week_key"].isna()]
    vague = np.repeat(cells.organizations.isin(anywhere["organization_id"]), weeks) & ~has_usage
    return dark | vague | np.repeat(cells.organizations.isin(context.unreadable_ledgers), weeks)


def _known_dark(cells: Cells, context: MeterContext) -> Booleans:
    """Of every cell: whether a usage document of this very week could not be read."""
    known = context.unreadable_usage.dropna(subset=["week_key"])
    at = cells.of(cells.organization_codes(known["organization_id"]), cells.week_codes(known["week_key"]))
    dark = np.zeros(cells.size, dtype=bool)
    dark[at[at >= 0]] = True
    return dark
