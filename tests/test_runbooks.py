"""RUNBOOKS.md: a section for everything that can be found, and every remedy tried.

A fault is planted in a sound company, a night finds it, a person does what the runbook says, and the next night finds
it ended and nothing else.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from bson import ObjectId

from billing_dq.reconcile.findings.severity import OF_KIND
from billing_dq.reconcile.findings.standing import is_accepted
from billing_dq.reconcile.inputs import Earlier
from billing_dq.tables import ACCEPTANCES
from billing_dq.vocabulary.kinds import kinds_of_result
from tests.support import stripe_company as at_stripe
from tests.support.remedies import (
    AS_OF,
    DISPUTE,
    ORGANIZATION,
    TOPUP,
    Company,
    Remedy,
    company,
    day,
    entry,
    night,
    nights,
)

RUNBOOKS = (Path(__file__).parents[1] / "RUNBOOKS.md").read_text(encoding="utf-8")
PARTS = ("What it means", "How sure it is", "Look at", "Do", "Done when")
LEDGER_RULES = (
    "cached_balance",
    "duplicate_ref",
    "duplicate_session",
    "sign",
    "zero_amount",
    "future_entry",
    "missing_ref",
    "unknown_kind",
    "expiry_not_swept",
    "expiry_twice",
    "expiry_too_much",
    "expiry_in_full",
    "expiry_before_purchase",
    "settlement_half_applied",
    "document_size",
    "history_changed",
    "grant_in_two_ledgers",
)

OTHER = ObjectId("6a0000000000000000000003")
VIOLATION, WEEK = "ledger_violation", "meter_extras_divergence"
LAST = "2026-W46-c:initial"


def push(world: Company, kind: str, units: float, ref_id: str | None, **fields: object) -> None:
    world.push(entry(kind, units, ref_id, day(12), **fields))


def expired_pack(world: Company, *taken: float) -> None:
    """A pack of 2 000 that expired on the 10th untouched, and the expirations that took so much."""
    pack = entry("topup", 2000, "grant-1", day(9), expiresAt=day(10))
    world.push(pack)
    for units in taken:
        world.push(entry("expiration", -units, f"expire-{pack['_id']}", day(11)))


def expired_before_bought(world: Company) -> None:
    """A pack whose expiry is in seconds where milliseconds belong, swept on the day after it was bought."""
    pack = entry("topup", 2000, None, day(9), stripeSessionId="cs_9", expiresAt=datetime(1970, 1, 21, tzinfo=UTC))
    world.push(pack)
    world.push(entry("expiration", -2000, f"expire-{pack['_id']}", day(10)))


def sweep(world: Company) -> None:
    pack = world.entry("grant-1")
    world.push(entry("expiration", -2000, f"expire-{pack['_id']}", AS_OF + timedelta(hours=6)))


def settle_ledger_only(world: Company) -> None:
    push(world, "adjustment", 40, "settle:2026-W46")


def settle_week_too(world: Company) -> None:
    usage = world.usage("2026-W46")
    usage["meterUsed"] += 40
    usage["consumedAttributionKeys"].append("settle:2026-W46")


def orphan(world: Company) -> None:
    world.documents["organizations"].clear()
    world.documents["subscriptions"].clear()


def adopt(world: Company) -> None:
    world.documents["organizations"].append({"_id": ORGANIZATION, "plan": "free"})


def lose_usage(world: Company) -> None:
    world.documents["billingusages"].remove(world.usage("2026-W46"))


def restore_usage(world: Company) -> None:
    world.documents["billingusages"].append(company().usage("2026-W46"))


def lose_key(world: Company) -> None:
    usage = world.usage("2026-W46")
    usage["consumedAttributionKeys"].remove(LAST)
    usage["meterUsed"] -= 100


def alter(world: Company) -> None:
    world.entry(LAST)["amount"] = -900


def restore_amount(world: Company) -> None:
    world.entry(LAST)["amount"] = -100


def set_here(**fields: object):
    return lambda world: world.subscription.update(fields)


def set_there(**fields: object):
    return lambda world: world.theirs.update(fields)


def share(*fields: str):
    """A second organization whose subscription document was copied with these fields."""

    def copy(world: Company) -> None:
        other = ObjectId("6a0000000000000000000009")
        world.documents["organizations"].append({"_id": other, "plan": "free"})
        kept = {name: world.subscription[name] for name in ("status", "updatedAt", *fields)}
        world.documents["subscriptions"].append({"_id": ObjectId(), "organization": other, "plan": "free", **kept})

    return copy


def unshare(world: Company) -> None:
    for field in ("stripeSubscriptionId", "stripeCustomerId"):
        world.documents["subscriptions"][1].pop(field, None)


def dispute(world: Company, *movements: int, status: str) -> None:
    """A dispute of the pack's 2 000 cents, with its money."""
    moved = [at_stripe.movement(cents, created=at_stripe.AS_OF_SECONDS - 5 * at_stripe.DAY) for cents in movements]
    told = {"organizationId": str(ORGANIZATION), "stripeSessionId": "cs_1", "packId": "pack_l"}
    objects = at_stripe.purchase(DISPUTE, told, {})
    objects["disputes"] = [at_stripe.dispute(DISPUTE, *moved, status=status, amount=2000)]
    world.stripe.update(objects)


def claw_back(world: Company) -> None:
    push(world, "refund", -25_000, f"refund-dispute_{DISPUTE}-{TOPUP}", stripeSessionId="cs_1")


def reinstate(world: Company) -> None:
    world.push(entry("adjustment", 25_000, f"dispute_reinstate_{DISPUTE}", AS_OF + timedelta(hours=6)))


def won(world: Company) -> None:
    dispute(world, -2000, 2000, status="won")
    claw_back(world)


def lost(world: Company, units: float = 25_000) -> None:
    dispute(world, -2000, status="lost")
    push(world, "refund", -units, f"refund-dispute_{DISPUTE}-{TOPUP}", stripeSessionId="cs_1")


def reinstated(world: Company) -> None:
    push(world, "adjustment", 25_000, f"dispute_reinstate_{DISPUTE}")


def given(world: Company, units: float) -> None:
    """A credit by hand, after the withdrawal."""
    world.push(entry("adjustment", units, "dispute-credit-1", day(19)))


def charge(charge_id: str, session: str) -> dict[str, object]:
    """A charge of the pack, in full."""
    told = {"organizationId": str(ORGANIZATION), "stripeSessionId": session, "packId": "pack_l"}
    money = {"amount": 2000, "amount_refunded": 0, "currency": "usd", "status": "succeeded", "paid": True}
    created = at_stripe.AS_OF_SECONDS - 5 * at_stripe.DAY
    flags = {"disputed": False, "refunded": False, "captured": True, "livemode": True}
    return {"id": charge_id, "object": "charge", "created": created, "metadata": told, **money, **flags}


def pay(world: Company) -> None:
    world.stripe["charges"] = [charge("ch_2", "cs_2")]


def refund(world: Company) -> None:
    """A refund of the pack that took its units and failed."""
    created = at_stripe.AS_OF_SECONDS - 4 * at_stripe.DAY
    made = {"id": "re_1", "object": "refund", "charge": "ch_1", "amount": 2000, "currency": "usd", "created": created}
    world.stripe["charges"] = [charge("ch_1", "cs_1")]
    world.stripe["refunds"] = [{**made, "status": "failed"}]
    push(world, "refund", -25_000, f"refund-re_1-{TOPUP}", stripeSessionId="cs_1")


REMEDIES = {
    # the meter
    "missing_debit": Remedy(
        lambda world: world.remove(LAST),
        (WEEK, "missing_debit"),
        lambda world: world.push(entry("debit", -100, LAST, day(10))),
    ),
    "duplicate_debit, by the tool": Remedy(
        lambda world: world.push(entry("debit", -300, "2026-W46-b:initial", day(10))),
        (VIOLATION, "duplicate_ref"),
        lambda world: world.credit(30),
        ends="info",
        beside=frozenset({(WEEK, "duplicate_debit")}),
    ),
    "duplicate_debit, by hand": Remedy(
        lambda world: world.push(entry("debit", -300, "2026-W46-b:initial", day(10))),
        (VIOLATION, "duplicate_ref"),
        lambda world: world.correct(300, "2026-W46-b:initial"),
        ends="info",
        beside=frozenset({(WEEK, "duplicate_debit")}),
    ),
    "debit_without_usage": Remedy(lose_key, (WEEK, "debit_without_usage"), lambda world: restore(world, "2026-W46")),
    "no_usage_document": Remedy(lose_usage, (WEEK, "no_usage_document"), restore_usage),
    "debit_altered": Remedy(
        alter, (WEEK, "debit_altered"), restore_amount, beside=frozenset({(VIOLATION, "cached_balance")})
    ),
    # balances
    "runaway_balance": Remedy(
        lambda world: push(world, "refund", -90_000, "refund-re_1-x"),
        ("runaway_balance", None),
        lambda world: push(world, "topup", 25_000, None, stripeSessionId="cs_2"),
    ),
    "orphan_balance": Remedy(orphan, ("orphan_balance", None), adopt),
    # ledgers
    "cached_balance": Remedy(
        lambda world: world.balance.update(cachedBalance=world.balance["cachedBalance"] - 50),
        (VIOLATION, "cached_balance"),
        lambda world: world.balance.update(cachedBalance=world.balance["cachedBalance"] + 50),
    ),
    "duplicate_ref, by hand": Remedy(
        lambda world: [push(world, "topup", 500, "signup_grant-1", source="signup_grant") for _ in range(2)],
        (VIOLATION, "duplicate_ref"),
        lambda world: world.correct(-500, "signup_grant-1"),
        ends="info",
    ),
    "duplicate_session": Remedy(
        lambda world: push(world, "topup", 25_000, None, stripeSessionId="cs_1"),
        (VIOLATION, "duplicate_session"),
        lambda world: world.correct(-25_000, "cs_1"),
        ends="info",
    ),
    "sign": Remedy(
        lambda world: push(world, "refund", 40, "refund-re_1-x"),
        (VIOLATION, "sign"),
        lambda world: world.correct(-80, "refund-re_1-x"),
        ends="info",
    ),
    "missing_ref": Remedy(
        lambda world: push(world, "adjustment", 40, None),
        (VIOLATION, "missing_ref"),
        lambda world: world.correct(-40, "nameless"),
        ends="info",
    ),
    "unknown_kind": Remedy(
        lambda world: push(world, "bonus", 40, "bonus-1"),
        (VIOLATION, "unknown_kind"),
        lambda world: world.correct(-40, "bonus-1"),
        ends="info",
    ),
    "future_entry": Remedy(
        lambda world: world.push(entry("topup", 500, "grant-2", day(23))),
        (VIOLATION, "future_entry"),
        lambda world: None,
        days=3,
    ),
    "expiry_not_swept": Remedy(expired_pack, (VIOLATION, "expiry_not_swept"), sweep),
    "expiry_twice": Remedy(
        lambda world: expired_pack(world, 2000, 2000),
        (VIOLATION, "expiry_twice"),
        lambda world: world.credit(200),
        ends="info",
    ),
    "grant_in_two_ledgers": Remedy(
        lambda world: [push(world, "topup", 25_000, "referral:i1:referee"), granted_to_another(world)],
        (VIOLATION, "grant_in_two_ledgers"),
        lambda world: take_from_another(world, "referral"),
        ends="info",
    ),
    "expiry_before_purchase": Remedy(
        lambda world: expired_before_bought(world),
        (VIOLATION, "expiry_before_purchase"),
        lambda world: world.correct(2000, "expiry"),
        ends="info",
    ),
    "expiry_too_much": Remedy(
        lambda world: expired_pack(world, 2137),
        (VIOLATION, "expiry_too_much"),
        lambda world: world.credit(14),
        ends="info",
    ),
    "settlement_half_applied, in the week": Remedy(
        settle_ledger_only, (VIOLATION, "settlement_half_applied"), settle_week_too
    ),
    "settlement_half_applied, in the ledger": Remedy(
        settle_week_too, (VIOLATION, "settlement_half_applied"), settle_ledger_only
    ),
    # subscriptions
    "subscription_status": Remedy(
        set_here(status="past_due"), ("subscription_status", None), set_here(status="active"), stripe=True
    ),
    "subscription_plan": Remedy(
        set_here(plan="free"),
        ("subscription_plan", None),
        set_here(plan="pro"),
        stripe=True,
        beside=frozenset({("organization_plan", None)}),
    ),
    "subscription_missing_in_stripe": Remedy(
        set_here(stripeSubscriptionId="sub_gone"),
        ("subscription_missing_in_stripe", None),
        set_here(stripeSubscriptionId="sub_1"),
        stripe=True,
        beside=frozenset({("subscription_unknown_here", None)}),
    ),
    "subscription_unknown_here": Remedy(
        lambda world: world.stripe["subscriptions"].append(at_stripe.subscription("sub_2")),
        ("subscription_unknown_here", None),
        lambda world: world.stripe["subscriptions"][1].update(status="canceled"),
        stripe=True,
    ),
    "subscription_several_live": Remedy(
        lambda world: world.stripe["subscriptions"].append(at_stripe.subscription("sub_2", customer="cus_sub_1")),
        ("subscription_several_live", None),
        lambda world: world.stripe["subscriptions"][1].update(status="canceled"),
        stripe=True,
        beside=frozenset({("subscription_unknown_here", None)}),
    ),
    "subscription_ambiguous_plan": Remedy(
        lambda world: world.theirs["items"]["data"].append(at_stripe.item("price_x", planId="free")),
        ("subscription_ambiguous_plan", None),
        lambda world: world.theirs["items"]["data"].pop(),
        stripe=True,
    ),
    "subscription_unresolved_plan": Remedy(
        lambda world: setattr(world, "prices", ()),
        ("subscription_unresolved_plan", None),
        lambda world: setattr(world, "prices", ("price_pro_monthly_v2",)),
        stripe=True,
    ),
    "subscription_other_customer": Remedy(
        set_here(stripeCustomerId="cus_2"),
        ("subscription_other_customer", None),
        set_here(stripeCustomerId="cus_sub_1"),
        stripe=True,
    ),
    "subscription_not_collecting": Remedy(
        set_there(pause_collection={"behavior": "void"}),
        ("subscription_not_collecting", "collection_paused"),
        set_there(pause_collection=None),
        stripe=True,
    ),
    "plan_without_subscription": Remedy(
        set_here(stripeSubscriptionId=None),
        ("plan_without_subscription", None),
        set_here(adminUpdatedAt=day(20)),
    ),
    "subscription_shared": Remedy(
        share("stripeSubscriptionId", "stripeCustomerId"), ("subscription_shared", None), unshare
    ),
    "customer_shared": Remedy(share("stripeCustomerId"), ("customer_shared", None), unshare),
    "organization_plan": Remedy(
        lambda world: world.documents["organizations"][0].update(plan="free"),
        ("organization_plan", None),
        lambda world: world.documents["organizations"][0].update(plan="pro"),
    ),
    "livemode_mix": Remedy(set_there(livemode=False), ("livemode_mix", None), set_there(livemode=True), stripe=True),
    "stale_past_due": Remedy(set_here(pastDueSince=day(5)), ("stale_past_due", None), set_here(pastDueSince=None)),
    "dead_lettered_event": Remedy(
        lambda world: world.documents["processedstripeevents"].append(
            {"eventId": "evt_1", "type": "invoice.payment_succeeded", "deadLetter": True, "attempts": 5}
        ),
        ("dead_lettered_event", None),
        lambda world: world.documents["processedstripeevents"][0].update(deadLetter=False),
    ),
    # disputes
    "dispute_clawback_missing": Remedy(
        lambda world: dispute(world, -2000, status="lost"), ("dispute_clawback_missing", None), claw_back, stripe=True
    ),
    "dispute_credit_due": Remedy(won, ("dispute_credit_due", None), reinstate, stripe=True),
    "dispute_clawed_back_twice": Remedy(
        lambda world: [lost(world), push(world, "refund", -25_000, f"dispute_{DISPUTE}")],
        ("dispute_clawed_back_twice", None),
        lambda world: world.credit(2500),
        stripe=True,
    ),
    "dispute_clawback_wrong_units, too little": Remedy(
        lambda world: lost(world, units=20_000),
        ("dispute_clawback_wrong_units", None),
        lambda world: world.correct(-5_000, DISPUTE),
        stripe=True,
    ),
    "dispute_clawback_wrong_units, all for a part": Remedy(
        lambda world: [lost(world), world.stripe["disputes"][0].update(amount=1000)],
        ("dispute_clawback_wrong_units", None),
        lambda world: world.credit(1250),
        stripe=True,
    ),
    "dispute_credited_twice": Remedy(
        lambda world: [won(world), reinstated(world), given(world, 25_000)],
        ("dispute_credited_twice", None),
        lambda world: world.correct(-25_000, DISPUTE),
        stripe=True,
    ),
    "dispute_credit_wrong_units": Remedy(
        lambda world: [won(world), given(world, 20_000)],
        ("dispute_credit_wrong_units", None),
        lambda world: world.credit(500),
        stripe=True,
        beside=frozenset({("dispute_credit_due", None)}),
    ),
    "dispute_credit_without_reinstatement": Remedy(
        lambda world: [lost(world), reinstated(world)],
        ("dispute_credit_without_reinstatement", None),
        lambda world: world.correct(-25_000, DISPUTE),
        stripe=True,
    ),
    "dispute_parked": Remedy(
        lambda world: [won(world), world.stripe["disputes"][0].update(status="lost")],
        ("dispute_parked", None),
        lambda world: world.credit(2500),
        stripe=True,
    ),
    # payments
    "pack_without_topup, sent again": Remedy(
        lambda world: pay(world),
        ("pack_without_topup", None),
        lambda world: push(world, "topup", 25_000, None, stripeSessionId="cs_2"),
        stripe=True,
    ),
    "pack_without_topup, refunded": Remedy(
        lambda world: pay(world),
        ("pack_without_topup", None),
        lambda world: world.stripe["charges"][0].update(amount_refunded=2000),
        stripe=True,
    ),
    "refund_failed, and Stripe says later that it succeeded": Remedy(
        lambda world: refund(world),
        ("refund_failed", "failed"),
        lambda world: world.stripe["refunds"][0].update(status="succeeded"),
        stripe=True,
    ),
    "refund_failed, and the units are given back by hand": Remedy(
        lambda world: refund(world),
        ("refund_failed", "failed"),
        lambda world: push(world, "adjustment", 25_000, "correction-re_1"),
        stripe=True,
    ),
    "topup_in_another_ledger": Remedy(
        lambda world: [pay(world), given_to_another(world, "cs_2")],
        ("topup_in_another_ledger", None),
        lambda world: [world.correct(25_000, "ch_2"), take_from_another(world, "ch_2")],
        stripe=True,
        beside=frozenset({("pack_without_topup", None)}),
    ),
    "topup_wrong_units": Remedy(
        lambda world: [pay(world), bought(world, 2000)],
        ("topup_wrong_units", None),
        lambda world: world.correct(23_000, "ch_2"),
        stripe=True,
    ),
    "session_in_two_ledgers": Remedy(
        lambda world: [pay(world), bought(world), given_to_another(world, "cs_2")],
        ("session_in_two_ledgers", None),
        lambda world: take_from_another(world, "cs_2"),
        stripe=True,
    ),
    "topup_without_payment, failed": Remedy(
        lambda world: [pay(world), world.stripe["charges"][0].update(status="failed", paid=False), bought(world)],
        ("topup_without_payment", "failed"),
        lambda world: world.correct(-25_000, "ch_2"),
        stripe=True,
    ),
    "topup_without_payment, in test mode": Remedy(
        lambda world: bought(world, session="cs_test_1"),
        ("topup_without_payment", "test_mode"),
        lambda world: world.correct(-25_000, "cs_test_1"),
        stripe=True,
    ),
    "topup_payment_unknown": Remedy(
        lambda world: bought(world, session="cs_3"),
        ("topup_payment_unknown", None),
        lambda world: world.correct(-25_000, "cs_3"),
        stripe=True,
    ),
    "refund_clawback_missing": Remedy(
        lambda world: refunded(world),
        ("refund_clawback_missing", None),
        lambda world: push(world, "refund", -25_000, f"refund-re_1-{TOPUP}", stripeSessionId="cs_1"),
        stripe=True,
    ),
    "refund_clawback_wrong_units": Remedy(
        lambda world: refunded(world, (25_000, f"refund-re_1-{TOPUP}"), cents=500),
        ("refund_clawback_wrong_units", None),
        lambda world: world.correct(18_750, "re_1"),
        stripe=True,
    ),
    "refund_clawed_back_twice": Remedy(
        lambda world: refunded(world, (25_000, f"refund-re_1-{TOPUP}"), (25_000, f"refund-cs_1-2000-{TOPUP}")),
        ("refund_clawed_back_twice", None),
        lambda world: world.correct(25_000, "re_1"),
        stripe=True,
    ),
    "refund_unknown_at_stripe": Remedy(
        lambda world: push(world, "refund", -25_000, f"refund-re_9-{TOPUP}", stripeSessionId="cs_1"),
        ("refund_unknown_at_stripe", None),
        lambda world: world.correct(25_000, "re_9"),
        stripe=True,
    ),
    "refund_and_dispute_overlap": Remedy(
        lambda world: [
            lost(world),
            refunded(world, (25_000, f"refund-re_1-{TOPUP}")),
            world.stripe["disputes"][0].update(charge="ch_1"),
        ],
        ("refund_and_dispute_overlap", None),
        lambda world: world.correct(25_000, "re_1"),
        stripe=True,
    ),
}


def bought(world: Company, units: float = 25_000, session: str = "cs_2") -> None:
    push(world, "topup", units, None, stripeSessionId=session)


def given_to_another(world: Company, session: str) -> None:
    """The top-up of a session stands in another organization's ledger."""
    topup = entry("topup", 25_000, None, day(16), stripeSessionId=session)
    balance = {"_id": ObjectId(), "organization": OTHER, "ledger": [topup], "cachedBalance": 25_000}
    world.documents["organizations"].append({"_id": OTHER, "plan": "free"})
    world.documents["billingextrabalances"].append(balance)


def granted_to_another(world: Company) -> None:
    """The grant stands in another ledger, since later."""
    given_to_another(world, "cs_9")
    grant = entry("topup", 25_000, "referral:i1:referee", day(16))
    world.documents["billingextrabalances"][1].update(ledger=[grant])


def take_from_another(world: Company, about: str) -> None:
    balance = world.documents["billingextrabalances"][1]
    balance["ledger"].append(entry("refund", -25_000, f"correction-{about}", AS_OF + timedelta(hours=6)))
    balance["cachedBalance"] = 0


def refunded(world: Company, *entries: tuple[float, str], cents: int = 2000) -> None:
    """A refund of the pack of the 17th at Stripe, and what the ledger took under which reference."""
    refund(world)
    world.remove(f"refund-re_1-{TOPUP}")
    world.stripe["refunds"][0].update(status="succeeded", amount=cents)
    world.stripe["charges"][0].update(amount_refunded=cents)
    for units, ref_id in entries:
        push(world, "refund", -units, ref_id, stripeSessionId="cs_1")


def restore(world: Company, week: str) -> None:
    world.usage(week).update(company().usage(week))


def named(findings: pd.DataFrame) -> set[tuple[str, str | None]]:
    """Kind and cause of findings."""
    pairs = findings[["kind", "cause"]].itertuples(index=False, name=None)
    return {(kind, cause if isinstance(cause, str) else None) for kind, cause in pairs}


@pytest.mark.parametrize("stripe", [False, True])
def test_the_company_of_these_tests_is_sound(stripe: bool) -> None:
    assert night(company(), AS_OF, stripe, Earlier()).findings.empty


@pytest.mark.parametrize("tried", REMEDIES.values(), ids=REMEDIES.keys())
def test_a_remedy_ends_its_finding_and_makes_no_other(tried: Remedy) -> None:
    broken, after = nights(tried)
    assert named(broken[broken["severity"] != "info"]) == {tried.finding, *tried.beside}
    assert set(after["finding_id"]) <= set(broken["finding_id"])
    assert set(after.loc[after["state"] != "resolved", "severity"]) <= {"info"}
    ended = after.loc[after["kind"] == tried.finding[0]].iloc[0]
    assert ended["state"] == ("resolved" if tried.ends == "resolved" else "persisting")
    if tried.ends == "info":
        assert ended["units"] == 0
        assert "makes it good" in ended["explanation"]


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        (lambda world: push(world, "topup", 0, "grant-0"), (VIOLATION, "zero_amount")),
        (lambda world: push(world, "adjustment", 40, None), (VIOLATION, "missing_ref")),
        (lambda world: world.remove(LAST), (WEEK, "missing_debit")),
    ],
)
def test_what_cannot_be_undone_is_accepted_and_not_red(
    fault: Callable[[Company], object], finding: tuple[str, str | None]
) -> None:
    world = company()
    fault(world)
    first = night(world, AS_OF, False, Earlier()).findings
    assert named(first[first["severity"] != "info"]) == {finding}
    key = AS_OF.date().isoformat()
    decision = {"night": key, "accepted": True, "by": "anna", "why": "written off", "until": None, "at": AS_OF}
    columns = [name for name in ACCEPTANCES.column_names if name in first.columns]
    earlier = Earlier(findings=first, acceptances=ACCEPTANCES.conform(first[columns].assign(**decision)))
    second = night(world, AS_OF + timedelta(days=1), False, earlier).findings
    assert second["finding_id"].tolist() == first["finding_id"].tolist()
    assert is_accepted(second).all()


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("dispute_reinstated_without_clawback", lambda world: dispute(world, -2000, 2000, status="won")),
        ("dispute_second_withdrawal", lambda world: [won(world), dispute(world, -2000, 2000, -2000, status="lost")]),
    ],
)
def test_a_dispute_that_takes_a_decision_ends_by_acceptance(kind: str, fault: Callable[[Company], object]) -> None:
    world = company()
    fault(world)
    first = night(world, AS_OF, True, Earlier()).findings
    assert first["kind"].tolist() == [kind]
    decision = {"night": AS_OF.date().isoformat(), "accepted": True, "by": "anna", "why": "decided", "until": None}
    columns = [name for name in ACCEPTANCES.column_names if name in first.columns]
    accepted = ACCEPTANCES.conform(first[columns].assign(**decision, at=AS_OF))
    second = night(world, AS_OF + timedelta(days=1), True, Earlier(findings=first, acceptances=accepted)).findings
    assert second["kind"].tolist() == [kind]
    assert is_accepted(second).all()


def test_every_kind_of_dispute_and_payment_has_its_remedy_tried() -> None:
    tried = {remedy.finding[0] for remedy in REMEDIES.values()}
    tried |= {"dispute_reinstated_without_clawback", "dispute_second_withdrawal"}  # they end by acceptance
    tried |= {"dispute_clawback_of_expired_pack"}  # a note, which asks for nothing
    of_money = {kind for kind in OF_KIND if kind.startswith("dispute_")}
    of_money |= kinds_of_result("charges") | kinds_of_result("refunds")
    assert of_money <= tried


def test_old_expirations_in_full_are_info_from_the_start() -> None:
    world = company()
    pack = entry("topup", 2000, "grant-1", day(1) - timedelta(days=200), expiresAt=day(1) - timedelta(days=100))
    spent = entry("debit", -300, "old:initial", day(1) - timedelta(days=150))
    taken = entry("expiration", -2000, f"expire-{pack['_id']}", day(1) - timedelta(days=99))
    for old in reversed([pack, spent, taken]):
        world.ledger.insert(0, old)
        world.balance["cachedBalance"] += old["amount"]
    findings = night(world, AS_OF, False, Earlier()).findings
    assert findings[["cause", "severity", "units"]].to_numpy().tolist() == [["expiry_in_full", "info", -300.0]]


def test_a_drift_ends_after_three_weeks_without_a_difference() -> None:
    world = company()
    for usage in world.documents["billingusages"]:
        world.entry(f"{usage['weekKey']}-c:initial")["amount"] += 30
        world.balance["cachedBalance"] += 30
    first = night(world, AS_OF, False, Earlier())
    assert ("meter_extras_drift", None) in named(first.findings)
    later = AS_OF + timedelta(days=21)
    whole = company().documents["billingusages"][-1]
    for week, monday in (("2026-W47", 16), ("2026-W48", 23), ("2026-W49", 30)):
        keys = [f"{week}-a:initial", f"{week}-b:initial"]
        world.documents["billingusages"].append(
            {**whole, "weekKey": week, "consumedAttributionKeys": keys, "updatedAt": day(monday)}
        )
        world.push(entry("debit", -400, keys[1], day(monday)))
    deltas = first.meter.deltas
    closed = deltas[(deltas["week_state"] == "closed") & (deltas["week_key"] < "2026-W46")]
    second = night(world, later, False, Earlier(findings=first.findings, closed_weeks=closed)).findings
    ended = second.loc[second["kind"] == "meter_extras_drift", "state"]
    assert ended.tolist() == ["resolved"]


def sections(marks: str) -> dict[str, str]:
    """Text of each section by its title, up to the next heading of these marks or fewer."""
    found = re.split(rf"^#{{1,{len(marks)}}} ", RUNBOOKS, flags=re.MULTILINE)
    return {text.partition("\n")[0].strip(): text.partition("\n")[2] for text in found}


@pytest.mark.parametrize("kind", [kind for kind in OF_KIND if kind != VIOLATION])
def test_every_kind_of_finding_has_a_section_with_all_parts(kind: str) -> None:
    by_anchor = {title.lower().replace(" ", "_"): text for title, text in sections("##").items()}
    assert [part for part in PARTS if f"**{part}.**" not in by_anchor[kind]] == []


@pytest.mark.parametrize("rule", LEDGER_RULES)
def test_every_rule_of_the_ledger_has_a_section_with_all_parts(rule: str) -> None:
    assert [part for part in PARTS if f"**{part}.**" not in sections("###")[f"Rule: {rule}"]] == []


def test_links_within_the_runbooks_lead_to_a_heading() -> None:
    anchors = {
        re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", RUNBOOKS, flags=re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]*)\)", RUNBOOKS)) <= anchors


def test_every_fence_names_its_language() -> None:
    fences = re.findall(r"^```(.*)$", RUNBOOKS, flags=re.MULTILINE)
    assert all(fences[::2])
    assert not any(fences[1::2])
