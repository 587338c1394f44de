"""`billing-dq explain`, from a stored night of the sample."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from upath import UPath

from billing_dq.commands.explain import command
from billing_dq.errors import SourceError
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.stored_table import TableWriter
from billing_dq.tables import LEDGER_ENTRIES, METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE, SUBSCRIPTIONS, WEEKLY_USAGE
from tests.support.meter_sample import context, entry_rows, reconcile_sample, usage_rows
from tests.support.report_night import finding, findings
from tests.support.stored_nights import store

NIGHT = "2026-11-21"
RAISED = ("6ab32b259efbcc0f7f5a4495", "2026-W46")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    result = reconcile_sample()
    for table, frame in (
        (METER_EXTRAS_DELTAS, result.deltas),
        (METER_EXTRAS_EVIDENCE, result.evidence),
        (WEEKLY_USAGE, WEEKLY_USAGE.from_rows(usage_rows())),
        (LEDGER_ENTRIES, LEDGER_ENTRIES.from_rows(entry_rows())),
        (SUBSCRIPTIONS, context().subscriptions),
    ):
        path = home / "lake" / table.name / f"{NIGHT}.parquet"
        path.parent.mkdir(parents=True)
        with TableWriter(table, UPath(path)) as writer:
            writer.write(to_arrow(table, frame))
    return home


def run(home: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str):
    monkeypatch.setenv("BILLING_DQ_HOME", str(home))
    return CliRunner().invoke(command, list(arguments))


def test_the_lines_add_up_from_expected_to_debited(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = json.loads(run(home, monkeypatch, *RAISED, "--json").output)
    units = {line["name"]: line["units"] for line in shown["lines"]}
    assert units["expected"] + units["quota_changed"] == units["debited"] == 246
    assert (shown["night"], shown["grade"]) == (NIGHT, "explained")
    assert [step["debited"] for step in shown["steps"]] == [None, None, 1, 245, None, None, None]
    assert 'weekKey: "2026-W46"' in shown["mongosh"][0]


def test_a_person_sees_sentence_keys_and_query(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(home, monkeypatch, *RAISED)
    assert shown.exit_code == 0
    assert "the plan changed in mid-week" in shown.output
    assert 'ObjectId("6ab32b259efbcc0f7f5a4495")' in shown.output


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("nobody", "2026-W46"), "is no organization id"),
        (("f" * 24, "2026-W46"), "has no usage and no debit"),
        ((RAISED[0], "2026-W54"), "impossible week"),
        ((RAISED[0], "2026-W30"), "its weeks: 2026-W44"),
    ],
)
def test_what_is_not_there_is_one_clear_error(
    home: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], error: str
) -> None:
    shown = run(home, monkeypatch, *arguments)
    assert shown.exit_code != 0
    assert error in f"{shown.output} {shown.exception}"


def test_a_finding_is_explained_by_its_id_or_the_beginning_of_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    organization, week = RAISED
    row = finding(1, organization_id=organization, subject=week, cause="quota_changed", severity="info")
    store(home, "findings", NIGHT, findings(row))
    identity = str(row["finding_id"])
    monkeypatch.setenv("COLUMNS", "80")
    shown = run(home, monkeypatch, identity)
    assert shown.exit_code == 0
    for part in (identity, organization, week, "What to do", f"The usage document of {week}", "expected as debits"):
        assert part in shown.output
    words = [line for line in shown.output.splitlines() if len(line) > 80]
    assert [line for line in words if not line.startswith("  db.getCollection(")] == []
    told = json.loads(run(home, monkeypatch, identity[:16], "--json").output)
    assert told["finding"]["finding_id"] == identity
    assert sum(one["amount"] for one in told["arithmetic"] if one["label"] == "debited") == 246


@pytest.mark.parametrize(
    ("name", "error"), [("0123456789abcdef", "no finding"), ("x", "no finding's id"), (RAISED[0], "give a week")]
)
def test_what_is_no_finding_is_one_clear_error(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: str
) -> None:
    shown = run(home, monkeypatch, name)
    assert shown.exit_code != 0
    assert error in f"{shown.output} {shown.exception}"


def test_a_night_that_is_not_stored_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(home, monkeypatch, *RAISED, "--night", "2026-01-01")
    assert isinstance(shown.exception, SourceError)
    assert NIGHT in str(shown.exception)
