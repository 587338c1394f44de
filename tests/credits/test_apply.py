"""Applying one credit: what it writes, what it records, and everything that keeps it from writing."""

import os
import pwd
from pathlib import Path

import pytest
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.database import Database

from billing_dq.credits import approvals
from billing_dq.credits.approvals import approve
from billing_dq.credits.audit import AuditLog, Subject
from billing_dq.credits.ledger_writer import open_ledger_writer
from billing_dq.credits.parking import OnRecord, park
from billing_dq.credits.requests import CreditRequest, RunBudget
from billing_dq.errors import SettingsError, TransientSourceError
from billing_dq.settings import Credits, Settings
from billing_dq.sources.mongodb.organization_ledger import OrganizationReader
from tests.support import small_world as world

Document = dict[str, object]


@pytest.fixture
def settings(mongodb_uri: str, database: Database[Document], tmp_path: Path) -> Settings:
    world.disputed_pack(database)
    return world.settings_for(mongodb_uri, database.name, tmp_path)


def log_of(settings: Settings) -> AuditLog:
    return AuditLog(Path(settings.home) / "credits")


def kinds(settings: Settings) -> list[str]:
    return [record.kind for record in log_of(settings).read().records]


def plan_of(settings: Settings, database: Database[Document]):
    return world.planner(settings, OrganizationReader(settings, database))(world.DISPUTE, OnRecord())


def with_credits(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update={"credits": settings.credits.model_copy(update=changes)})


def test_a_due_credit_is_written_once_with_the_whole_story_on_record(
    settings: Settings, database: Database[Document]
) -> None:
    outcome = world.apply_once(settings)
    assert (outcome.state, outcome.units) == ("credited", 6000)
    (written,) = world.credits_in(database)
    assert list(written) == ["kind", "amount", "refId", "at", "_id", "memo"]
    assert written["amount"] == 6000
    assert isinstance(written["amount"], int)
    assert world.DISPUTE in written["memo"]
    assert "ch_1" in written["memo"]
    assert outcome.plan.plan_hash in written["memo"]
    balance = database.billingextrabalances.find_one({})
    assert balance["cachedBalance"] == 5500
    assert balance["cachedBalanceAt"] == balance["updatedAt"] == written["at"]
    assert kinds(settings) == ["started", "decided", "intent", "written", "verified"]
    verified = log_of(settings).read().records[-1]
    assert (verified.actor, verified.facts["balance_after"]) == ("anna", 5500)


def test_a_second_request_finds_nothing_due(settings: Settings, database: Database[Document]) -> None:
    world.apply_once(settings)
    assert world.apply_once(settings).state == "nothing_due"
    assert len(world.credits_in(database)) == 1


def test_what_was_proposed_is_what_is_applied(settings: Settings, database: Database[Document]) -> None:
    proposed = world.apply_once(with_credits(settings, mode="propose"))
    assert proposed.state == "proposed"
    assert kinds(settings) == []
    asked = CreditRequest(world.DISPUTE, "anna", "as it was proposed", proposed.plan.plan_hash)
    applied = world.apply_once(settings, request=asked)
    assert (applied.units, applied.plan) == (proposed.plan.units, proposed.plan)
    assert world.credits_in(database)[0]["amount"] == proposed.plan.units


def test_in_the_mode_propose_only_what_a_person_approved_is_written(
    settings: Settings, database: Database[Document]
) -> None:
    proposing = with_credits(settings, mode="propose")
    plan = plan_of(settings, database)
    assert world.apply_once(proposing).state == "proposed"
    approve(log_of(settings), plan, plan.plan_hash, "bert", "checked with the bank")
    world.push(database, world.entry("adjustment", 1, "dispute-credit-1"))
    assert world.apply_once(proposing).state == "proposed"  # another plan by now
    assert world.credits_in(database) == []
    plan = plan_of(settings, database)
    approve(log_of(settings), plan, plan.plan_hash, "bert", "checked with the bank again")
    assert world.apply_once(proposing).state == "credited"


def test_a_debit_in_between_does_not_void_the_plan(settings: Settings, database: Database[Document]) -> None:
    plan = plan_of(settings, database)
    world.push(database, world.entry("debit", -5, "65a000000000000000000002:initial"))
    asked = CreditRequest(world.DISPUTE, "anna", "as it was proposed", plan.plan_hash)
    assert world.apply_once(settings, request=asked).state == "credited"


def test_a_credit_given_by_hand_since_the_plan_voids_it(settings: Settings, database: Database[Document]) -> None:
    plan = plan_of(settings, database)
    world.push(database, world.entry("adjustment", 1000, "dispute-credit-1"))
    asked = CreditRequest(world.DISPUTE, "anna", "as it was proposed", plan.plan_hash)
    outcome = world.apply_once(settings, request=asked)
    assert (outcome.state, outcome.reason.split(":")[0]) == ("refused", "plan_changed")
    assert world.credits_in(database) == []
    assert kinds(settings) == ["started", "refused"]


def test_a_credit_given_by_hand_between_plan_and_write_makes_the_write_miss(
    settings: Settings, database: Database[Document]
) -> None:
    def by_hand(step: str) -> None:
        if step == "write":
            world.push(database, world.entry("adjustment", 1000, "dispute-credit-1"))

    outcome = world.apply_once(settings, by_hand)
    assert (outcome.state, outcome.units) == ("credited", 5000)
    assert "missed" in kinds(settings)
    assert world.gap(database) == 0


def test_a_ledger_that_never_stands_still_is_transient_after_five_plans(
    settings: Settings, database: Database[Document]
) -> None:
    steps: list[str] = []

    def usage(step: str) -> None:
        steps.append(step)
        if step == "write":
            world.push(database, world.entry("debit", -1, f"65a0000000000000000000{len(steps):02}:initial"))

    with pytest.raises(TransientSourceError, match="changed 5 times"):
        world.apply_once(settings, usage)
    assert steps.count("write") == 5
    assert world.credits_in(database) == []


@pytest.mark.parametrize("how", ["setting", "file", "mode", "unreadable", "parked"])
def test_whatever_stops_a_credit_is_read_after_the_intent(
    settings: Settings, database: Database[Document], mongodb_uri: str, how: str
) -> None:
    stopped = False

    def settings_now() -> Settings:
        if stopped and how == "unreadable":
            raise SettingsError("billing_dq.toml: not readable")
        changes = {"setting": {"kill_switch": True}, "mode": {"mode": "propose"}}.get(how, {})
        return with_credits(settings, **changes) if stopped else settings

    def observer(step: str) -> None:
        nonlocal stopped
        if step == "recorded:intent":
            stopped = True
            if how == "file":
                (Path(settings.home) / "credits" / "STOP").touch()
            if how == "parked":
                park(log_of(settings), world.ORGANIZATION, "bert", "looking into it")

    with MongoClient[Document](mongodb_uri, tz_aware=True) as client, open_ledger_writer(settings) as writer:
        usual = world.applier(settings, client, writer, observer)
        applier = type(usual)(usual.plan, writer, usual.audit, settings_now, observer)
        outcome = applier.apply(CreditRequest(world.DISPUTE, "anna", "it came back"), RunBudget.of(settings))
    assert outcome.state == "stopped"
    assert world.credits_in(database) == []
    assert kinds(settings)[-1] == "refused"


def test_a_parked_organization_is_not_credited(settings: Settings, database: Database[Document]) -> None:
    park(log_of(settings), world.ORGANIZATION, "bert", "looking into it")
    assert world.apply_once(settings).reason == "organization_parked"
    assert world.credits_in(database) == []


@pytest.mark.parametrize(
    ("credits", "reason"),
    [
        (Credits(mode="apply", max_units_per_credit=5999), "max_units_per_credit"),
        (Credits(mode="apply", max_units_per_run=5999), "max_units_per_run"),
        (Credits(mode="apply", approve_above_units=5999), "approve_above_units"),
    ],
)
def test_a_cap_holds(settings: Settings, database: Database[Document], credits: Credits, reason: str) -> None:
    outcome = world.apply_once(settings.model_copy(update={"credits": credits}))
    assert outcome.reason == reason
    assert world.credits_in(database) == []


def test_the_number_of_credits_a_run_is_capped() -> None:
    budget = RunBudget(units=100.0, credits=1)
    budget.spend(1)
    assert budget.refusal(1) == "max_credits_per_run"
    budget.give_back(1)
    assert budget.refusal(100) is None


def test_an_approval_of_this_very_plan_lets_it_through(settings: Settings, database: Database[Document]) -> None:
    settings = with_credits(settings, approve_above_units=100.0)
    plan = plan_of(settings, database)
    approve(log_of(settings), plan, plan.plan_hash, "bert", "checked with the bank")
    assert world.apply_once(settings).state == "credited"
    assert [r.facts["approved_by"] for r in log_of(settings).read().records if r.kind == "decided"] == ["bert"]


def test_an_approval_of_another_plan_does_not(settings: Settings, database: Database[Document]) -> None:
    settings = with_credits(settings, approve_above_units=100.0)
    plan = plan_of(settings, database)
    approve(log_of(settings), plan, plan.plan_hash, "bert", "checked with the bank")
    world.push(database, world.entry("adjustment", 1000, "dispute-credit-1"))
    assert world.apply_once(settings).state == "needs_approval"
    assert world.credits_in(database) == []


ASKS_UNDER = {
    "her own name": ("anna", "machine", ("anna", "anna"), "refused"),
    "another name, her own login": ("bert", "anna", ("anna", "anna"), "refused"),
    "her name written otherwise": ("\u200bAn\u00adNA ", "machine", ("anna", "anna"), "refused"),
    "her name in wide letters": ("\uff21nna", "machine", ("anna", "anna"), "refused"),
    "nobody's but his": ("bert", "bert", ("anna", "anna"), "credited"),
    "a name in the launchpad": ("bert", "bert", ("anna",), "credited"),
    "the approver's name in the launchpad": ("bert", "bert", ("Bert",), "refused"),
    "the machine": ("bert", "bert", (), "credited"),
}


@pytest.mark.parametrize(("approver", "login", "asking", "state"), ASKS_UNDER.values(), ids=ASKS_UNDER.keys())
def test_who_asks_cannot_have_approved_under_any_name_or_login(
    settings: Settings,
    database: Database[Document],
    monkeypatch: pytest.MonkeyPatch,
    approver: str,
    login: str,
    asking: tuple[str, ...],
    state: str,
) -> None:
    settings = with_credits(settings, approve_above_units=100.0)
    plan = plan_of(settings, database)
    monkeypatch.setattr(approvals, "login", lambda: login)
    approve(log_of(settings), plan, plan.plan_hash, approver, "checked with the bank")
    asked = CreditRequest(world.DISPUTE, "anna", "the money came back", plan.plan_hash, asking)
    outcome = world.apply_once(settings, request=asked)
    assert outcome.state == state
    assert outcome.reason.startswith("same_person") == (state == "refused")
    assert len(world.credits_in(database)) == (state == "credited")


def test_an_approval_without_a_login_is_none(settings: Settings, database: Database[Document]) -> None:
    settings = with_credits(settings, approve_above_units=100.0)
    plan = plan_of(settings, database)
    about = Subject(plan.dispute_id, plan.organization_id, plan.plan_hash)
    log_of(settings).append("approved", about, "bert", "as an earlier release wrote it", {"units": plan.units})
    assert world.apply_once(settings).state == "needs_approval"


def test_the_login_is_the_kernel_s_and_no_variable_s(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody else")
    assert approvals.login() == pwd.getpwuid(os.getuid()).pw_name


def test_a_credit_that_is_on_record_and_gone_from_the_ledger_is_never_given_again(
    settings: Settings, database: Database[Document]
) -> None:
    assert world.apply_once(settings).state == "credited"
    database.billingextrabalances.update_one(
        {}, {"$pull": {"ledger": {"refId": world.REF}}, "$inc": {"cachedBalance": -6000}}
    )
    again = world.apply_once(settings)
    assert (again.state, again.reason) == ("parked", "credit_is_gone")
    assert world.credits_in(database) == []


def test_a_credit_names_its_home(settings: Settings, database: Database[Document]) -> None:
    world.apply_once(settings)
    (written,) = world.credits_in(database)
    home = log_of(settings).home
    assert home
    assert str(written["memo"]).endswith(f", home {home}")
    assert [r.facts["home"] for r in log_of(settings).read().records if r.kind == "intent"] == [home]


@pytest.mark.parametrize(
    ("key", "session", "why"),
    [
        ("rk_abc", "cs_1", "tells neither live nor test mode"),
        ("rk_test_x", "cs_live_1", "not of the key's mode"),
        ("rk_live_x", "cs_test_1", "not of the key's mode"),
    ],
)
def test_the_mode_is_looked_at_again_before_the_write(
    settings: Settings, database: Database[Document], key: str, session: str, why: str
) -> None:
    """The plan of this test knows of no mode: what the writer reads decides."""
    database.billingextrabalances.update_one({"ledger.kind": "topup"}, {"$set": {"ledger.0.stripeSessionId": session}})
    outcome = world.apply_once(settings.model_copy(update={"stripe_api_key": SecretStr(key)}))
    assert (outcome.state, why in outcome.reason) == ("stopped", True)
    assert world.credits_in(database) == []


def test_a_balance_that_was_off_before_is_off_by_as_much_afterwards(
    settings: Settings, database: Database[Document]
) -> None:
    database.billingextrabalances.update_one({}, {"$inc": {"cachedBalance": 7}})
    assert world.apply_once(settings).state == "credited"
    assert world.gap(database) == 7


def test_no_balance_document_is_ever_created(settings: Settings, database: Database[Document]) -> None:
    database.billingextrabalances.delete_many({})
    assert world.apply_once(settings).state == "nothing_due" or database.billingextrabalances.count_documents({}) == 0
    assert database.billingextrabalances.count_documents({}) == 0
