"""`billing-dq credits` from the proposal to the proved audit, on the sample company with a real server and a Stripe."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from bson import ObjectId
from click.testing import CliRunner, Result
from pymongo.database import Database

from billing_dq.cli import cli
from billing_dq.credits import approvals
from billing_dq.credits.anchor import anchor_of
from billing_dq.settings import Settings
from tests.support import credit_night as night

Document = dict[str, object]
WHY = "checked with the bank"
INVALID: list[tuple[list[str], str]] = [
    (["apply", "pi_123"], "is no dispute id"),
    (["apply", "du_"], "is no dispute id"),
    (["apply", "-1"], "No such option"),
    (["apply", night.DISPUTE], "needs --plan, --by and --why"),
    (["apply", night.DISPUTE, "--plan", "-5", "--by", "anna", "--why", WHY], "is no plan hash"),
    (["apply", night.DISPUTE, "--plan", "9" * 500, "--by", "anna", "--why", WHY], "is no plan hash"),
    (["apply", night.DISPUTE, "--plan", "0" * 24, "--by", " ", "--why", WHY], "a name is missing"),
    (["apply", night.DISPUTE, "--plan", "0" * 24, "--by", "anna", "--why", "too short"], "reason is too short"),
    (["apply", night.DISPUTE, "--plan", "0" * 24, "--by", "anna", "--why", WHY], "plan_changed"),
    (["apply", "du_unknown", "--plan", "0" * 24, "--by", "anna", "--why", WHY], "du_unknown"),
    (["park", "everybody", "--by", "anna", "--why", WHY], "is no organization id"),
    (["unpark", night.ORGANIZATION, "--by", "anna", "--why", WHY], "is not parked"),
    (["show", "x"], "is no dispute id"),
    (["list", "--night", "2020-01-01"], "2020-01-01"),
]


@pytest.fixture
def settings(
    mongodb_uri: str,
    database: Database[Document],
    sample_documents: dict[str, list[Document]],
    credit_lake: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Settings]:
    night.load_without_the_credit(database, sample_documents)
    with night.company(mongodb_uri, database, tmp_path, monkeypatch, 'mode = "apply"') as settings:
        shutil.copytree(credit_lake, tmp_path / "lake")
        yield settings


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["credits", *arguments], standalone_mode=False)


def shown(*arguments: str) -> dict:
    result = run(*arguments, "--json")
    assert result.exception is None, result.exception
    return json.loads(result.stdout)


def ours(database: Database[Document]) -> list[Document]:
    balance = database.billingextrabalances.find_one({"organization": ObjectId(night.ORGANIZATION)})
    assert balance is not None
    return [entry for entry in balance["ledger"] if entry.get("refId") == night.REF]


def test_the_night_and_the_world_now_give_the_same_plan(settings: Settings) -> None:
    (listed,) = shown("list")["plans"]
    assert (listed["dispute_id"], listed["decision"], listed["units"]) == (night.DISPUTE, "due", 6000)
    assert shown("show", night.DISPUTE)["plan"] == listed


def test_everything_due_is_applied_once_and_the_audit_proves_it(
    settings: Settings, database: Database[Document]
) -> None:
    (outcome,) = shown("apply")
    assert (outcome["state"], outcome["units"]) == ("credited", 6000)
    (entry,) = ours(database)
    assert entry["amount"] == 6000
    (again,) = shown("apply")
    assert again["state"] == "nothing_due"
    assert len(ours(database)) == 1
    audit = shown("verify-audit")
    assert (audit["faults"], audit["entries"]) == (0, 1)
    positions = night.store_night(settings, days=1).set_index("dispute_id")
    assert positions.loc[night.DISPUTE, ["decision", "reason"]].to_list() == ["nothing_due", "credited"]
    assert shown("list")["plans"] == []


def test_in_the_mode_propose_apply_shows_what_it_would_write(settings: Settings, database: Database[Document]) -> None:
    night.rewrite(settings, '"apply"', '"propose"')
    (proposed,) = shown("apply")
    assert (proposed["state"], proposed["units"]) == ("proposed", 6000)
    refused = run("apply", night.DISPUTE, "--plan", proposed["plan_hash"], "--by", "anna", "--why", WHY)
    assert "nothing was written: the setting credits.mode is propose" in str(refused.exception)
    assert ours(database) == []
    night.rewrite(settings, '"propose"', '"apply"')
    (applied,) = shown("apply", night.DISPUTE, "--plan", proposed["plan_hash"], "--by", "anna", "--why", WHY)
    assert (applied["units"], applied["plan_hash"]) == (proposed["units"], proposed["plan_hash"])
    assert ours(database)[0]["amount"] == proposed["units"]


def test_a_large_credit_waits_for_the_approval_of_this_very_plan_by_another_login(
    settings: Settings, database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    night.rewrite(settings, 'mode = "apply"', 'mode = "apply"\napprove_above_units = 5999')
    waiting = run("apply")
    assert (waiting.return_value, "needs_approval" in waiting.stdout) == (1, True)
    plan = shown("show", night.DISPUTE)["plan"]
    other = run("approve", night.DISPUTE, "--plan", "0" * 24, "--by", "bert", "--why", WHY)
    assert "has another plan now" in str(other.exception)
    assert run("approve", night.DISPUTE, "--plan", plan["plan_hash"], "--by", "bert", "--why", WHY).exception is None
    assert shown("show", night.DISPUTE)["plan"]["approved_by"] == "bert"
    alone = run("apply", night.DISPUTE, "--plan", plan["plan_hash"], "--by", "anna", "--why", WHY)
    assert "same_person" in str(alone.exception)  # another name, and the login that approved
    assert "same_person" in run("apply").stdout
    assert ours(database) == []
    monkeypatch.setattr(approvals, "login", lambda: "anna")
    (outcome,) = shown("apply")
    assert outcome["state"] == "credited"


def test_a_parked_organization_is_left_alone_until_it_is_unparked(
    settings: Settings, database: Database[Document]
) -> None:
    assert run("park", night.ORGANIZATION, "--by", "bert", "--why", WHY).exception is None
    assert "is parked already" in str(run("park", night.ORGANIZATION, "--by", "bert", "--why", WHY).exception)
    assert run("apply").return_value in (0, 1)
    assert ours(database) == []
    assert run("unpark", night.ORGANIZATION, "--by", "bert", "--why", WHY).exception is None
    (outcome,) = shown("apply")
    assert outcome["state"] == "credited"


def test_the_kill_switch_stops_everything(settings: Settings, database: Database[Document]) -> None:
    (Path(settings.home) / "credits").mkdir(exist_ok=True)
    (Path(settings.home) / "credits" / "STOP").touch()
    stopped = run("apply")
    assert (stopped.return_value, "kill_switch" in stopped.stdout) == (2, True)
    assert ours(database) == []


def test_invalid_input_is_one_clear_line_and_changes_nothing(settings: Settings, database: Database[Document]) -> None:
    for arguments, message in INVALID:
        error = run(*arguments).exception
        said = error.format_message() if isinstance(error, click.ClickException) else str(error)
        assert message in said, arguments
        assert "\n" not in said
        assert ours(database) == []


def test_without_an_address_to_write_to_credits_are_off(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BILLING_DQ_MONGODB_WRITE_URI")
    assert "set BILLING_DQ_MONGODB_WRITE_URI" in str(run("apply").exception)


def test_a_test_key_credits_no_live_dispute(
    settings: Settings, database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_DQ_STRIPE_API_KEY", "rk_test_local")
    assert shown("show", night.DISPUTE)["plan"]["reason"] == "wrong_mode"
    run("apply")
    assert ours(database) == []


def test_a_lost_log_forbids_every_credit_until_a_person_has_looked_into_it(
    settings: Settings, database: Database[Document]
) -> None:
    shown("apply")
    (Path(settings.home) / "credits" / "audit.jsonl").unlink()
    lost = run("verify-audit")
    assert (lost.return_value, "entry_without_record" in lost.stdout, "records_lost" in lost.stdout) == (1, True, True)
    assert "has lost its end" in str(run("apply").exception)
    entry_id = str(ours(database)[0]["_id"])
    who = ("--by", "bert", "--why", "the disk was lost in November")
    assert run("verify-audit", "--acknowledge", "log", *who).return_value == 1  # the entry is still in no record
    assert "entry_without_record" in str(run("apply").exception)
    known = run("verify-audit", "--acknowledge", entry_id, *who)
    assert (known.return_value, "acknowledged by bert" in known.stdout) == (0, True)
    (again,) = shown("apply")
    assert again["state"] == "nothing_due"
    assert len(ours(database)) == 1


def test_a_restored_copy_of_the_audit_log_is_told_from_the_newest_and_credits_nothing(
    settings: Settings, database: Database[Document]
) -> None:
    log = Path(settings.home) / "credits" / "audit.jsonl"
    run("park", night.ORGANIZATION, "--by", "bert", "--why", WHY)
    run("unpark", night.ORGANIZATION, "--by", "bert", "--why", WHY)
    copy = log.read_bytes()
    shown("apply")
    entries, anchor = ours(database), anchor_of(settings.home)  # as the report of the night shows it
    assert run("verify-audit", "--anchor", anchor).return_value == 0
    log.write_bytes(copy)
    older = run("verify-audit", "--anchor", anchor)
    assert (older.return_value, f"does not hold the record {anchor}" in older.stderr) == (1, True)
    assert "entry_without_record" in run("verify-audit").stdout
    assert "has lost its end" in str(run("apply").exception)
    assert ours(database) == entries


def test_another_home_on_the_same_database_is_noticed(
    settings: Settings, database: Database[Document], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown("apply")
    monkeypatch.setenv("BILLING_DQ_STATE", str(tmp_path / "staging"))
    assert "the ledgers hold 1 credits of another home" in str(run("apply").exception)
    who = ("--by", "bert", "--why", "staging reads the same database")
    found = run("verify-audit", "--acknowledge", "log", *who)
    assert (found.return_value, "entry_of_another" in found.stdout) == (1, True)
    (outcome,) = shown("apply")
    assert outcome["state"] == "nothing_due"


def test_a_key_whose_mode_cannot_be_told_credits_nothing(
    settings: Settings, database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLING_DQ_STRIPE_API_KEY", "rk_abc")
    assert shown("show", night.DISPUTE)["plan"]["reason"] == "unknown_mode"
    assert "tells neither live nor test mode" in str(run("apply").exception)
    assert ours(database) == []


def test_an_entry_older_than_the_log_and_without_our_memo_is_told_and_no_fault(
    settings: Settings, database: Database[Document], sample_documents: dict[str, list[Document]]
) -> None:
    entry = next(
        one
        for balance in sample_documents["billingextrabalances"]
        for one in balance["ledger"]
        if one.get("refId") == night.REF
    )
    database.billingextrabalances.update_one(
        {"organization": ObjectId(night.ORGANIZATION)}, {"$push": {"ledger": entry}}
    )
    audit = shown("verify-audit")
    assert audit["faults"] == 0
    assert [one["problem"] for one in audit["differences"]] == ["older_than_the_log"]


def test_a_verified_credit_that_is_gone_from_the_ledger_is_a_fault_and_is_not_given_again(
    settings: Settings, database: Database[Document]
) -> None:
    shown("apply")
    database.billingextrabalances.update_many({}, {"$pull": {"ledger": {"refId": night.REF}}})
    result = run("verify-audit")
    assert (result.return_value, "record_without_entry" in result.stdout) == (1, True)
    assert shown("show", night.DISPUTE)["plan"]["reason"] == "credit_is_gone"
    run("apply")
    assert ours(database) == []
