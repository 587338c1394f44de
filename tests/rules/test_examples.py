"""The worked examples: each is green on a clean company, and red where its row is wrong."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from billing_dq.commands.rules import command
from billing_dq.rules.judging import NightTables, judge_rules
from billing_dq.rules.reading import read_file, read_folder
from billing_dq.rules.results import Verdict, verdicts_of
from billing_dq.rules.suites import Rule
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.tables import NIGHTLY_REPORT
from tests.support.snapshot_facts import snapshot_facts
from tests.support.stored_company import CONFIG, NIGHT, Edit, edit_stored, frames, store

FOLDER = Path(__file__).parents[2] / "examples" / "rules"
RULES = {rule.name: rule for rule in read_folder(FOLDER).usable}


def first_row(**values: object) -> Edit:
    """Change the first row."""

    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.astype("object")
        for column, value in values.items():
            changed.at[0, column] = value
        return changed

    return edit


#: By rule: the table, and what makes it wrong.
WRONG: dict[str, tuple[str, Edit]] = {
    "company_is_there": ("organizations", lambda frame: frame.iloc[:0]),
    "sources_are_ours": ("ledger_entries", first_row(source="bribe")),
    "weeks_are_not_absurd": ("weekly_usage", first_row(meter_used=2e7)),
    "packs_are_on_the_price_list": ("pack_purchases", first_row(amount=1999.0)),
    "balances_are_fresh": ("extras_balances", lambda frame: frame.assign(cached_balance_at=None)),
    "disputes_are_in_dollars": ("stripe_disputes", first_row(currency="eur")),
    "paying_customers_are_at_stripe": (
        "subscriptions",
        first_row(plan="pro", status="active", stripe_customer_id=None, admin_updated_at=None),
    ),
    "usage_has_a_subscription": ("weekly_usage", first_row(organization_id="f" * 24, meter_used=2e6)),
    "hand_credits_are_small": (
        "dispute_entries",
        first_row(kind="adjustment", ref_id="dispute-credit-1", amount=200_000.0, at=CONFIG.as_of),
    ),
    "nobody_waits_for_two_weeks": ("findings", first_row(nights_open=15)),
}


def judged(rule: Rule, night: NightTables) -> Verdict:
    (verdict,) = verdicts_of(judge_rules(night, rule.table, [rule]))
    return verdict


def test_there_are_ten_and_each_is_tested() -> None:
    assert set(RULES) == set(WRONG)
    assert len(RULES) == 10


@pytest.mark.parametrize("name", WRONG)
def test_an_example_is_green_on_a_clean_company_and_red_where_its_row_is_wrong(name: str, tmp_path: Path) -> None:
    night, (table, edit) = store(tmp_path), WRONG[name]
    assert judged(RULES[name], night).passed
    edit_stored(night.require(table).path, table, edit)
    verdict = judged(RULES[name], night)
    assert not verdict.passed
    assert verdict.rows or verdict.sentence.startswith("it is ")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stored night whose first week is absurd."""
    report = NIGHTLY_REPORT.from_rows([{"name": "x", "value": 1.0, "unit": "y"}])
    night = store(tmp_path, {"weekly_usage": WRONG["weeks_are_not_absurd"][1](frames()["weekly_usage"])})
    path = tmp_path / "lake" / "nightly_report" / f"{NIGHT}.parquet"
    path.parent.mkdir()
    report.to_parquet(path)
    facts = snapshot_facts(CONFIG.as_of)
    record = SnapshotFactsRecord.path(night.lake.home, NIGHT)
    record.parent.mkdir()
    record.write_text(facts.model_dump_json())
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("file", "status", "line"),
    [
        ("weeks_are_not_absurd", 1, "red (warning): weeks_are_not_absurd on weekly_usage: 1 of "),
        ("hand_credits_are_small", 0, "green: hand_credits_are_small on dispute_entries: 0 rows are wrong"),
    ],
)
def test_a_rule_is_tried_on_a_stored_night(home: Path, file: str, status: int, line: str) -> None:
    result = CliRunner().invoke(
        command, ["check", str(FOLDER / f"{file}.yaml"), "--night", NIGHT], standalone_mode=False
    )
    assert result.return_value == status
    assert result.output.startswith(line)
    assert ("20,000,000" in result.output) == bool(status)


def test_a_rule_whose_table_the_night_lacks_is_not_run(home: Path) -> None:
    (home / "lake" / "stripe_disputes" / f"{NIGHT}.parquet").unlink()
    file = str(FOLDER / "disputes_are_in_dollars.yaml")
    result = CliRunner().invoke(command, ["check", file], standalone_mode=False)
    assert result.return_value == 0
    assert result.output.startswith("not run: disputes_are_in_dollars on stripe_disputes: the night has no")


def test_a_rule_of_a_type_that_cannot_be_compared_is_told_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "rule.yaml"
    lengths = (FOLDER / "disputes_are_in_dollars.yaml").read_text().replace("column: currency", "column: amount_minor")
    path.write_text(lengths)
    (rule,) = read_file(path)
    assert not judged(rule, store(tmp_path)).passed
