from datetime import timedelta

import pytest

from billing_dq.reconcile.subscriptions.markers import invoice_marker_lag, stale_past_due
from tests.support.subscription_rows import AS_OF, ORG, OTHER_ORG, here, invoices, minutes_ago, told, unreadable
from tests.support.subscription_rows import subscriptions as documents

PAID = minutes_ago(3000)


def lag(*rows: dict[str, object], dark: str | None = None, paid: object = PAID) -> list[tuple[object, ...]]:
    unread = unreadable(dark) if dark else unreadable()
    return told(invoice_marker_lag(documents(*rows), invoices(sub_1=paid), AS_OF, 60.0, unread))


def test_a_marker_older_than_the_newest_paid_invoice_lags():
    assert lag(here(last_invoice_event_at=PAID - timedelta(seconds=1))) == [
        (ORG, "sub_1", "invoice_marker_lag", "2026-11-19T01:09:59Z", "2026-11-19T01:10:00Z", None)
    ]


def test_no_marker_at_all_counts_as_older():
    assert lag(here()) == [(ORG, "sub_1", "invoice_marker_lag", None, "2026-11-19T01:10:00Z", None)]


@pytest.mark.parametrize("seconds", [0, 7])
def test_a_marker_of_the_same_second_or_later_does_not_lag(seconds: int):
    assert lag(here(last_invoice_event_at=PAID + timedelta(seconds=seconds))) == []


@pytest.mark.parametrize("status", ["active", "past_due", "canceled", "paused"])
def test_the_marker_must_advance_whatever_the_status(status: str):
    assert len(lag(here(status=status))) == 1


def test_an_invoice_paid_minutes_ago_is_pending():
    assert lag(here(), paid=minutes_ago(59)) == []
    assert len(lag(here(), paid=minutes_ago(60))) == 1


def test_a_subscription_without_paid_invoice_has_no_marker_to_lag():
    assert lag(here(stripe_subscription_id="sub_2"), here(organization_id=OTHER_ORG, stripe_subscription_id=None)) == []


def test_an_unreadable_document_has_no_late_marker():
    assert lag(here(), dark=ORG) == []


def test_an_active_subscription_marked_past_due_is_stale():
    assert told(stale_past_due(documents(here(past_due_since=PAID)), AS_OF, 15.0, unreadable())) == [
        (ORG, "sub_1", "stale_past_due", "2026-11-19T01:10:00Z", None, None)
    ]


@pytest.mark.parametrize("status", ["past_due", "unpaid", "canceled"])
def test_a_past_due_mark_on_a_subscription_that_is_not_active_is_right(status: str):
    assert told(stale_past_due(documents(here(past_due_since=PAID, status=status)), AS_OF, 15.0, unreadable())) == []


def test_no_past_due_mark_is_not_stale():
    assert told(stale_past_due(documents(here()), AS_OF, 15.0, unreadable())) == []


def test_an_unreadable_document_is_not_stale():
    assert told(stale_past_due(documents(here(past_due_since=PAID)), AS_OF, 15.0, unreadable(ORG))) == []


@pytest.mark.parametrize("seconds", [5, 14 * 60, -60])
def test_a_document_written_around_the_snapshot_is_not_stale_yet(seconds: int):
    row = here(past_due_since=PAID, updated_at=AS_OF - timedelta(seconds=seconds))
    assert told(stale_past_due(documents(row), AS_OF, 15.0, unreadable())) == []
    written_before = row | {"updated_at": AS_OF - timedelta(minutes=15)}
    assert len(told(stale_past_due(documents(written_before), AS_OF, 15.0, unreadable()))) == 1


def test_a_marker_behind_an_invoice_paid_out_of_band_says_so():
    paid = invoices(sub_1=PAID, sub_2=PAID).assign(out_of_band=[True, False])
    rows = [here(organization_id=OTHER_ORG), here(stripe_subscription_id="sub_2")]
    found = invoice_marker_lag(documents(*rows), paid, AS_OF, 15.0, unreadable())
    assert dict(zip(found["stripe_subscription_id"], found["cause"].fillna(""), strict=True)) == {
        "sub_1": "paid_out_of_band",
        "sub_2": "",
    }
