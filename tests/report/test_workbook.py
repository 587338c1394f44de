"""Everything open as CSV for a workbook: numbers are numbers, and no text becomes a formula."""

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from billing_dq.commands import export
from billing_dq.report.workbook import as_csv, harmless, open_findings
from billing_dq.storage.lake import Lake
from tests.support.finding_rows import deltas, week
from tests.support.report_night import NIGHT, finding, findings, old
from tests.support.stored_nights import store


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tonight = findings(
        finding(1, usd_cents=-250, units=-2500.0, explanation='=HYPERLINK("https://evil.example", "text")'),
        finding(2, subject="@SUM(1+1)*cmd|' /C calc'!A0", explanation="of two\r\nlines, with ümlaut", usd_cents=905),
        finding(3, state="resolved"),
        old(4, severity="warning", cause=None, organization_id=None, kind="dead_lettered_event"),
        old(5, severity="info", verdict="undecided"),
    )
    store(tmp_path, "findings", NIGHT, tonight)
    store(tmp_path, "meter_extras_deltas", NIGHT, deltas(week("undecided", organization_id=f"{5:024x}")))
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1+cmd",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "|calc",
        "＝1",
        "－1",
        "6120e4",
        "0001",
        "1.5",
    ],
)
def test_text_that_a_workbook_would_run_or_turn_into_a_number_gets_an_apostrophe(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "2026-W45", "a=1", "du_1", "2026-11-21", "1,000 units", "6ad70e6cd0b6"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_what_is_open_is_listed_worst_first_in_dollars(home: Path) -> None:
    rows = open_findings(Lake(str(home)))
    assert rows["usd"].tolist() == [9.05, -2.5, 1.0, 1.0]
    assert rows["verdict"].tolist() == ["owed (unexplained)"] * 3 + ["undecided"]
    assert set(rows["state"]) == {"new", "persisting"}
    assert rows["command"].str.startswith("billing-dq ").all()


def test_a_workbook_reads_back_the_numbers_and_harmless_text(home: Path) -> None:
    content = as_csv(open_findings(Lake(str(home))))
    assert content.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(content.removeprefix("\ufeff"), newline="")))
    assert [float(row["usd"]) for row in rows] == [9.05, -2.5, 1.0, 1.0]
    assert float(rows[1]["units"]) == -2500.0
    assert rows[1]["explanation"].startswith("'=HYPERLINK")
    first = rows[0]
    assert first["subject"].startswith("'@SUM")
    assert first["explanation"] == "of two\r\nlines, with ümlaut"
    assert first["organization_id"] == f"'{2:024x}"
    assert rows[2]["organization_id"] == ""
    runs = [cell for row in rows for name, cell in row.items() if name not in ("usd", "units")]
    assert not [cell for cell in runs if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_night_with_nothing_open_has_the_headings(tmp_path: Path) -> None:
    store(tmp_path, "findings", NIGHT, findings())
    store(tmp_path, "meter_extras_deltas", NIGHT, deltas())
    assert as_csv(open_findings(Lake(str(tmp_path)))).count("\r\n") == 1


def test_the_command_writes_it_to_a_file_or_the_terminal_as_csv_only(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "open.csv"
    CliRunner().invoke(export.command, ["open_findings", "--to", str(target)], catch_exceptions=False)
    assert len(pd.read_csv(target)) == 4
    shown = CliRunner().invoke(export.command, ["open_findings", "--night", NIGHT], catch_exceptions=False)
    assert shown.stdout_bytes == target.read_bytes()
    refused = CliRunner().invoke(export.command, ["open_findings", "--format", "json"])
    assert "is written as CSV" in refused.output
