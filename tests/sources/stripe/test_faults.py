"""Whatever Stripe does ends in a complete reading or in one clear line without the key."""

import re
import threading
from typing import Any

import pytest
import requests

from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.stripe.api import StripeReading
from billing_dq_simulation.faults.stripe import Faults
from billing_dq_simulation.local_stripe import LocalStripe, load, serve
from tests.support.stripe_company import subscription
from tests.support.stripe_night import KEY, SAMPLE, FakeClock, no_waits_of_the_sdk, read, settings_for


def sizes(reading: StripeReading) -> tuple[int, ...]:
    names = ("stripe_subscriptions", "stripe_invoices", "stripe_disputes", "quarantined_stripe_objects")
    return tuple(len(reading.frames[name]) for name in names)


WHOLE = (59, 59, 7, 0)


def failure(local: LocalStripe, **changes: object) -> SourceError:
    """The one clear line that reading ends in: one line, without the key, and without a chain that may hold it."""
    with pytest.raises(SourceError) as raised:
        read(local, settings=settings_for(local, **changes))
    told = str(raised.value)
    assert "\n" not in told
    assert KEY not in told
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return raised.value


def test_refusals_are_waited_out_as_long_as_stripe_asks() -> None:
    clock = FakeClock()
    with serve(load(SAMPLE / "stripe.json.gz"), faults=Faults(too_many=2, retry_after="7")) as local:
        reading = read(local, clock=clock)
    assert sizes(reading) == WHOLE
    assert clock.now == 14
    assert reading.requests["subscriptions"] == 3


def test_refusals_without_a_hint_are_waited_out_with_growing_waits() -> None:
    clock = FakeClock()
    with serve(load(SAMPLE / "stripe.json.gz"), faults=Faults(too_many=4)) as local:
        assert sizes(read(local, clock=clock)) == WHOLE
    assert 0.75 * 7.5 <= clock.now <= 7.5


def test_endless_refusals_end_with_the_budget() -> None:
    clock = FakeClock()
    with serve({}, faults=Faults(too_many=10_000)) as local:
        settings = settings_for(local, stripe_budget_seconds=120.0)
        with pytest.raises(TransientSourceError, match=r"stripe_budget_seconds = 120 while reading subscriptions"):
            read(local, clock=clock, settings=settings)
    assert clock.now <= 120


def test_server_errors_are_tried_again_by_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    no_waits_of_the_sdk(monkeypatch)
    with serve(load(SAMPLE / "stripe.json.gz"), faults=Faults(failing=2)) as local:
        assert sizes(read(local)) == WHOLE


def test_lasting_server_errors_are_one_transient_line(monkeypatch: pytest.MonkeyPatch) -> None:
    no_waits_of_the_sdk(monkeypatch)
    with serve({}, faults=Faults(failing=100)) as local:
        error = failure(local)
    assert isinstance(error, TransientSourceError)
    assert str(error) == "Stripe fails on its side (500) while reading subscriptions"


def test_an_answer_that_never_comes_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    no_waits_of_the_sdk(monkeypatch)
    ask, asked = requests.Session.request, 0

    def first_in_vain(session: requests.Session, *arguments: Any, **options: Any) -> requests.Response:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise requests.exceptions.ReadTimeout
        return ask(session, *arguments, **options)

    monkeypatch.setattr(requests.Session, "request", first_in_vain)
    with serve(load(SAMPLE / "stripe.json.gz")) as local:
        assert sizes(read(local)) == WHOLE


def test_answers_that_never_come_end_in_the_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    no_waits_of_the_sdk(monkeypatch)
    with serve({}, faults=Faults(hanging=100)) as local:
        error = failure(local, stripe_timeout_seconds=0.1)
    assert isinstance(error, TransientSourceError)
    assert "does not answer within 0.1 s" in str(error)


def test_a_stripe_that_is_not_there_is_one_transient_line(monkeypatch: pytest.MonkeyPatch) -> None:
    no_waits_of_the_sdk(monkeypatch)
    with serve({}) as local:
        pass
    error = failure(local)
    assert isinstance(error, TransientSourceError)
    assert local.url.removeprefix("http://") in str(error)


@pytest.mark.parametrize("faults", [Faults(cut_off=2), Faults(garbled=2)])
def test_an_answer_cut_off_in_the_middle_is_asked_for_again(faults: Faults) -> None:
    with serve(load(SAMPLE / "stripe.json.gz"), faults=faults) as local:
        assert sizes(read(local)) == WHOLE


@pytest.mark.parametrize("faults", [Faults(cut_off=100), Faults(garbled=100)])
def test_answers_that_are_always_cut_off_are_one_transient_line(faults: Faults) -> None:
    with serve(load(SAMPLE / "stripe.json.gz"), faults=faults) as local:
        error = failure(local)
    assert isinstance(error, TransientSourceError)
    assert "cut off" in str(error)


def test_half_pages_are_read_to_the_end() -> None:
    with serve(load(SAMPLE / "stripe.json.gz"), faults=Faults(half_pages=True)) as local:
        reading = read(local)
    assert sizes(reading) == WHOLE
    assert reading.requests["subscriptions"] == 2


def test_the_same_page_for_ever_is_an_error_that_names_the_resource() -> None:
    company = {"subscriptions": [subscription(f"sub_{number}") for number in range(250)]}
    with serve(company, faults=Faults(same_page=True)) as local:
        error = failure(local)
        assert local.requests["subscriptions"] == 2
    assert "list of subscriptions does not move on" in str(error)


def test_a_subscription_made_while_pages_are_read_breaks_nothing() -> None:
    company = {"subscriptions": [subscription(f"sub_{number}") for number in range(250)]}
    with serve(company, faults=Faults(insert_while_paging=True)) as local:
        found = read(local).frames["stripe_subscriptions"]["stripe_subscription_id"]
        assert len(local.objects["subscriptions"]) == 251
    assert sorted(found) == sorted(f"sub_{number}" for number in range(250))


def test_an_unknown_status_is_passed_on_as_it_is() -> None:
    faults = Faults(status_of={"du_1TQkjoe1621yWfMvmgTSZUiH": "arbitrated", "sub_1TDbkTbNlxAVdhvVjjbCtmmE": "resting"})
    with serve(load(SAMPLE / "stripe.json.gz"), faults=faults) as local:
        frames = read(local).frames
    assert "arbitrated" in frames["stripe_disputes"]["status"].tolist()
    assert "resting" in frames["stripe_subscriptions"]["status"].tolist()
    assert frames["quarantined_stripe_objects"].empty


def test_objects_of_an_older_shape_are_read_the_same() -> None:
    with serve(load(SAMPLE / "stripe.json.gz")) as local:
        today = read(local).frames
        local.faults.older_shape = True
        older = read(local).frames
    for name in ("stripe_subscriptions", "stripe_invoices"):
        assert older[name].equals(today[name])
    amounts = [[m["amount_minor"] for m in movements] for movements in older["stripe_disputes"]["movements"]]
    assert amounts == [[m["amount_minor"] for m in movements] for movements in today["stripe_disputes"]["movements"]]


def test_a_wrong_key_is_one_line_that_names_the_variable() -> None:
    with serve({}, key="rk_live_another") as local:
        error = failure(local)
    assert not isinstance(error, TransientSourceError)
    assert str(error) == f"Stripe at {local.url[7:]} does not accept the key in BILLING_DQ_STRIPE_API_KEY (401)"


@pytest.mark.parametrize(
    ("resource", "permission"),
    [
        ("subscriptions", "Subscriptions"),
        ("disputes", "Disputes"),
        ("invoices", "Invoices"),
        ("charges", "Charges and Refunds"),
    ],
)
def test_a_missing_permission_is_named_as_the_dashboard_names_it(resource: str, permission: str) -> None:
    with serve(load(SAMPLE / "stripe.json.gz"), faults=Faults(forbidden=frozenset({resource}))) as local:
        error = failure(local)
    assert re.fullmatch(rf"the Stripe key may not read \w+: grant it permission to read {permission}", str(error))


def test_another_api_version_is_an_error_that_names_both() -> None:
    with serve({}, faults=Faults(version="2020-08-27")) as local:
        error = failure(local)
    assert "version 2020-08-27, asked was 2026-10-28.endive" in str(error)


def test_a_missing_key_and_one_that_cannot_be_one_are_told_before_anything_is_sent() -> None:
    with serve({}) as local:
        with pytest.raises(SourceError, match="no Stripe key: set BILLING_DQ_STRIPE_API_KEY"):
            read(local, settings=Settings(stripe_base_url=local.url))
        with pytest.raises(SourceError, match="BILLING_DQ_STRIPE_API_KEY holds characters"):
            read(local, settings=settings_for(local, "rk_live_ä\nb"))
        assert local.requests.total() == 0


def test_nothing_of_the_key_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with serve({}, key="rk_live_another") as local:
        failure(local)
    assert KEY not in caplog.text


def test_closing_the_server_frees_a_client_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    no_waits_of_the_sdk(monkeypatch)
    raised: list[BaseException] = []

    def ask(local: LocalStripe) -> None:
        try:
            read(local)
        except SourceError as error:
            raised.append(error)

    with serve({}, faults=Faults(hanging=100)) as local:
        waiting = threading.Thread(target=ask, args=(local,))
        waiting.start()
        while not local.requests:
            threading.Event().wait(0.005)
    waiting.join()
    assert isinstance(raised[0], TransientSourceError)
