"""`sql`, `catalog` and `trace`: the commands that look at all stored nights."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from billing_dq.cli import cli
from tests.support.two_nights import NIGHTS, ORG, store_two_nights


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("nights")
    store_two_nights(home)
    return home


@pytest.fixture(autouse=True)
def _settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_DQ_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(home)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_a_query_is_answered_as_a_table_as_csv_and_as_json() -> None:
    query = "SELECT night, count(*) AS findings FROM findings GROUP BY night ORDER BY night"
    assert "2026-11-21" in run("sql", query).output
    printed = list(csv.reader(io.StringIO(run("sql", query, "--csv").output)))
    assert printed == [["night", "findings"], ["2026-11-21", "2"], ["2026-11-22", "3"]]
    assert json.loads(run("sql", query, "--json").output)[1] == {"night": "2026-11-22", "findings": 3}


def test_without_a_query_the_views_are_listed() -> None:
    assert "stripe_charges" in run("sql").output


def test_a_long_answer_says_how_much_of_it_is_not_printed() -> None:
    assert "... and 150 more rows" in run("sql", "FROM range(250)").output


def test_the_catalog_is_written_beside_the_results(home: Path) -> None:
    result = run("catalog")
    assert result.exit_code == 0
    assert str(home / "nights.duckdb") in result.output
    assert (home / "nights.duckdb").exists()


def test_a_trace_fits_eighty_columns() -> None:
    result = run("trace", "ch_1")
    assert result.output.startswith("ch_1: 7 events\n")
    assert f"2026-11-03 09:30:00  stripe_charges, organization {ORG}" in result.output
    assert f"(nights {NIGHTS[0]} to {NIGHTS[1]})" in result.output.replace("\n    ", " ")
    assert max(len(line) for line in result.output.splitlines()) <= 80


def test_a_trace_is_there_for_programs() -> None:
    events = json.loads(run("trace", ORG, "--json").output)
    assert {"at", "night", "last_night", "source", "organization_id", "text"} == set(events[0])


def test_an_unknown_id_is_one_clear_error() -> None:
    result = run("trace", "ch_9")
    assert result.exit_code == 1
    assert "no stored night has anything of ch_9" in result.output
