"""Reading the sample's Stripe, and made-up companies, over HTTP."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from billing_dq.errors import SourceError
from billing_dq.settings import Plan
from billing_dq.sources.progress import LineProgress
from billing_dq.sources.stripe.api import probe, read_dispute, read_stripe
from billing_dq.sources.stripe.client import StripeConnection
from billing_dq.storage.arrow import to_arrow
from billing_dq.tables import (
    QUARANTINED_STRIPE_OBJECTS,
    STRIPE_CHARGES,
    STRIPE_DISPUTES,
    STRIPE_INVOICES,
    STRIPE_REFUNDS,
    STRIPE_SUBSCRIPTION_EVENTS,
    STRIPE_SUBSCRIPTIONS,
    TABLES,
)
from billing_dq_simulation.faults.stripe import Faults
from billing_dq_simulation.local_stripe import load, serve
from tests.support.stripe_company import (
    AS_OF_SECONDS,
    DAY,
    Object,
    dispute,
    event,
    invoice,
    item,
    movement,
    purchase,
    subscription,
)
from tests.support.stripe_night import AS_OF, SAMPLE, FakeClock, read, settings_for

LISTS = ("subscriptions", "disputes", "invoices", "refunds", "events", "charges")
ORGANIZATION = "6abf06a654e1f13e6f8bb05d"


def test_the_sample_is_read_whole_in_one_request_for_each_list() -> None:
    with serve(load(SAMPLE / "stripe.json.gz")) as local:
        reading = read(local)
        assert dict(local.requests) == reading.requests
        assert reading.requests == dict.fromkeys(LISTS, 1)
    frames = reading.frames
    assert {name: len(frame) for name, frame in frames.items()} == {
        "stripe_subscriptions": 59,
        "stripe_invoices": 59,
        "stripe_disputes": 7,
        "stripe_subscription_events": 0,
        "stripe_charges": 37,
        "stripe_refunds": 3,
        "quarantined_stripe_objects": 0,
    }
    assert frames["stripe_subscriptions"]["plan"].value_counts().to_dict() == {
        "starter": 32,
        "pro": 18,
        "enterprise": 9,
    }
    assert reading.livemode is True
    assert reading.invoices_not_read == ()


def test_every_frame_keeps_its_contract_down_to_parquet() -> None:
    with serve(load(SAMPLE / "stripe.json.gz")) as local:
        frames = read(local).frames
    for name, frame in frames.items():
        assert to_arrow(TABLES[name], TABLES[name].conform(frame)).num_rows == len(frame)


def test_the_newest_paid_invoice_of_the_sample_is_the_one_with_the_latest_payment() -> None:
    objects = load(SAMPLE / "stripe.json.gz")
    newest: dict[str, int] = {}
    for entry in objects["invoices"]:
        of = entry["parent"]["subscription_details"]["subscription"]  # pyright: ignore[reportIndexIssue]
        paid_at = entry["status_transitions"]["paid_at"]  # pyright: ignore[reportIndexIssue]
        newest[of] = max(newest.get(of, 0), paid_at)
    with serve(objects) as local:
        rows = read(local).frames["stripe_invoices"]
    read_at = {row.stripe_subscription_id: int(row.paid_at.timestamp()) for row in rows.itertuples()}
    assert read_at == newest


def test_the_organization_of_a_dispute_comes_from_its_payment_intent_where_the_charge_says_nothing() -> None:
    with serve(load(SAMPLE / "stripe.json.gz")) as local:
        disputes = read(local).frames["stripe_disputes"].set_index("dispute_id")
    inquiry = disputes.loc["du_1TKhfOUWytSOM4a79wW1BhLR"]
    assert (inquiry["organization_id"], inquiry["pack_id"]) == (ORGANIZATION, "pack_m")
    of_a_subscription = disputes.loc["du_1TW4JJKqSG7Ye5BFvAqykoyp"]
    assert of_a_subscription[["organization_id", "stripe_session_id", "pack_id"]].isna().all()


def test_a_pending_session_on_the_charge_gives_way_to_the_payment_intents() -> None:
    with serve(load(SAMPLE / "stripe.json.gz")) as local:
        disputes = read(local).frames["stripe_disputes"].set_index("dispute_id")
    assert not disputes["stripe_session_id"].str.contains("pending", na=False).any()
    session = disputes.loc["du_1TILWEKGU1Y4hKjv9j5G2C5M", "stripe_session_id"]
    assert session == "cs_live_kqRC474ijhXwVETqZF2wJYrAHw3aeKHCcqxbJqMRSn7xMRkBGD8403Cvhv"


@pytest.mark.parametrize(
    ("of_charge", "of_intent", "expected"),
    [
        ({"packId": "a"}, {"organizationId": ORGANIZATION, "packId": "b"}, (ORGANIZATION, None, "a")),
        ({"stripeSessionId": "__pending__"}, {"stripeSessionId": "__pending__"}, (None, None, None)),
        ({"stripeSessionId": " "}, {"stripeSessionId": "cs_1"}, (None, "cs_1", None)),
        ({"organizationId": "nobody"}, {"organizationId": ORGANIZATION.upper()}, (ORGANIZATION, None, None)),
        (None, {"packId": 7, "stripeSessionId": "cs_2"}, (None, "cs_2", None)),
    ],
)
def test_the_purchase_of_a_dispute_is_put_together_field_by_field(
    of_charge: object, of_intent: object, expected: tuple[str | None, ...]
) -> None:
    with serve(purchase("du_1", of_charge, of_intent)) as local:
        row = read(local).frames["stripe_disputes"].iloc[0]
    found = row[["organization_id", "stripe_session_id", "pack_id"]]
    assert tuple(None if missing else value for value, missing in zip(found, found.isna(), strict=True)) == expected


@pytest.mark.parametrize(("paid", "expected"), [({"amount": 2000}, 2000), ({}, None), ({"amount": 0}, None)])
def test_the_amount_of_the_disputed_charge_is_kept_where_it_is_told(
    paid: dict[str, object], expected: int | None
) -> None:
    objects = purchase("du_1", {"packId": "a"}, {})
    objects["charges"][0].update(paid)
    with serve(objects) as local:
        row = read(local).frames["stripe_disputes"].iloc[0]
    found = row["charge_amount_minor"]
    assert (None if found is pd.NA else found) == expected


def test_a_charge_that_stripe_no_longer_knows_leaves_the_dispute_without_organization() -> None:
    with serve({"disputes": [dispute("du_1", movement(-500))]}) as local:
        frames = read(local).frames
    assert frames["stripe_disputes"]["organization_id"].isna().all()
    assert frames["quarantined_stripe_objects"].empty


def test_movements_keep_sign_currency_and_rate_and_leave_fees_and_other_categories_out() -> None:
    movements = (
        movement(-450, currency="eur", exchange_rate=0.9),
        movement(455, currency="eur", exchange_rate=0.91),
        movement(-1500, reporting_category="fee", type="stripe_fee"),
    )
    with serve({"disputes": [dispute("du_1", *movements)]}) as local:
        found = read(local).frames["stripe_disputes"].iloc[0]["movements"]
    assert [(m["amount_minor"], m["currency"], m["exchange_rate"], m["reporting_category"]) for m in found] == [
        (-450, "eur", 0.9, "dispute"),
        (455, "eur", 0.91, "dispute_reversal"),
    ]


def test_disputes_older_than_the_window_are_read_only_where_they_were_open_last_night() -> None:
    old = AS_OF_SECONDS - 181 * DAY
    disputes = [dispute("du_new"), dispute("du_old", created=old), dispute("du_older", created=old - 1)]
    with serve({"disputes": disputes}) as local:
        assert set(read(local).frames["stripe_disputes"]["dispute_id"]) == {"du_new"}
        reading = read(local, open_last_night=["du_older", "du_new"])
    assert set(reading.frames["stripe_disputes"]["dispute_id"]) == {"du_new", "du_older"}
    assert reading.requests["disputes"] == 2


def test_a_dispute_that_was_open_last_night_and_is_gone_is_quarantined() -> None:
    with serve({}) as local:
        frames = read(local, open_last_night=["du_gone"]).frames
    row = frames["quarantined_stripe_objects"].iloc[0]
    assert (row["collection"], row["document_id"], row["field"]) == ("stripe.disputes", "du_gone", "id")
    assert "resource_missing" in row["reason"]


def test_the_plan_comes_from_the_price_map_then_the_prices_metadata_then_the_plans() -> None:
    subscriptions = [
        subscription("sub_map", item("price_pro_monthly_v2", planId="starter")),
        subscription("sub_price", item("price_x", planId="enterprise", plan_metadata={"planId": "pro"})),
        subscription("sub_plan", item("price_x", plan_metadata={"planId": "starter"})),
        subscription("sub_blank", item("price_x", planId="", plan_metadata={"planId": "starter"})),
        subscription("sub_gold", item("price_x", planId="gold", plan_metadata={"planId": "pro"})),
        subscription("sub_none", item("price_x")),
        subscription("sub_empty", items={"object": "list", "data": [], "has_more": False}),
        subscription("sub_addon", item("price_addon", planId="gold"), item("price_starter_annual_v1")),
        subscription("sub_same", item("price_starter_annual_v1"), item("price_starter_monthly_v1")),
        subscription("sub_two", item("price_starter_annual_v1"), item("price_pro_monthly_v2")),
    ]
    with serve({"subscriptions": subscriptions}) as local:
        rows = read(local).frames["stripe_subscriptions"]
    assert dict(zip(rows["stripe_subscription_id"], rows["plan"], strict=True)) == {
        "sub_map": "pro",
        "sub_price": "enterprise",
        "sub_plan": "starter",
        "sub_blank": "starter",
        "sub_gold": "unresolved",
        "sub_none": "unresolved",
        "sub_empty": "unresolved",
        "sub_addon": "starter",
        "sub_same": "starter",
        "sub_two": "ambiguous",
    }


def test_a_plan_that_only_the_settings_know_is_a_known_plan() -> None:
    with serve({"subscriptions": [subscription("sub_1", item("price_x", planId="team"))]}) as local:
        settings = settings_for(local, plans={"team": Plan(meter_quota=10)})
        assert read(local, settings=settings).frames["stripe_subscriptions"]["plan"].tolist() == ["team"]


def test_a_subscription_with_more_than_ten_items_is_read_with_all_of_them() -> None:
    addons = [item(f"price_addon_{number}") for number in range(12)]
    oldest_is_the_plan = {**item("price_pro_annual_v2"), "created": 1}
    with serve({"subscriptions": [subscription("sub_1", oldest_is_the_plan, *addons)]}) as local:
        reading = read(local)
    row = reading.frames["stripe_subscriptions"].iloc[0]
    assert (row["plan"], len(row["price_ids"])) == ("pro", 13)
    assert reading.requests["subscription_items"] == 1


def test_a_bad_item_beyond_the_tenth_quarantines_its_subscription_alone() -> None:
    bad = {**item(), "price": {"id": None}, "created": 1}
    crowded = subscription("sub_1", bad, *[item() for _ in range(11)])
    with serve({"subscriptions": [crowded, subscription("sub_2")]}) as local:
        frames = read(local).frames
    assert frames["stripe_subscriptions"]["stripe_subscription_id"].tolist() == ["sub_2"]
    assert frames["quarantined_stripe_objects"]["document_id"].tolist() == ["sub_1"]


def test_canceled_subscriptions_are_read_too() -> None:
    with serve({"subscriptions": [subscription("sub_1", status="canceled")]}) as local:
        assert read(local).frames["stripe_subscriptions"]["status"].tolist() == ["canceled"]


def test_one_bad_object_is_quarantined_field_by_field_and_the_others_are_read() -> None:
    objects = {
        "subscriptions": [
            subscription("sub_good"),
            subscription("sub_bad", created="yesterday", livemode="yes"),
            subscription("sub_nobodys", customer=None),
        ],
        "disputes": [
            dispute("du_good", movement(-500)),
            dispute("du_bad", {**movement(-500), "amount": 5.5}),
            dispute("du_rate", movement(-500, exchange_rate=0)),
        ],
    }
    with serve(objects) as local:
        frames = read(local).frames
    assert frames["stripe_subscriptions"]["stripe_subscription_id"].tolist() == ["sub_good"]
    assert frames["stripe_disputes"]["dispute_id"].tolist() == ["du_good"]
    bad = frames["quarantined_stripe_objects"]
    assert set(zip(bad["collection"], bad["document_id"], bad["field"], strict=True)) == {
        ("stripe.subscriptions", "sub_bad", "created"),
        ("stripe.subscriptions", "sub_bad", "livemode"),
        ("stripe.subscriptions", "sub_nobodys", "object"),
        ("stripe.disputes", "du_bad", "balance_transactions.0.amount"),
        ("stripe.disputes", "du_rate", "balance_transactions.0.exchange_rate"),
    }


def test_an_object_without_an_id_is_quarantined() -> None:
    nameless = subscription("sub_x")
    del nameless["id"]
    with serve({"subscriptions": [nameless, subscription("sub_1")]}) as local:
        frames = read(local).frames
    assert frames["stripe_subscriptions"]["stripe_subscription_id"].tolist() == ["sub_1"]
    assert frames["quarantined_stripe_objects"]["document_id"].tolist() == ["(no id) 1"]


def test_text_that_cannot_be_stored_costs_its_object_and_no_more() -> None:
    half = "\ud800"
    objects = {
        "subscriptions": [
            subscription(f"sub_{half}", customer="cus_1"),
            subscription("sub_status", status=half),
            subscription("sub_1"),
        ],
        **purchase("du_1", {"packId": half, "organizationId": ORGANIZATION}, {}),
    }
    with serve(objects) as local:
        frames = read(local).frames
    assert frames["stripe_subscriptions"]["stripe_subscription_id"].tolist() == ["sub_1"]
    assert frames["stripe_disputes"]["organization_id"].tolist() == [ORGANIZATION]
    bad = frames["quarantined_stripe_objects"]
    assert set(zip(bad["document_id"], bad["field"], strict=True)) == {("sub_?", "id"), ("sub_status", "status")}


def test_an_account_takes_the_place_of_a_missing_customer() -> None:
    with serve({"subscriptions": [subscription("sub_1", customer=None, customer_account="acct_1")]}) as local:
        assert read(local).frames["stripe_subscriptions"]["customer_id"].tolist() == ["acct_1"]


@pytest.mark.parametrize(("key", "livemode"), [("sk_live_a", True), ("rk_test_a", False), ("local", True)])
def test_the_mode_is_the_keys_and_else_that_of_most_objects(key: str, livemode: bool) -> None:
    modes = [subscription("sub_1"), subscription("sub_2"), subscription("sub_3", livemode=False)]
    with serve({"subscriptions": modes}) as local:
        reading = read(local, settings=settings_for(local, key))
    assert reading.livemode is livemode
    assert reading.frames["stripe_subscriptions"]["livemode"].tolist().count(True) == 2


def test_a_company_without_anything_at_stripe_gives_empty_frames() -> None:
    with serve({}) as local:
        reading = read(local)
    assert {name: len(frame) for name, frame in reading.frames.items()} == {
        table.name: 0
        for table in (
            STRIPE_SUBSCRIPTIONS,
            STRIPE_SUBSCRIPTION_EVENTS,
            STRIPE_CHARGES,
            STRIPE_REFUNDS,
            STRIPE_INVOICES,
            STRIPE_DISPUTES,
            QUARANTINED_STRIPE_OBJECTS,
        )
    }
    assert reading.requests == dict.fromkeys(set(LISTS) - {"invoices"}, 1)


def test_each_resource_has_its_stage_of_progress() -> None:
    lines: list[str] = []
    with serve(load(SAMPLE / "stripe.json.gz")) as local:
        read_stripe(settings_for(local), AS_OF, [], LineProgress(lines.append), FakeClock())
    done = [line for line in lines if "done" in line]
    assert done == [
        "Stripe: subscriptions: 59 done",
        "Stripe: disputes: 7 done",
        "Stripe: invoices: 59 done",
        "Stripe: refunds: 3 done",
        "Stripe: events of subscriptions: 0 done",
        "Stripe: charges of packs: 37 done",
    ]


def test_a_dispute_is_read_again_as_it_stands_now() -> None:
    open_dispute = "du_1TQkjoe1621yWfMvmgTSZUiH"
    with serve(load(SAMPLE / "stripe.json.gz")) as local:
        before = read_dispute(settings_for(local), open_dispute).iloc[0]
        local.reinstate(open_dispute, datetime(2026, 11, 22, tzinfo=UTC))
        after = read_dispute(settings_for(local), open_dispute).iloc[0]
    assert (before["status"], [m["amount_minor"] for m in before["movements"]]) == ("under_review", [-200])
    assert (after["status"], [m["amount_minor"] for m in after["movements"]]) == ("won", [-200, 200])
    assert before["organization_id"] == after["organization_id"] == "6abacb0080716ff21f7995bc"


def test_reading_a_dispute_again_tells_what_is_wrong_with_it() -> None:
    with serve({"disputes": [dispute("du_bad", movement(-1, currency=None))]}) as local:
        with pytest.raises(SourceError, match=r"du_gone .*resource_missing"):
            read_dispute(settings_for(local), "du_gone")
        with pytest.raises(SourceError, match=r"du_bad cannot be read: balance_transactions\.0\.currency"):
            read_dispute(settings_for(local), "du_bad")


def test_another_dispute_than_was_asked_for_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve({"disputes": [dispute("du_1"), dispute("du_2")]}) as local:
        usual = StripeConnection.retrieve
        monkeypatch.setattr(
            StripeConnection, "retrieve", lambda self, resource, _, *more: usual(self, resource, "du_2", *more)
        )
        with pytest.raises(SourceError, match="asked for the dispute du_1 and answered with another one"):
            read_dispute(settings_for(local), "du_1")


@pytest.mark.parametrize("rate", [1e-320, 1e-7, 1e7])
def test_a_rate_that_no_two_currencies_have_is_one_line(rate: float) -> None:
    known, refused = (
        {"disputes": [dispute("du_1", movement(-500, exchange_rate=rate))]},
        "between a millionth and a million",
    )
    with serve(known) as local, pytest.raises(SourceError, match=refused):
        read_dispute(settings_for(local), "du_1")


def test_an_id_with_odd_characters_stays_one_part_of_the_address() -> None:
    with serve({"disputes": [dispute("du_1")]}) as local, pytest.raises(SourceError, match="resource_missing"):
        read_dispute(settings_for(local), "../disputes/du_1?x=1")


def test_the_probe_tries_every_permission_and_tells_mode_and_version() -> None:
    with serve({}) as local:
        told = probe(settings_for(local))
        assert local.requests.total() == 10
    assert "may not" not in told
    assert "live mode" in told
    assert "2026-10-28.endive" in told
    assert "balance_transactions" in told


def test_the_probe_tells_what_a_night_can_do_without() -> None:
    with serve({}, faults=Faults(forbidden=frozenset({"events"}))) as local:
        told = probe(settings_for(local))
    assert told.endswith("refunds, checkout/sessions; it may not read events, without which a night knows less")


def test_an_invoice_paid_after_the_snapshot_is_the_next_nights() -> None:
    invoices = [
        invoice("in_new", "sub_1", AS_OF_SECONDS, AS_OF_SECONDS + 1),
        invoice("in_old", "sub_1", AS_OF_SECONDS - 30 * DAY, AS_OF_SECONDS - 30 * DAY),
    ]
    with serve({"subscriptions": [subscription("sub_1", latest_invoice="in_new")], "invoices": invoices}) as local:
        assert read(local).frames["stripe_invoices"]["invoice_id"].tolist() == ["in_old"]


def changed_at(*events: Object, **fields: object) -> int:
    """Seconds before the snapshot."""
    with serve({"subscriptions": [subscription("sub_1", **fields)], "events": list(events)}) as local:
        changed = read(local).frames["stripe_subscriptions"]["changed_at"].iloc[0]
    return AS_OF_SECONDS - int(changed.timestamp())


@pytest.mark.parametrize("field", ["canceled_at", "ended_at", "trial_end", "current_period_start"])
def test_a_subscription_changed_when_stripe_says_that_it_was_canceled_ended_or_renewed(
    field: str,
) -> None:
    assert changed_at(**{field: AS_OF_SECONDS - 120}) == 120


def test_a_subscription_changed_when_one_of_its_items_came_or_renewed() -> None:
    late = {**item(), "created": AS_OF_SECONDS - 400, "current_period_start": AS_OF_SECONDS - 300}
    assert changed_at(items={"object": "list", "data": [item(), late], "has_more": False}) == 300


def test_the_end_of_a_trial_that_still_runs_is_no_change() -> None:
    assert changed_at(trial_end=AS_OF_SECONDS + DAY, created=AS_OF_SECONDS - 600, items=item_list()) == 600


def test_an_event_tells_of_a_change_that_the_object_does_not_date() -> None:
    after = subscription("sub_1", status="past_due")
    told = event("evt_1", after, {"status": "active"}, created=AS_OF_SECONDS - 90)
    card = event("evt_2", after, {"default_payment_method": "pm_1"}, created=AS_OF_SECONDS - 30)
    assert changed_at(told, card, status="past_due") == 90


def item_list() -> Object:
    return {"object": "list", "data": [{**item(), "created": AS_OF_SECONDS - 900}], "has_more": False}
