"""Charges of packs and refunds, read over HTTP; without them the night goes on."""

import pytest

from billing_dq.sources.stripe import pace
from billing_dq.sources.stripe.client import StripeConnection
from billing_dq.sources.stripe.objects import Quarantine
from billing_dq.sources.stripe.payments import PackCharges, read_charges
from billing_dq_simulation.faults.stripe import Faults
from billing_dq_simulation.local_stripe import load, serve
from tests.support.stripe_company import AS_OF_SECONDS, DAY, Object
from tests.support.stripe_night import AS_OF, SAMPLE, FakeClock, read, settings_for

ORGANIZATION = "6abf06a654e1f13e6f8bb05d"
NOTED = {"organizationId": ORGANIZATION, "packId": "pack_l", "stripeSessionId": "cs_1"}


def charge(charge_id: str, **changes: object) -> Object:
    return {
        "id": charge_id,
        "object": "charge",
        "amount": 2000,
        "created": AS_OF_SECONDS - 3 * DAY,
        "currency": "usd",
        "livemode": True,
        "metadata": NOTED,
        "paid": True,
        "status": "succeeded",
        **changes,
    }


def refund(refund_id: str, **changes: object) -> Object:
    return {
        "id": refund_id,
        "object": "refund",
        "amount": 500,
        "charge": "ch_1",
        "created": AS_OF_SECONDS - 8 * DAY,
        "status": "succeeded",
        **changes,
    }


def charge_ids(charges: list[Object], **more: list[Object]) -> list[str]:
    with serve({"charges": charges, **more}) as local:
        return sorted(read(local).frames["stripe_charges"]["charge_id"])


def test_a_paid_charge_of_a_pack_is_read_with_what_is_noted_on_it() -> None:
    with serve({"charges": [charge("ch_1", amount_refunded=500, disputed=True)]}) as local:
        row = read(local).frames["stripe_charges"].iloc[0]
    assert row.drop("created").to_dict() == {
        "charge_id": "ch_1",
        "organization_id": ORGANIZATION,
        "stripe_session_id": "cs_1",
        "pack_id": "pack_l",
        "amount_minor": 2000,
        "captured_minor": 2000,
        "refunded_minor": 500,
        "currency": "usd",
        "status": "succeeded",
        "disputed": True,
        "livemode": True,
    }


def test_a_charge_of_no_pack_is_left_out_and_one_that_was_not_paid_captured_nothing() -> None:
    charges = [
        charge("ch_pack", amount_captured=1500),
        charge("ch_invoice", metadata={}),
        charge("ch_declined", paid=False, amount_captured=2000),
        charge("ch_authorized", captured=False),
    ]
    with serve({"charges": charges}) as local:
        frame = read(local).frames["stripe_charges"].set_index("charge_id")
    assert frame["captured_minor"].to_dict() == {"ch_authorized": 0, "ch_declined": 0, "ch_pack": 1500}


def test_the_charge_of_a_refund_and_of_a_dispute_comes_with_them_however_old_it_is() -> None:
    old = AS_OF_SECONDS - 90 * DAY
    charges = [charge("ch_1", created=old), charge("ch_2", created=old), charge("ch_3", created=old)]
    disputed = {"id": "du_1", "charge": "ch_2", "status": "lost", "amount": 2000, "currency": "usd", "livemode": True}
    disputed |= {"created": AS_OF_SECONDS - 9 * DAY, "balance_transactions": []}
    with serve({"charges": charges, "refunds": [refund("re_1")], "disputes": [disputed]}) as local:
        reading = read(local)
    assert reading.frames["stripe_charges"]["charge_id"].tolist() == ["ch_1", "ch_2"]
    assert reading.requests["charges"] == 1
    assert reading.since["stripe_refunds"] < reading.since["stripe_charges"]


def test_a_charge_that_comes_as_an_id_alone_is_read_by_it_and_one_that_is_gone_says_nothing() -> None:
    known = PackCharges()
    for told in ("ch_1", "ch_gone", None, {"id": "ch_bad"}):
        known.add_referenced(told)
    quarantine = Quarantine()
    with (
        serve({"charges": [charge("ch_1", created=AS_OF_SECONDS - 90 * DAY)]}) as local,
        StripeConnection(settings_for(local), FakeClock()) as connection,
    ):
        rows, _ = read_charges(connection, AS_OF, [], known, quarantine)
    assert [row["charge_id"] for row in rows] == ["ch_1"]
    assert quarantine.reasons == {}


def test_charges_read_by_id_take_half_of_the_seconds_and_the_others_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "BURST", 1.0)
    known = PackCharges()
    for number in range(9):
        known.add_referenced(f"ch_{number}")
    old = [charge(f"ch_{number}", created=AS_OF_SECONDS - 90 * DAY) for number in range(9)]
    with (
        serve({"charges": old}) as local,
        StripeConnection(settings_for(local, stripe_budget_seconds=0.6), FakeClock()) as connection,
    ):
        rows, _ = read_charges(connection, AS_OF, [], known, Quarantine())
    assert len(rows) + len(known.unread_ids) == 9
    assert 0 < len(rows) < 9


def checkout_session(session_id: str, payment_status: str = "paid", **changes: object) -> Object:
    return {
        "id": session_id,
        "object": "checkout.session",
        "amount_total": 2000,
        "created": AS_OF_SECONDS - 3 * DAY,
        "currency": "usd",
        "livemode": True,
        "metadata": {"organizationId": ORGANIZATION, "packId": "pack_l"},
        "payment_intent": None,
        "payment_status": payment_status,
        "status": "complete",
        **changes,
    }


def test_a_session_that_no_charge_names_leads_to_its_charge_or_stands_for_itself() -> None:
    intent = {"id": "pi_1", "object": "payment_intent", "created": 1, "metadata": {}, "latest_charge": "ch_1"}
    objects = {
        "charges": [charge("ch_1", metadata={}), charge("ch_2", metadata=NOTED | {"stripeSessionId": "cs_named"})],
        "payment_intents": [intent],
        "checkout/sessions": [
            checkout_session("cs_paid", payment_intent="pi_1"),
            checkout_session("cs_unpaid", "unpaid", status="expired"),
            checkout_session("cs_free", "no_payment_required", amount_total=None),
        ],
    }
    with serve(objects) as local:
        reading = read(local, open_last_night=["cs_paid", "cs_unpaid", "cs_free", "cs_named", "cs_gone"])
    frame = reading.frames["stripe_charges"].set_index("charge_id")
    assert frame["stripe_session_id"].to_dict() == {
        "ch_1": "cs_paid",
        "ch_2": "cs_named",
        "cs_free": "cs_free",
        "cs_unpaid": "cs_unpaid",
    }
    assert frame["status"].to_dict() | {"ch_2": ""} == {
        "ch_1": "succeeded",
        "ch_2": "",
        "cs_free": "no_payment_required",
        "cs_unpaid": "expired",
    }
    assert frame["captured_minor"].to_dict() == {"ch_1": 2000, "ch_2": 2000, "cs_free": 0, "cs_unpaid": 0}
    assert reading.requests["checkout/sessions"] == 4
    assert reading.not_read == {}


def test_a_key_that_may_not_read_sessions_leaves_them_undecided_and_says_how_many() -> None:
    objects = {"charges": [charge("ch_1")], "checkout/sessions": [checkout_session("cs_2")]}
    with serve(objects, faults=Faults(forbidden=frozenset({"checkout/sessions"}))) as local:
        reading = read(local, open_last_night=["cs_2", "cs_3", "cs_1"])
    assert reading.not_read == {"checkout/sessions": 2}
    assert reading.absent == {}
    assert reading.frames["stripe_charges"]["charge_id"].tolist() == ["ch_1"]


def test_what_the_charge_does_not_say_comes_from_its_payment_intent() -> None:
    intent = {"id": "pi_1", "object": "payment_intent", "created": 1, "metadata": NOTED}
    charges = [charge("ch_1", metadata={"stripeSessionId": "__pending__"}, payment_intent="pi_1")]
    with serve({"charges": charges, "payment_intents": [intent]}) as local:
        reading = read(local)
    row = reading.frames["stripe_charges"].iloc[0]
    assert (row["pack_id"], row["stripe_session_id"]) == ("pack_l", "cs_1")
    assert reading.requests.get("payment_intents", 0) == 0


def test_charges_of_thirty_days_are_read_and_older_ones_only_with_an_open_finding() -> None:
    old = AS_OF_SECONDS - 30 * DAY
    charges = [
        charge("ch_first", created=old),
        charge("ch_older", created=old - 1),
        charge("py_older", created=old - 1),
        charge("ch_later", created=AS_OF_SECONDS + 1),
    ]
    assert charge_ids(charges) == ["ch_first"]
    with serve({"charges": charges}) as local:
        reading = read(local, open_last_night=["py_older", "ch_first", "ch_gone"])
    assert sorted(reading.frames["stripe_charges"]["charge_id"]) == ["ch_first", "py_older"]
    assert reading.requests["charges"] == 3
    gone = reading.frames["quarantined_stripe_objects"].iloc[0]
    assert (gone["collection"], gone["document_id"]) == ("stripe.charges", "ch_gone")


def test_refunds_are_read_with_their_status_as_far_back_as_disputes() -> None:
    old = AS_OF_SECONDS - 180 * DAY
    refunds = [
        refund("re_1", status="failed"),
        refund("re_2", status="invented", charge=None),
        refund("re_old", created=old - 1),
        refund("pyr_old", created=old - 1),
    ]
    with serve({"refunds": refunds}) as local:
        frame = read(local, open_last_night=["pyr_old"]).frames["stripe_refunds"]
    assert dict(zip(frame["refund_id"], frame["status"], strict=True)) == {
        "re_1": "failed",
        "re_2": "invented",
        "pyr_old": "succeeded",
    }


def test_one_bad_charge_and_one_bad_refund_are_quarantined_and_the_others_are_read() -> None:
    objects = {
        "charges": [charge("ch_bad", amount="2000"), charge("ch_1")],
        "refunds": [refund("re_bad", amount=None), refund("re_1")],
    }
    with serve(objects) as local:
        frames = read(local).frames
    assert frames["stripe_charges"]["charge_id"].tolist() == ["ch_1"]
    assert frames["stripe_refunds"]["refund_id"].tolist() == ["re_1"]
    bad = frames["quarantined_stripe_objects"]
    assert set(zip(bad["collection"], bad["document_id"], bad["field"], strict=True)) == {
        ("stripe.charges", "ch_bad", "amount"),
        ("stripe.refunds", "re_bad", "amount"),
    }


def test_charges_are_read_page_by_page_and_a_repeated_page_is_not_used() -> None:
    charges = [charge(f"ch_{number}", created=AS_OF_SECONDS - number) for number in range(250)]
    with serve({"charges": charges}) as local:
        reading = read(local)
        local.faults.same_page = True
        repeated = read(local)
    assert (len(reading.frames["stripe_charges"]), reading.requests["charges"]) == (250, 3)
    assert "came twice" in repeated.absent["stripe_charges"]
    assert "stripe_charges" not in repeated.frames


def test_a_key_that_may_not_read_refunds_costs_the_night_nothing_else() -> None:
    with serve(load(SAMPLE / "stripe.json.gz"), faults=Faults(forbidden=frozenset({"refunds"}))) as local:
        reading = read(local)
    assert reading.absent == {
        "stripe_refunds": "the Stripe key may not read refunds: grant it permission to read Charges and Refunds"
    }
    assert len(reading.frames["stripe_subscriptions"]) == 59
    assert len(reading.frames["stripe_charges"]) > 0


def test_charges_that_would_overrun_the_budget_are_left_out() -> None:
    charges = [charge(f"ch_{number}", created=AS_OF_SECONDS - number) for number in range(1_500)]
    with serve({"charges": charges}) as local:
        reading = read(local, clock=FakeClock(), settings=settings_for(local, stripe_budget_seconds=0.1))
    assert "while reading charges" in reading.absent["stripe_charges"]
    assert "stripe_refunds" in reading.frames
    assert "stripe_subscription_events" in reading.frames


def test_the_samples_packs_and_refunds_are_read() -> None:
    with serve(load(SAMPLE / "stripe.json.gz")) as local:
        frames = read(local).frames
    assert frames["stripe_charges"]["pack_id"].notna().all()
    assert frames["stripe_refunds"]["status"].tolist() == ["succeeded"] * 3
