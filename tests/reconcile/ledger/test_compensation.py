"""What makes a break good: the opposite amount, later, in the same ledger, each entry once."""

import pandas as pd
import pytest

from billing_dq.reconcile.ledger.compensation import with_compensations
from billing_dq.reconcile.ledger.entry_rules import entry_violations
from billing_dq.reconcile.ledger.expiry import expiry_violations
from tests.support.ledger_rows import AS_OF, NIGHT, OTHER, entry, ledger, suspects

Entry = dict[str, object]
DEBIT = entry("debit", -300, "debit", 90, ref="h2:a")
COPY = entry("debit", -300, "copy", 80, ref="h2:a")


def correction(units: float = 300, entry_id: str = "fix", ref: str | None = None, **more: object) -> Entry:
    kind = "adjustment" if units > 0 else "refund"
    return entry(kind, units, entry_id, 10, ref=ref or f"correction-{entry_id}", **more)


def judged(*entries: Entry, dollars_to_units: float = 1000.0) -> pd.DataFrame:
    rows = suspects(*entries)
    violations = [entry_violations(rows, AS_OF), expiry_violations(ledger(*entries), NIGHT)]
    return with_compensations(pd.concat(violations), rows, dollars_to_units)


def made_good(*entries: Entry, dollars_to_units: float = 1000.0) -> dict[str, str]:
    """Entry of each break that was made good, and by which entry."""
    found = judged(*entries, dollars_to_units=dollars_to_units)
    assert (found["compensated_by"].notna() == (found["units"] == 0)).all()
    good = found.dropna(subset=["compensated_by"])
    return dict(zip(good["entry_id"], good["compensated_by"], strict=True))


def test_a_copied_debit_that_was_credited_is_listed_with_the_credit_and_without_units():
    found = judged(DEBIT, COPY, correction())
    assert found[["rule", "entry_id", "units", "compensated_by"]].to_numpy().tolist() == [
        ["duplicate_ref", "copy", 0.0, "fix"]
    ]
    assert found["detail"].tolist() == [
        "a debit of -300 units repeats the refId h2:a of an earlier entry; "
        "the adjustment fix of 300 units makes it good"
    ]


@pytest.mark.parametrize(
    "no_correction",
    [
        correction(299),
        correction(301),
        correction(ref="settle:2026-W47"),
        correction(ref="dispute_reinstate_du_1"),
        correction(organization=OTHER),
        entry("topup", 300, "grant", 10, ref="grant-1"),
    ],
)
def test_anything_else_makes_nothing_good(no_correction: Entry):
    assert made_good(DEBIT, COPY, no_correction) == {}


def test_a_correction_comes_after_what_it_corrects():
    assert made_good(DEBIT, correction(), COPY) == {}
    assert made_good(correction(entry_id="early"), DEBIT, COPY, correction()) == {"copy": "fix"}


def test_a_correction_is_used_once():
    second = entry("debit", -300, "second", 70, ref="h2:a")
    assert made_good(DEBIT, COPY, second, correction()) == {"copy": "fix"}
    both = made_good(DEBIT, COPY, correction(), second, correction(entry_id="fix2"))
    assert both == {"copy": "fix", "second": "fix2"}


def test_a_correction_that_is_a_break_itself_makes_nothing_good():
    twice = correction(entry_id="again", ref="correction-fix")
    second = entry("debit", -300, "second", 70, ref="h2:a")
    found = judged(DEBIT, COPY, second, correction(), twice)
    assert found["compensated_by"].notna().sum() == 1


@pytest.mark.parametrize(
    ("wrong", "opposite"),
    [
        ([entry("topup", 500, "t", 90, session="cs_1"), entry("topup", 500, "wrong", 80, session="cs_1")], -500),
        ([entry("debit", 40, "wrong", 80, ref="a")], -80),
        ([entry("adjustment", 40, "wrong", 80)], -40),
        ([entry("bonus", 40, "wrong", 80, ref="a")], -40),
        ([entry("debit", -40, "wrong", 80)], 40),
    ],
)
def test_whatever_moved_units_wrongly_is_made_good_by_the_opposite(wrong: list[Entry], opposite: float):
    assert made_good(*wrong) == {}
    assert made_good(*wrong, correction(opposite)) == {"wrong": "fix"}


def test_what_an_expiration_took_too_much_is_made_good_by_an_adjustment():
    pack = entry("topup", 50, "t", 200, session="cs_1", expires=100)
    too_much, twice = (entry("expiration", -units, f"x{units}", 90, ref="expire-t") for units in (60, 50))
    assert made_good(pack, too_much, correction(10)) == {"x60": "fix"}
    assert made_good(pack, twice, {**twice, "entry_id": "second"}, correction(50))["second"] == "fix"


def test_an_entry_that_breaks_two_rules_is_undone_once():
    odd = entry("debit", 40, "odd", 80)
    found = judged(odd, correction(-80))
    assert found["rule"].tolist() == ["sign", "missing_ref"]
    assert found["compensated_by"].tolist() == ["fix", "fix"]


@pytest.mark.parametrize(("owed", "given"), [(300, 300), (301, 310), (309.5, 310)])
def test_a_credit_of_the_tool_counts_up_to_the_next_whole_cent(owed: float, given: float):
    first, copy = ({**one, "amount": -owed} for one in (DEBIT, COPY))
    for units, expected in ((given, {"copy": "fix"}), (given - 10, {}), (given + 10, {})):
        assert made_good(first, copy, correction(units, ref="dispute-credit-7")) == expected


def test_a_credit_of_the_tool_after_a_clawback_may_be_the_disputes():
    clawback = entry("refund", -300, "clawback", 85, ref="refund-dispute_du_1-t")
    credit = correction(ref="dispute-credit-7")
    assert made_good(DEBIT, COPY, clawback, credit) == {}
    assert made_good(DEBIT, COPY, credit, clawback) == {"copy": "fix"}
    assert made_good(DEBIT, COPY, clawback, credit, correction(entry_id="own")) == {"copy": "own"}
    assert made_good(clawback, {**clawback, "entry_id": "again"}, credit) == {"again": "fix"}


@pytest.mark.parametrize(("clawed_back", "is_the_disputes"), [(149, False), (150, True), (600, True), (601, False)])
def test_a_credit_that_is_far_from_a_clawback_is_not_the_disputes(clawed_back: float, is_the_disputes: bool):
    clawback = entry("refund", -clawed_back, "clawback", 85, ref="refund-dispute_du_1-t")
    found = made_good(DEBIT, COPY, clawback, correction(ref="dispute-credit-7"))
    assert found == ({} if is_the_disputes else {"copy": "fix"})


def test_what_moved_no_units_or_ends_by_itself_is_not_made_good():
    future = entry("topup", 40, "future", -24, ref="grant")
    for uncorrectable in (entry("topup", 0, "nothing", 80), future):
        assert judged(uncorrectable, correction(-40))["compensated_by"].isna().all()


def test_thousands_of_breaks_of_one_ledger_find_their_corrections():
    copies = [entry("debit", -300, f"copy{n}", 80, ref="h2:a") for n in range(3000)]
    fixes = [correction(entry_id=f"fix{n}") for n in range(3000)]
    assert made_good(DEBIT, *copies, *fixes) == {f"copy{n}": f"fix{n}" for n in range(3000)}
