"""No rule needs a row: whatever a night has nothing of, it says what it can of the rest."""

from collections.abc import Mapping

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.reconcile.night import reconcile_night
from billing_dq.storage.arrow import arrow_schema, to_pandas
from billing_dq.tables import TABLES
from tests.reconcile.test_night import IDS, POLICY, ours, theirs
from tests.support.examples import examples

Frames = Mapping[str, pd.DataFrame]

WEEKS = ours().weeks
OURS, THEIRS = dict(ours().frames), dict(theirs().frames)
NAMES = sorted([*OURS, *THEIRS])


def without_rows(name: str) -> pd.DataFrame:
    """As the table comes out of a file without a row."""
    return to_pandas(TABLES[name], arrow_schema(TABLES[name]).empty_table())


def night(frames: Frames) -> None:
    """Take the night, with and without Stripe; every result keeps its contract."""
    mine = ApplicationTables(WEEKS, {name: frames[name] for name in OURS})
    reconcile_night(mine, None, POLICY)
    result = reconcile_night(mine, StripeTables({name: frames[name] for name in THEIRS}, True), POLICY)
    TABLES["findings"].conform(result.findings)
    TABLES["ledger_violations"].conform(result.violations)


@pytest.mark.parametrize("empty", NAMES)
def test_a_night_without_a_row_of_one_table(empty: str) -> None:
    night(OURS | THEIRS | {empty: without_rows(empty)})


@pytest.mark.parametrize("filled", NAMES)
def test_a_night_with_rows_of_one_table_only(filled: str) -> None:
    night({name: without_rows(name) for name in NAMES} | {filled: (OURS | THEIRS)[filled]})


def test_a_night_of_nothing() -> None:
    night({name: without_rows(name) for name in NAMES})


@pytest.mark.parametrize("name", IDS)
def test_a_night_of_one_organization(name: str) -> None:
    night(only({IDS[name]}, OURS | THEIRS))


@examples(15)
@given(organizations=st.sets(st.sampled_from(sorted(IDS.values()))), empty=st.sets(st.sampled_from(NAMES)))
def test_a_night_of_some_organizations_without_a_row_of_some_tables(organizations: set[str], empty: set[str]) -> None:
    night(only(organizations, OURS | THEIRS) | {name: without_rows(name) for name in empty})


def only(organizations: set[str], frames: Frames) -> dict[str, pd.DataFrame]:
    """The rows of these organizations; Stripe's other objects stay, as those of strangers."""
    return {
        name: frame[frame["organization_id"].isin(organizations)].reset_index(drop=True)
        if "organization_id" in frame
        else frame
        for name, frame in frames.items()
    }
