"""Rules of analysts are read from YAML; an error names the file, the line and the key."""

from pathlib import Path

import dagster as dg
import pytest

from billing_dq.defs.checks.expectation_checks import CHECKS, expectation_checks
from billing_dq.rules.reading import OWN_CHECKS, read_file, read_folder
from billing_dq.rules.suites import RuleError, names_in_use

pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning")
SOUND = """\
name: no_week_is_huge
table: weekly_usage
expectation: expect_column_values_to_be_between
arguments:
  column: meter_used
  max_value: 5000
severity: warning
note: No week is huge.
owner: anna
"""
QUERY = """\
name: no_debit_is_huge
table: ledger_entries
sql: |
  SELECT * FROM ledger_entries WHERE amount < -5000
severity: warning
note: No debit is huge.
owner: anna
"""


def written(folder: Path, text: str, name: str = "rule.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_rule_is_an_expectation_with_its_arguments(tmp_path: Path) -> None:
    (rule,) = read_file(written(tmp_path, SOUND))
    assert (rule.name, rule.table, rule.expectation.severity) == ("no_week_is_huge", "weekly_usage", "warning")
    assert rule.expectation.kwargs == {"column": "meter_used", "max_value": 5000}
    assert rule.expectation.meta["owner"] == "anna"
    assert rule.place == f"{tmp_path / 'rule.yaml'}:1"


def test_a_query_says_which_tables_it_reads(tmp_path: Path) -> None:
    joined = QUERY.replace("FROM ledger_entries", "FROM ledger_entries JOIN organizations USING (organization_id)")
    (rule,) = read_file(written(tmp_path, joined))
    assert rule.reads == ("ledger_entries", "organizations")


def test_a_file_may_hold_several_rules(tmp_path: Path) -> None:
    several = "".join("- " + text.replace("\n", "\n  ").rstrip() + "\n" for text in (SOUND, QUERY))
    assert [rule.place.rpartition(":")[2] for rule in read_file(written(tmp_path, several))] == ["1", "10"]


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (("owner: anna\n", ""), 1, "owner: Field required"),
        (("severity: warning", "severity: blocker"), 7, "severity: Input should be 'critical' or 'warning'"),
        (("owner: anna", "owners: anna"), 9, "owners: unknown key"),
        (("name: no_week_is_huge", "name: No week"), 1, "name: String should match"),
        (("table: weekly_usage", "table: weekly"), 2, "table: there is no table weekly"),
        (("expect_column_values_to_be_between", "expect_magic"), 3, "expectation: there is no expect_magic"),
        (("  max_value: 5000", "  maximum: 5000"), 6, "arguments.maximum: unknown"),
        (("  max_value: 5000\n", ""), 4, "arguments: one of min_value, max_value is needed"),
        (("  column: meter_used\n", ""), 4, "arguments.column: missing"),
        (("column: meter_used", "column: units"), 5, "arguments.column: weekly_usage has no column units"),
        (("column: meter_used", "column: week_key"), 5, "arguments.column: week_key is str: neither a number"),
        (("max_value: 5000", "max_value: many"), 6, "arguments.max_value: must be a number"),
        (("column: meter_used", "column: updated_at"), 6, "arguments.max_value: must be a date"),
        (("max_value: 5000", "max_value: 5000\n  mostly: 2"), 7, "arguments.mostly: must be a number between"),
        (("owner: anna", "owner: anna\nowner: ben"), 10, "owner: stands twice"),
        (("owner: anna", "owner: anna\nsql: SELECT 1"), 1, "rule: a rule has either an expectation or sql"),
        (("name: no_week_is_huge", "name: [a"), 2, "not readable as YAML"),
        (("note: No week is huge.", "note: 2026-02-30"), 1, "not readable as YAML"),
    ],
)
def test_what_cannot_be_used_is_told_with_file_line_and_key(
    tmp_path: Path, change: tuple[str, str], line: int, reason: str
) -> None:
    path = written(tmp_path, SOUND.replace(*change))
    with pytest.raises(RuleError) as refused:
        read_file(path)
    assert str(refused.value).startswith(f"{path}:{line}: {reason}")


def test_a_query_that_cannot_be_used_is_refused_at_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, QUERY.replace("SELECT * FROM ledger_entries WHERE amount < -5000", "DELETE FROM findings"))
    with pytest.raises(RuleError) as refused:
        read_file(path)
    assert str(refused.value).startswith(f"{path}:3: sql: a query is one SELECT")


def test_a_critical_query_about_what_was_read_reads_nothing_that_is_not_there_yet(tmp_path: Path) -> None:
    late = QUERY.replace("ledger_entries WHERE amount < -5000", "findings").replace("warning", "critical")
    path = written(tmp_path, late)
    with pytest.raises(RuleError, match=r"rule.yaml:5: severity: .* is judged before findings is there"):
        read_file(path)


def test_an_empty_file_and_a_missing_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="there is no rule in it"):
        read_file(written(tmp_path, ""))
    assert read_folder(tmp_path / "none").refused == (f"rules_folder: there is no folder {tmp_path / 'none'}",)


def test_no_two_checks_of_a_table_have_one_name(tmp_path: Path) -> None:
    first = written(tmp_path, SOUND, "a.yaml")
    second = written(tmp_path, SOUND, "b.yml")
    read = read_folder(tmp_path)
    assert [rule.place for rule in read.usable] == [f"{first}:1"]
    assert read.refused == (f"{second}:1: name: weekly_usage has a check no_week_is_huge already, of {first}:1",)
    reserved = read_folder(tmp_path, [("weekly_usage", "no_week_is_huge")])
    assert not reserved.usable
    assert reserved.refused[0] == f"{first}:1: name: weekly_usage has a check no_week_is_huge already, of {OWN_CHECKS}"


def test_a_file_that_cannot_be_used_costs_no_other(tmp_path: Path) -> None:
    broken = written(tmp_path, SOUND.replace("weekly_usage", "weekly"), "a.yaml")
    written(tmp_path, QUERY, "b.yaml")
    read = read_folder(tmp_path)
    assert [rule.name for rule in read.usable] == ["no_debit_is_huge"]
    assert read.refused == (f"{broken}:2: table: there is no table weekly; docs/tables.md has their names",)


def test_the_rules_of_the_folder_are_among_what_is_expected_of_their_tables(tmp_path: Path) -> None:
    written(tmp_path, SOUND)
    written(tmp_path, QUERY.replace("ledger_entries", "findings").replace("amount", "units"), "query.yaml")
    (tmp_path / "notes.txt").write_text("no rule")
    descriptions = described(tmp_path)
    assert "No week is huge. `no_week_is_huge`" in descriptions["weekly_usage", CHECKS["warning"]]
    assert "No debit is huge. `no_debit_is_huge`" in descriptions["findings", CHECKS["warning"]]
    assert ("findings", CHECKS["critical"]) not in descriptions


def test_a_rule_that_cannot_be_used_is_a_red_check_and_keeps_nothing_from_loading(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND.replace("weekly_usage", "weekly"))
    result = judged(tmp_path)
    assert not result.passed
    assert f"{path}:2: table: there is no table weekly" in str(result.description)


def test_a_rule_with_the_name_of_an_expectation_of_ours_is_left_out(tmp_path: Path) -> None:
    written(tmp_path, SOUND.replace("no_week_is_huge", "week_key_is_well_formed"))
    assert f"weekly_usage has a check week_key_is_well_formed already, of {OWN_CHECKS}" in str(judged(tmp_path))


def checks_of(folder: Path) -> list[dg.AssetChecksDefinition]:
    """The checks of expectations with the rules of a folder; the first is the one of the rules themselves."""
    nights = dg.DailyPartitionsDefinition("2026-11-21")
    return expectation_checks(read_folder(folder, names_in_use()), nights)


def described(folder: Path) -> dict[tuple[str, str], str]:
    """The descriptions of the checks, by table and name."""
    specs = [spec for check in checks_of(folder) for spec in check.check_specs]
    return {(spec.asset_key.path[-1], spec.name): spec.description or "" for spec in specs}


def judged(folder: Path) -> dg.AssetCheckResult:
    """The result of the check of the rules of a folder."""
    result = checks_of(folder)[0]()
    assert isinstance(result, dg.AssetCheckResult)
    return result
