import pandas as pd
import pytest

from billing_dq import tables
from billing_dq.tables import ORGANIZATIONS, STRIPE_DISPUTES, TABLES, WEEKLY_USAGE, FrameError


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_an_empty_table_keeps_its_contract(table: tables.Table) -> None:
    empty = table.empty()
    assert list(empty.columns) == table.column_names
    assert table.conform(empty).dtypes.equals(empty.dtypes)
    assert set(table.key) <= set(table.column_names)


def test_columns_are_put_in_order_and_converted() -> None:
    frame = ORGANIZATIONS.conform(pd.DataFrame({"plan": ["pro", None], "organization_id": ["a", "b"]}, index=[7, 9]))
    assert frame.columns.tolist() == ["organization_id", "plan"]
    assert frame.index.tolist() == [0, 1]
    assert frame.dtypes.astype(str).tolist() == ["str", "str"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({"organization_id": ["a"]}, "missing columns"),
        ({"organization_id": ["a"], "plan": ["p"], "extra": [1]}, "unexpected columns"),
        ({"organization_id": [None], "plan": ["p"]}, "holds 1 nulls"),
        ({"organization_id": ["a", "a"], "plan": ["p", "q"]}, "more than one row"),
    ],
)
def test_a_frame_that_breaks_the_contract_is_refused(rows: dict[str, list[object]], reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        ORGANIZATIONS.conform(pd.DataFrame(rows))


def test_a_number_that_is_text_is_refused_with_table_and_column() -> None:
    row = dict.fromkeys(WEEKLY_USAGE.column_names) | {"meter_used": "many"}
    with pytest.raises(FrameError, match=r"weekly_usage\.meter_used is no float64"):
        WEEKLY_USAGE.conform(pd.DataFrame([row]))


def test_times_are_utc() -> None:
    created = STRIPE_DISPUTES.empty()["created"]
    assert str(created.dtype) == "datetime64[ms, UTC]"
