import re
import shutil
from datetime import date
from pathlib import Path

import duckdb
import pytest

from billing_dq.catalog.views import nights_database, select, write_catalog
from billing_dq.errors import SourceError
from billing_dq.storage.lake import Lake
from tests.support.two_nights import NIGHTS

QUESTIONS = re.findall(
    r"```sql\n(.*?)```", (Path(__file__).parents[2] / "docs" / "nights.md").read_text(encoding="utf-8"), re.DOTALL
)


def rows(home: Path, query: str) -> list[tuple[object, ...]]:
    with nights_database(Lake(str(home))) as database:
        return select(database, query).fetchall()


def test_every_row_has_the_date_of_its_night(two_nights: Path) -> None:
    counted = rows(two_nights, "SELECT night, count(*) FROM findings GROUP BY night ORDER BY night")
    assert counted == [(date(2026, 11, 21), 2), (date(2026, 11, 22), 3)]


def test_dates_are_dates(two_nights: Path) -> None:
    assert rows(two_nights, "SELECT DISTINCT typeof(first_seen), typeof(last_seen) FROM findings") == [("DATE", "DATE")]


def test_a_table_that_no_night_has_is_a_view_without_rows(two_nights: Path) -> None:
    assert rows(two_nights, "SELECT night, refund_id, created FROM stripe_refunds") == []


def test_a_night_that_is_not_whole_is_passed_over(two_nights: Path, tmp_path: Path) -> None:
    home = shutil.copytree(two_nights, tmp_path / "home")
    Lake(str(home)).begin(NIGHTS[1])
    assert rows(home, "SELECT DISTINCT night FROM findings") == [(date(2026, 11, 21),)]
    assert rows(home, "SELECT night FROM nights") == [(date(2026, 11, 21),)]


@pytest.mark.parametrize(
    "query",
    [
        "COPY findings TO '/tmp/copied.csv'",
        "SELECT 1; SELECT 2",
        "SET enable_external_access = true",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM home",
        "SELECT absent FROM findings",
    ],
)
def test_a_query_reads_stored_nights_and_nothing_else(two_nights: Path, query: str) -> None:
    home = {"a variable": ["of Python"]}
    with pytest.raises(SourceError):
        rows(two_nights, query)
    assert home


def test_the_catalog_is_a_file_that_sees_nights_that_come_after_it(two_nights: Path, tmp_path: Path) -> None:
    home = shutil.copytree(two_nights, tmp_path / "home")
    target = tmp_path / "made" / "nights.duckdb"
    write_catalog(Lake(str(home)), target)
    shutil.copy(home / "lake" / "findings" / f"{NIGHTS[1]}.parquet", home / "lake" / "findings" / "2026-11-23.parquet")
    with duckdb.connect(str(target), read_only=True) as database:
        assert database.execute("SELECT max(night) FROM findings").fetchone() == (date(2026, 11, 23),)
        comment = database.execute("SELECT comment FROM duckdb_views() WHERE view_name = 'findings'").fetchone()
    assert comment == ("a finding, and how it stands from night to night",)
    assert [path.name for path in target.parent.iterdir()] == ["nights.duckdb"]


def test_without_a_night_there_is_no_catalog(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no night is stored"):
        write_catalog(Lake(str(tmp_path)), tmp_path / "nights.duckdb")


def test_the_docs_answer_ten_questions() -> None:
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize("query", QUESTIONS)
def test_each_question_of_the_docs_has_an_answer(two_nights: Path, query: str) -> None:
    assert rows(two_nights, query.rstrip().rstrip(";"))
