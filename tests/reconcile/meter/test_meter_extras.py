"""The plain rule, the grades, and what has to stay the same when the world is turned around."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.reconcile.meter import meter_extras
from billing_dq.reconcile.meter.causes import Cause, EvidenceItem
from billing_dq.reconcile.meter.evidence import Evidence
from billing_dq.reconcile.meter.meter_extras import MeterResult, reconcile_meter, unreadable_elsewhere
from billing_dq.units import Tolerance
from billing_dq.weeks import NightWeeks, Week
from tests.support.examples import examples
from tests.support.meter_sample import reconcile_sample
from tests.support.meter_world import AS_OF, ORG, OTHER, Org, causes, context, frames, inside, reconcile, row

W43, W44, W45, W46, W47 = (f"2026-W{number}" for number in range(43, 48))

LISTED = {
    ("6ab32b259efbcc0f7f5a4495", W46): "quota_changed",
    ("6ac9c91365e2b11fea98c569", W47): "quota_changed",
    ("6ac9e1a46f9e789c6496ae4f", W46): "usage_reset",
    ("6ab3fa79f7a4e0ce71c832ad", W44): "settlement_timing",
    ("6ab3fa79f7a4e0ce71c832ad", W46): "settlement_timing",
    ("6ab3fa79f7a4e0ce71c832ad", W47): "settlement_timing",
    ("6ab506723c5ea98fe05009fc", W46): "settlement_timing",
    ("6ab6dd0b1dd4b38f4f8201d6", W45): "settlement_timing",
    ("6ab6dd0b1dd4b38f4f8201d6", W46): "settlement_timing",
    ("6ab6dd0b1dd4b38f4f8201d6", W47): "settlement_timing",
}


def test_the_ten_divergences_of_the_sample_are_explained_and_nothing_else_is_found() -> None:
    result = reconcile_sample()
    deltas = result.deltas
    assert len(deltas) == 386
    diverged = deltas[deltas["diverged"]]
    found = dict(
        zip(zip(diverged["organization_id"], diverged["week_key"], strict=True), diverged["cause"], strict=True)
    )
    assert found == LISTED
    assert set(diverged["grade"]) == {"explained"}
    assert set(deltas[~deltas["diverged"]]["grade"]) <= {"exact", "within_tolerance"}
    assert set(result.evidence["cause"]) == {"quota_changed", "usage_reset", "settlement_timing"}
    assert set(result.evidence["confidence"]) <= {"proved", "consistent"}


def test_a_raised_plan_is_told_with_its_arithmetic() -> None:
    result = reconcile_sample()
    assert row(result, W46, "6ab32b259efbcc0f7f5a4495")["explanation"] == (
        "1,496 used of 5,000: 0 expected, 246 debited; the plan changed in mid-week (the week before shows the "
        "other quota), and 246 were debited under the other quota."
    )


def test_at_quota_zero_every_unit_is_expected() -> None:
    result = reconcile(Org().week(W46, 30, 0, ["a"]).debit("a", 30, inside(W46)))
    assert row(result, W46)["expected_units"] == 30
    assert row(result, W46)["grade"] == "exact"
    assert row(result, W46)["explanation"] == "Exactly what was expected was debited."


def test_above_a_quota_only_the_rest_is_expected() -> None:
    result = reconcile(Org().week(W46, 700, 500, ["a"]).debit("a", 200, inside(W46)))
    assert (row(result, W46)["expected_units"], row(result, W46)["delta_units"]) == (200, 0)


def test_the_smallest_quota_is_a_quota() -> None:
    assert row(reconcile(Org().week(W46, 5, 1, ["a"]).debit("a", 4, inside(W46))), W46)["grade"] == "exact"


@pytest.mark.parametrize(("short", "diverged"), [(50, False), (51, True), (-50, False), (-51, True)])
def test_exactly_at_the_absolute_tolerance_is_no_divergence(short: int, diverged: bool) -> None:
    result = reconcile(Org().week(W46, 1000, 0, ["a"]).debit("a", 1000 - short, inside(W46)))
    assert bool(row(result, W46)["diverged"]) is diverged


@pytest.mark.parametrize(("debited", "diverged"), [(99_500, False), (99_499, True), (100_502, False), (100_503, True)])
def test_the_relative_tolerance_is_of_the_larger_side(debited: int, diverged: bool) -> None:
    result = reconcile(Org().week(W46, 100_000, 0, ["a"]).debit("a", debited, inside(W46)))
    assert bool(row(result, W46)["diverged"]) is diverged


def test_a_debit_in_a_week_without_a_usage_document_makes_a_row() -> None:
    result = reconcile(Org().debit("a", 70, inside(W45)))
    only = row(result, W45)
    assert (only["meter_used"], only["meter_quota"], only["expected_units"], only["actual_units"]) == (0, 0, 0, 70)
    assert (only["grade"], only["cause"]) == ("unexplained", "no_usage_document")
    assert len(result.deltas) == 1


def test_weeks_read_for_matching_only_make_no_rows() -> None:
    org = Org().week(W43, 60, 0, ["a"]).debit("a", 60, Week.parse(W44).start - timedelta(hours=1))
    assert reconcile(org).deltas.empty


def test_debits_count_in_the_week_of_their_instant_to_the_millisecond() -> None:
    monday = Week.parse(W46).start
    org = Org().debit("a", 1, monday - timedelta(milliseconds=1)).debit("b", 2, monday)
    result = reconcile(org)
    assert row(result, W45)["actual_units"] == 1
    assert row(result, W46)["actual_units"] == 2


@pytest.mark.parametrize(
    ("as_of", "key"),
    [
        (datetime(2026, 12, 31, 12, tzinfo=UTC), "2026-W53"),
        (datetime(2027, 1, 3, 23, 59, tzinfo=UTC), "2026-W53"),
        (datetime(2027, 1, 4, tzinfo=UTC), "2027-W01"),
        (datetime(2025, 12, 29, tzinfo=UTC), "2026-W01"),
    ],
)
def test_the_turn_of_the_year_falls_into_its_iso_week(as_of: datetime, key: str) -> None:
    org = Org().week(key, 10, 0, ["a"]).debit("a", 10, as_of)
    result = reconcile(org, night=NightWeeks(as_of, 1, 6))
    assert row(result, key)["grade"] == "exact"


def test_an_unreadable_usage_document_is_not_compared_and_has_a_row() -> None:
    org = Org().debit("a", 400, inside(W46)).debit("b", 400, inside(W45))
    result = reconcile(org, unreadable=[("billingusages", ORG, W46)])
    dark = row(result, W46)
    assert (dark["grade"], dark["actual_units"]) == ("unreadable", 400)
    assert pd.isna(dark["diverged"])
    assert dark["explanation"] == "Not compared: the usage document could not be read."
    assert causes(result, W46) == {}
    assert row(result, W45)["grade"] == "unexplained"


def test_an_unreadable_week_key_darkens_every_week_without_another_document() -> None:
    org = Org().week(W45, 0, 500).debit("a", 400, inside(W46)).debit("b", 90, inside(W45))
    result = reconcile(org, unreadable=[("billingusages", ORG, None)])
    assert row(result, W46)["grade"] == "unreadable"
    assert row(result, W45)["grade"] != "unreadable"


def test_an_unreadable_ledger_darkens_all_weeks_of_its_organization_only() -> None:
    orgs = [Org(name).week(W46, 900, 500, ["a"]) for name in (ORG, OTHER)]
    result = reconcile(*orgs, unreadable=[("billingextrabalances", ORG, None)])
    assert row(result, W46)["grade"] == "unreadable"
    assert row(result, W46, OTHER)["grade"] == "unexplained"


def test_an_unreadable_organization_that_no_batch_knows_has_its_rows_too() -> None:
    known = [(OTHER, W47), (OTHER, W45), (ORG, W46), (ORG, W46), (OTHER, W43), (OTHER, None), (None, W46)]
    dark = context([], unreadable=[("billingusages", name, week) for name, week in known])
    rows = unreadable_elsewhere([], dark)
    where = ["organization_id", "week_key", "week_state"]
    assert rows[where].to_numpy().tolist() == [[ORG, W46, "closed"], [OTHER, W45, "closed"], [OTHER, W47, "open"]]
    zero = ["meter_used", "meter_quota", "expected_units", "actual_units", "delta_units"]
    assert (rows[[*zero, "explained_units", "unexplained_units"]] == 0).all(axis=None)
    assert (rows["tolerance_units"] == 50).all()
    assert (rows["grade"] == "unreadable").all()
    assert rows[["diverged", "cause"]].isna().all(axis=None)
    assert (rows["explanation"] == "Not compared: the usage document could not be read.").all()
    assert unreadable_elsewhere([OTHER], dark)[where].to_numpy().tolist() == [[ORG, W46, "closed"]]
    assert unreadable_elsewhere([ORG, OTHER], dark).empty


def test_an_empty_company_has_empty_results() -> None:
    result = reconcile()
    assert result.deltas.empty
    assert result.evidence.empty


def test_breaks_that_cancel_out_are_unexplained_where_they_exceed_the_tolerance_together() -> None:
    org = Org().week(W46, 200, 0, ["a", "b"]).debit("a", 120, inside(W46)).debit("x", 80, inside(W46))
    result = reconcile(org)
    only = row(result, W46)
    assert (only["delta_units"], bool(only["diverged"]), only["grade"]) == (0, False, "unexplained")
    assert causes(result, W46) == {"missing_debit": 80, "debit_without_usage": -80}


def test_breaks_that_cancel_out_are_within_tolerance_where_they_do_not_exceed_it_together() -> None:
    org = Org().week(W46, 200, 0, ["a", "b"]).debit("a", 175, inside(W46)).debit("x", 25, inside(W46))
    assert row(reconcile(org), W46)["grade"] == "within_tolerance"


def test_a_settlement_of_a_week_without_a_row_says_nothing_about_another_week() -> None:
    org = Org().entry("adjustment", "settle:2026-W44", 100, inside(W44))
    for week in (W45, W46):
        org.week(week, 10, 500, [week])
    result = reconcile(org)
    assert result.deltas["grade"].tolist() == ["exact", "exact"]
    assert result.evidence.empty


def test_a_proved_defect_of_one_unit_is_in_the_evidence_of_a_week_that_agrees() -> None:
    org = Org().week(W46, 2, 0, ["a", "b"]).debit("a", 1, inside(W46))
    result = reconcile(org)
    assert (row(result, W46)["grade"], row(result, W46)["cause"]) == ("within_tolerance", "missing_debit")
    assert result.evidence["ref_id"].tolist() == ["b"]


def settled(used: float, **more: object) -> Org:
    """A week with a settlement of 600 units, of which its last step has no debit."""
    org = Org().week(W46, used, 500, ["a", "settle:2026-W46", "b"], **{"settled_units": 600.0} | more)
    return org.debit("a", 100, inside(W46)).entry("adjustment", "settle:2026-W46", 600, inside(W46))


def test_a_defect_beside_a_larger_cause_by_design_is_the_cause() -> None:
    result = reconcile(settled(1400).debit("x", 10, inside(W46)), Org(OTHER).week(W47, 3, 500, ["c"]))
    assert row(result, W46).to_dict() == {
        "organization_id": ORG,
        "week_key": W46,
        "week_state": "closed",
        "meter_used": 1400,
        "meter_quota": 500,
        "expected_units": 900,
        "actual_units": 110,
        "delta_units": 790,
        "tolerance_units": 50,
        "diverged": True,
        "grade": "unexplained",
        "cause": "missing_debit",
        "explained_units": 600,
        "unexplained_units": 190,
        "explanation": "1,400 used of 500: 900 expected, 110 debited; 10 were debited for keys that no usage document "
        "holds; 600 were added by the weekly settlement, for which nothing is debited; 200 were used and never "
        "debited.",
    }
    assert result.evidence["organization_id"].eq(ORG).all()
    assert row(result, W47, OTHER)["week_state"] == "open"


def test_a_settlement_whose_units_the_document_does_not_tell_is_of_what_the_ledger_says() -> None:
    assert causes(reconcile(settled(1400, settled_units=None)), W46) == causes(reconcile(settled(1400)), W46)
    below_nothing = causes(reconcile(settled(1400, settled_units=-5.0)), W46)
    assert below_nothing == causes(reconcile(settled(1400, settled_units=0.0)), W46)


def test_a_document_that_does_not_tell_its_last_write_proves_no_half_settlement() -> None:
    org = Org().week(W46, 40, 500, ["settle:2026-W46"], settled_units=40.0, updated_at=None)
    assert reconcile(org).evidence.empty
    told = Org().week(W46, 40, 500, ["settle:2026-W46"], settled_units=40.0)
    assert causes(reconcile(told), W46) == {"settlement_half_applied": 0}


@pytest.mark.parametrize(("rest", "grade"), [(50, "explained"), (51, "unexplained")])
def test_a_divergence_is_explained_where_no_more_than_the_tolerance_is_left_of_it(rest: float, grade: str) -> None:
    org = (
        Org().week(W46, 200 + rest, 0, ["late", "far"]).debit("late", 200, inside(W47)).debit("far", rest, inside(W44))
    )
    only = row(reconcile(org), W46)
    assert (only["explained_units"], only["unexplained_units"], only["grade"]) == (200, rest, grade)
    assert (only["cause"], bool(only["diverged"])) == ("unexplained", True)


@pytest.mark.parametrize(("each", "grade"), [(50, "exact"), (51, "unexplained")])
def test_unexplained_units_that_cancel_out_are_exact_up_to_the_tolerance(each: float, grade: str) -> None:
    org = Org().week(W44, each, 0, ["here"]).week(W46, each, 0, ["there"])
    result = reconcile(org.debit("here", each, inside(W46)).debit("there", each, inside(W44)))
    assert (row(result, W46)["delta_units"], row(result, W46)["grade"]) == (0, grade)
    assert result.evidence.empty is (grade == "exact")


def test_a_week_that_is_exact_has_nothing_to_explain() -> None:
    org = Org().week(W44, 10, 0, ["far"]).week(W46, 10, 0, ["late"])
    only = row(reconcile(org.debit("far", 10, inside(W46)).debit("late", 10, inside(W47))), W46)
    assert (only["grade"], only["explained_units"], only["unexplained_units"]) == ("exact", 0, 0)


def test_a_defect_is_one_whatever_unexplained_units_come_after_it() -> None:
    org = Org().week(W46, 220, 0, ["late", "twice", "far"]).debit("late", 200, inside(W47))
    org.debit("twice", 10, inside(W46)).debit("twice", 10, inside(W46)).debit("far", 10, inside(W44))
    only = row(reconcile(org), W46)
    assert (only["unexplained_units"], only["grade"], only["cause"]) == (0, "unexplained", "duplicate_debit")


@pytest.mark.parametrize(
    ("strays", "copies", "cause"),
    [((10,), 10, "duplicate_debit"), ((11,), 10, "debit_without_usage"), ((6, 6), 10, "debit_without_usage")],
)
def test_the_cause_is_the_one_of_most_units_and_among_equals_the_one_tried_first(
    strays: tuple[float, ...], copies: float, cause: str
) -> None:
    org = Org().week(W46, copies, 0, ["a"])
    for number, units in enumerate(strays):
        org.debit(f"stray {number}", units, inside(W46))
    org.debit("a", copies, inside(W46)).debit("a", copies, inside(W46))
    assert row(reconcile(org), W46)["cause"] == cause


def test_a_week_that_could_not_be_read_names_the_side_or_both() -> None:
    orgs = [
        Org(ORG).week(W46, 900, 500, ["a"]).week(W47, 900, 500, ["a"]).debit("a", 7, inside(W46)),
        Org(OTHER).debit("x", 400, inside(W46)),
    ]
    dark = [
        ("billingextrabalances", ORG, None),
        ("billingusages", ORG, W45),
        ("billingusages", OTHER, W46),
    ]
    result = reconcile(*orgs, unreadable=dark)
    told = {
        (name, week): sentence.removeprefix("Not compared: the ").removesuffix(" could not be read.")
        for name, week, sentence in result.deltas[["organization_id", "week_key", "explanation"]].to_numpy()
    }
    assert told == {
        (ORG, W45): "usage document and the balance document",
        (ORG, W46): "balance document",
        (ORG, W47): "balance document",
        (OTHER, W46): "usage document",
    }
    assert result.deltas["cause"].isna().all()
    assert result.deltas["explained_units"].eq(0).all()
    assert result.evidence.empty


@pytest.mark.parametrize(
    ("delta", "off", "adds_up"),
    [(0.5, 9e-7, True), (0.5, 1.1e-6, False), (-0.5, 1.1e-6, False), (1e6, 0.9, True), (1e6, 1.1, False)],
)
def test_evidence_that_does_not_add_up_ends_the_night_but_for_the_noise_of_fractions(
    delta: float, off: float, adds_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    org = Org().week(W45, 1, 500).week(W46, max(delta, 0.0), 0)
    if delta < 0:
        org.debit("x", -delta, inside(W46))
    cell = 3  # of W46: W43 is the first of the weeks that are matched
    found = Evidence(
        [cell, cell], [EvidenceItem(Cause.UNEXPLAINED, "", "guess", units) for units in (delta - off - 9, 9)]
    )
    monkeypatch.setattr(meter_extras, "collect_evidence", lambda *_: found)
    if adds_up:
        assert row(reconcile(org), W46)["delta_units"] == delta
    else:
        with pytest.raises(meter_extras.ReconciliationError, match="in 1 org-weeks"):
            reconcile(org)


# Properties, against a reference that is obviously right.

WEEKS = (W44, W45, W46, W47)


@st.composite
def organizations(draw: st.DrawFn) -> list[Org]:
    """A few organizations with arbitrary documents and debits, sound or not."""
    orgs = []
    for number in range(draw(st.integers(0, 4))):
        org = Org(f"1000000000000000000000{number:02x}")
        for week in draw(st.sets(st.sampled_from((W43, *WEEKS, "2026-W48")))):
            keys = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=5))
            quota = draw(st.sampled_from([0, 500, 5000]))
            org.week(week, draw(st.integers(0, 24_000)) / 4, quota, keys)
        for _ in range(draw(st.integers(0, 6))):
            ref = draw(st.one_of(st.none(), st.sampled_from("abcdefghxy")))
            minutes = draw(st.integers(-1440, 5 * 7 * 1440 - 1))
            at = Week.parse(W44).start + timedelta(minutes=minutes)
            if at < Week.parse(W47).end + timedelta(days=1):
                org.debit(ref, draw(st.integers(1, 4000)) / 4, at)
        org.has_balance = bool(org.entries)
        orgs.append(org)
    return orgs


def reference(orgs: list[Org], tolerance: Tolerance) -> dict[tuple[str, str], tuple[float, float, bool]]:
    """Expected, actual and verdict of every organization and week, one at a time."""
    found = {}
    for org in orgs:
        for key in WEEKS:
            week = Week.parse(key)
            document = next((row for row in org.usage if row["week_key"] == key), None)
            debits = [-entry["amount"] for entry in org.entries if week.start <= entry["at"] < week.end]
            if document is None and not debits:
                continue
            used, quota = (document["meter_used"], document["meter_quota"]) if document else (0.0, 0.0)
            expected = used if quota == 0 else max(0.0, used - quota)
            actual = sum(debits)
            limit = max(tolerance.absolute_units, tolerance.relative * max(expected, actual))
            found[org.name, key] = (expected, actual, abs(expected - actual) > limit)
    return found


def verdicts(result: MeterResult) -> dict[tuple[str, str], tuple[float, float, bool]]:
    deltas = result.deltas
    columns = ("organization_id", "week_key", "expected_units", "actual_units", "diverged")
    return {
        (name, week): (expected, actual, bool(diverged))
        for name, week, expected, actual, diverged in zip(*(deltas[column] for column in columns), strict=True)
    }


@given(organizations())
@examples(80)
def test_the_plain_rule_agrees_with_a_loop_and_the_evidence_adds_up(orgs: list[Org]) -> None:
    result = reconcile(*orgs)
    assert verdicts(result) == reference(orgs, Tolerance())
    sums = result.evidence.groupby(["organization_id", "week_key"])["units"].sum().to_dict()
    deltas = result.deltas
    for name, week, delta in zip(deltas["organization_id"], deltas["week_key"], deltas["delta_units"], strict=True):
        assert sums.pop((name, week), 0.0) == pytest.approx(delta, abs=1e-9)
    assert not sums
    assert (deltas["explained_units"] + deltas["unexplained_units"] == deltas["delta_units"]).all()
    exact = deltas[deltas["grade"] == "exact"]
    assert (exact["delta_units"] == 0).all()
    assert exact["cause"].isna().all()


@given(organizations(), st.randoms(use_true_random=False))
@examples(40)
def test_the_order_of_documents_and_entries_does_not_matter(orgs: list[Org], random: object) -> None:
    usage, keys, entries = frames(orgs)
    expected = reconcile_meter(usage, keys, entries, context(orgs))
    order = list(range(len(usage)))
    random.shuffle(order)  # type: ignore[attr-defined]
    place = {old: new for new, old in enumerate(order)}
    turned = keys.assign(row=[place[old] for old in keys["row"]]).astype({"row": "int64"})
    shuffled = reconcile_meter(
        usage.iloc[order].reset_index(drop=True), turned, entries.iloc[::-1].reset_index(drop=True), context(orgs)
    )
    pd.testing.assert_frame_equal(expected.deltas, shuffled.deltas)
    columns = list(expected.evidence.columns)
    pd.testing.assert_frame_equal(
        expected.evidence.sort_values(columns, ignore_index=True),
        shuffled.evidence.sort_values(columns, ignore_index=True),
    )


@given(organizations())
@examples(40)
def test_batches_of_one_organization_give_what_one_batch_gives(orgs: list[Org]) -> None:
    whole = reconcile(*orgs)
    parts = [reconcile_meter(*frames([org]), context(orgs)) for org in orgs]
    if parts:
        deltas = pd.concat([part.deltas for part in parts], ignore_index=True)
        pd.testing.assert_frame_equal(whole.deltas, deltas)
        pd.testing.assert_frame_equal(
            whole.evidence, pd.concat([part.evidence for part in parts], ignore_index=True), check_dtype=False
        )


@given(organizations(), st.sampled_from([2, 4, 1000]))
@examples(40)
def test_all_units_times_k_give_deltas_times_k(orgs: list[Org], factor: int) -> None:
    def scaled(tolerance: Tolerance, by: int) -> MeterResult:
        usage, keys, entries = frames(orgs)
        for column in ("meter_used", "meter_quota", "settled_units"):
            usage[column] = usage[column] * by
        entries["amount"] = entries["amount"] * by
        rules = context(orgs, tolerance=tolerance)
        quotas = {plan: quota * by for plan, quota in rules.quota_of_plan.items()}
        return reconcile_meter(
            usage,
            keys,
            entries,
            type(rules)(
                rules.night,
                tolerance,
                quotas,
                rules.subscriptions,
                rules.balances,
                rules.unreadable,
                rules.earlier_quotas,
            ),
        )

    once, more = scaled(Tolerance(50.0), 1), scaled(Tolerance(50.0 * factor), factor)
    assert (once.deltas["delta_units"] * factor == more.deltas["delta_units"]).all()
    assert (once.deltas["grade"] == more.deltas["grade"]).all()
    assert once.deltas["cause"].equals(more.deltas["cause"])
    assert (once.evidence["units"] * factor == more.evidence["units"]).all()


@given(organizations(), st.sampled_from([-60, -47, -5, 1, 6, 53, 110]))
@examples(40)
def test_shifting_time_by_whole_weeks_changes_week_keys_only(orgs: list[Org], weeks: int) -> None:
    before = reconcile(*orgs)
    moved = []
    for org in orgs:
        other = Org(org.name, has_balance=org.has_balance)
        for document in org.usage:
            other.week(
                Week.parse(document["week_key"]).shifted(weeks).key,
                document["meter_used"],
                document["meter_quota"],
                document["attribution_keys"],
            )
        for entry in org.entries:
            other.entry(entry["kind"], entry["ref_id"], entry["amount"], entry["at"] + timedelta(weeks=weeks))
        moved.append(other)
    after = reconcile(*moved, night=NightWeeks(AS_OF + timedelta(weeks=weeks), 3, 6))
    keys = [Week.parse(key).shifted(weeks).key for key in before.deltas["week_key"]]
    pd.testing.assert_frame_equal(before.deltas.assign(week_key=keys).astype({"week_key": "str"}), after.deltas)


@given(organizations())
@examples(40)
def test_an_unrelated_organization_changes_nothing(orgs: list[Org]) -> None:
    stranger = Org("ff0000000000000000000000").week(W46, 900, 500, ["a", "b"]).debit("b", 7, inside(W46))
    before, after = reconcile(*orgs), reconcile(*orgs, stranger)
    kept = after.deltas[after.deltas["organization_id"] != stranger.name].reset_index(drop=True)
    pd.testing.assert_frame_equal(before.deltas, kept)


@given(organizations(), st.floats(0, 500), st.floats(0, 0.2))
@examples(40)
def test_a_larger_tolerance_never_gives_more_divergences(orgs: list[Org], absolute: float, relative: float) -> None:
    small = reconcile(*orgs)
    large = reconcile(*orgs, tolerance=Tolerance(50.0 + absolute, 0.005 + relative))
    assert (small.deltas["diverged"] | ~large.deltas["diverged"]).all()
