"""The local Stripe answers as Stripe does."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from billing_dq_simulation.faults.stripe import Faults
from billing_dq_simulation.local_stripe import LocalStripe, load, serve

OBJECTS = Path(__file__).parents[1] / "data" / "sample" / "stripe.json.gz"
OPEN_DISPUTE = "du_1TQkjoe1621yWfMvmgTSZUiH"
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def ask(local: LocalStripe, path: str, key: str = "rk_live_a") -> tuple[int, dict[str, Any], Any]:
    """Status, body and headers of a GET."""
    request = urllib.request.Request(local.url + path, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


def ids(local: LocalStripe, path: str) -> list[str]:
    return [entry["id"] for entry in ask(local, path)[1]["data"]]


def test_lists_are_newest_first_and_ten_long_by_default() -> None:
    with serve(load(OBJECTS)) as local:
        _, page, headers = ask(local, "/v1/invoices")
    created = [entry["created"] for entry in page["data"]]
    assert len(created) == 10
    assert created == sorted(created, reverse=True)
    assert (page["object"], page["url"], page["has_more"]) == ("list", "/v1/invoices", True)
    assert headers["Stripe-Version"] == "2026-10-28.endive"
    assert headers["Request-Id"].startswith("req_")


def test_cursors_lead_forth_and_back() -> None:
    with serve(load(OBJECTS)) as local:
        everything = ids(local, "/v1/invoices?limit=100")
        second = ids(local, f"/v1/invoices?limit=40&starting_after={everything[39]}")
        last = ask(local, f"/v1/invoices?limit=40&starting_after={everything[79]}")[1]
        back = ask(local, f"/v1/invoices?limit=5&ending_before={everything[40]}")[1]
        front = ask(local, f"/v1/invoices?limit=5&ending_before={everything[3]}")[1]
    assert second == everything[40:80]
    assert ([entry["id"] for entry in last["data"]], last["has_more"]) == (everything[80:], False)
    assert ([entry["id"] for entry in back["data"]], back["has_more"]) == (everything[35:40], True)
    assert ([entry["id"] for entry in front["data"]], front["has_more"]) == (everything[:3], False)


def test_the_default_of_subscriptions_leaves_out_canceled_ones() -> None:
    with serve(load(OBJECTS)) as local:
        assert len(ids(local, "/v1/subscriptions?limit=100")) == 58
        assert len(ids(local, "/v1/subscriptions?limit=100&status=all")) == 59
        assert len(ids(local, "/v1/subscriptions?limit=100&status=ended")) == 1
        assert len(ids(local, "/v1/subscriptions?limit=100&status=unpaid")) == 1


def test_events_are_listed_by_type_by_several_types_and_by_time() -> None:
    kinds = ("invoice.paid", "customer.subscription.updated", "customer.subscription.deleted")
    events = [{"id": f"evt_{n}", "object": "event", "type": kind, "created": n} for n, kind in enumerate(kinds)]
    with serve({"events": events}) as local:
        assert ids(local, "/v1/events?type=invoice.paid") == ["evt_0"]
        assert ids(local, f"/v1/events?types[]={kinds[1]}&types[]={kinds[2]}") == ["evt_2", "evt_1"]
        assert ids(local, f"/v1/events?types[0]={kinds[0]}&created[gte]=1") == []
        assert ask(local, f"/v1/charges?types[]={kinds[0]}")[0] == 400


@pytest.mark.parametrize("resource", ["events", "refunds", "charges"])
def test_a_resource_without_objects_is_an_empty_list(resource: str) -> None:
    with serve({}) as local:
        assert ids(local, f"/v1/{resource}") == []


def test_subscriptions_on_a_test_clock_are_not_listed() -> None:
    objects = load(OBJECTS)
    objects["subscriptions"][0]["test_clock"] = "clock_1"
    with serve(objects) as local:
        assert len(ids(local, "/v1/subscriptions?limit=100&status=all")) == 58


def test_lists_are_filtered() -> None:
    objects = load(OBJECTS)
    invoice = objects["invoices"][0]
    of = invoice["parent"]["subscription_details"]["subscription"]  # pyright: ignore[reportIndexIssue]
    dispute = objects["disputes"][0]
    with serve(objects) as local:
        assert invoice["id"] in ids(local, f"/v1/invoices?subscription={of}&status=paid")
        assert invoice["id"] in ids(local, f"/v1/invoices?customer={invoice['customer']}")
        assert ids(local, f"/v1/invoices?subscription={of}&status=open") == []
        assert ids(local, f"/v1/disputes?charge={dispute['charge']}") == [dispute["id"]]
        assert ids(local, f"/v1/charges?payment_intent={dispute['payment_intent']}") == [dispute["charge"]]
        assert len(ids(local, f"/v1/balance_transactions?source={dispute['id']}")) == 2
        after = ids(local, f"/v1/disputes?limit=100&created[gt]={dispute['created']}")
        until = ids(local, f"/v1/disputes?limit=100&created[lte]={dispute['created']}")
        assert (len(after) + len(until), dispute["id"] in until) == (7, True)
        assert ids(local, f"/v1/disputes?created={dispute['created']}") == [dispute["id"]]


def test_fields_are_expanded_in_lists_and_in_objects() -> None:
    with serve(load(OBJECTS)) as local:
        page = ask(local, "/v1/disputes?expand[]=data.charge&expand[]=data.charge.balance_transaction")[1]
        single = ask(local, f"/v1/disputes/{OPEN_DISPUTE}?expand[0]=payment_intent")[1]
    assert all(entry["charge"]["balance_transaction"]["object"] == "balance_transaction" for entry in page["data"])
    assert single["payment_intent"]["metadata"]["packId"] == "pack_s"
    assert isinstance(single["charge"], str)


@pytest.mark.parametrize(
    ("path", "status", "code", "param"),
    [
        ("/v1/disputes/du_x", 404, "resource_missing", "id"),
        ("/v1/disputes?starting_after=du_x", 400, "resource_missing", "starting_after"),
        ("/v1/disputes?limit=101", 400, "parameter_invalid_integer", "limit"),
        ("/v1/disputes?status=won", 400, "parameter_unknown", "status"),
        ("/v1/disputes?colour=red", 400, "parameter_unknown", "colour"),
        ("/v1/disputes?created[gte]=today", 400, "parameter_invalid_integer", "created[gte]"),
        ("/v1/disputes?created[near]=1", 400, "parameter_unknown", "created[near]"),
        ("/v1/disputes?expand[]=charge", 400, None, "expand"),
        ("/v1/disputes?expand[]=data.colour", 400, None, "expand"),
        ("/v1/payouts", 404, None, None),
        ("/", 404, None, None),
    ],
)
def test_what_stripe_refuses_is_refused_in_its_words(
    path: str, status: int, code: str | None, param: str | None
) -> None:
    with serve(load(OBJECTS)) as local:
        found, body, _ = ask(local, path)
    assert found == status
    assert body["error"]["type"] == "invalid_request_error"
    assert (body["error"].get("code"), body["error"].get("param")) == (code, param)


def test_a_wrong_key_and_none_are_refused() -> None:
    with serve({}, key="rk_live_right") as local:
        assert ask(local, "/v1/disputes", "rk_live_right")[0] == 200
        assert ask(local, "/v1/disputes", "rk_live_wrong")[0] == 401
        assert ask(local, "/v1/disputes", "")[0] == 401


def test_it_listens_on_the_loopback_only_and_is_only_read_from() -> None:
    with serve({}) as local:
        assert local.url.startswith("http://127.0.0.1:")
        request = urllib.request.Request(local.url + "/v1/refunds", method="POST", data=b"charge=ch_1")
        with pytest.raises(urllib.error.HTTPError) as raised, urllib.request.urlopen(request):
            pass
        with raised.value as error:
            assert error.code == 405


def test_requests_are_counted_by_resource() -> None:
    with serve(load(OBJECTS)) as local:
        ask(local, "/v1/disputes")
        ask(local, f"/v1/disputes/{OPEN_DISPUTE}")
        ask(local, "/v1/prices")
    assert dict(local.requests) == {"disputes": 2, "prices": 1}


def test_a_server_started_again_on_the_same_objects_answers_the_same() -> None:
    objects = load(OBJECTS)
    with serve(objects) as first:
        before = ask(first, "/v1/disputes?limit=100")[1]
        first.reinstate(OPEN_DISPUTE, AT)
    with serve(objects, port=int(first.url.rpartition(":")[2])) as second:
        assert second.url == first.url
        assert ask(second, "/v1/disputes?limit=100")[1] == before


def test_a_reinstated_dispute_is_won_once_and_its_events_are_told() -> None:
    with serve(load(OBJECTS)) as local:
        for _ in range(2):
            local.reinstate(OPEN_DISPUTE, AT)
        dispute = ask(local, f"/v1/disputes/{OPEN_DISPUTE}")[1]
        events = ask(local, "/v1/events?type=charge.dispute.funds_reinstated")[1]["data"]
        transactions = ask(local, f"/v1/balance_transactions?source={OPEN_DISPUTE}")[1]["data"]
        with pytest.raises(KeyError):
            local.reinstate("du_x", AT)
    assert dispute["status"] == "won"
    assert [(m["amount"], m["reporting_category"]) for m in dispute["balance_transactions"]] == [
        (-200, "dispute"),
        (200, "dispute_reversal"),
    ]
    assert [event["data"]["object"]["id"] for event in events] == [OPEN_DISPUTE]
    assert transactions[0] == dispute["balance_transactions"][1]
    assert transactions[0]["created"] == int(AT.timestamp())


def test_state_may_be_changed_while_it_runs() -> None:
    with serve(load(OBJECTS)) as local:
        local.objects["subscriptions"][0]["status"] = "paused"
        changed = local.objects["subscriptions"][0]["id"]
        assert ids(local, "/v1/subscriptions?status=paused") == [changed]


def test_more_than_ten_items_are_a_list_of_their_own() -> None:
    objects = load(OBJECTS)
    items: Any = objects["subscriptions"][0]["items"]
    items["data"] = [{**items["data"][0], "id": f"si_{number}"} for number in range(12)]
    of = objects["subscriptions"][0]["id"]
    with serve(objects) as local:
        shown = ask(local, f"/v1/subscriptions/{of}")[1]["items"]
        assert (len(shown["data"]), shown["has_more"]) == (10, True)
        assert len(ids(local, f"/v1/subscription_items?subscription={of}&limit=100")) == 12


def test_unknown_resources_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="no resources of Stripe: payouts"), serve({"payouts": []}):
        pass


def test_the_older_shape_has_periods_on_the_subscription_and_the_subscription_on_the_invoice() -> None:
    with serve(load(OBJECTS), faults=Faults(older_shape=True)) as local:
        subscription = ask(local, "/v1/subscriptions?expand[]=data.latest_invoice")[1]["data"][0]
        dispute = ask(local, "/v1/disputes?expand[]=data.charge")[1]["data"][0]
    assert subscription["current_period_start"] > 0
    assert "current_period_start" not in subscription["items"]["data"][0]
    assert subscription["latest_invoice"]["subscription"] == subscription["id"]
    assert "parent" not in subscription["latest_invoice"]
    assert "invoice" in dispute["charge"]
    assert "reporting_category" not in dispute["balance_transactions"][0]


def test_it_runs_as_a_process_that_prints_its_address() -> None:
    command = [sys.executable, "-m", "billing_dq_simulation.local_stripe", "--objects", str(OBJECTS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            path = f"/local/reinstate?dispute={OPEN_DISPUTE}&at={int(AT.timestamp())}"
            for wanted, asked in ((200, path), (400, "/local/reinstate?dispute=du_x&at=1")):
                request = urllib.request.Request(url + asked, method="POST", data=b"")
                try:
                    with urllib.request.urlopen(request) as answer:
                        status = answer.status
                except urllib.error.HTTPError as error:
                    with error:
                        status = error.code
                assert status == wanted
            request = urllib.request.Request(f"{url}/v1/disputes/{OPEN_DISPUTE}", headers={"Authorization": "Bearer a"})
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer)["status"] == "won"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait() == 0
