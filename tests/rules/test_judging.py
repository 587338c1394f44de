"""Every expectation is broken by a row of its own; parts of a table add up to the table; the results are stored."""

import re
import runpy
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from billing_dq.rules import results as stored_results
from billing_dq.rules.derived import FRACTION, ORDER, REFERENCES
from billing_dq.rules.judging import NightTables, judge_suite
from billing_dq.rules.results import ROWS, Result, Verdict, verdicts_of
from billing_dq.rules.suites import Expectation, suite_of
from billing_dq.tables import TABLES
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE
from tests.support.stored_company import CONFIG, NIGHT, frames, store

SOURCES = (*OF_MONGODB, *OF_STRIPE)
UNKNOWN = "f" * 24
#: Columns by which a row is known, beside the organization.
NAMES = ("entry_id", "event_id", "charge_id", "dispute_id", "refund_id", "invoice_id")


def judged(night: NightTables, table: str) -> list[Verdict]:
    return verdicts_of(judge_suite(night, table, suite_of(table)))


def red(night: NightTables, table: str) -> dict[str, Verdict]:
    return {verdict.name: verdict for verdict in judged(night, table) if not verdict.passed}


def rows_for(table: str, number: int, expected: Expectation) -> list[dict[str, object]]:
    """Rows of their own that break an expectation."""
    row: dict[str, object] = dict(frames()[table].astype("object").iloc[-1])
    row |= {name: f"{number:024x}" for name in NAMES if name in row}
    row |= {"position": 100_000 + number} if "position" in row else {}
    if TABLES[table].key == ("organization_id",):
        row["organization_id"] = f"{number:024x}"
    name = expected.columns[0]
    if expected.type.endswith("_unique"):
        return [row, row]
    if name == ORDER:
        return [row | {"at": datetime(2001, 1, 1, tzinfo=UTC)}]
    if name in REFERENCES:
        through = REFERENCES[name].through
        key = {} if through is None else {through: frames()[table][through].iloc[-1]}
        return [row | {"organization_id": UNKNOWN} | key]
    if name.startswith(FRACTION):
        return [row | {name.removeprefix(FRACTION): 0.5}]
    if expected.type.endswith(("_match_regex", "_in_set")):
        return [row | {name: "unknown"}]
    is_time = TABLES[table].column(name).dtype == "time"
    return [row | {name: datetime(2009, 1, 1, tzinfo=UTC) if is_time else -1}]


def is_of(result: Result, expected: Expectation) -> bool:
    config = result["expectation_config"]
    stored = Expectation(config["type"], config["kwargs"], config["severity"], config["notes"], config["meta"])
    return (stored.name, stored.columns) == (expected.name, expected.columns)


@pytest.mark.parametrize("table", SOURCES)
def test_a_clean_company_is_green_and_each_expectation_is_broken_by_its_row(table: str, tmp_path: Path) -> None:
    assert red(store(tmp_path), table) == {}
    broken_rows = [rows_for(table, number, expected) for number, expected in enumerate(suite_of(table))]
    extra = pd.DataFrame([row for rows in broken_rows for row in rows]).astype("object")
    frame = pd.concat([frames()[table].astype("object"), extra], ignore_index=True)
    results = judge_suite(store(tmp_path, {table: frame}), table, suite_of(table))
    for rows, expected in zip(broken_rows, suite_of(table), strict=True):
        (verdict,) = verdicts_of(result for result in results if is_of(result, expected))
        assert verdict.critical == (expected.severity == "critical")
        identity = {name: str(rows[0][name]) for name in TABLES[table].identity}
        assert any(identity.items() <= {k: str(v) for k, v in row.items()}.items() for row in verdict.rows), expected


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


def test_the_parts_of_a_table_add_up_to_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = frames()["extras_balances"].copy()
    frame["cached_balance_at"] = frame["cached_balance_at"].where(frame.index % 3 != 0)
    frame.loc[frame.index % 2 == 0, "entry_count"] = -1
    night = store(tmp_path, {"extras_balances": frame})
    suite = suite_of("extras_balances")
    at_once = judge_suite(night, "extras_balances", suite)
    path = str(night.require("extras_balances").path)
    pq.write_table(pq.read_table(path), path, row_group_size=100)
    monkeypatch.setattr("billing_dq.storage.stored_table._TOGETHER_BYTES", 1)
    in_parts = judge_suite(night, "extras_balances", suite)
    for at_once_result, parts in zip(at_once, in_parts, strict=True):
        assert parts["expectation_config"] == at_once_result["expectation_config"]
        assert parts["success"] == at_once_result["success"]
        for name in ("element_count", "missing_count", "missing_percent", "unexpected_count", "unexpected_percent"):
            assert parts["result"][name] == pytest.approx(at_once_result["result"][name])
        assert len(parts["result"]["partial_unexpected_index_list"]) <= ROWS


def stored_result(tmp_path: Path, edited: Mapping[str, pd.DataFrame]) -> tuple[NightTables, str]:
    night = store(tmp_path, edited)
    judged_now = judge_suite(night, "weekly_usage", suite_of("weekly_usage"))
    stored_results.store(night.lake, NIGHT, "weekly_usage", night.as_of, judged_now)
    return night, stored_results.path_of(night.lake, NIGHT, "weekly_usage").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore")  # the library's own, about what it imports
def test_a_stored_result_opens_in_great_expectations_and_is_the_same_bytes_again(tmp_path: Path) -> None:
    from great_expectations.core import expectationSuiteValidationResultSchema

    usage = frames()["weekly_usage"].assign(meter_quota=0.5, updated_at=None)
    night, text = stored_result(tmp_path, {"weekly_usage": usage})
    assert stored_result(tmp_path, {"weekly_usage": usage})[1] == text
    opened = expectationSuiteValidationResultSchema.loads(text)
    assert not opened.success
    assert opened.statistics["unsuccessful_expectations"] == 1
    stored = stored_results.stored(night.lake, NIGHT, "weekly_usage")
    (verdict,) = [verdict for verdict in verdicts_of(stored) if not verdict.passed]
    assert (verdict.name, verdict.broken, len(verdict.rows)) == ("meter_quota_is_whole", len(usage), ROWS)


@pytest.mark.filterwarnings("ignore")  # the library's own, about what it imports
def test_the_example_makes_data_docs_of_the_stored_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = frames()["weekly_usage"].assign(week_key="<script>")
    stored_result(tmp_path, {"weekly_usage": usage})
    monkeypatch.setenv("GX_ANALYTICS_ENABLED", "false")
    monkeypatch.setattr("sys.argv", ["data_docs.py", str(tmp_path), NIGHT, str(tmp_path / "pages")])
    runpy.run_path(str(Path(__file__).parents[2] / "examples" / "data_docs.py"))
    (page,) = (tmp_path / "pages").rglob(f"data_docs/local_site/validations/weekly_usage/**/{NIGHT}.html")
    text = page.read_text(encoding="utf-8")
    assert "&lt;script>" in text
    assert not re.search(r"<script>\s*<", text)


def test_no_more_rows_break_an_expectation_than_there_are() -> None:
    config = {"severity": "warning", "meta": {"name": "dates_are_plausible"}}
    result: Result = {
        "success": False,
        "expectation_config": config,
        "result": {"element_count": 4, "unexpected_count": 6},
    }
    with pytest.raises(AssertionError, match="6 of 4 rows cannot break dates_are_plausible"):
        verdicts_of([result])
