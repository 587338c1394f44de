"""Profiles of tables: rows, nulls, ranges and distributions that two nights can be compared by, and no free text."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.quality.profiles import profile, profiles
from billing_dq.report.data_page import table_profiles
from billing_dq.tables import FINDINGS, ORGANIZATIONS, RUNAWAY_BALANCES, SUBSCRIPTIONS, Table

numbers = st.lists(st.floats(-1e12, 1e12), max_size=30)


def balances(values: list[float]) -> pd.DataFrame:
    return RUNAWAY_BALANCES.from_rows(
        {
            "organization_id": f"{place:024x}",
            "cached_balance": value,
            "meter_quota": 1.0,
            "threshold_units": -10.0,
            "rule": "week_quota",
        }
        for place, value in enumerate(values)
    )


def profiled(table: Table, *batches: pd.DataFrame) -> dict[tuple[str, str, str], object]:
    rows = profiles(profile(table, batches))
    return {(row["column_name"], row["part"], row["label"]): row["number"] for row in rows.to_dict("records")}


@given(numbers, st.integers(0, 30))
def test_the_batches_of_a_table_do_not_matter(values: list[float], cut: int) -> None:
    frame = balances(values)
    assert profiled(RUNAWAY_BALANCES, frame) == profiled(RUNAWAY_BALANCES, frame.iloc[:cut], frame.iloc[cut:])


@given(numbers)
def test_the_ranges_of_a_column_hold_every_row_once(values: list[float]) -> None:
    facts = profiled(RUNAWAY_BALANCES, balances(values))
    ranges = [n for (column, part, _), n in facts.items() if (column, part) == ("cached_balance", "range")]
    assert sum(map(float, map(str, ranges))) == len(values) == facts["", "rows", ""]
    if values:
        assert facts["cached_balance", "least", ""] == min(values)
        assert facts["cached_balance", "greatest", ""] == max(values)


def test_words_of_the_domain_are_counted_and_other_text_is_not_told() -> None:
    rows = [dict.fromkeys(SUBSCRIPTIONS.column_names) for _ in range(3)]
    for place, (row, status) in enumerate(zip(rows, ("active", "active", None), strict=True)):
        row |= {"organization_id": f"{place:024x}", "status": status, "stripe_customer_id": "cus_secret"}
    facts = profiled(SUBSCRIPTIONS, SUBSCRIPTIONS.from_rows(rows))
    assert facts["status", "value", "active"] == 2
    assert facts["status", "nulls", ""] == 1
    assert "secret" not in str(facts)


def test_free_text_of_findings_is_not_told() -> None:
    assert not {"explanation", "subject", "accepted_why"} & {
        column for column, part, _ in profiled(FINDINGS, FINDINGS.empty()) if part == "value"
    }


def test_a_table_is_laid_beside_the_night_before() -> None:
    def of(*plans: str | None) -> pd.DataFrame:
        rows = [{"organization_id": f"{place:024x}", "plan": plan} for place, plan in enumerate(plans)]
        return profiles(profile(ORGANIZATIONS, [ORGANIZATIONS.from_rows(rows)]))

    (table,) = table_profiles(of("free", "free", "pro", None), of("free", "pro"))
    plan = table.columns[-1]
    assert (table.rows, table.rows_before, plan.nulls, plan.nulls_before) == (4, 2, 1, 0)
    assert [(bar.label, bar.now, bar.before, bar.now_percent, bar.before_percent) for bar in plan.bars] == [
        ("free", 2, 1, 50, 50),
        ("pro", 1, 1, 25, 50),
    ]
    (alone,) = table_profiles(of("free"), None)
    assert (alone.rows_before, alone.columns[-1].bars[0].before) == (None, None)
