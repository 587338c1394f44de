"""What a night amounts to: sums that agree with the tables, changes since the night before, percentages that add up."""

import pandas as pd
import pytest

from billing_dq.reconcile.findings.standing import verdicts
from billing_dq.report.verdicts import GRADES, Share, changes, coverage, sums
from billing_dq.report.words import summary
from tests.support.finding_rows import deltas, week
from tests.support.report_night import NIGHT, finding, findings, night, old


def test_every_finding_has_one_verdict() -> None:
    told = night()
    by_id = dict(zip(told.findings["finding_id"].str.lstrip("0"), told.verdict, strict=True))
    assert by_id["1"] == by_id["2"] == by_id["8"] == "unexplained"
    assert by_id["4"] == "undecided"
    assert by_id["5"] == "by_design"
    assert by_id["6"] == "accepted"


def test_the_sums_of_the_verdicts_are_those_of_the_table() -> None:
    told = night()
    totals = sums(told.findings, told.verdict)
    assert sum(one.findings for one in totals.values()) == len(told.findings)
    net = sum(one.cents_to_us - one.cents_to_customers for one in totals.values())
    assert net == told.findings["usd_cents"].sum()
    units = sum(one.units_to_us - one.units_to_customers for one in totals.values())
    assert units == told.findings["units"].sum()


def test_units_that_another_finding_owns_and_those_of_a_state_are_in_no_sum() -> None:
    rows = findings(
        finding(1, units=500.0, usd_cents=50),
        finding(2, units=500.0, usd_cents=0, same_money_as=f"{1:016x}"),
        finding(3, units=9000.0, usd_cents=0, kind="runaway_balance"),
        finding(4, units=20.0, usd_cents=2, severity="info", verdict="too_small"),
    )
    totals = sums(rows, verdicts(rows))
    assert (totals["unexplained"].findings, totals["unexplained"].units_to_us) == (3, 500.0)
    assert (totals["too_small"].findings, totals["too_small"].units_to_us) == (1, 20.0)


def test_only_what_the_night_itself_saw_is_in_the_first_sentence() -> None:
    first = summary(night())
    assert first.verdict == "Money is leaking."
    assert first.sentence == (
        "1 break is new of 4 open; $5.00 is owed to us and $0.50 to customers; "
        "the oldest has been open for 4 nights, since 2026-11-01."
    )


def test_a_night_without_a_break_says_so() -> None:
    first = summary(night(findings(finding(5, severity="info"))))
    assert first.verdict == "Nothing is broken."
    assert first.first.empty


def test_a_stripe_that_failed_is_part_of_the_first_sentence() -> None:
    assert "Stripe could not be read" in summary(night(stripe="failed")).sentence


def test_a_finding_that_grew_is_worse() -> None:
    before = findings(finding(1), finding(2), finding(3), finding(4))
    tonight = findings(
        old(1, usd_cents=101), old(2, units=-1001.0), old(3, severity="critical"), old(4, units=-1000.0), finding(5)
    )
    assert list(changes(tonight, before, NIGHT)) == ["worse", "worse", "worse", "unchanged", "new"]


def test_what_was_not_examined_tonight_is_told_apart() -> None:
    assert summary(night()).changes == {
        "new": 3,
        "worse": 1,
        "reopened": 1,
        "resolved": 1,
        "unchanged": 2,
        "not examined": 1,
    }


@pytest.mark.parametrize("counts", [(1, 1, 1), (2, 3, 995), (1, 0, 0), (7, 11, 13), (1, 1, 10**6)])
def test_the_coverage_adds_up_to_100_percent(counts: tuple[int, int, int]) -> None:
    grades = ("exact", "undecided", "unexplained")
    names = [grade for grade, count in zip(grades, counts, strict=True) for _ in range(count)]
    shares = coverage(pd.DataFrame({"grade": pd.Series(names, dtype="str")}))
    assert [share.grade for share in shares] == list(GRADES)
    assert round(sum(share.percent for share in shares), 6) == 100
    assert sum(share.weeks for share in shares) == sum(counts)


def test_a_night_without_weeks_covers_nothing() -> None:
    assert coverage(deltas()) == [Share(grade, 0, 0.0) for grade in GRADES]
    assert coverage(deltas(week("exact")))[0] == Share("exact", 1, 100.0)
