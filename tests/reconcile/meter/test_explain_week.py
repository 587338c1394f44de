"""What a week's arithmetic leads to: every piece of it, whole."""

import pytest

from billing_dq.reconcile.meter.causes import Cause, Confidence
from billing_dq.reconcile.meter.week_explanation import Key, Week, explain_week


def week(keys: str, used: float, quota: float, **more: object) -> Week:
    """A week with its keys in a row: `a b=131` is one without a debit and one with it, `c*` a replayed one."""
    told = (text.partition("=") for text in keys.split())
    held = [Key(name.strip("*"), float(units) if units else None, name.endswith("*")) for name, _, units in told]
    return Week(keys=held, meter_used=used, meter_quota=quota, **more)  # type: ignore[arg-type]


def explained(told: Week) -> list[tuple[Cause, str, Confidence, float, str | None]]:
    pieces = explain_week(told)
    assert sum(piece.units for piece in pieces) == pytest.approx(told.core)
    return [(piece.cause, piece.rule, piece.confidence, piece.units, piece.ref_id) for piece in pieces]


def piece(cause: str, rule: str, confidence: Confidence, units: float, ref: str | None = None) -> tuple[object, ...]:
    return (cause, rule, confidence, units, ref)


def timing(units: float, confidence: Confidence = "proved") -> tuple[object, ...]:
    return piece("settlement_timing", "settled_in_this_week", confidence, units)


def changed(units: float, rule: str = "quota_in_force", confidence: Confidence = "proved") -> tuple[object, ...]:
    return piece("quota_changed", rule, confidence, units)


def inside_the_band(units: float) -> tuple[object, ...]:
    return changed(units, "inside_the_band", "consistent")


def set_back(units: float) -> tuple[object, ...]:
    return piece("usage_reset", "meter_set_back", "consistent", units)


def altered(units: float) -> tuple[object, ...]:
    return piece("debit_altered", "keys_matched_sums_differ", "consistent", units)


def candidate(units: float, ref: str | None) -> tuple[object, ...]:
    return piece("missing_debit", "candidate", "consistent", units, ref)


def gap(units: float, ref: str) -> tuple[object, ...]:
    return piece("missing_debit", "certain_gap", "proved", units, ref)


def unexplained(units: float) -> tuple[object, ...]:
    return piece("unexplained", "no_cause_fits", "guess", units)


KEPT = piece("debit_altered", "balance_kept_the_amount", "proved", 40)
NO_BALANCE = "no_balance_document", "balance_document_absent", "proved"
LATE = "late_debit", "written_minutes_ago", "consistent"
SETTLED = {"settled": 131.0}
AMISS = "settlement_half_applied"
REPLAYED = "replayed_across_weeks", "key_in_two_weeks", "proved"
CANCELLED = "usage_reset", "cancellation"


@pytest.mark.parametrize(
    ("told", "pieces"),
    [
        (week("a b=360", 900, 500, balance_gap=-40.0), [KEPT]),
        (week("a b=360", 900, 500, balance_gap=-30.0), [candidate(40, "a")]),
        (week("a b=360", 900, 500, balance_gap=40.0), [candidate(40, "a")]),
        (week("b=360 c", 900, 500, balance_gap=-40.0), [gap(40, "c")]),
    ],
)
def test_a_balance_that_remembers_another_amount_proves_it_where_no_step_lost_its_debit(
    told: Week, pieces: list[object]
) -> None:
    assert explained(told) == pieces


@pytest.mark.parametrize(
    ("told", "pieces"),
    [
        (week("a b=131", 762, 500, **SETTLED, settled_before=2), [timing(131)]),
        (week("a", 600, 500, **SETTLED, settled_before=1), [timing(100)]),
        (week("a b=222", 762, 500, **SETTLED), [candidate(40, "a")]),
        (week("a b=91 c", 762, 500, **SETTLED, settled_before=3), [timing(131, "consistent"), gap(40, "c")]),
        (week("a=100", 150, 0, settled=50.0), [unexplained(50)]),
        (
            week("a b=131", 762, 500, **SETTLED, settled_before=2, settled_amiss=131.0),
            [piece(AMISS, "meter_side_only", "proved", 131)],
        ),
        (
            week("a", 600, 500, **SETTLED, settled_before=1, settled_amiss=131.0),
            [piece(AMISS, "meter_side_only", "proved", 100)],
        ),
        (
            week("a b=131", 762, 500, **SETTLED, settled_before=2, settled_amiss=31.0),
            [piece(AMISS, "amounts_differ", "proved", 31), timing(100)],
        ),
        (week("a b=131", 762, 500, **SETTLED, settled_before=2, settled_amiss=-69.0), [timing(131)]),
        (
            week("a b=100", 2231, 500, **SETTLED, settled_before=1, earlier_quotas=(5000.0,)),
            [timing(131), changed(1500)],
        ),
        (
            week("a b=300 c", 5100, 5000, **SETTLED, settled_before=3, earlier_quotas=(500.0,)),
            [changed(-200)],
        ),
    ],
)
def test_a_settlement_accounts_for_what_it_added_to_the_expected_units(told: Week, pieces: list[object]) -> None:
    assert explained(told) == pieces


@pytest.mark.parametrize(
    ("told", "pieces"),
    [
        (week("a b c", 300, 0, fresh=True), [piece(*LATE, 300, "c")]),
        (week("z=100 a b c", 400, 0, fresh=True), [piece(*LATE, 300, "c")]),
        (week("z=100 a b c d", 400, 0, fresh=True), [gap(300, "a"), gap(0, "b"), gap(0, "c"), gap(0, "d")]),
        (week("z=100 a b=100 c", 300, 0, fresh=True), [gap(100, "a"), gap(0, "c")]),
        (week("z=100 a", 400, 0), [gap(300, "a")]),
        (
            week("a b=131 c", 812, 500, **SETTLED, settled_before=2, fresh=True),
            [timing(131, "consistent"), piece(*LATE, 50, "c")],
        ),
        (week("", 900, 500, fresh=True), [unexplained(400)]),
        (week("a=300", 900, 500, fresh=True), [altered(100)]),
        (week("a", 300, 0, fresh=True, has_balance=False), [piece(*LATE, 300, "a")]),
        (week("a", 300, 0, fresh=True, owed_before=True), [piece(*LATE, 300, "a")]),
        (week("a", 300, 0, fresh=True, has_balance=False, owed_before=True), [piece(*NO_BALANCE, 300)]),
        (week("a", 1, 0, has_balance=False), [piece(*NO_BALANCE, 1)]),
    ],
)
def test_the_last_three_steps_of_a_fresh_document_may_wait_for_their_debits(told: Week, pieces: list[object]) -> None:
    assert explained(told) == pieces


RAISED = {"earlier_quotas": (500.0,)}


@pytest.mark.parametrize(
    ("told", "pieces"),
    [
        (week("a b=100 c=250 d", 1500, 5000, **RAISED), [changed(-350)]),
        (week("a b=100 c=250 d", 1500, 5000, **RAISED, steps_before_change=3), [changed(-350)]),
        (week("a b=100 c=250 d", 1500, 5000, **RAISED, steps_before_change=2), [set_back(-350)]),
        (
            week("a b=100 c=250 d", 1500, 5000, **RAISED, **SETTLED, settled_before=1, steps_before_change=3),
            [changed(-350)],
        ),
        (
            week("a b=100 c=250 d", 1500, 5000, **RAISED, **SETTLED, settled_before=1, steps_before_change=2),
            [set_back(-350)],
        ),
        (
            week("a b=100 c=250 d=50 e", 1500, 5000, **RAISED, **SETTLED, settled_before=5, steps_before_change=3),
            [set_back(-400)],
        ),
        (
            week("a b=100 c=250 d=50 e", 1500, 5000, **RAISED, settled_before=1, steps_before_change=3),
            [set_back(-400)],
        ),
        (week("a b c=300", 1500, 5000, live_changes=((500.0,),)), [changed(-300)]),
        (week("a b c=300", 1500, 5000, live_changes=((0.0,), (1200.0,))), [changed(-300)]),
        (week("a b=100 c d=60", 960, 500, live_changes=((5000.0, 0.0),)), [changed(300)]),
        (week("a b=100 c d=700", 5700, 500, **RAISED, middle_quotas=(5000.0,)), [changed(4400)]),
        (week("a b=100 c", 3000, 500, middle_quotas=(5000.0,)), [changed(2400)]),
        (
            week("a b=100 c", 3000, 500, middle_quotas=(5000.0,), steps_before_change=3),
            [changed(2400)],
        ),
        (week("a b=600", 1100, 5000, earlier_quotas=(400.0,), middle_quotas=(500.0,)), [changed(-600)]),
        (
            week("a b=600", 1100, 5000, earlier_quotas=(400.0,), middle_quotas=(500.0,), steps_before_change=1),
            [inside_the_band(-600)],
        ),
    ],
)
def test_a_change_of_quota_explains_what_the_order_of_the_steps_allows(told: Week, pieces: list[object]) -> None:
    assert explained(told) == pieces


@pytest.mark.parametrize(
    ("told", "pieces"),
    [
        (week("a=50 b=60", 60, 0, cancelled=True), [piece(*CANCELLED, "proved", -50)]),
        (week("a b=73 c=77", 77, 0, cancelled=True, **RAISED), [piece(*CANCELLED, "proved", -73)]),
        (
            week("a b=100 c d=30 e=77", 77, 0, cancelled=True, **RAISED, middle_quotas=(5000.0,)),
            [piece(*CANCELLED, "proved", -130)],
        ),
        (
            week("a b=73 c=102 d", 77, 0, cancelled=True, **RAISED),
            [piece(*CANCELLED, "consistent", -175), candidate(77, None)],
        ),
        (
            week("a b=73 c=102 d=60 e", 100, 0, cancelled=True, **RAISED),
            [piece(*CANCELLED, "consistent", -175), candidate(40, None)],
        ),
        (
            week("a b=73 c=100 d=60 e f=5", 165, 0, cancelled=True, **RAISED),
            [altered(-73)],
        ),
        (week("a b=90", 0, 500), [set_back(-90)]),
        (
            week("a b=90", 0, 0, **RAISED, settled=600.0, settled_before=0),
            [altered(-90)],
        ),
        (
            week("a b=90", 0, 0, settled=400.0, settled_before=0, **RAISED),
            [set_back(-90)],
        ),
    ],
)
def test_usage_set_to_zero_keeps_the_debits_from_before_it(told: Week, pieces: list[object]) -> None:
    assert explained(told) == pieces


@pytest.mark.parametrize(
    ("told", "pieces"),
    [
        (week("a b", 600, 500), [candidate(100, "b")]),
        (week("a b c=300", 900, 500), [candidate(100, "b")]),
        (week("a b=100 c=200 d e", 900, 500), [gap(100, "d"), gap(0, "e")]),
        (week("a b=100 c", 300, 0), [gap(200, "a"), gap(0, "c")]),
        (week("a* b=50", 130, 0), [piece(*REPLAYED, 80, "a")]),
        (week("a* b*=50 c*", 130, 0), [piece(*REPLAYED, 80, "a"), piece(*REPLAYED, 0, "c")]),
        (week("a* b=50 c", 130, 0), [gap(80, "a"), gap(0, "c")]),
        (week("a b=50 c*", 600, 500), [piece(*REPLAYED, 50, "c")]),
        (week("a* b c=300", 900, 500), [candidate(100, "b")]),
        (
            week("a b=91 c*", 762, 500, **SETTLED, settled_before=3),
            [timing(131, "consistent"), piece(*REPLAYED, 40, "c")],
        ),
        (
            week("a b c=300", 900, 5000, **RAISED),
            [changed(-400, confidence="consistent"), candidate(100, None)],
        ),
        (
            week("a b=100 c d=200", 900, 5000, **RAISED),
            [changed(-400, confidence="consistent"), candidate(100, None)],
        ),
        (week("a b=300 c", 5100, 5000, **RAISED), [inside_the_band(-200)]),
    ],
)
def test_lost_debits_are_the_units_beyond_those_that_were_debited(told: Week, pieces: list[object]) -> None:
    assert explained(told) == pieces


AT_THE_START = {"steps_before_change": 0}


@pytest.mark.parametrize(
    ("told", "pieces"),
    [
        (week("a b=470", 900, 500), [altered(-70)]),
        (week("a=300", 900, 500), [altered(100)]),
        (week("", 900, 500), [unexplained(400)]),
        (week("a=1000", 6000, 500, earlier_quotas=(5000.0,), **AT_THE_START), [inside_the_band(4500)]),
        (week("a=999", 6000, 500, earlier_quotas=(5000.0,), **AT_THE_START), [altered(4501)]),
        (week("a=1000", 1500, 5000, **RAISED, **AT_THE_START), [inside_the_band(-1000)]),
        (week("a=1001", 1500, 5000, **RAISED, **AT_THE_START), [altered(-1001)]),
        (week("a=100 b c=100", 400, 500), [altered(-200)]),
        (week("a=100 b c=100", 400, 500, live_changes=((5000.0,), (600.0, 0.0))), [inside_the_band(-200)]),
        (week("a=100 b c=100", 400, 500, middle_quotas=(100.0,)), [inside_the_band(-200)]),
        (week("a b=470", 900, 500, quota_unknown=True), [inside_the_band(-70)]),
        (week("a", 900, 500, quota_unknown=True, has_balance=False), [inside_the_band(400)]),
        (week("a b=131", 762, 500, **SETTLED, quota_unknown=True), [timing(131, "consistent")]),
        (
            week("a b=100", 762, 500, **SETTLED, quota_unknown=True),
            [timing(131, "consistent"), inside_the_band(31)],
        ),
        (
            week("a b=100", 762, 500, **SETTLED, quota_unknown=True, settled_amiss=131.0),
            [piece(AMISS, "meter_side_only", "proved", 131), inside_the_band(31)],
        ),
    ],
)
def test_what_no_order_of_the_steps_explains_is_inside_the_band_or_a_defect(told: Week, pieces: list[object]) -> None:
    assert explained(told) == pieces
