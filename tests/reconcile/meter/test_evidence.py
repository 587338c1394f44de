"""The evidence of a batch as its readers get it: every column of every row."""

from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd
import pytest

from billing_dq.reconcile.meter.meter_extras import MeterResult, reconcile_meter
from billing_dq.weeks import Week
from tests.support.meter_world import AS_OF, ORG, OTHER, Org, causes, context, frames, inside, reconcile, row

W43, W44, W45, W46, W47 = (f"2026-W{number}" for number in range(43, 48))
MONDAY = Week.parse(W46).start
IN_W46 = inside(W46)
TICK = timedelta(milliseconds=1)
GRACE = timedelta(hours=48)


def evidence(result: MeterResult, name: str = ORG) -> list[tuple[object, ...]]:
    """Week, cause, rule, confidence, reference, number of the entry (None: none) and units of each row."""
    mine = result.evidence[result.evidence["organization_id"] == name]
    columns = ("week_key", "cause", "rule", "confidence", "ref_id", "entry_id", "units")
    return [
        (*texts, None if pd.isna(ref) else ref, None if pd.isna(entry) else int(entry, 16), units)
        for *texts, ref, entry, units in zip(*(mine[column] for column in columns), strict=True)
    ]


def test_a_copy_of_a_debit_is_told_with_its_own_entry() -> None:
    org = Org().week(W46, 60, 0, ["a"]).debit("a", 60, IN_W46).debit("a", 60, inside(W46, 3))
    assert evidence(reconcile(org)) == [
        (W46, "duplicate_debit", "one_reference_two_entries", "proved", "a", 1, -60),
    ]


def test_a_debit_of_no_usage_is_told_by_what_is_absent() -> None:
    org = Org().week(W44, 0, 0).week(W46, 0, 0)
    org.debit("x", 60, inside(W44)).debit("y", 70, inside(W45)).debit("z", 80, IN_W46).debit(None, 90, IN_W46)
    assert evidence(reconcile(org)) == [
        (W44, "debit_without_usage", "key_in_no_document", "proved", "x", 0, -60),
        (W45, "no_usage_document", "usage_document_absent", "proved", "y", 1, -70),
        (W46, "debit_without_usage", "key_in_no_document", "proved", "z", 2, -80),
        (W46, "debit_without_usage", "debit_without_reference", "proved", None, 3, -90),
    ]


@pytest.mark.parametrize(("dark", "week"), [(W43, W44), (W45, W46)])
def test_a_debit_of_no_usage_after_an_unreadable_week_may_belong_to_it(dark: str, week: str) -> None:
    org = Org().week(week, 0, 0).debit("a", 60, inside(week))
    assert evidence(reconcile(org, unreadable=[("billingusages", ORG, dark)])) == [
        (week, "boundary_skew", "week_before_is_unreadable", "guess", "a", 0, -60),
    ]


def test_a_debit_dated_in_another_week_is_told_in_both() -> None:
    org = Org().week(W44, 50, 0, ["far"]).week(W45, 80, 0, ["late"]).week(W46, 70, 0, ["early"]).week(W47, 0, 0)
    org.debit("late", 80, MONDAY).debit("early", 70, inside(W45)).debit("far", 50, inside(W47))
    found = sorted(evidence(reconcile(org)))
    assert found == [
        (W44, "boundary_skew", "dated_weeks_later", "proved", "far", 2, 50),
        (W45, "boundary_skew", "dated_in_the_next_week", "proved", "late", 0, 80),
        (W45, "boundary_skew", "dated_in_the_week_before", "consistent", "early", 1, -70),
        (W46, "boundary_skew", "dated_in_the_next_week", "proved", "late", 0, -80),
        (W46, "boundary_skew", "dated_in_the_week_before", "consistent", "early", 1, 70),
        (W47, "boundary_skew", "dated_weeks_later", "proved", "far", 2, -50),
    ]


def test_a_debit_dated_weeks_before_its_usage_is_not_explained() -> None:
    org = Org().week(W44, 0, 0).week(W46, 70, 0, ["a"]).debit("a", 70, inside(W44))
    assert sorted(evidence(reconcile(org))) == [
        (W44, "unexplained", "dated_weeks_before", "guess", "a", 0, -70),
        (W46, "unexplained", "dated_weeks_before", "guess", "a", 0, 70),
    ]


def test_an_unreadable_week_has_no_evidence_and_no_cause() -> None:
    org = Org().week(W47, 0, 0).debit("a", 400, IN_W46).debit("b", 1, IN_W46).debit("b", 1, IN_W46)
    short = Org(OTHER).week(W46, 900, 500, ["a"])
    result = reconcile(org, short, unreadable=[("billingusages", ORG, W46), ("billingextrabalances", OTHER, None)])
    assert result.evidence.empty
    assert pd.isna(row(result, W46)["cause"])
    assert pd.isna(row(result, W46, OTHER)["cause"])


def test_a_replay_without_units_names_its_key() -> None:
    org = Org().week(W45, 80, 500, ["a", "b"]).week(W46, 80, 500, ["a", "c", "b"])
    assert evidence(reconcile(org)) == [
        (W46, "replayed_across_weeks", "key_in_two_weeks", "proved", "a", None, 0),
        (W46, "replayed_across_weeks", "key_in_two_weeks", "proved", "b", None, 0),
    ]


def test_a_replay_whose_units_are_missing_is_told_once() -> None:
    org = Org().week(W45, 80, 0, ["a"]).week(W46, 80, 0, ["a"]).debit("a", 80, inside(W45))
    assert evidence(reconcile(org)) == [
        (W46, "replayed_across_weeks", "key_in_two_weeks", "proved", "a", None, 80),
    ]


def half_applied(rule: str, units: float, week: str = W46) -> tuple[object, ...]:
    return (week, "settlement_half_applied", rule, "proved", None, None, units)


def settled(meter: float | None, ledger: float | None, used: float = 300, at: datetime = IN_W46, **more: object) -> Org:
    """A settlement of the week on either side; below the quota it changes no expected units."""
    keys = ["a", "settle:2026-W46"] if meter is not None else ["a"]
    org = Org().week(W46, used, 500, keys, **{"settled_units": meter or 0.0, "updated_at": at} | more)
    return org if ledger is None else org.entry("adjustment", "settle:2026-W46", ledger, at)


@pytest.mark.parametrize(
    ("meter", "ledger", "rule"),
    [
        (131, None, "meter_side_only"),
        (None, 131, "ledger_side_only"),
        (131, 100, None),
        (100, 131, "amounts_differ"),
        (1, None, "meter_side_only"),
        (1, 3, "amounts_differ"),
        (0.3, 0.1 + 0.2, None),
        (131, 131, None),
        (0, 131, None),
    ],
)
def test_a_settlement_on_one_side_is_told_though_no_unit_is_missing(
    meter: float | None, ledger: float | None, rule: str | None
) -> None:
    assert evidence(reconcile(settled(meter, ledger))) == ([half_applied(rule, 0)] if rule else [])


def test_a_settlement_of_a_week_without_a_usage_document_is_on_the_ledger_s_side_only() -> None:
    org = Org().entry("adjustment", "settle:2026-W46", 131, IN_W46).debit("x", 70, IN_W46)
    assert evidence(reconcile(org)) == [
        (W46, "no_usage_document", "usage_document_absent", "proved", "x", 1, -70),
        half_applied("ledger_side_only", 0),
    ]


@pytest.mark.parametrize(("age", "found"), [(GRACE, False), (GRACE + TICK, True), (GRACE - TICK, False)])
@pytest.mark.parametrize(("meter", "ledger"), [(131, None), (None, 131)])
def test_one_side_of_a_settlement_may_be_alone_for_two_days(
    meter: float | None, ledger: float | None, age: timedelta, found: bool
) -> None:
    result = reconcile(settled(meter, ledger, at=AS_OF - age))
    assert ("settlement_half_applied" in causes(result, W46)) is found


def test_a_document_that_tells_no_time_of_its_last_write_may_have_been_settled_just_now() -> None:
    assert evidence(reconcile(settled(131, None, updated_at=None))) == []


def test_amounts_that_differ_are_told_without_waiting() -> None:
    result = reconcile(settled(100, 131, at=AS_OF - timedelta(minutes=1)))
    assert evidence(result) == [half_applied("amounts_differ", 0)]


def test_only_a_settlement_of_the_document_s_own_week_counts() -> None:
    org = Org().week(W46, 700, 500, ["settle:2026-W45", "a"], settled_units=600.0).debit("a", 100, IN_W46)
    assert evidence(reconcile(org)) == [
        (W46, "unexplained", "no_cause_fits", "guess", None, None, 100),
    ]


def test_the_place_of_the_settlement_among_the_keys_counts() -> None:
    org = Org().week(W46, 762, 500, ["a", "b", "settle:2026-W46", "c"], settled_units=131.0, updated_at=IN_W46)
    org.entry("adjustment", "settle:2026-W46", 131, IN_W46).debit("b", 91, IN_W46).debit("c", 40, IN_W46)
    assert evidence(reconcile(org)) == [
        (W46, "settlement_timing", "settled_in_this_week", "proved", None, None, 131),
    ]


def test_the_balance_s_gap_is_what_the_ledger_does_not_sum_up_to() -> None:
    orgs = [Org(OTHER), Org().week(W45, 0, 500).week(W46, 900, 500, ["a", "b"]).debit("b", 360, IN_W46)]
    rules = context(orgs)
    for cached, cause in ((960.0, "debit_altered"), (1000.0, "missing_debit")):
        balances = rules.balances.assign(cached_balance=[7.0, cached], ledger_sum=[7.0, 1000.0])
        result = reconcile_meter(*frames(orgs), replace(rules, balances=balances))
        assert causes(result, W46) == {cause: 40}


def test_a_debit_after_the_change_of_plan_is_not_proved_by_the_quota_before_it() -> None:
    early, late = (f"{int(at.timestamp()):08x}0000000000000000:initial" for at in (MONDAY, inside(W46, 3)))
    org = Org().week(W45, 400, 500).week(W46, 1500, 5000, [early, late]).debit(late, 300, inside(W46, 3))
    org.subscribed(plan="pro", last_subscription_event_at=IN_W46)
    assert evidence(reconcile(org)) == [
        (W46, "unexplained", "no_cause_fits", "consistent", None, None, -300),
        (W46, "quota_changed", "may_be_dunning_and_recovery", "guess", None, None, 0),
    ]


def test_an_event_in_the_week_does_not_excuse_a_gap_in_the_debits() -> None:
    org = Org().week(W45, 400, 500).week(W46, 3000, 500, ["a", "b", "c"]).debit("b", 100, IN_W46)
    org.subscribed(last_subscription_event_at=IN_W46)
    assert evidence(reconcile(org)) == [
        (W46, "missing_debit", "certain_gap", "proved", "c", None, 2400),
    ]


@pytest.mark.parametrize("dark", [("subscriptions", ORG, None), ("billingusages", ORG, W45)])
def test_where_a_quota_is_hidden_both_stories_are_told(dark: tuple[str, str, str | None]) -> None:
    org = Org().week(W46, 900, 500, ["a", "b"]).debit("b", 470, IN_W46)
    assert evidence(reconcile(org, unreadable=[dark])) == [
        (W46, "unexplained", "no_cause_fits", "consistent", None, None, -70),
        (W46, "quota_changed", "may_be_unreadable", "guess", None, None, 0),
    ]


@pytest.mark.parametrize(
    ("age", "cause"), [(timedelta(minutes=5), "late_debit"), (timedelta(minutes=5) + TICK, "missing_debit")]
)
@pytest.mark.parametrize("week", [W46, W47])
def test_a_debit_is_late_for_five_minutes_in_a_week_that_is_not_closed(week: str, age: timedelta, cause: str) -> None:
    org = Org().week(week, 300, 0, ["a", "b"], updated_at=AS_OF - age).debit("a", 200, inside(week))
    result = reconcile(org)
    assert causes(result, week) == {cause if week == W47 else "missing_debit": 100}


def test_the_rows_stand_by_organization_week_and_as_they_were_found() -> None:
    orgs = [Org(name).week(W46, 300, 0, ["c", "a", "b"]).week(W45, 100, 0, ["d"]) for name in (OTHER, ORG)]
    for org in orgs:
        org.debit("x", 60, IN_W46).debit("y", 60, inside(W45)).debit("y", 60, inside(W47))
    result = reconcile(*orgs)
    one = [
        (W45, "debit_without_usage", "key_in_no_document", "proved", "y", 1, -60),
        (W45, "missing_debit", "certain_gap", "proved", "d", None, 100),
        (W46, "debit_without_usage", "key_in_no_document", "proved", "x", 0, -60),
        (W46, "missing_debit", "certain_gap", "proved", None, None, 300),
        (W46, "missing_debit", "candidate", "guess", "c", None, 0),
        (W46, "missing_debit", "candidate", "guess", "a", None, 0),
        (W46, "missing_debit", "candidate", "guess", "b", None, 0),
        (W47, "duplicate_debit", "one_reference_two_entries", "proved", "y", 2, -60),
    ]
    assert evidence(result) == one
    assert evidence(result, OTHER) == one
    assert result.evidence["organization_id"].tolist() == [ORG] * 8 + [OTHER] * 8
