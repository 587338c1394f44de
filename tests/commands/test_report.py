"""`billing-dq report` without a night, and what it says of where things are."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from billing_dq.commands import report
from billing_dq.errors import SourceError
from billing_dq.report.night import ReportNight
from billing_dq.settings import Settings
from tests.support.report_night import NIGHT, night


def test_without_a_stored_night_it_says_what_to_run_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path))
    result = CliRunner().invoke(report.command, [])
    assert isinstance(result.exception, SourceError)
    assert "run `billing-dq nightly` first" in str(result.exception)


def test_it_writes_the_page_and_its_markdown_says_where_and_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def read_night(_settings: Settings, _night: str | None) -> ReportNight:
        return night()

    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path))
    monkeypatch.setattr(report, "read_night", read_night)
    monkeypatch.setattr(report.webbrowser, "open", opened.append)
    result = CliRunner().invoke(report.command, [NIGHT, "--open"])
    page = tmp_path / "lake" / "report" / f"{NIGHT}.html"
    assert result.output.split() == [str(page), str(page.with_suffix(".md"))]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert opened == [page.as_uri()]
