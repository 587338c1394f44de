"""One organization's week at a time: each cause by example, as the night reads it."""

from datetime import timedelta

import pytest

from billing_dq.weeks import Week
from tests.support.meter_world import AS_OF, ORG, Org, causes, inside, reconcile, row

W43, W44, W45, W46, W47 = (f"2026-W{number}" for number in range(43, 48))
MONDAY = Week.parse(W46).start
IN_W46 = MONDAY + timedelta(days=3)


def test_a_key_debited_twice_is_a_duplicate_debit() -> None:
    org = Org().week(W46, 60, 0, ["a"]).debit("a", 60, inside(W46)).debit("a", 60, inside(W46, 3))
    result = reconcile(org)
    assert causes(result, W46) == {"duplicate_debit": -60}
    assert result.evidence["entry_id"].tolist() == [f"{1:024x}"]
    assert row(result, W46)["grade"] == "unexplained"


def test_a_debit_after_midnight_on_sunday_is_moved_and_not_missing() -> None:
    org = Org().week(W45, 80, 0, ["a"]).week(W46, 0, 0).debit("a", 80, MONDAY + timedelta(seconds=1))
    result = reconcile(org)
    assert causes(result, W45) == {"boundary_skew": 80}
    assert causes(result, W46) == {"boundary_skew": -80}
    assert {row(result, week)["grade"] for week in (W45, W46)} == {"explained"}


def test_a_debit_of_the_last_week_before_the_night_is_moved_too() -> None:
    org = Org().week(W43, 80, 0, ["a"]).debit("a", 80, Week.parse(W44).start)
    assert causes(reconcile(org), W44) == {"boundary_skew": -80}


def test_a_debit_dated_weeks_after_its_usage_is_late_and_not_lost() -> None:
    org = Org().week(W44, 80, 0, ["a"]).debit("a", 80, inside(W46))
    result = reconcile(org)
    assert causes(result, W44) == {"boundary_skew": 80}
    assert row(result, W46)["grade"] == "explained"


def test_a_debit_dated_weeks_before_its_usage_is_not_explained() -> None:
    result = reconcile(Org().week(W46, 80, 0, ["a"]).debit("a", 80, inside(W44)))
    assert causes(result, W46) == {"unexplained": 80}


def test_a_debit_of_a_key_older_than_the_weeks_that_were_read_is_undecided() -> None:
    old = f"{int(Week.parse('2026-W42').start.timestamp()):08x}0000000000000000:initial"
    result = reconcile(Org().week(W46, 120, 0, ["a"]).debit("a", 120, IN_W46).debit(old, 700, IN_W46))
    assert row(result, W46)["grade"] == "undecided"
    assert causes(result, W46) == {"debit_without_usage": -700}
    assert "older than the weeks that were read" in row(result, W46)["explanation"]


@pytest.mark.parametrize("debited_in", [W45, W46])
def test_a_step_counted_in_two_weeks_is_debited_once(debited_in: str) -> None:
    org = Org().week(W45, 80, 0, ["a"]).week(W46, 80, 0, ["a"]).debit("a", 80, inside(debited_in))
    result = reconcile(org)
    short = W46 if debited_in == W45 else W45
    assert causes(result, short) == {"replayed_across_weeks": 80}
    assert causes(result, debited_in) == {}


def test_a_replay_below_the_quota_is_found_though_no_unit_is_missing() -> None:
    result = reconcile(Org().week(W45, 80, 500, ["a"]).week(W46, 80, 500, ["a"]))
    assert causes(result, W46) == {"replayed_across_weeks": 0}
    assert row(result, W46)["grade"] == "within_tolerance"
    assert row(result, W45)["grade"] == "exact"


@pytest.mark.parametrize("ref", ["x", None])
def test_a_debit_that_no_document_knows_is_without_usage(ref: str | None) -> None:
    result = reconcile(Org().week(W46, 0, 0).debit(ref, 60, inside(W46)))
    assert causes(result, W46) == {"debit_without_usage": -60}


def test_a_debit_near_an_unreadable_week_is_no_defect() -> None:
    org = Org().week(W46, 0, 0).debit("a", 60, MONDAY + timedelta(minutes=1))
    result = reconcile(org, unreadable=[("billingusages", ORG, W45)])
    assert row(result, W46)["grade"] == "explained"
    assert result.evidence["confidence"].tolist() == ["guess"]


def settled(used: float, *keys: str, ledger: float | None = 131, units: float = 131) -> Org:
    org = Org().week(W46, used, 500, keys, settled_units=units, updated_at=MONDAY + timedelta(days=1))
    if ledger is not None:
        org.entry("adjustment", "settle:2026-W46", ledger, MONDAY + timedelta(days=1))
    return org


def test_a_settlement_after_the_debits_lifts_what_is_expected() -> None:
    org = settled(762, "a", "b", "settle:2026-W46").debit("b", 131, inside(W46))
    result = reconcile(org)
    assert causes(result, W46) == {"settlement_timing": 131}
    assert row(result, W46)["grade"] == "explained"


def test_a_debit_lost_beside_a_settlement_is_found_by_the_order_of_the_keys() -> None:
    org = settled(762, "a", "b", "c", "settle:2026-W46").debit("b", 91, inside(W46))
    assert causes(reconcile(org), W46) == {"settlement_timing": 131, "missing_debit": 40}


def test_a_settlement_before_all_usage_explains_nothing() -> None:
    org = settled(762, "settle:2026-W46", "a", "b").debit("b", 222, inside(W46))
    assert causes(reconcile(org), W46) == {"missing_debit": 40}


def test_a_settlement_without_its_breakdown_takes_the_ledger_s_amount() -> None:
    org = settled(762, "a", "b", "settle:2026-W46", units=float("nan")).debit("b", 131, inside(W46))
    assert causes(reconcile(org), W46) == {"settlement_timing": 131}


def test_units_that_a_settlement_credited_and_did_not_charge_are_a_defect_of_the_week_that_it_lifts() -> None:
    """Had all 131 been charged, 131 and not 60 would be expected beyond the debits."""
    org = settled(691, "a", "b", "settle:2026-W46", units=60).debit("b", 131, inside(W46))
    result = reconcile(org)
    assert causes(result, W46) == {"settlement_timing": 131, "settlement_half_applied": -71}
    only = row(result, W46)
    assert (only["grade"], only["unexplained_units"], only["cause"]) == ("unexplained", -71, "settlement_half_applied")


def test_a_settlement_charged_short_below_the_quota_moves_no_debit() -> None:
    org = settled(691, "settle:2026-W46", "a", "b", units=60).debit("b", 191, inside(W46))
    result = reconcile(org)
    assert causes(result, W46) == {"settlement_half_applied": 0}
    assert row(result, W46)["grade"] == "within_tolerance"


def test_a_settlement_that_the_ledger_lacks_after_two_days_is_half_applied() -> None:
    org = settled(762, "a", "b", "settle:2026-W46", ledger=None).debit("b", 131, inside(W46))
    result = reconcile(org)
    assert causes(result, W46) == {"settlement_half_applied": 131}
    assert row(result, W46)["grade"] == "unexplained"


def test_a_settlement_that_the_ledger_lacks_may_still_come_within_two_days() -> None:
    week = {"settled_units": 131.0, "updated_at": AS_OF - timedelta(hours=47)}
    org = Org().week(W47, 762, 500, ["a", "b", "settle:2026-W47"], **week).debit("b", 131, inside(W47))
    assert causes(reconcile(org), W47) == {"settlement_timing": 131}


def test_a_settlement_that_the_document_lacks_is_half_applied_without_units() -> None:
    result = reconcile(settled(400, "a", units=0))
    assert causes(result, W46) == {"settlement_half_applied": 0}
    assert row(result, W46)["cause"] == "settlement_half_applied"


def test_settlements_of_different_amounts_are_half_applied_by_the_difference() -> None:
    org = settled(762, "a", "b", "settle:2026-W46", ledger=100).debit("b", 131, inside(W46))
    assert causes(reconcile(org), W46) == {"settlement_timing": 100, "settlement_half_applied": 31}


def raised(*debits: tuple[str, float], used: float = 1500, quota: float = 5000, keys: str = "abcde") -> Org:
    org = Org().week(W45, 400, 500, ["z"]).week(W46, used, quota, list(keys))
    org.subscribed(plan="pro", last_subscription_event_at=IN_W46)
    for ref, units in debits:
        org.debit(ref, units, inside(W46))
    return org


def test_debits_under_the_quota_before_a_raise_are_explained() -> None:
    result = reconcile(raised(("b", 100), ("c", 250)))
    assert causes(result, W46) == {"quota_changed": -350}
    assert result.evidence["rule"].tolist() == ["attested_by_week_before"]


def test_more_than_the_old_quota_leaves_room_for_is_explained_by_no_raise_that_kept_the_usage() -> None:
    org = raised(("b", 600), ("c", 600))
    org.subscribed(plan="pro", last_subscription_event_at=IN_W46, updated_at=inside(W45))
    only = row(reconcile(org), W46)
    assert (only["grade"], only["cause"]) == ("undecided", "usage_reset")
    assert "a change of plan in this week set the meter to 0" in only["explanation"]


def test_without_an_event_in_the_week_no_raise_explains_debits() -> None:
    org = raised(("b", 100), ("c", 250))
    org.subscribed(plan="pro", last_subscription_event_at=inside(W44), updated_at=inside(W44))
    assert row(reconcile(org), W46)["grade"] == "unexplained"


def test_a_lowered_plan_leaves_units_undebited() -> None:
    org = Org().week(W45, 400, 5000, ["z"]).week(W46, 1500, 500, ["a", "b", "c"])
    org.subscribed(last_subscription_event_at=IN_W46).debit("c", 300, inside(W46))
    assert causes(reconcile(org), W46) == {"quota_changed": 700}


def test_a_quota_that_an_earlier_night_saw_widens_its_own_week_only() -> None:
    org = Org()
    for week in (W45, W46):
        org.week(week, 1500, 5000, [f"{week}a", f"{week}b"]).debit(f"{week}b", 200, inside(week))
    org.subscribed(plan="pro", last_subscription_event_at=inside(W43), updated_at=inside(W43))
    result = reconcile(org, earlier=[(ORG, W46, 1300.0)])
    assert row(result, W46)["cause"] == "quota_changed"
    assert row(result, W45)["grade"] == "unexplained"


def test_a_plan_changed_by_hand_leaves_the_document_and_moves_the_debits() -> None:
    org = Org().week(W46, 1500, 5000, ["a", "b", "c"]).debit("c", 300, inside(W46, 4))
    org.subscribed(plan="starter", admin_updated_at=IN_W46)
    assert row(reconcile(org), W46)["grade"] == "explained"
    assert causes(reconcile(org), W46) == {"quota_changed": -300}


def test_dunning_debits_every_unit_under_an_unchanged_document() -> None:
    org = Org().week(W46, 400, 500, ["a", "b", "c"]).debit("b", 60, inside(W46)).debit("c", 70, inside(W46))
    org.subscribed(plan="free", status="unpaid")
    assert causes(reconcile(org), W46) == {"quota_changed": -130}


def raised_by_hand(*debits: tuple[str, float], **subscription: object) -> Org:
    """A step in the week's last hours was not debited: somebody had raised the plan, and W47 shows the one after."""
    org = Org().week(W45, 0, 500).week(W46, 1500, 500, ["a", "b", "c", "d"]).week(W47, 0, 0)
    org.subscribed(**{"plan": "free", "status": "unpaid", "admin_updated_at": IN_W46} | subscription)
    for ref, units in debits:
        org.debit(ref, units, inside(W46, 4) if ref == "d" else inside(W46))
    return org


@pytest.mark.parametrize(
    ("debits", "subscription"),
    [
        ((("b", 300), ("c", 400)), {}),
        (
            (("b", 300), ("c", 400)),
            {"plan": "starter", "status": "active", "last_subscription_event_at": inside(W47)},
        ),
        ((("b", 300), ("d", 60)), {}),
    ],
)
def test_a_plan_set_by_hand_and_replaced_leaves_a_lost_debit_undecided(
    debits: tuple[tuple[str, float], ...], subscription: dict[str, object]
) -> None:
    result = reconcile(raised_by_hand(*debits, **subscription))
    assert row(result, W46)["grade"] == "undecided"
    assert row(result, W46)["cause"] == "missing_debit"
    assert "Or nothing was lost" in row(result, W46)["explanation"]


def test_a_plan_changed_by_hand_explains_the_week_of_the_change_only() -> None:
    org = raised_by_hand(("b", 300), ("c", 400), admin_updated_at=inside(W47), last_subscription_event_at=inside(W43))
    assert causes(reconcile(org), W46) == {"missing_debit": 300}


def canceled(used: float, *debits: tuple[str, float]) -> Org:
    org = Org().week(W45, 100, 500, ["z"]).week(W46, used, 0, ["a", "b", "c", "d"])
    org.subscribed(plan="free", status="canceled", last_subscription_event_at=IN_W46)
    for ref, units in debits:
        org.debit(ref, units, inside(W46))
    return org


def test_a_cancellation_keeps_the_debits_from_before_it() -> None:
    result = reconcile(canceled(77, ("b", 73), ("c", 102), ("d", 77)))
    assert causes(result, W46) == {"usage_reset": -175}
    assert row(result, W46)["grade"] == "explained"


def test_a_debit_lost_after_a_cancellation_is_found() -> None:
    result = reconcile(canceled(77, ("b", 73), ("c", 102)))
    assert causes(result, W46) == {"usage_reset": -175, "missing_debit": 77}
    assert row(result, W46)["grade"] == "unexplained"


@pytest.mark.parametrize(("day", "cause"), [(1.0, "defect"), (3.0, "design")])
def test_a_meter_set_back_after_the_cancellation_is_a_defect_also_where_the_customer_is_gone(
    day: float, cause: str
) -> None:
    """The newest event is the cancellation; both debits are of Wednesday, and the meter holds neither."""
    first, second = (f"{int(inside(W46, begun).timestamp()):08x}0000000000000000:initial" for begun in (1.9, 2.0))
    org = Org().week(W46, 0, 0, [first, second]).debit(first, 90, inside(W46, 2)).debit(second, 60, inside(W46, 2.1))
    org.subscribed(plan="free", status="canceled", last_subscription_event_at=inside(W46, day))
    assert row(reconcile(org), W46)["grade"] == ("unexplained" if cause == "defect" else "undecided")


def test_usage_set_back_without_a_cancellation_is_a_defect() -> None:
    org = Org().week(W45, 100, 500, ["z"]).week(W46, 0, 500, ["a", "b"]).debit("b", 90, inside(W46))
    org.subscribed(last_subscription_event_at=inside(W43))
    result = reconcile(org)
    assert causes(result, W46) == {"usage_reset": -90}
    assert row(result, W46)["grade"] == "unexplained"


def test_usage_set_back_after_a_cancellation_that_rewrote_no_document_is_a_defect_and_named() -> None:
    """An administrator's cancellation: everything is debited from then on, and the document keeps its quota."""
    org = Org().week(W45, 100, 500, ["z"]).week(W46, 100, 500, ["a", "b", "c", "d"]).week(W47, 0, 0)
    for ref in ("b", "c", "d"):
        org.debit(ref, 100, inside(W46))
    org.subscribed(plan="free", status="canceled", last_subscription_event_at=inside(W46, 0.5))
    result = reconcile(org)
    assert causes(result, W46) == {"usage_reset": -300}
    assert row(result, W46)["grade"] == "unexplained"


def test_a_meter_below_its_own_settlement_was_set_back_though_no_debit_tells() -> None:
    org = settled(80, "a", "settle:2026-W46", "b", units=0).subscribed(last_subscription_event_at=inside(W43))
    result = reconcile(org)
    assert causes(result, W46) == {"usage_reset": 0}
    assert row(result, W46)["grade"] == "within_tolerance"


def test_a_meter_below_its_own_settlement_is_by_design_where_a_change_of_plan_may_have_set_it_back() -> None:
    org = settled(80, "a", "settle:2026-W46", "b", units=0).subscribed(last_subscription_event_at=IN_W46)
    assert causes(reconcile(org), W46) == {}


def test_a_debit_of_usage_written_minutes_ago_may_be_late() -> None:
    org = Org().week(W47, 300, 0, ["a", "b"], updated_at=AS_OF - timedelta(minutes=4)).debit("a", 200, inside(W47))
    assert causes(reconcile(org), W47) == {"late_debit": 100}


@pytest.mark.parametrize(("week", "minutes"), [(W47, 6), (W46, 1)])
def test_an_older_write_or_a_closed_week_is_not_late(week: str, minutes: int) -> None:
    org = Org().week(week, 300, 0, ["a", "b"], updated_at=AS_OF - timedelta(minutes=minutes))
    org.debit("a", 200, inside(week))
    assert causes(reconcile(org), week) == {"missing_debit": 100}


def test_an_earlier_key_without_a_debit_is_never_late() -> None:
    org = Org().week(W47, 300, 0, ["a", "b"], updated_at=AS_OF).debit("b", 200, inside(W47))
    assert causes(reconcile(org), W47) == {"missing_debit": 100}


def test_at_quota_zero_the_missing_units_are_certain_and_each_key_a_candidate() -> None:
    result = reconcile(Org().week(W46, 300, 0, ["a", "b", "c"]).debit("b", 100, inside(W46)))
    missing = result.evidence[result.evidence["cause"] == "missing_debit"]
    assert missing[["rule", "confidence", "units"]].to_numpy().tolist() == [
        ["certain_gap", "proved", 200.0],
        ["candidate", "guess", 0.0],
        ["candidate", "guess", 0.0],
    ]
    assert missing["ref_id"].tolist()[1:] == ["a", "c"]


def test_after_the_first_debited_key_a_gap_is_certain() -> None:
    org = Org().week(W46, 900, 500, ["a", "b", "c", "d"]).debit("b", 100, inside(W46)).debit("d", 200, inside(W46))
    missing = reconcile(org).evidence
    assert missing[["rule", "ref_id", "units"]].to_numpy().tolist() == [["certain_gap", "c", 100.0]]


def test_before_the_first_debited_key_a_single_one_is_the_candidate() -> None:
    org = Org().week(W46, 900, 500, ["a", "c"]).debit("c", 300, inside(W46))
    missing = reconcile(org).evidence
    assert missing[["rule", "confidence", "ref_id", "units"]].to_numpy().tolist() == [
        ["candidate", "consistent", "a", 100.0]
    ]


def test_usage_above_the_quota_without_a_balance_document_was_never_debited() -> None:
    org = Org(has_balance=False).week(W46, 900, 500, ["a", "b"])
    assert causes(reconcile(org), W46) == {"no_balance_document": 400}


def test_a_balance_document_that_earlier_weeks_should_have_made_is_not_merely_late() -> None:
    fresh = {"updated_at": AS_OF - timedelta(minutes=4)}
    first = Org(has_balance=False).week(W47, 300, 0, ["a"], **fresh)
    assert causes(reconcile(first), W47) == {"late_debit": 300}
    older = Org(has_balance=False).week(W46, 40, 0, ["z"]).week(W47, 300, 0, ["a"], **fresh)
    assert causes(reconcile(older), W47) == {"no_balance_document": 300}


def test_an_amount_that_the_cached_balance_remembers_otherwise_was_altered() -> None:
    org = Org(balance_gap=-40.0).week(W46, 900, 500, ["a", "b"]).debit("b", 360, inside(W46))
    result = reconcile(org)
    assert causes(result, W46) == {"debit_altered": 40}
    assert result.evidence["confidence"].tolist() == ["proved"]


def test_an_altered_amount_is_named_beside_debits_that_dunning_made() -> None:
    """Dunned from the second step on, 100 were debited in full each time; one was made 40 smaller afterwards."""
    org = Org(balance_gap=-90.0).week(W46, 620, 500, ["a", "b", "c"], updated_at=inside(W46, 6))
    org.debit("b", 100, inside(W46)).debit("c", 10, inside(W46, 3))
    org.subscribed(plan="free", status="unpaid")
    assert causes(reconcile(org), W46) == {"debit_altered": 90, "quota_changed": -80}


def test_a_wrong_balance_is_no_altered_debit_of_a_week_that_is_right_without_it() -> None:
    org = Org(balance_gap=-90.0).week(W46, 400, 500, ["a", "b", "c"]).debit("b", 60, inside(W46))
    org.debit("c", 70, inside(W46)).subscribed(plan="free", status="unpaid")
    assert causes(reconcile(org), W46) == {"quota_changed": -130}


def test_too_much_debited_for_the_week_s_own_keys_is_unexplained_where_balance_and_sums_agree() -> None:
    org = Org().week(W46, 900, 500, ["a", "b"]).debit("b", 470, inside(W46))
    org.subscribed(last_subscription_event_at=inside(W43), updated_at=inside(W43))
    assert causes(reconcile(org), W46) == {"unexplained": -70}


def test_usage_that_no_key_carries_is_unexplained() -> None:
    assert causes(reconcile(Org().week(W46, 900, 500)), W46) == {"unexplained": 400}


def test_where_the_subscription_is_unreadable_a_change_of_plan_cannot_be_ruled_out() -> None:
    org = Org().week(W46, 900, 500, ["a", "b"]).debit("b", 470, inside(W46))
    result = reconcile(org, unreadable=[("subscriptions", ORG, None)])
    assert row(result, W46)["grade"] == "undecided"
