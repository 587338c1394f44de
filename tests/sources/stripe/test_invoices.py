"""The newest paid invoice of each subscription, in few requests."""

import pytest

from billing_dq.sources.stripe import pace
from billing_dq.sources.stripe.api import StripeReading
from billing_dq_simulation.local_stripe import LocalStripe, serve
from tests.support.stripe_company import AS_OF_SECONDS, DAY, Object, dispute, invoice, movement, subscription
from tests.support.stripe_night import FakeClock, read, settings_for


def company(*invoices: Object, latest: str = "in_new", **changes: object) -> dict[str, list[Object]]:
    return {"subscriptions": [subscription("sub_1", latest_invoice=latest, **changes)], "invoices": list(invoices)}


def newest(objects: dict[str, list[Object]]) -> list[str]:
    with serve(objects) as local:
        return read(local).frames["stripe_invoices"]["invoice_id"].tolist()


def days_ago(days: float) -> int:
    return int(AS_OF_SECONDS - days * DAY)


def test_an_unpaid_latest_invoice_gives_way_to_the_newest_paid_one() -> None:
    unpaid = invoice("in_new", "sub_1", days_ago(1), None)
    paid = [invoice(f"in_{age}", "sub_1", days_ago(age), days_ago(age)) for age in (31, 61)]
    assert newest(company(unpaid, *paid)) == ["in_31"]


def test_an_older_invoice_that_was_paid_later_is_the_newest_paid_one() -> None:
    paid = invoice("in_new", "sub_1", days_ago(5), days_ago(5))
    late = invoice("in_late", "sub_1", days_ago(35), days_ago(1))
    assert newest(company(paid, late)) == ["in_late"]


def test_a_paid_invoice_from_before_the_window_is_found_for_a_subscription_in_arrears() -> None:
    unpaid = invoice("in_new", "sub_1", days_ago(1), None)
    paid = invoice("in_old", "sub_1", days_ago(500), days_ago(500))
    assert newest(company(unpaid, paid, status="past_due")) == ["in_old"]


def test_a_subscription_that_never_paid_has_no_row() -> None:
    assert newest(company(invoice("in_new", "sub_1", days_ago(1), None))) == []


def test_an_invoice_of_something_else_is_nobodys() -> None:
    single = {**invoice("in_single", "sub_1", days_ago(1), days_ago(1)), "parent": None}
    paid = invoice("in_new", "sub_1", days_ago(5), days_ago(5))
    assert newest(company(paid, single)) == ["in_new"]


def test_a_subscription_whose_latest_invoice_cannot_be_read_has_no_row_and_is_named() -> None:
    bad = invoice("in_new", "sub_1", days_ago(1), days_ago(1), status_transitions=None)
    good = invoice("in_old", "sub_1", days_ago(31), days_ago(31))
    with serve(company(bad, good)) as local:
        reading = read(local)
    assert reading.frames["stripe_invoices"].empty
    assert reading.invoices_not_read == ("sub_1",)
    assert reading.frames["quarantined_stripe_objects"]["document_id"].tolist() == ["in_new"]


def short_of_time(local: LocalStripe, seconds: float) -> StripeReading:
    """A reading in which every request after the first twelve costs a twelfth of a second; half is for invoices."""
    return read(local, settings=settings_for(local, stripe_budget_seconds=seconds))


def test_beyond_the_seconds_the_live_and_young_are_read_first_and_the_rest_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "BURST", 1.0)
    subscriptions, invoices = [], []
    for number, status in enumerate(("canceled", "active", "past_due", "canceled")):
        name = f"sub_{number}"
        subscriptions.append(
            subscription(name, status=status, latest_invoice=f"in_open_{number}", created=days_ago(600 - number))
        )
        invoices.append(invoice(f"in_open_{number}", name, days_ago(1), None))
        invoices.append(invoice(f"in_paid_{number}", name, days_ago(500), days_ago(500)))
    with serve({"subscriptions": subscriptions, "invoices": invoices}) as local:
        reading = short_of_time(local, 0.5)
    assert reading.not_read == {"invoices": 2}
    assert reading.frames["stripe_invoices"]["invoice_id"].tolist() == ["in_paid_1", "in_paid_2"]
    assert reading.invoices_not_read == ("sub_0", "sub_3")


def test_where_time_is_short_pages_that_decide_nothing_do_not_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "BURST", 1.0)
    subscriptions = [subscription("sub_busy", latest_invoice="in_busy_0")]
    invoices = [invoice(f"in_busy_{age}", "sub_busy", days_ago(age), days_ago(age)) for age in range(250)]
    for number in range(3):
        subscriptions.append(subscription(f"sub_{number}", latest_invoice=f"in_open_{number}"))
        invoices.append(invoice(f"in_open_{number}", f"sub_{number}", days_ago(1), None))
        invoices.append(invoice(f"in_paid_{number}", f"sub_{number}", days_ago(500), days_ago(500)))
    with serve({"subscriptions": subscriptions, "invoices": invoices}) as local:
        reading = short_of_time(local, 0.7)
    assert reading.invoices_not_read == ()
    assert reading.requests["invoices"] == 4
    assert set(reading.frames["stripe_invoices"]["invoice_id"]) == {"in_busy_0", "in_paid_0", "in_paid_1", "in_paid_2"}


@pytest.mark.slow
def test_ten_thousand_subscriptions_and_two_hundred_disputes_are_all_decided_in_half_a_minute() -> None:
    count = 10_000
    subscriptions, invoices = [], []
    for number in range(count):
        name, latest = f"sub_{number}", f"in_{number}"
        in_arrears = number % 50 == 0
        created = AS_OF_SECONDS - number * 200
        subscriptions.append(subscription(name, created=created, latest_invoice=latest))
        invoices.append(invoice(latest, name, created, None if in_arrears else created))
        invoices.append(invoice(f"{latest}_before", name, created - 30 * DAY, created - 30 * DAY))
    disputes = [dispute(f"du_{number}", movement(-500)) for number in range(200)]
    charges = [{"id": f"ch_du_{number}", "metadata": {"packId": "pack_m"}, "created": 1} for number in range(200)]
    intents = [{"id": f"pi_du_{number}", "metadata": {}, "created": 1} for number in range(200)]
    objects = {
        "subscriptions": subscriptions,
        "invoices": invoices,
        "disputes": disputes,
        "charges": charges,
        "payment_intents": intents,
    }
    clock = FakeClock()
    with serve(objects) as local:
        reading = read(local, clock=clock)
    assert clock.now <= 40
    assert len(reading.frames["stripe_subscriptions"]) == count
    assert len(reading.frames["stripe_disputes"]) == 200
    assert reading.frames["stripe_disputes"]["pack_id"].eq("pack_m").all()
    assert len(reading.frames["stripe_invoices"]) == count


@pytest.mark.parametrize(
    ("told", "out_of_band"),
    [
        ({}, False),
        ({"paid_out_of_band": True}, True),
        ({"paid_out_of_band": False, "amount_paid": 500}, False),
        ({"amount_paid": 500, "amount_paid_off_stripe": 500}, True),
        ({"amount_paid": 500, "amount_paid_off_stripe": 200}, False),
        ({"amount_paid": 0, "amount_paid_off_stripe": None}, False),
    ],
)
def test_an_invoice_paid_outside_of_stripe_is_told_by_either_version_of_the_api(
    told: Object, out_of_band: bool
) -> None:
    paid = invoice("in_new", "sub_1", days_ago(3), days_ago(3), **told)
    with serve(company(paid)) as local:
        assert read(local).frames["stripe_invoices"]["out_of_band"].tolist() == [out_of_band]
