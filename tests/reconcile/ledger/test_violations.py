import pandas as pd
import pytest

from billing_dq.reconcile.ledger.document_size import (
    CRITICAL_BYTES,
    LIMIT_BYTES,
    WARN_BYTES,
    document_size_violations,
    usage_size_violations,
)
from billing_dq.reconcile.ledger.expiry import expiry_violations
from billing_dq.reconcile.ledger.violations import one_violation_each, whole_ledger_violations
from tests.support.ledger_rows import (
    AS_OF,
    NIGHT,
    ORG,
    OTHER,
    balance,
    balances,
    entry,
    ledger,
    sample_ledgers,
    suspects,
    unreadable,
)


def test_the_sample_keeps_every_rule_of_whole_ledgers():
    accounts, _ = sample_ledgers()
    assert whole_ledger_violations(accounts, suspects(), unreadable(), AS_OF).empty


def test_a_cached_balance_that_is_not_the_sum_is_a_violation_by_its_difference():
    found = whole_ledger_violations(
        balances(balance(cached=10.0, ledger_sum=12.5), balance(OTHER, 3.0)), suspects(), unreadable(), AS_OF
    )
    assert found[["organization_id", "rule", "units"]].to_numpy().tolist() == [[ORG, "cached_balance", -2.5]]
    assert found["detail"].tolist() == ["cachedBalance is 10 units and the ledger's 1 entries add up to 12.5"]
    assert found["entry_id"].isna().all()


def test_rounding_of_doubles_is_no_violation():
    tenths = balances(balance(cached=0.3, ledger_sum=0.1 + 0.2), balance(OTHER, 1e-6, ledger_sum=0.0))
    assert whole_ledger_violations(tenths, suspects(), unreadable(), AS_OF).empty
    assert (
        len(whole_ledger_violations(balances(balance(cached=2e-6, ledger_sum=0.0)), suspects(), unreadable(), AS_OF))
        == 1
    )


def test_nothing_is_said_about_an_unreadable_ledger():
    bad = unreadable("billingextrabalances")
    off, odd = balances(balance(cached=10.0, ledger_sum=12.5)), suspects(entry("debit", 7, "e0", 5, ref="h1:step"))
    assert whole_ledger_violations(off, odd, bad, AS_OF).empty
    assert len(whole_ledger_violations(off, odd, unreadable("billingusages"), AS_OF)) == 2


def test_a_topup_expired_twice_is_one_violation_not_two():
    twice = (
        entry("topup", 50, "t", 200, expires=100),
        entry("expiration", -50, "e0", 90, ref="expire-t"),
        entry("expiration", -50, "e1", 80, ref="expire-t"),
    )
    copies = whole_ledger_violations(balances(), suspects(*twice), unreadable(), AS_OF)
    assert copies["rule"].tolist() == ["duplicate_ref"]
    found = one_violation_each([copies, expiry_violations(ledger(*twice), NIGHT)], suspects(*twice), 1000.0)
    assert found[["rule", "entry_id"]].to_numpy().tolist() == [["expiry_twice", "e1"]]


@pytest.mark.parametrize("ref", ["h1:step", "dispute_reinstate_du_1", "settle:2026-W47", "expire-of another ledger"])
def test_other_repeated_references_stay_what_they_are(ref: str):
    copied = suspects(entry("adjustment", 5, "e0", 9, ref=ref), entry("adjustment", 5, "e1", 8, ref=ref))
    copies = whole_ledger_violations(balances(), copied, unreadable(), AS_OF)
    assert one_violation_each([copies], copied, 1000.0)["rule"].tolist() == ["duplicate_ref"]


def test_no_violation_is_an_empty_table():
    assert one_violation_each([], suspects(), 1000.0).empty


def size(bytes_: int, entries: int = 0, count: int = 100_000) -> list[str]:
    large = balances(balance(document_bytes=bytes_, entry_count=count))
    in_window = pd.DataFrame({"organization_id": pd.Series([ORG], dtype="str"), "entries": [entries]})
    return document_size_violations(large, in_window, 4.0)["detail"].tolist()


def test_a_document_of_half_the_limit_is_a_violation():
    assert (LIMIT_BYTES, WARN_BYTES, CRITICAL_BYTES) == (16_777_216, 8_388_608, 13_421_772)
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


def test_a_usage_document_of_half_the_limit_is_a_violation_of_its_week():
    rows = [
        {"organization_id": ORG, "week_key": "2026-W46", "document_bytes": 14 * 2**20},
        {"organization_id": ORG, "week_key": "2026-W47", "document_bytes": WARN_BYTES - 1},
        {"organization_id": ORG, "week_key": "2026-W45", "document_bytes": None},
        {"organization_id": ORG, "week_key": "2026-W40", "document_bytes": 14 * 2**20},
    ]
    usage = pd.DataFrame(rows).astype({"document_bytes": "Int64"})
    found = usage_size_violations(usage, ["2026-W45", "2026-W46", "2026-W47"])
    assert found[["rule", "ref_id", "units"]].to_numpy().tolist() == [["usage_document_size", "2026-W46", 0.0]]
    assert found["detail"].item().startswith("the usage document of 2026-W46 has 14,680,064 bytes, 88% of 16 MiB")


@pytest.mark.parametrize("dtypes", [("str", "int64"), ("object", "object")])
def test_a_document_without_entries_in_the_window_is_not_forgotten(dtypes: tuple[str, str]):
    nothing = pd.DataFrame({"organization_id": pd.Series(dtype=dtypes[0]), "entries": pd.Series(dtype=dtypes[1])})
    found = document_size_violations(balances(balance(document_bytes=LIMIT_BYTES)), nothing, 4.0)
    assert found[["organization_id", "rule", "units"]].to_numpy().tolist() == [[ORG, "document_size", 0.0]]
    assert found["detail"].item() == (
        "the document has 16,777,216 bytes, 100% of 16 MiB, with 1 entries; it did not grow in the night's weeks"
    )
