"""`billing-dq docs` writes Great Expectations' own pages, and replaces nothing but these."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from billing_dq.commands.docs import command
from billing_dq.errors import SourceError
from billing_dq.report import data_docs
from billing_dq.storage.records import SnapshotFactsRecord
from tests.support.snapshot_facts import snapshot_facts
from tests.support.stored_company import CONFIG, NIGHT, frames
from tests.support.stored_nights import store, store_record


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A night with two tables, one of them with a list; an organization's plan is hostile."""
    home = tmp_path / "home"
    monkeypatch.setenv("BILLING_DQ_HOME", str(home))
    organizations = frames()["organizations"].head(5).copy()
    organizations.loc[0, "plan"] = "<script>alert(1)</script>"
    store(home, "organizations", NIGHT, organizations)
    store(home, "weekly_usage", NIGHT, frames()["weekly_usage"].head(5))
    store_record(home, snapshot_facts(CONFIG.as_of), NIGHT)
    assert SnapshotFactsRecord.of(str(home), NIGHT) is not None
    return home


def docs(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, standalone_mode=False)


def test_the_pages_tell_of_each_table_and_obey_no_text(home: Path) -> None:
    said = docs()
    index = home / "data_docs" / NIGHT / "index.html"
    assert said.output.strip() == str(index)
    pages = [page.read_text(encoding="utf-8") for page in index.parent.rglob("*.html")]
    assert not any("<script>alert(1)" in page for page in pages)
    (weeks,) = (index.parent / "validations" / "weekly_usage").rglob("*.html")
    assert "Succeeded" in weeks.read_text(encoding="utf-8")


def test_rules_of_ones_own_are_among_the_suites_and_a_file_that_cannot_be_used_is_told(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    rule = "name: no_usage\ntable: weekly_usage\nexpectation: expect_column_values_to_be_between\n"
    rule += "arguments: {column: meter_used, max_value: -1}\nseverity: warning\nnote: Nothing is used.\nowner: us\n"
    (folder / "own.yaml").write_text(rule)
    (folder / "wrong.yaml").write_text(rule.replace("owner", "ownr"))
    monkeypatch.setenv("BILLING_DQ_RULES_FOLDER", str(folder))
    said = docs()
    assert "wrong.yaml:7: ownr: unknown key" in said.stderr
    (weeks,) = (home / "data_docs" / NIGHT / "validations" / "weekly_usage").rglob("*.html")
    assert "Failed" in weeks.read_text(encoding="utf-8").replace("Failed Only", "")


def test_its_own_pages_are_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(suites: object, night: str, project: Path, pages: Path) -> None:
        pages.mkdir()
        (pages / "index.html").write_text(project.name, encoding="utf-8")

    monkeypatch.setattr(data_docs, "_build", build)
    index = home / "data_docs" / NIGHT / "index.html"
    docs()
    first = index.read_text(encoding="utf-8")
    index.with_name("old.html").touch()
    assert docs().output.strip() == str(index)
    assert index.read_text(encoding="utf-8") != first
    assert not index.with_name("old.html").exists()


def test_a_directory_with_other_files_is_left_as_it_is(home: Path, tmp_path: Path) -> None:
    kept = tmp_path / "mine" / "thesis.txt"
    kept.parent.mkdir()
    kept.write_text("years of work", encoding="utf-8")
    error = docs("--to", str(kept.parent)).exception
    assert isinstance(error, SourceError)
    assert str(error).endswith("holds something else than these pages; name an empty or a new directory")
    assert kept.read_text(encoding="utf-8") == "years of work"


def test_a_home_elsewhere_needs_a_directory_here(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr("billing_dq.commands.docs.is_local", lambda _: False)
    error = docs().exception
    assert isinstance(error, SourceError)
    assert "name a directory with --to" in str(error)


@pytest.mark.parametrize(("night", "said"), [("yesterday", "is no night"), ("2026-01-01", f"stored nights: {NIGHT}")])
def test_a_night_that_is_not_there_is_told(home: Path, night: str, said: str) -> None:
    error = docs("--night", night).exception
    assert isinstance(error, SourceError)
    assert said in str(error)


def test_without_a_night_it_says_what_to_run_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path))
    assert "run `billing-dq nightly` first" in str(docs().exception)
