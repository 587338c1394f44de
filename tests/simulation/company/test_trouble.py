"""Natural trouble (docs/domain.md, "What was learnt later"): what happens in a company without being a fault."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest
from bson import ObjectId

from billing_dq_simulation.clock import DAY, HOUR, WEEK, to_datetime, to_millis
from billing_dq_simulation.company.application import Application, Crashes, Versions
from billing_dq_simulation.company.ids import Ids
from billing_dq_simulation.company.story import Story
from billing_dq_simulation.config import DEFAULT_AS_OF, WorldConfig
from billing_dq_simulation.labels import Document
from billing_dq_simulation.world import simulate, simulate_one

MONDAY = to_millis(DEFAULT_AS_OF) // WEEK * WEEK + 4 * DAY
TROUBLED = WorldConfig(trouble=1.0)


def application(versions: Versions | None = None) -> Application:
    one = Application(Ids(Random(1)), ObjectId(), MONDAY - DAY, Crashes(), versions)
    one.subscribe(MONDAY - DAY, "starter", "cus_1", "sub_1", (1, 2))
    return one


def step(one: Application, at: int, key: str, units: float, outside: float = 0.0) -> None:
    over = one.finish_step(at, key, units, "wizard", outside)
    if over:
        one.debit(at + 30, key, over)


def week(one: Application) -> Document:
    return one.usage[MONDAY].document


def amounts(one: Application) -> list[object]:
    return [entry["amount"] for entry in one.ledger]


def test_a_step_of_0_units_pushes_its_key_and_writes_no_debit():
    one = application()
    step(one, MONDAY + HOUR, "a:1", 600)
    step(one, MONDAY + 2 * HOUR, "z:1", 0)
    assert one.usage[MONDAY].keys == ["a:1", "z:1"]
    assert amounts(one) == [-100]


def test_a_runs_base_is_used_and_in_no_part_of_the_breakdown():
    one = application()
    step(one, MONDAY + HOUR, "a:1", 10, outside=1)
    step(one, MONDAY + 2 * HOUR, "b:1", 7, outside=7)
    assert week(one)["meterUsed"] == 17
    assert week(one)["meterBreakdown"] == {"wizard": 9}


def test_recovery_gives_plan_and_status_back_and_only_the_organization_tells_of_dunning():
    one = application()
    one.grant(MONDAY, 500, "signup_grant-1", "signup_grant")
    step(one, MONDAY + HOUR, "a:1", 100)
    one.dun(MONDAY + 2 * HOUR)
    step(one, MONDAY + 3 * HOUR, "b:1", 60)
    one.recover(MONDAY + DAY, "starter", 9)
    step(one, MONDAY + DAY + HOUR, "c:1", 30)
    assert amounts(one) == [500, -60]
    assert (one.paid_subscription["plan"], one.paid_subscription["status"]) == ("starter", "active")
    assert (week(one)["meterQuota"], week(one)["meterUsed"]) == (500, 190)
    assert one.organization["plan"] == "free"


def test_a_cancellation_by_an_administrator_moves_the_marker_and_rewrites_no_week():
    one = application()
    step(one, MONDAY + HOUR, "a:1", 100)
    one.cancel_by_administrator(MONDAY + DAY)
    step(one, MONDAY + 2 * DAY, "b:1", 60)
    assert (week(one)["meterQuota"], week(one)["meterUsed"]) == (500, 160)
    assert amounts(one) == [-60]
    subscription = one.paid_subscription
    assert (subscription["plan"], subscription["status"], subscription["adminUpdatedAt"]) == ("free", "canceled", None)
    assert subscription["lastSubscriptionEventCreatedAt"] == (MONDAY + DAY) // 1000


def test_a_synchronization_rewrites_plan_and_status_and_no_week():
    one = application()
    step(one, MONDAY + HOUR, "a:1", 700)
    one.synchronize(MONDAY + DAY, "pro", "active")
    step(one, MONDAY + 2 * DAY, "b:1", 700)
    assert (one.paid_subscription["plan"], week(one)["meterQuota"]) == ("pro", 500)
    assert amounts(one) == [-200]


@pytest.mark.parametrize(("within_quota", "settled"), [(False, 500), (True, 300)])
def test_a_newer_settlement_never_lifts_a_week_above_its_quota(within_quota: bool, settled: int):
    one = application(Versions(settles_within_quota=within_quota))
    step(one, MONDAY - HOUR, "a:1", 1800)
    step(one, MONDAY + HOUR, "b:1", 200)
    one.reset(MONDAY + 2 * HOUR)
    assert amounts(one) == [-1300, settled]


def test_a_change_of_plan_can_be_configured_to_reset_the_usage():
    one = application(Versions(resets_on_change=True))
    step(one, MONDAY + HOUR, "a:1", 700)
    one.change_plan(MONDAY + DAY, "pro", 3)
    assert (week(one)["meterUsed"], week(one)["meterQuota"]) == (0, 5000)
    assert one.usage[MONDAY].keys == ["a:1"]
    assert amounts(one) == [-200]


@pytest.fixture(scope="module")
def stories() -> list[Story]:
    return [Story(TROUBLED, index) for index in range(1500)]


def test_every_kind_of_trouble_happens(stories: list[Story]):
    seen = Counter(kind for story in stories for kinds in story.troubled.values() for kind in kinds)
    assert set(seen) == {
        *("event", "plan_change", "cancellation", "cancellation_by_administrator", "synchronization"),
        *("change_by_hand", "dunning", "settlement_within_quota", "step_of_0_units", "outside_breakdown"),
        *("goodwill", "correction", "copy_credited", "dispute", "conversion"),
    }
    assert min(seen.values()) >= 10


def test_dunning_ends_within_a_week_and_in_a_later_one(stories: list[Story]):
    lengths = Counter(sum("dunning" in kinds for kinds in story.troubled.values()) for story in stories)
    assert lengths[1] > 5
    assert lengths[2] > 5


def test_grants_are_missing_or_given_late_to_all_at_one_instant(stories: list[Story]):
    given = [
        entry["at"]
        for story in stories
        for entry in story.application.ledger
        if entry.get("source") == "signup_grant" and to_millis(entry["at"]) > story.born + DAY  # type: ignore[arg-type]
    ]
    assert len(given) > 20
    assert len(set(given)) == 1


def test_an_organization_has_more_than_ten_hand_credits_each_of_a_won_dispute(stories: list[Story]):
    counts = [sum(dispute.credit is not None for dispute in story.disputes) for story in stories]
    assert max(counts) > 10


def test_an_old_expiration_took_all_of_a_pack_of_which_a_part_was_spent(stories: list[Story]):
    found = 0
    for story in stories:
        topups = {f"expire-{entry['_id']}": entry for entry in story.application.ledger if entry["kind"] == "topup"}
        for entry in story.application.ledger:
            old = entry["at"] < to_datetime(story.begin)  # type: ignore[operator]
            if entry["kind"] == "expiration" and old:
                assert entry["amount"] == -topups[str(entry["refId"])]["amount"]  # type: ignore[operator]
                found += 1
    assert found


def test_stripes_events_tell_what_changed_and_reach_back_30_days(stories: list[Story]):
    attributes: Counter[str] = Counter()
    for story in stories:
        subscriptions = story.account.objects["events"]
        for event in subscriptions:
            assert event["created"] >= (DEFAULT_AS_OF - timedelta(days=30)).timestamp()  # type: ignore[operator]
            data = event["data"]
            assert isinstance(data, dict)
            attributes.update(list(data.get("previous_attributes", {})))
            for name, before in data.get("previous_attributes", {}).items():
                now = data["object"][name]
                assert before != (now if name != "items" else {"data": now["data"]})
        for one, other in pairwise(subscriptions):
            assert one["created"] <= other["created"]  # type: ignore[operator]
    assert {"items", "status", "default_payment_method", "cancel_at_period_end", "latest_invoice"} <= set(attributes)


def test_the_two_sides_agree_on_the_plan_but_for_drift_by_design(stories: list[Story]):
    for story in stories:
        subscription = story.application.subscription
        if story.design is None and subscription and subscription["status"] in ("active", "past_due", "trialing"):
            expected = story.account.plan if story.account.subscription else "free"
            assert subscription["plan"] == expected


def test_a_cached_balance_is_its_ledgers_sum_in_trouble_too(stories: list[Story]):
    for story in stories:
        if story.application.balance is not None:
            total = sum(entry["amount"] for entry in story.application.ledger)  # type: ignore[misc]
            assert story.application.balance["cachedBalance"] == total


def test_a_life_is_the_same_with_the_same_trouble_and_without_any_it_is_the_plain_one():
    plain, troubled = WorldConfig(organizations=30), WorldConfig(organizations=30, trouble=0.5)
    assert list(simulate(troubled)) == list(simulate(troubled))
    assert simulate_one(plain, 3) == simulate_one(WorldConfig(organizations=4, trouble=0.0), 3)


def test_trouble_is_a_share():
    with pytest.raises(ValueError, match="trouble"):
        WorldConfig(trouble=1.5)
