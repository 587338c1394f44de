"""A measure over the nights, drawn with the bounds of what was usual."""

from datetime import date, timedelta
from xml.etree import ElementTree

import pandas as pd
import pytest

from billing_dq.report.data_pictures import sparkline


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
def test_a_measure_is_drawn_as_one_line_over_the_band_of_what_was_usual(nights: int) -> None:
    drawn = ElementTree.fromstring(sparkline(measured(*(float(1e6 * (1 + n % 2)) for n in range(nights)))))
    assert [part.tag for part in drawn] == ["polygon", "polyline"]
    assert len((drawn[1].get("points") or "").split()) == nights


def test_one_night_is_no_picture() -> None:
    assert sparkline(measured(1.0)) == ""


def test_a_measure_of_nothing_is_drawn_as_a_line_at_the_bottom() -> None:
    drawn = ElementTree.fromstring(sparkline(measured(0.0, 0.0, 0.0, 0.0, 0.0)))
    assert {point.split(",")[1] for point in (drawn[1].get("points") or "").split()} == {"34.0"}
