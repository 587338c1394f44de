"""The index of a batch: organizations and weeks as numbers."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from billing_dq.reconcile.meter.organization_weeks import (
    OrganizationWeeks,
    milliseconds,
    organization_weeks_of,
    unreadable_cells,
    unreadable_documents,
)
from billing_dq.weeks import NightWeeks, Week
from tests.support.meter_world import AS_OF, ORG, OTHER, Org, context, frames, inside

WEEKS = ("2026-W43", "2026-W44", "2026-W45", "2026-W46", "2026-W47", "2026-W48")
THIRD = "6a0000000000000000000003"


def index(*orgs: Org) -> OrganizationWeeks:
    usage, _, entries = frames(orgs)
    return organization_weeks_of(usage, entries, NightWeeks(AS_OF, 3, 6))[0]


def both() -> OrganizationWeeks:
    return index(Org(OTHER).week("2026-W46", 1, 0), Org().debit("a", 1, inside("2026-W46")))


def test_the_grid_spans_the_organizations_of_both_sides_and_the_weeks_that_are_matched() -> None:
    usage, _, entries = frames([Org(OTHER).week("2026-W46", 1, 0), Org().debit("a", 1, inside("2026-W46"))])
    found, of_usage, of_entries = organization_weeks_of(usage, entries, NightWeeks(AS_OF, 3, 6))
    assert (found.organizations.tolist(), found.weeks, found.size) == ([ORG, OTHER], WEEKS, 12)
    assert (of_usage.tolist(), of_entries.tolist()) == ([1], [0])
    assert found.inner().tolist() == [False, True, True, True, True, False] * 2


def test_what_is_outside_the_grid_has_no_cell() -> None:
    pairs = [(0, 0, 0), (0, 5, 5), (1, 0, 6), (1, 5, 11), (-1, 3, -1), (0, -1, -1), (0, 6, -1), (1, 7, -1)]
    organizations, weeks, cells = (np.array(column) for column in zip(*pairs, strict=True))
    assert both().of(organizations, weeks).tolist() == cells.tolist()
    assert both().organization_codes(pd.Series([OTHER, ORG, THIRD])).tolist() == [1, 0, -1]
    assert both().week_codes(pd.Series(["2026-W43", "2026-W48", "2026-W49"])).tolist() == [0, 5, -1]
    assert both().week_keys(np.array([0, 5, 6, 11])) == ["2026-W43", "2026-W48"] * 2


def test_an_instant_is_in_the_week_of_its_millisecond() -> None:
    start = Week.parse("2026-W43").start
    instants = [start, start - pd.Timedelta(milliseconds=1), Week.parse("2026-W49").start]
    column = pd.Series(instants, dtype="datetime64[ms, UTC]")
    assert both().weeks_of_instants(milliseconds(column)).tolist() == [0, -1, 6]
    epoch = pd.Series([datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), None], dtype="datetime64[ms, UTC]")
    assert milliseconds(epoch)[0] == 1000
    assert milliseconds(epoch)[1] < 0


def test_sums_and_marks_are_by_cell_from_the_first_to_the_last_and_leave_out_what_has_none() -> None:
    cells = np.array([0, 11, -1, 0, 3])
    assert both().sums(cells, np.array([1.0, 2.0, 4.0, 8.0, 0.5])).tolist() == [9, 0, 0, 0.5, *[0] * 7, 2]
    assert np.flatnonzero(both().any(cells)).tolist() == [0, 3, 11]
    assert not both().any(np.array([-1])).any()


def test_an_unreadable_document_darkens_its_week_and_an_untold_one_the_weeks_without_another() -> None:
    cases = {
        ("billingusages", ORG, "2026-W43"): ([0], [0]),
        ("billingusages", OTHER, "2026-W46"): ([9], [9]),
        ("billingusages", ORG, None): ([], [0, 1, 2, 4, 5]),
        ("billingextrabalances", OTHER, None): ([], [6, 7, 8, 9, 10, 11]),
        ("subscriptions", ORG, None): ([], []),
        ("billingusages", THIRD, "2026-W46"): ([], []),
        ("billingusages", None, "2026-W46"): ([], []),
        ("billingextrabalances", None, None): ([], []),
    }
    has_usage = np.arange(12) == 3
    for unreadable, (documents, cells) in cases.items():
        dark = context([], unreadable=[unreadable])
        assert np.flatnonzero(unreadable_documents(both(), dark)).tolist() == documents
        assert np.flatnonzero(unreadable_cells(both(), has_usage, dark)).tolist() == cells
