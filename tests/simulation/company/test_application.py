"""The application's writes one by one (docs/domain.md, "How the application writes")."""

from random import Random

import pytest
from bson import ObjectId

from billing_dq_simulation.clock import DAY, HOUR, WEEK, to_datetime, to_millis, week_key
from billing_dq_simulation.company.application import Application, Crashes
from billing_dq_simulation.company.ids import Ids
from billing_dq_simulation.config import DEFAULT_AS_OF

MONDAY = to_millis(DEFAULT_AS_OF) // WEEK * WEEK + 4 * DAY
KEY = f"settle:{week_key(MONDAY)}"


def application(plan: str | None = "starter", crashes: Crashes | None = None) -> Application:
    one = Application(Ids(Random(1)), ObjectId(), MONDAY - DAY, crashes or Crashes())
    if plan is not None:
        one.subscribe(MONDAY - DAY, plan, "cus_1", "sub_1", (1, 2))
    return one


def step(one: Application, at: int, key: str, units: float, debited_after: int = 30) -> None:
    over = one.finish_step(at, key, units, "wizard")
    if over:
        one.debit(at + debited_after, key, over)


def used(one: Application, start: int = MONDAY) -> object:
    return one.usage[start].document["meterUsed"]


def amounts(one: Application) -> list[object]:
    return [entry["amount"] for entry in one.ledger]


def test_only_the_part_above_the_quota_is_debited():
    one = application()
    step(one, MONDAY + HOUR, "a:1", 400)
    step(one, MONDAY + 2 * HOUR, "b:1", 150)
    step(one, MONDAY + 3 * HOUR, "c:1", 70)
    assert amounts(one) == [-50, -70]
    assert used(one) == 620


def test_with_quota_0_every_unit_is_debited():
    one = application(None)
    step(one, MONDAY + HOUR, "a:1", 12.5)
    assert amounts(one) == [-12.5]


def test_a_debit_written_after_midnight_leaves_its_usage_in_the_week_before():
    one = application(None)
    step(one, MONDAY + WEEK - 100, "a:1", 7, debited_after=300)
    assert used(one) == 7
    assert one.ledger[0]["at"] == to_datetime(MONDAY + WEEK + 200)
    assert list(one.usage) == [MONDAY]


def test_a_step_retried_in_a_new_week_is_counted_twice_and_debited_once():
    one = application(None)
    step(one, MONDAY + HOUR, "a:1", 7)
    step(one, MONDAY + WEEK + HOUR, "a:1", 7)
    assert (used(one), used(one, MONDAY + WEEK)) == (7, 7)
    assert amounts(one) == [-7]


def test_a_plan_change_rewrites_the_quota_of_the_week_and_keeps_usage_and_debits():
    one = application()
    step(one, MONDAY + HOUR, "a:1", 700)
    one.change_plan(MONDAY + 2 * HOUR, "pro", 3)
    step(one, MONDAY + 3 * HOUR, "b:1", 700)
    assert (used(one), one.usage[MONDAY].document["meterQuota"]) == (1400, 5000)
    assert amounts(one) == [-200]


def test_a_plan_changed_by_hand_leaves_the_weeks_snapshot_and_the_debits_follow_the_live_quota():
    one = application()
    step(one, MONDAY + HOUR, "a:1", 700)
    one.change_plan_by_hand(MONDAY + 2 * HOUR, "pro")
    step(one, MONDAY + 3 * HOUR, "b:1", 700)
    assert one.usage[MONDAY].document["meterQuota"] == 500
    assert one.paid_subscription["adminUpdatedAt"] is not None
    assert amounts(one) == [-200]


def test_dunning_leaves_the_weeks_snapshot_and_debits_everything():
    one = application()
    step(one, MONDAY + HOUR, "a:1", 100)
    one.fall_behind(MONDAY + 2 * HOUR, 3)
    one.dun(MONDAY + 3 * HOUR)
    step(one, MONDAY + 4 * HOUR, "b:1", 100)
    assert (one.paid_subscription["status"], one.paid_subscription["plan"]) == ("unpaid", "free")
    assert one.usage[MONDAY].document["meterQuota"] == 500
    assert amounts(one) == [-100]


@pytest.mark.parametrize("customer_deleted", [False, True])
def test_a_cancellation_sets_meter_and_quota_to_0_and_keeps_keys_and_debits(customer_deleted: bool):
    one = application()
    step(one, MONDAY + HOUR, "a:1", 600)
    one.cancel(MONDAY + 2 * HOUR, 3, customer_deleted)
    document = one.usage[MONDAY].document
    assert (document["meterUsed"], document["meterQuota"], document["meterBreakdown"]) == (0, 0, {})
    assert document["consumedAttributionKeys"] == ["a:1"]
    assert amounts(one) == [-100]
    assert (one.paid_subscription["stripeSubscriptionId"] is None) == customer_deleted


def test_a_settlement_repays_debt_of_usage_from_the_quota_and_counts_it_in_the_week():
    one = application()
    step(one, MONDAY - HOUR, "a:1", 620)
    one.reset(MONDAY + HOUR)
    assert amounts(one) == [-120, 120]
    assert one.ledger[1]["refId"] == KEY
    assert (used(one), one.usage[MONDAY].keys) == (120, [KEY])
    assert one.usage[MONDAY - WEEK].document["archivedAt"] == to_datetime(MONDAY + HOUR)


def test_a_settlement_is_no_more_than_the_quota_and_comes_once_a_week():
    one = application()
    step(one, MONDAY - HOUR, "a:1", 1800)
    one.reset(MONDAY + HOUR)
    one.renew(MONDAY + 2 * DAY, 9)
    assert amounts(one) == [-1300, 500]


def test_debt_of_a_refund_and_of_expiry_is_not_settled():
    one = application()
    topup = one.top_up_pack(MONDAY, 1000, "cs_1", MONDAY + DAY)
    step(one, MONDAY + HOUR, "a:1", 900)
    one.refund(MONDAY + 2 * HOUR, topup, 1000, "refund-re_1-x")
    one.reset(MONDAY + 3 * HOUR)
    assert amounts(one) == [1000, -400, -1000]


def test_an_expiry_takes_what_is_left_and_zero_marks_a_spent_pack():
    one = application(None)
    topup, spent = (one.top_up_pack(MONDAY, 100, f"cs_{n}", MONDAY + (2 - n) * DAY) for n in (0, 1))
    step(one, MONDAY + HOUR, "a:1", 130)
    one.sweep(MONDAY + 3 * DAY, spent)
    one.sweep(MONDAY + 3 * DAY, topup)
    assert amounts(one)[-2:] == [0, -70]


def test_a_crash_between_the_two_writes_drops_the_debit():
    one = application(None, Crashes(lost={"a:1"}))
    step(one, MONDAY + HOUR, "a:1", 7)
    assert used(one) == 7
    assert one.balance is None


def test_a_paid_renewal_advances_the_marker_and_clears_the_overdue_flag():
    one = application()
    one.fall_behind(MONDAY, 3)
    assert one.paid_subscription["pastDueSince"] is not None
    one.renew(MONDAY + HOUR, 77)
    assert one.paid_subscription["lastInvoiceEventCreatedAt"] == 77
    assert one.paid_subscription["pastDueSince"] is None
    assert one.paid_subscription["status"] == "active"
