import pandas as pd

from billing_dq.catalog.comparison import CHANGE_COLUMNS, compare


def night(*rows: tuple[str, str, int]) -> pd.DataFrame:
    """Findings: id, state and cents of each."""
    frame = pd.DataFrame(rows, columns=["finding_id", "state", "usd_cents"])
    return frame.assign(kind="k", organization_id=None, subject="s", severity="error", units=0.0, explanation="e")


def test_what_came_went_and_grew_is_told_with_the_largest_change_first() -> None:
    earlier = night(("a", "new", 10), ("b", "new", 5), ("c", "new", 7), ("d", "resolved", 1))
    later = night(("a", "persisting", 10), ("b", "persisting", 105), ("c", "resolved", 7), ("e", "new", 3))
    changes = compare(earlier, later)
    assert changes[["change", "finding_id"]].values.tolist() == [["changed", "b"], ["went", "c"], ["came", "e"]]
    assert changes.loc[0, ["usd_cents_before", "usd_cents_after"]].tolist() == [5, 105]


def test_two_equal_nights_differ_in_nothing() -> None:
    assert compare(night(("a", "new", 10)), night(("a", "persisting", 10))).empty
    assert list(compare(night(), night()).columns) == CHANGE_COLUMNS
