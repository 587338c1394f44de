"""The way from usage to debits, line by line."""

from datetime import timedelta

import pytest

from billing_dq.reconcile.meter.waterfall import Entry, Line, Step, Waterfall, waterfall
from billing_dq.tables import LEDGER_ENTRIES, METER_EXTRAS_EVIDENCE, WEEKLY_USAGE
from billing_dq.weeks import Week
from tests.support.meter_world import Org, inside, reconcile, row

W43, W44, W45, W46, W47 = (f"2026-W{number}" for number in range(43, 48))
NOON = inside(W46)


def entry_id(place: int) -> str:
    return f"{place:024x}"


def shown(org: Org, week: str = W46, plan_quotas: tuple[float, ...] = ()) -> Waterfall:
    """The waterfall of what a night says of the week; usage and entries come in no order."""
    result = reconcile(org)
    return waterfall(
        row(result, week).to_dict(),
        result.evidence[result.evidence["week_key"] == week],
        WEEKLY_USAGE.from_rows(reversed(org.usage)),
        LEDGER_ENTRIES.from_rows(reversed(org.entries)),
        (Week.parse(week).start, Week.parse(week).end),
        plan_quotas,
    )


def settled_and_damaged() -> Org:
    """A settlement, a debit dated a week late, one lost, one copied, and two of no usage, between other quotas."""
    org = Org().week(W44, 10, 20_000).week(W45, 10, 700).week(W47, 10, 0)
    org.week(W46, 1500, 500, ["a", "settle:2026-W46", "b", "c", "d", "e"], settled_units=600.0)
    org.entry("refund", "b", -7, NOON)
    org.debit("a", 100, Week.parse(W46).start).entry("adjustment", "settle:2026-W46", 600, NOON)
    org.debit("b", 30, Week.parse(W46).end).debit("d", 60, NOON).debit("d", 60, NOON + timedelta(hours=1))
    org.debit("e", 110.5, NOON).debit("x", 5, Week.parse(W46).start).debit(None, 2, NOON).entry(
        "topup", None, 9000, NOON
    )
    return org.entry("adjustment", "settle:2026-W45", 40, NOON)


def test_every_number_of_a_week_is_told_from_its_usage_to_its_debits_and_the_causes_make_up_the_way() -> None:
    lines = shown(settled_and_damaged(), plan_quotas=(800, 500)).lines
    assert lines == (
        Line("used", 1500, "meterUsed"),
        Line("of it by a settlement", 600, "nothing is debited for it"),
        Line("quota", 500, "meterQuota"),
        Line("expected", 1000, "max(0, 1,500 - 500)"),
        Line("explainable from", 100, "quotas around this week: 500, 700, 800"),
        Line("explainable up to", 900, "so many debits for its keys at most"),
        Line("boundary_skew", -30, "dated_in_the_next_week, proved b"),
        Line("duplicate_debit", 60, "one_reference_two_entries, proved d"),
        Line("debit_without_usage", 5, "key_in_no_document, proved x"),
        Line("debit_without_usage", 2, "debit_without_reference, proved"),
        Line("settlement_timing", -600, "settled_in_this_week, consistent"),
        Line("missing_debit", -99.5, "certain_gap, proved c"),
        Line("debited", 337.5, "debits dated in the week"),
        Line("delta", 662.5, "expected less debited: positive is undercharged"),
        Line("tolerance", 50),
        Line("explained", 630, "by the application's design"),
        Line("unexplained", 32.5),
    )
    assert sum(line.units or 0.0 for line in (lines[3], *lines[6:12])) == lines[12].units


def test_the_steps_come_in_commit_order_each_with_the_first_debit_of_its_key_wherever_that_is_dated() -> None:
    assert shown(settled_and_damaged()).steps == (
        Step("a", 100, Week.parse(W46).start, entry_id(1), ""),
        Step("settle:2026-W46", -600, NOON, entry_id(2), "settlement"),
        Step("b", 30, Week.parse(W46).end, entry_id(3), "boundary_skew (dated_in_the_next_week)"),
        Step("c", None, None, None, "missing_debit (certain_gap)"),
        Step("d", 60, NOON, entry_id(4), ""),
        Step("e", 110.5, NOON, entry_id(6), ""),
    )


def test_debits_and_settlements_of_the_week_that_carry_none_of_its_steps_are_told_apart() -> None:
    org = settled_and_damaged().debit("y", 1, Week.parse(W46).end)
    later = NOON + timedelta(hours=1)
    assert shown(org).other_entries == (
        Entry(entry_id(10), "adjustment", "settle:2026-W45", 40, NOON, ""),
        Entry(entry_id(8), "debit", None, -2, NOON, "debit_without_usage (debit_without_reference)"),
        Entry(entry_id(7), "debit", "x", -5, Week.parse(W46).start, "debit_without_usage (key_in_no_document)"),
        Entry(entry_id(5), "debit", "d", -60, later, "duplicate_debit (one_reference_two_entries)"),
    )


def test_a_step_within_the_quota_has_no_entry_and_an_unknown_plan_no_quota() -> None:
    found = shown(Org().week(W46, 900, 500, ["a", "b"]).debit("b", 400, NOON))
    assert found.steps == (Step("a", None, None, None, "no entry"), Step("b", 400, NOON, entry_id(0), ""))
    assert [line for line in found.lines if line.name.startswith(("of it", "explainable"))] == [
        Line("explainable from", 400, "quotas around this week: 500"),
        Line("explainable up to", 400, "so many debits for its keys at most"),
    ]


def test_a_week_without_a_usage_document_has_no_steps_and_expects_nothing() -> None:
    found = shown(Org().week(W45, 900, 500, ["a"]).debit("a", 400, NOON))
    assert found.lines[:5] == (
        Line("used", 0, "no usage document: 0"),
        Line("quota", 0, "no usage document: 0"),
        Line("expected", 0, "quota 0: all of the usage"),
        Line("explainable from", 0, "quotas around this week: 0, 500"),
        Line("explainable up to", 0, "so many debits for its keys at most"),
    )
    assert found.steps == ()
    assert found.other_entries == (
        Entry(entry_id(0), "debit", "a", -400, NOON, "boundary_skew (dated_in_the_next_week)"),
    )


def test_a_settlement_whose_units_are_not_known_is_none_of_the_numbers() -> None:
    org = Org().week(W46, 900, 500, ["a", "settle:2026-W46"], settled_units=None).debit("a", 400, NOON)
    assert [line.name for line in shown(org).lines[:3]] == ["used", "quota", "expected"]


def test_what_is_no_number_is_no_line() -> None:
    org = Org().week(W46, 900, 500, ["a"]).debit("a", 300, NOON)
    with pytest.raises(TypeError, match="'900' is no number of units"):
        waterfall(
            {**row(reconcile(org), W46).to_dict(), "meter_used": "900"},
            METER_EXTRAS_EVIDENCE.empty(),
            WEEKLY_USAGE.from_rows(org.usage),
            LEDGER_ENTRIES.from_rows(org.entries),
            (Week.parse(W46).start, Week.parse(W46).end),
            (),
        )
