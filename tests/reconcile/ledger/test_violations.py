import pandas as pd
import pytest

from billing_dq.reconcile.ledger.document_size import (
    LIMIT_BYTES,
    PAGE_BYTES,
    WARN_BYTES,
    document_size_violations,
)
from billing_dq.reconcile.ledger.expiry import expiry_violations
from billing_dq.reconcile.ledger.violations import one_violation_each, whole_ledger_violations
from billing_dq.tables import LEDGER_SUSPECTS
from tests.support.ledger_rows import (
    AS_OF,
    ORG,
    OTHER,
    ago,
    balance,
    balances,
    entry,
    ledger,
    sample_ledgers,
    unreadable,
)


def suspects(*rules: str, **more: object) -> pd.DataFrame:
    rows = [
        {
            "organization_id": ORG,
            "rule": rule,
            "entry_id": f"e{position}",
            "position": position,
            "kind": "debit",
            "ref_id": "h1:step",
            "stripe_session_id": None,
            "amount": -7.0,
            "at": ago(5),
            **more,
        }
        for position, rule in enumerate(rules)
    ]
    return LEDGER_SUSPECTS.from_rows(rows)


def test_the_sample_keeps_every_rule_of_whole_ledgers():
    accounts, _ = sample_ledgers()
    assert whole_ledger_violations(accounts, suspects(), unreadable()).empty


def test_a_cached_balance_that_is_not_the_sum_is_a_violation_by_its_difference():
    found = whole_ledger_violations(
        balances(balance(cached=10.0, ledger_sum=12.5), balance(OTHER, 3.0)), suspects(), unreadable()
    )
    assert found[["organization_id", "rule", "units"]].to_numpy().tolist() == [[ORG, "cached_balance", -2.5]]
    assert found["detail"].tolist() == ["cachedBalance is 10 units and the ledger's 1 entries add up to 12.5"]
    assert found["entry_id"].isna().all()


def test_rounding_of_doubles_is_no_violation():
    tenths = balances(balance(cached=0.3, ledger_sum=0.1 + 0.2), balance(OTHER, 1e-6, ledger_sum=0.0))
    assert whole_ledger_violations(tenths, suspects(), unreadable()).empty
    assert len(whole_ledger_violations(balances(balance(cached=2e-6, ledger_sum=0.0)), suspects(), unreadable())) == 1


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("duplicate_ref", "a debit of -1,234.5 units repeats the refId h1:step of an earlier entry"),
        ("duplicate_session", "a top-up of -1,234.5 units repeats the checkout session cs_1 of an earlier one"),
        ("sign", "a debit of -1,234.5 units has the wrong sign"),
        ("zero_amount", "a debit of 0 units; only an expiration may be of nothing"),
        ("future_entry", "a debit of -1,234.5 units is dated 2026-11-20 22:10:00, after the snapshot"),
        ("missing_ref", "a debit of -1,234.5 units has no refId"),
        ("unknown_kind", "an entry of -1,234.5 units is of the unknown kind debit"),
    ],
)
def test_every_suspect_is_one_violation_over_its_amount(rule: str, sentence: str):
    row = suspects(rule, amount=-1234.5, stripe_session_id="cs_1")
    found = whole_ledger_violations(balances(), row, unreadable())
    assert found.to_numpy().tolist() == [[ORG, rule, "e0", "h1:step", -1234.5, sentence]]


def test_nothing_is_said_about_an_unreadable_ledger():
    bad = unreadable("billingextrabalances")
    off = balances(balance(cached=10.0, ledger_sum=12.5))
    assert whole_ledger_violations(off, suspects("sign"), bad).empty
    assert len(whole_ledger_violations(off, suspects("sign"), unreadable("billingusages"))) == 2


def test_a_topup_expired_twice_is_one_violation_not_two():
    twice = ledger(
        entry("topup", 50, "t", 200, expires=100),
        entry("expiration", -50, "e0", 90, ref="expire-t"),
        entry("expiration", -50, "e1", 80, ref="expire-t"),
    )
    copies = whole_ledger_violations(balances(), suspects("duplicate_ref", ref_id="expire-t"), unreadable())
    found = one_violation_each([copies, expiry_violations(twice, AS_OF)])
    assert found[["rule", "entry_id"]].to_numpy().tolist() == [["expiry_twice", "e1"]]


def test_other_repeated_references_stay_what_they_are():
    for ref in ("h1:step", "dispute_reinstate_du_1", "settle:2026-W47", "expire-of another ledger"):
        copies = whole_ledger_violations(balances(), suspects("duplicate_ref", ref_id=ref), unreadable())
        assert one_violation_each([copies])["rule"].tolist() == ["duplicate_ref"]


def test_no_violation_is_an_empty_table():
    assert one_violation_each([]).empty


def size(bytes_: int, entries: int = 0, count: int = 100_000) -> list[str]:
    large = balances(balance(document_bytes=bytes_, entry_count=count))
    in_window = pd.DataFrame({"organization_id": pd.Series([ORG], dtype="str"), "entries": [entries]})
    return document_size_violations(large, in_window, 4.0)["detail"].tolist()


def test_a_document_of_half_the_limit_is_a_violation():
    assert (LIMIT_BYTES, WARN_BYTES, PAGE_BYTES) == (16_777_216, 8_388_608, 13_421_772)
    assert size(WARN_BYTES - 1) == []
    assert len(size(WARN_BYTES)) == 1


def test_the_forecast_tells_when_the_document_is_full():
    assert size(WARN_BYTES, entries=40_000) == [
        "the document has 8,388,608 bytes, 50% of 16 MiB, with 100,000 entries; at its pace it is full in 10.0 weeks"
    ]
    assert size(WARN_BYTES)[0].endswith("; it did not grow in the night's weeks")
    assert size(WARN_BYTES, count=0)[0].endswith("with 0 entries; it did not grow in the night's weeks")


def test_the_forecast_is_told_for_the_slowest_growth_and_for_the_last_days():
    assert size(WARN_BYTES, entries=1)[0].endswith("; at its pace it is full in 400000.0 weeks")
    assert size(LIMIT_BYTES, entries=1)[0].endswith(
        " 100% of 16 MiB, with 100,000 entries; at its pace it is full in 0.0 weeks"
    )


@pytest.mark.parametrize("dtypes", [("str", "int64"), ("object", "object")])
def test_a_document_without_entries_in_the_window_is_not_forgotten(dtypes: tuple[str, str]):
    nothing = pd.DataFrame({"organization_id": pd.Series(dtype=dtypes[0]), "entries": pd.Series(dtype=dtypes[1])})
    found = document_size_violations(balances(balance(document_bytes=LIMIT_BYTES)), nothing, 4.0)
    assert found[["organization_id", "rule", "units"]].to_numpy().tolist() == [[ORG, "document_size", 0.0]]
    assert found["detail"].item() == (
        "the document has 16,777,216 bytes, 100% of 16 MiB, with 1 entries; it did not grow in the night's weeks"
    )
