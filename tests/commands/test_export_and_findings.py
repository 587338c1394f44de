import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from upath import UPath

from billing_dq.commands import export, findings
from billing_dq.errors import SourceError
from billing_dq.storage import arrow, stored_table
from billing_dq.tables import FINDINGS, METER_EXTRAS_EVIDENCE

AT = datetime(2026, 11, 20, 14, 2, tzinfo=UTC)


def finding(number: int, severity: str, cents: int, state: str = "new") -> dict[str, object]:
    return {
        "finding_id": f"f{number}",
        "kind": "runaway_balance" if number % 2 else "ledger_violation",
        "organization_id": None if number == 3 else f"org{number}",
        "subject": f"subject{number}",
        "severity": severity,
        "units": cents * 10.0,
        "usd_cents": cents,
        "explanation": "because",
        "runbook": "RUNBOOKS.md#x",
        "state": state,
        "first_seen": "2026-11-20",
        "last_seen": "2026-11-21",
        "nights_open": 2,
    }


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def nights(home: Path) -> Path:
    rows = [
        finding(1, "info", 5),
        finding(2, "error", -900),
        finding(3, "error", 100),
        finding(4, "critical", 1, "resolved"),
    ]
    for night, kept in (("2026-11-20", rows[:1]), ("2026-11-21", rows)):
        store(home, night, kept)
    return home


def store(home: Path, night: str, rows: list[dict[str, object]]) -> None:
    path = home / "lake" / "findings" / f"{night}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    with stored_table.TableWriter(FINDINGS, UPath(path)) as writer:
        writer.write(arrow.to_arrow(FINDINGS, FINDINGS.from_rows(rows)))


def shown(*arguments: str) -> list[str]:
    result = CliRunner().invoke(findings.command, [*arguments, "--json"], catch_exceptions=False)
    return [row["finding_id"] for row in json.loads(result.output)]


@pytest.mark.usefixtures("nights")
def test_findings_are_listed_worst_first_without_the_resolved_ones() -> None:
    assert shown() == ["f2", "f3", "f1"]


@pytest.mark.usefixtures("nights")
def test_findings_can_be_chosen_by_severity_kind_organization_and_night() -> None:
    assert shown("--severity", "error") == ["f2", "f3"]
    assert shown("--kind", "runaway_balance") == ["f3", "f1"]
    assert shown("--organization", "org1") == ["f1"]
    assert shown("--resolved") == ["f4", "f2", "f3", "f1"]
    assert shown("--night", "2026-11-20") == ["f1"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(findings.command, [*arguments])


def accepted() -> list[dict[str, object]]:
    return json.loads(run("accepted", "--json").output)


@pytest.mark.usefixtures("nights")
def test_a_finding_is_accepted_and_shown_so_at_once() -> None:
    assert accepted() == []
    done = run("accept", "f2", "--why", "known since May", "--until", "2026-12-31", "--by", "anna")
    assert (done.exit_code, done.output) == (0, "f2 (ledger_violation) is accepted until the night of 2026-12-31\n")
    columns = ("finding_id", "accepted_by", "accepted_why", "accepted_until")
    assert [[row[name] for name in columns] for row in accepted()] == [["f2", "anna", "known since May", "2026-12-31"]]
    assert shown() == ["f2", "f3", "f1"]
    people = CliRunner().invoke(findings.command, env={"COLUMNS": "250"}, catch_exceptions=False).output
    assert "because (accepted until 2026-12-31 by anna: known since May)" in people
    assert "f2" in CliRunner().invoke(findings.command, ["accepted"], env={"COLUMNS": "250"}).output


@pytest.mark.usefixtures("nights")
def test_an_empty_list_says_so() -> None:
    assert run("accepted").output == "Nobody has accepted a finding of the night of 2026-11-21.\n"
    nothing = run("--kind", "orphan_balance").output
    assert nothing == "No finding of the night of 2026-11-21 is open and fits.\n"


@pytest.mark.usefixtures("nights")
def test_an_acceptance_without_a_date_holds_until_something_changes_and_can_be_taken_back() -> None:
    run("accept", "f1", "--why", "by design")
    assert [row["accepted_until"] for row in accepted()] == [None]
    assert accepted()[0]["accepted_by"]
    back = run("unaccept", "f1", "--why", "a mistake")
    assert (back.exit_code, back.output) == (0, "f1 (runaway_balance) counts again\n")
    assert accepted() == []
    again = run("unaccept", "f1", "--why", "a mistake")
    assert again.exit_code != 0
    assert "f1 is not accepted" in again.output


@pytest.mark.usefixtures("nights")
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["f9", "--why", "x"], "f9 is no open finding of the night of 2026-11-21"),
        (["f4", "--why", "x"], "f4 is no open finding"),
        (["f2"], "--why"),
        (["f2", "--why", " "], "empty"),
        (["f2", "--why", "x", "--until", "soon"], "no date"),
        (["f2", "--why", "x", "--until", "2026-11-20"], "before the night of the finding, 2026-11-21"),
    ],
)
def test_what_cannot_be_accepted_is_refused_in_a_line_and_nothing_is_recorded(
    arguments: list[str], reason: str
) -> None:
    refused = run("accept", *arguments)
    assert refused.exit_code != 0
    assert reason in refused.output
    assert accepted() == []


@pytest.mark.usefixtures("nights")
@pytest.mark.parametrize("width", [40, 80, 200])
def test_findings_are_two_lines_each_at_any_width_and_no_id_is_broken(width: int) -> None:
    output = CliRunner().invoke(findings.command, env={"COLUMNS": str(width)}, catch_exceptions=False).output
    title, money, *lines = output.splitlines()
    assert title == "3 findings of the night of 21 Nov 2026"
    assert money == "$1.00 is owed to us and $9.00 to customers; 1 need nobody"
    assert [line.split()[0] for line in lines] == ["f2", "because", "f3", "because", "f1", "because"]
    assert lines[0].startswith("f2 $9.00 to customer: ledger")
    assert max(len(line) for line in lines) <= width


def test_ten_are_shown_and_the_others_counted(home: Path) -> None:
    store(home, "2026-11-21", [finding(number, "error", number) for number in range(1, 15)])
    shown_lines = run().output.splitlines()
    assert len(shown_lines) == 2 + 2 * 10 + 1
    assert shown_lines[-1] == "... 4 more: --all"
    assert len(run("--all").output.splitlines()) == 2 + 2 * 14


def test_an_incident_is_one_entry_of_the_list(home: Path) -> None:
    organizations = [f"{number:024x}" for number in range(5)]
    of_week = {"kind": "meter_extras_divergence", "subject": "2026-W47", "cause": "missing_debit"}
    rows = [
        finding(place + 1, "error", 10) | of_week | {"organization_id": name}
        for place, name in enumerate(organizations)
    ]
    store(home, "2026-11-21", [*rows, finding(9, "error", 5)])
    path = home / "lake" / "meter_extras_evidence" / "2026-11-21.parquet"
    path.parent.mkdir(parents=True)
    lost = [
        {
            "organization_id": name,
            "week_key": "2026-W47",
            "cause": "missing_debit",
            "rule": "certain_gap",
            "units": 100.0,
        }
        | {"confidence": "proved", "ref_id": f"{int(AT.timestamp()) + place:x}{'0' * 16}:initial", "entry_id": None}
        for place, name in enumerate(organizations)
    ]
    with stored_table.TableWriter(METER_EXTRAS_EVIDENCE, UPath(path)) as writer:
        writer.write(arrow.to_arrow(METER_EXTRAS_EVIDENCE, METER_EXTRAS_EVIDENCE.from_rows(lost)))
    lines = CliRunner().invoke(findings.command, env={"COLUMNS": "120"}).output.splitlines()
    assert len(lines) == 2 + 2 * 2
    assert lines[2] == "f1 $0.50 to us: 5 findings, usage and charge differ, 2 nights"
    assert "5 organizations lost debits" in lines[3]


@pytest.mark.usefixtures("nights")
def test_findings_are_a_csv_for_a_workbook() -> None:
    header, *lines = run("--csv").output.removeprefix("\ufeff").splitlines()
    assert header.split(",") == FINDINGS.column_names
    assert [line.split(",")[0] for line in lines] == ["f2", "f3", "f1"]


@pytest.mark.usefixtures("home")
def test_without_a_stored_night_the_error_says_what_to_do() -> None:
    with pytest.raises(SourceError, match="run `billing-dq nightly` first"):
        CliRunner().invoke(findings.command, catch_exceptions=False)


@pytest.mark.usefixtures("nights")
def test_an_unknown_night_names_the_stored_ones() -> None:
    with pytest.raises(SourceError, match="stored nights: 2026-11-20, 2026-11-21"):
        CliRunner().invoke(findings.command, ["--night", "2026-11-22"], catch_exceptions=False)


@pytest.mark.usefixtures("nights")
def test_a_table_is_exported_as_csv_json_and_parquet(tmp_path: Path) -> None:
    csv = CliRunner().invoke(export.command, ["findings"], catch_exceptions=False).output
    assert csv.splitlines()[0] == ",".join(FINDINGS.column_names)
    assert len(csv.splitlines()) == 5
    lines = CliRunner().invoke(export.command, ["findings", "--format", "json"], catch_exceptions=False).output
    assert [json.loads(line)["usd_cents"] for line in lines.splitlines()] == [5, -900, 100, 1]
    target = tmp_path / "out.parquet"
    CliRunner().invoke(export.command, ["findings", "--format", "parquet", "--to", str(target)], catch_exceptions=False)
    assert len(pd.read_parquet(target)) == 4


@pytest.mark.usefixtures("nights")
def test_parquet_to_the_terminal_is_refused() -> None:
    result = CliRunner().invoke(export.command, ["findings", "--format", "parquet"])
    assert result.exit_code != 0
    assert "--to FILE" in result.output


def test_an_unknown_table_is_refused() -> None:
    result = CliRunner().invoke(export.command, ["secrets"])
    assert result.exit_code == 2
    assert "is not one of" in result.output
