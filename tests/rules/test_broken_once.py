"""Every expectation is broken once, and exactly its check is red; a clean company with trouble is green throughout."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from billing_dq.rules.contracts import expectations
from billing_dq.rules.evaluation import NightTables, judge_contract
from billing_dq.rules.expectation import ROWS, Clause, Expectation, Outcome
from billing_dq.tables import EARLIEST, TABLES
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE
from tests.support.stored_company import CONFIG, PLANS, frames, store

SOURCES = (*OF_MONGODB, *OF_STRIPE)
#: Tables that others refer to: a fault in them gets a row of its own, to which nothing refers.
REFERRED = {reference.table for name in SOURCES for reference in TABLES[name].references}
NEVER_SEEN = "f" * 24


def expected(name: str) -> list[Expectation]:
    return expectations(TABLES[name], PLANS, CONFIG.as_of)


def red(night: NightTables, name: str) -> dict[str, Outcome]:
    outcomes = judge_contract(night, name, expected(name))
    return {check: outcome for check, outcome in outcomes.items() if not outcome.passed}


def broken(name: str, clause: Clause) -> pd.DataFrame:
    """The table with one row that breaks a clause."""
    frame = frames()[name].copy().astype("object")
    if clause.kind.endswith("_unique"):
        return pd.concat([frame, frame.tail(1)], ignore_index=True)
    row = 0
    if name in REFERRED:
        own = frame.tail(1).assign(**dict.fromkeys(TABLES[name].key, NEVER_SEEN))
        frame = pd.concat([frame, own], ignore_index=True)
        row = len(frame) - 1
    column = clause.columns[0]
    frame.at[row, column] = fault(clause, frame, column, row)
    return frame


def fault(clause: Clause, frame: pd.DataFrame, column: str, row: int) -> object:
    value = frame.at[row, column]
    if clause.derived is not None:
        rules = {"leads_somewhere": NEVER_SEEN, "fraction": 0.5}
        return rules[clause.derived.rule]
    if clause.kind.endswith("_not_be_null"):
        return None
    if clause.kind.endswith(("_match_regex", "_in_set")):
        return "never seen"
    return EARLIEST - timedelta(days=1) if isinstance(value, pd.Timestamp) or value is pd.NaT else -1


def entails(name: str, check: str) -> set[str]:
    """An organization whose id is malformed is in no table either; one that is unknown is not that of the charge."""
    leading = {one.name for one in expected(name) if any(c.derived and c.derived.reference for c in one.clauses)}
    return leading if check == "organization_id_is_well_formed" or check in leading else set()


@pytest.mark.parametrize("name", SOURCES)
def test_a_clean_company_with_trouble_is_green(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert red(store(tmp_path_factory.mktemp("clean")), name) == {}


@pytest.mark.parametrize("name", SOURCES)
def test_every_expectation_is_broken_once_and_exactly_its_check_is_red(name: str, tmp_path: Path) -> None:
    store(tmp_path)
    for one in expected(name):
        for clause in one.clauses:
            if clause.derived is not None and clause.derived.rule == "seconds_since_the_row_before":
                continue  # it takes two rows; see below
            night = store(tmp_path, {name: broken(name, clause)})
            found = red(night, name)
            assert {one.name} <= set(found) <= {one.name} | entails(name, one.name), clause
            assert found[one.name].problem == ""
            assert 1 <= len(found[one.name].rows) <= ROWS
            assert set(TABLES[name].identity) <= set(found[one.name].rows[0])


@pytest.mark.parametrize("name", [name for name in SOURCES if TABLES[name].in_order])
def test_entries_out_of_the_order_of_their_time_are_told(name: str, tmp_path: Path) -> None:
    frame = frames()[name].copy()
    row = int(frame.index[frame["organization_id"].duplicated()][0])
    frame.loc[row, "at"] = frame.loc[row - 1, "at"] - timedelta(seconds=1)
    found = red(store(tmp_path, {name: frame}), name)
    assert set(found) == {"entries_are_in_order_of_time"}
    assert found["entries_are_in_order_of_time"].rows[0]["position"] == frame.loc[row, "position"]


def test_a_date_long_after_the_snapshot_is_not_plausible(tmp_path: Path) -> None:
    frame = frames()["weekly_usage"].copy()
    frame.loc[0, "updated_at"] = CONFIG.as_of + timedelta(days=2)
    assert set(red(store(tmp_path, {"weekly_usage": frame}), "weekly_usage")) == {"dates_are_plausible"}


def test_a_document_that_could_not_be_read_may_be_the_missing_row(tmp_path: Path) -> None:
    lost = frames()["organizations"]["organization_id"].iloc[-1]
    fewer = frames()["organizations"].iloc[:-1]
    assert set(red(store(tmp_path, {"organizations": fewer}), "weekly_usage")) == {
        "organization_id_is_in_organizations"
    }
    row = {**dict.fromkeys(TABLES["unreadable_keys"].column_names), "collection": "organizations", "document_id": "x"}
    for organization in (lost, None):
        unreadable = TABLES["unreadable_keys"].from_rows([{**row, "organization_id": organization}])
        night = store(tmp_path, {"organizations": fewer, "unreadable_keys": unreadable})
        assert red(night, "weekly_usage") == {}


def test_a_dispute_of_another_organization_than_its_charge_is_told(tmp_path: Path) -> None:
    other = frames()["organizations"]["organization_id"].iloc[1]
    disputes = frames()["stripe_disputes"].assign(organization_id=other)
    found = red(store(tmp_path, {"stripe_disputes": disputes}), "stripe_disputes")
    assert set(found) == {"organization_id_is_that_in_stripe_charges"}


def test_no_more_than_twenty_rows_are_told_and_all_are_counted(tmp_path: Path) -> None:
    usage = frames()["weekly_usage"].assign(week_key="soon")
    outcome = red(store(tmp_path, {"weekly_usage": usage}), "weekly_usage")["week_key_is_well_formed"]
    assert outcome.broken == outcome.checked == len(usage)
    assert len(outcome.rows) == ROWS
