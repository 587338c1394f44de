"""An excuse needs evidence: weeks in which the application did something and a debit may have been lost as well.

The first cases are from the application's own code (docs/causes.md, "Two stories").
"""

import sys
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from billing_dq.reconcile.meter.meter_extras import MeterResult
from billing_dq.weeks import Week
from tests.support.meter_world import ORG, Org, causes, inside, reconcile, row

W45, W46, W47 = "2026-W45", "2026-W46", "2026-W47"
MONDAY = Week.parse(W46).start
SATURDAY = MONDAY + timedelta(days=5, hours=12)


def key(at: datetime, number: int) -> str:
    return f"{int(at.timestamp()):08x}{number:016x}:initial"


def forty_steps(lost: Callable[[datetime], bool], event: datetime = SATURDAY) -> Org:
    """Quota 500; 40 steps of 100, six a day from Monday; the debits follow the quota but for those lost."""
    org = Org()
    times = [MONDAY + timedelta(hours=4 * number + 1) for number in range(40)]
    keys = [key(at, number) for number, at in enumerate(times)]
    org.week(W46, 4000, 500, keys)
    for number, at in enumerate(times):
        if number >= 5 and not lost(at):
            org.debit(keys[number], 100, at + timedelta(seconds=1))
    return org.subscribed(
        plan="starter", last_subscription_event_at=event, updated_at=event, stripe_subscription_id="sub_1"
    )


def test_a_gap_in_the_debits_is_lost_whatever_event_the_week_had() -> None:
    """Ten debits are missing from Wednesday to Thursday, and a card was changed on Saturday."""
    begin = MONDAY + timedelta(hours=4 * 15)
    result = reconcile(forty_steps(lambda at: begin <= at < begin + timedelta(hours=40)))
    assert row(result, W46)["grade"] == "unexplained"
    assert causes(result, W46) == {"missing_debit": 1000}
    assert result.evidence.iloc[0][["rule", "confidence"]].tolist() == ["certain_gap", "proved"]


def test_all_debits_missing_before_an_event_are_never_explained() -> None:
    result = reconcile(forty_steps(lambda at: at < SATURDAY))
    assert row(result, W46)["grade"] in ("undecided", "unexplained")
    assert row(result, W46)["cause"] == "missing_debit"


def test_the_same_with_the_week_before_on_record_is_lost_for_certain() -> None:
    org = forty_steps(lambda at: at < SATURDAY).week(W45, 100, 500)
    org.usage.reverse()
    assert row(reconcile(org), W46)["grade"] == "unexplained"


def test_a_step_of_no_units_lost_nothing() -> None:
    """Keys a (500), z (0), a settlement of 200, b (200, debited): 900 used of 500."""
    org = Org().week(W46, 900, 500, ["a", "z", f"settle:{W46}", "b"], settled_units=200.0)
    org.entry("adjustment", f"settle:{W46}", 200, inside(W46)).debit("b", 200, inside(W46, 3))
    result = reconcile(org)
    assert row(result, W46)["grade"] == "explained"
    assert causes(result, W46) == {"settlement_timing": 200}


def dunned(**more: object) -> Org:
    """Quota 5,000 in the document; a without a debit, b and c in full while unpaid; active again today."""
    org = Org().week(W45, 0, 5000).week(W46, 600, 5000, ["a", "b", "c"]).week(W47, 0, 5000)
    org.debit("b", 200, inside(W46, 3)).debit("c", 200, inside(W46, 4))
    return org.subscribed(plan="pro", stripe_subscription_id="sub_1", updated_at=inside(W46, 6), **more)


def test_dunning_that_recovered_is_a_warning_and_no_tampering() -> None:
    result = reconcile(dunned())
    assert row(result, W46)["grade"] == "undecided"
    assert "unpaid for a part of the week" in row(result, W46)["explanation"]
    assert "debit_altered" not in causes(result, W46)


def without_balance(**subscription: object) -> Org:
    """Quota 500 in the document, 536 used, nothing debited ever; the next document shows another plan."""
    org = Org(has_balance=False).week(W45, 0, 500).week(W46, 536, 500, ["a", "b"]).week(W47, 0, 5000)
    return org.subscribed(plan="pro", stripe_subscription_id="sub_1", **subscription)


def test_debits_that_were_never_written_may_not_have_been_due() -> None:
    """A change of plan that the document did not follow fits as well as a lost balance document."""
    result = reconcile(without_balance(updated_at=inside(W47)))
    assert row(result, W46)["cause"] == "no_balance_document"
    assert causes(result, W46) == {"no_balance_document": 36, "quota_changed": 0}
    # the loss, the two keys that it left without a debit, and the other story
    assert result.evidence["confidence"].tolist() == ["consistent", "consistent", "consistent", "guess"]


def test_a_defect_beyond_doubt_is_the_cause_before_a_larger_one_in_doubt() -> None:
    org = dunned().debit("c", 60, inside(W46, 5))
    result = reconcile(org)
    assert causes(result, W46)["duplicate_debit"] == -60
    assert row(result, W46)["cause"] == "duplicate_debit"
    assert row(result, W46)["grade"] == "unexplained"


def test_a_settlement_is_sound_where_units_are_in_no_part_of_the_breakdown() -> None:
    """400 used, 299 of them in the breakdown, one run's base in none, 100 settled and credited."""
    org = Org().week(W45, 0, 500).week(W46, 400, 500, ["a", f"settle:{W46}"], settled_units=101.0)
    org.entry("adjustment", f"settle:{W46}", 100, inside(W46))
    result = reconcile(org)
    assert result.evidence.empty
    assert row(result, W46)["grade"] == "exact"


def odd_week(steps: int, **subscription: object) -> Org:
    """Free, an event in the week, and the meter 500 above its steps."""
    keys = [key(MONDAY + timedelta(seconds=10 * number), number) for number in range(steps)]
    org = Org().week(W46, steps + 500, 0, keys)
    for number, ref in enumerate(keys):
        org.debit(ref, 1, MONDAY + timedelta(seconds=10 * number + 1))
    known = {"plan": "free", "last_subscription_event_at": SATURDAY, "updated_at": SATURDAY}
    return org.subscribed(**known | subscription)


def calls(org: Org) -> tuple[int, MeterResult]:
    """How many functions are called to explain an organization, and what comes of it."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        result = reconcile(org)
    finally:
        sys.setprofile(before)
    return count, result


@pytest.mark.parametrize(
    "history",
    [
        {},
        {"status": "canceled"},
        {"status": "unpaid", "admin_updated_at": SATURDAY, "stripe_subscription_id": "sub_1"},
        {"plan": "pro", "admin_updated_at": MONDAY + timedelta(days=1), "stripe_subscription_id": "sub_1"},
    ],
)
def test_the_work_grows_with_the_keys_and_no_faster(history: dict[str, object]) -> None:
    small, _ = calls(odd_week(1000, **history))
    large, result = calls(odd_week(2000, **history))
    assert large < 2.1 * small
    assert row(result, W46, ORG)["grade"] in ("unexplained", "undecided")
