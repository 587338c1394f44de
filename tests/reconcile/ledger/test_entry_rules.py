"""Each rule of entries by example: what breaks it, and what a person may write."""

import pytest

from billing_dq.reconcile.ledger.entry_rules import entry_violations
from tests.support.ledger_rows import AS_OF, ORG, OTHER, entry, suspects

Entry = dict[str, object]


def broken(*entries: Entry) -> list[tuple[str, str]]:
    """Rule and entry of each break."""
    found = entry_violations(suspects(*entries), AS_OF)
    return list(found[["rule", "entry_id"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("entries", "rule", "sentence"),
    [
        (
            [entry("debit", -9, "e0", 9, ref="h1:step"), entry("debit", -1234.5, "e1", 8, ref="h1:step")],
            "duplicate_ref",
            "a debit of -1,234.5 units repeats the refId h1:step of an earlier entry",
        ),
        (
            [entry("topup", 9, "e0", 9, session="cs_1"), entry("topup", 1234.5, "e1", 8, session="cs_1")],
            "duplicate_session",
            "a topup of 1,234.5 units repeats the checkout session cs_1 of an earlier one",
        ),
        ([entry("debit", 7, "e1", 8, ref="a")], "sign", "a debit of 7 units has the wrong sign"),
        ([entry("expiration", 7, "e1", 8, ref="a")], "sign", "an expiration of 7 units has the wrong sign"),
        ([entry("topup", 0, "e1", 8)], "zero_amount", "a topup of 0 units; only an expiration may be of nothing"),
        (
            [entry("topup", 7, "e1", -24)],
            "future_entry",
            "a topup of 7 units is dated 2026-11-22 03:10:00, after the snapshot",
        ),
        ([entry("adjustment", 7, "e1", 8)], "missing_ref", "an adjustment of 7 units has no refId"),
        ([entry("bonus", 7, "e1", 8, ref="a")], "unknown_kind", "an entry of 7 units is of the unknown kind bonus"),
    ],
)
def test_each_rule_names_its_entry_over_its_amount(entries: list[Entry], rule: str, sentence: str):
    found = entry_violations(suspects(*entries), AS_OF)
    assert found[["organization_id", "rule", "entry_id", "detail"]].to_numpy().tolist() == [[ORG, rule, "e1", sentence]]
    # of a wrong sign: what went the wrong way is missing on the right one as well
    assert found["units"].tolist() == [entries[-1]["amount"] * (2 if rule == "sign" else 1)]
    assert found["compensated_by"].isna().all()


def test_signs_are_those_of_the_kinds():
    for kind in ("topup", "adjustment"):
        assert broken(entry(kind, -7, "e", 8, ref="settle:2026-W47")) == [("sign", "e")]
        assert broken(entry(kind, 7, "e", 8, ref="settle:2026-W47")) == []
    for kind in ("debit", "refund", "expiration"):
        assert broken(entry(kind, 7, "e", 8, ref="a")) == [("sign", "e")]
        assert broken(entry(kind, -7, "e", 8, ref="a")) == []
    assert broken(entry("expiration", 0, "e", 8, ref="a")) == []


@pytest.mark.parametrize("kind", ["refund", "adjustment"])
def test_a_negative_correction_with_a_reference_of_its_own_is_no_violation(kind: str):
    assert broken(entry(kind, -6000, "e", 8, ref="correction-du_twice")) == []
    again = [entry(kind, -6000, name, 8, ref="correction-du_twice") for name in ("e0", "e1")]
    assert broken(*again) == [("duplicate_ref", "e1")]


@pytest.mark.parametrize("ref", ["settle:2026-W47", "dispute-credit-1", "dispute_reinstate_du_1", "", None])
def test_a_negative_adjustment_under_a_reference_that_no_person_writes_has_the_wrong_sign(ref: str | None):
    assert ("sign", "e") in broken(entry("adjustment", -7, "e", 8, ref=ref))


def test_references_and_sessions_repeat_within_one_ledger_only():
    for fields in ({"ref": "a"}, {"session": "cs_1"}):
        here, there = entry("topup", 5, "e0", 9, **fields), entry("topup", 5, "e1", 8, organization=OTHER, **fields)
        assert broken(here, there) == []
        assert len(broken(here, there, here, here)) == 2


def test_an_empty_reference_repeats_nothing_and_names_nothing():
    assert broken(entry("topup", 5, "e0", 9, ref="", session=""), entry("topup", 5, "e1", 8, ref="", session="")) == []
    assert broken(entry("debit", -5, "e0", 9, ref=""), entry("debit", -5, "e1", 8)) == [
        ("missing_ref", "e0"),
        ("missing_ref", "e1"),
    ]
    assert broken(entry("refund", -5, "e0", 9)) == []


def test_a_refund_may_name_the_session_of_its_pack():
    assert broken(entry("topup", 5, "e0", 9, session="cs_1"), entry("refund", -5, "e1", 8, session="cs_1")) == []


def test_an_entry_is_dated_in_the_future_after_five_minutes_only():
    assert broken(entry("topup", 5, "e", -5 / 60)) == []
    assert broken(entry("topup", 5, "e", -5.001 / 60)) == [("future_entry", "e")]


def test_a_ledger_without_a_grant_or_with_nothing_at_all_is_sound():
    assert broken() == []
    assert broken(entry("debit", -5, "e", 8, ref="a")) == []
