"""Queries of analysts read the tables of the night, and can do nothing else."""

import os
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from billing_dq.rules import query_process
from billing_dq.rules.query_process import QueryError, QueryProcess
from billing_dq.rules.results import Verdict, verdicts_of
from billing_dq.rules.sql import tables_of, wrong_rows
from billing_dq.rules.suites import QUERY, SQL, Expectation

AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
ENTRIES = pa.table({"amount": [1.0, -2.0, -3.0], "at": pa.array([AS_OF] * 3, pa.timestamp("ms", "UTC"))})


def run(query: str) -> Verdict:
    expected = Expectation(QUERY, {SQL: query}, "warning", "No row is wrong.", {"name": "no_row_is_wrong"})
    (verdict,) = verdicts_of([wrong_rows(expected, {"ledger_entries": ENTRIES}, AS_OF)])
    return verdict


def test_the_rows_that_a_query_returns_are_wrong() -> None:
    verdict = run('SELECT amount, "at" FROM ledger_entries WHERE amount < 0 ORDER BY amount')
    assert verdict.broken == 2
    assert [row["amount"] for row in verdict.rows] == [-3.0, -2.0]
    assert str(verdict.rows[0]["at"]).startswith("2026-11-21")


def test_a_query_without_a_row_is_green() -> None:
    assert run("SELECT * FROM ledger_entries WHERE amount > 5").passed


def test_all_rows_are_counted_and_twenty_are_told() -> None:
    verdict = run("SELECT * FROM ledger_entries, range(10)")
    assert (verdict.broken, len(verdict.rows)) == (30, 20)


def test_a_query_knows_the_instant_of_the_night() -> None:
    verdict = run("SELECT n.night, n.as_of FROM this_night n")
    assert verdict.rows == [{"night": "2026-11-21", "as_of": "2026-11-21 03:10:00+00:00"}]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('http://127.0.0.1/x')",
        "SELECT * FROM sqlite_scan('/tmp/x', 'y')",
    ],
)
def test_no_file_and_no_address_is_opened(query: str) -> None:
    with pytest.raises(QueryError):
        tables_of(query)
    assert "the query failed" in run(query).sentence


@pytest.mark.parametrize(
    "query",
    [
        "COPY ledger_entries TO '/tmp/x.csv'",
        "ATTACH '/tmp/x.db'",
        "INSTALL httpfs",
        "SET memory_limit = '9GB'",
        "CREATE TABLE x AS SELECT 1",
        "SELECT 1; DROP TABLE findings",
        "DELETE FROM findings",
        "EXPLAIN ANALYZE SELECT 1",
        "",
    ],
)
def test_only_one_select_is_let_pass(query: str) -> None:
    with pytest.raises(QueryError, match="a query is one SELECT"):
        tables_of(query)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT * FROM customers", "there is no table customers"),
        ("SELECT * FROM '/etc/passwd'", "there is no table /etc/passwd"),
        ("SELECT * FROM read_csv('/etc/passwd')", "Permission Error"),
        ("SELECT unit FROM findings", "Binder Error"),
        ("SELECT FROM WHERE", "Parser Error"),
    ],
)
def test_a_query_that_does_not_fit_the_tables_is_refused_with_the_reason(query: str, reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        tables_of(query)


def test_the_python_of_the_night_is_out_of_reach() -> None:
    assert "the query failed" in run("SELECT * FROM ENTRIES").sentence


@pytest.mark.parametrize(
    "endless",
    [
        "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b",
        "SELECT levenshtein(repeat('ab', 300000), repeat('ba', 300000))",  # computed while the query is planned
    ],
)
def test_a_query_that_takes_too_long_is_killed_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch, endless: str
) -> None:
    assert run("SELECT * FROM ledger_entries").broken == 3
    with monkeypatch.context() as shorter:
        shorter.setattr(query_process, "SECONDS", 0.3)
        assert run(endless).sentence == "it could not be judged: the query took more than 0 seconds and was stopped"
    assert run("SELECT * FROM ledger_entries").broken == 3


def test_a_query_of_too_much_memory_is_stopped_and_the_next_one_runs() -> None:
    assert "it could not be judged" in run("SELECT length(repeat(repeat('x', 1000000), 4000))").sentence
    assert run("SELECT * FROM ledger_entries").broken == 3


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT random() FROM findings", "random changes from run to run"),
        ("SELECT uuid() FROM findings", "uuid changes from run to run"),
        ('SELECT * FROM ledger_entries WHERE "at" > now()', "now changes from run to run; this_night has"),
        ('SELECT * FROM ledger_entries WHERE "at" > current_date', "current_date changes"),
        ("SELECT LocalTimestamp FROM ledger_entries", "localtimestamp changes"),
        ("SELECT NOW() FROM ledger_entries", "now changes"),
        ('SELECT age("at") FROM ledger_entries', "age of one time reads the clock"),
        ("SELECT * FROM ledger_entries USING SAMPLE 10%", "a sample changes from run to run"),
    ],
)
def test_a_query_that_gives_other_rows_another_day_is_refused(query: str, reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        tables_of(query)


def test_a_column_of_a_query_may_be_named_like_a_function_of_the_clock() -> None:
    assert tables_of("WITH x AS (SELECT kind AS current_kind FROM findings) SELECT current_kind FROM x") == (
        "findings",
    )


def test_an_interrupted_query_leaves_its_answer_to_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(file: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupting:
        interrupting.setattr(query_process.pickle, "load", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run("SELECT * FROM ledger_entries")
    assert run("SELECT * FROM ledger_entries WHERE amount < 0").broken == 2


def test_a_query_has_none_of_our_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_DQ_STRIPE_API_KEY", "rk_live_secret")
    process = QueryProcess()
    assert process.call(os.getenv, "BILLING_DQ_STRIPE_API_KEY") is None
    process.end()


def test_the_names_of_a_common_table_are_no_tables() -> None:
    assert tables_of("WITH big AS (SELECT * FROM weekly_usage) SELECT * FROM big") == ("weekly_usage",)
