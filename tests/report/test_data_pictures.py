"""A measure over the nights, drawn with the bounds of what was usual."""

from datetime import date, timedelta

import pandas as pd
import pytest

from billing_dq.report.data_pictures import measure_picture, sparkline
from tests.report.test_inline_pictures import drawn


def measured(*values: float, judged_from: int = 3) -> pd.DataFrame:
    """A measure of some nights, the usual bounds of which go up and down with it."""
    rows = [
        {
            "night": date(2026, 11, 1) + timedelta(days=number),
            "collection": "billingextrabalances",
            "measure": "documents_of_week",
            "unit": "documents",
            "value": value,
            "expected": value,
            "lowest": value / 2 if number >= judged_from else None,
            "highest": value * 2 if number >= judged_from else None,
            "verdict": "usual" if number >= judged_from else "not_judged",
        }
        for number, value in enumerate(values)
    ]
    return pd.DataFrame(rows).astype({"lowest": "float64", "highest": "float64"})


@pytest.mark.parametrize("nights", [2, 10, 30, 300])
def test_a_measure_is_drawn_between_its_bounds(nights: int) -> None:
    picture = measure_picture(measured(*(float(1e6 * (1 + number % 2)) for number in range(nights))))
    assert len(drawn(picture)) == (3 if nights > 3 else 1)
    assert "- documents of week (documents): " in picture


def test_a_bound_that_some_nights_lack_is_not_drawn() -> None:
    rows = measured(1.0, 2.0, 3.0, 4.0, 5.0)
    rows.loc[4, "highest"] = None
    picture = measure_picture(rows)
    assert len(drawn(picture)) == 2
    assert picture.endswith("- usual, lowest: 2.50\n- documents of week (documents): 5.00\n- nights shown: 5")


def test_one_night_is_no_picture() -> None:
    assert measure_picture(measured(1.0)) == sparkline(measured(1.0)) == ""


def test_a_measure_of_nothing_is_drawn_as_a_line_at_the_bottom() -> None:
    assert len(drawn(measure_picture(measured(0.0, 0.0, 0.0, 0.0, 0.0)))) == 3
