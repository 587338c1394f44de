"""`billing-dq rules check` judges the rules of a file on a stored night, without a run."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from billing_dq.commands.rules import command
from billing_dq.errors import SourceError
from billing_dq.rules.suites import RuleError
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.tables import NIGHTLY_REPORT
from tests.support.snapshot_facts import snapshot_facts
from tests.support.stored_company import CONFIG, NIGHT, store

RULE = (
    "name: weeks_are_small\ntable: weekly_usage\nexpectation: expect_column_values_to_be_between\n"
    "arguments:\n  column: meter_used\n  max_value: {most}\nseverity: warning\nnote: Weeks are small.\nowner: anna\n"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stored night of a clean company."""
    home = tmp_path_factory.mktemp("home")
    store(home, {"nightly_report": NIGHTLY_REPORT.empty()})
    facts = snapshot_facts(CONFIG.as_of, topology="single", one_snapshot=False)
    path = SnapshotFactsRecord.path(str(home), NIGHT)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(facts.model_dump_json(), encoding="utf-8")
    return home


def check(home: Path, file: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("BILLING_DQ_HOME", str(home))
    return CliRunner().invoke(command, ["check", str(file), "--night", NIGHT], standalone_mode=False)


def test_a_green_rule_is_one_line(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = check(home, tmp_path / "rule.yaml", RULE.format(most=1e12), monkeypatch)
    assert said.return_value == 0
    assert said.output.startswith("green: weeks_are_small on weekly_usage")


def test_a_red_rule_shows_twenty_rows_at_most(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = check(home, tmp_path / "rule.yaml", RULE.format(most=-1), monkeypatch)
    assert said.return_value == 1
    first, names, *rows, rest = said.output.splitlines()
    assert first.startswith("red (warning): weeks_are_small on weekly_usage")
    assert names.split() == ["organization_id", "week_key", "meter_used"]
    assert len(rows) == 20
    assert re.fullmatch(r"  \.\.\. and [\d,]+ more", rest)


def test_a_rule_that_cannot_be_used_is_refused(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rule.yaml"
    said = check(home, file, RULE.replace("meter_used", "used"), monkeypatch)
    assert isinstance(said.exception, RuleError)
    assert str(said.exception).startswith(f"{file}:5: arguments.column: weekly_usage has no column used")


def test_a_name_of_ours_is_refused_as_when_the_definitions_are_loaded(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = RULE.replace("weeks_are_small", "week_key_is_well_formed").format(most=1)
    said = check(home, tmp_path / "rule.yaml", text, monkeypatch)
    assert "weekly_usage has a check week_key_is_well_formed already, of billing_dq's own checks" in str(said.exception)


def test_hostile_text_of_rows_is_shown_and_not_obeyed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "name: nobody\ntable: organizations\nsql: SELECT chr(27) || '[2J' AS said FROM organizations LIMIT 1\n"
        "severity: warning\nnote: Nobody.\nowner: anna\n"
    )
    said = check(home, tmp_path / "rule.yaml", text, monkeypatch)
    assert said.return_value == 1
    assert "\x1b" not in said.output
    assert "\\x1b[2J" in said.output


def test_a_rule_about_a_table_that_the_night_lacks_is_not_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = RULE.replace("weekly_usage", "meter_extras_deltas").format(most=1)
    said = check(home, tmp_path / "rule.yaml", text, monkeypatch)
    assert said.output.strip().endswith("the night has no meter_extras_deltas")
    assert said.return_value == 0


@pytest.mark.parametrize("night", ["yesterday", "2026-01-01", "../../etc"])
def test_a_night_that_is_not_there_is_told(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, night: str
) -> None:
    file = tmp_path / "rule.yaml"
    file.write_text(RULE.format(most=1), encoding="utf-8")
    monkeypatch.setenv("BILLING_DQ_HOME", str(home))
    said = CliRunner().invoke(command, ["check", str(file), "--night", night], standalone_mode=False)
    assert isinstance(said.exception, SourceError)
    assert "is no night" in str(said.exception) or NIGHT in str(said.exception)


def test_a_file_that_is_not_there_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_DQ_HOME", str(home))
    said = CliRunner().invoke(command, ["check", "nowhere.yaml"], standalone_mode=False)
    assert str(said.exception) == "nowhere.yaml: cannot be read: No such file or directory"
