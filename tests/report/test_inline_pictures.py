"""Pictures that Dagster shows in place: short enough, and with their numbers in words."""

import base64
import re
from xml.etree import ElementTree

import pytest

from billing_dq.report.colours import GRADE_COLOURS, TO_CUSTOMERS, TO_US
from billing_dq.report.inline_pictures import LONGEST, NIGHTS, PARTS, bar, lines

SIDES = {"owed_to_us": TO_US, "owed_to_customers": TO_CUSTOMERS}


def drawn(markdown: str) -> list[ElementTree.Element]:
    """The paths of the picture, which must be sound XML."""
    found = re.search(r"base64,([\w+/=]+)\)", markdown)
    assert found is not None
    return list(ElementTree.fromstring(base64.b64decode(found[1])).iter("{http://www.w3.org/2000/svg}path"))


def test_a_bar_shows_every_part_that_is_there_however_small() -> None:
    picture = bar({"exact": 1_000_000, "undecided": 0, "unexplained": 1}, GRADE_COLOURS)
    assert [one.get("fill") for one in drawn(picture)] == [GRADE_COLOURS["exact"], GRADE_COLOURS["unexplained"]]
    assert picture.endswith("- from left:\n- 1,000,000 exact\n- 1 unexplained")


def test_the_smaller_ones_of_many_parts_are_one() -> None:
    picture = bar({f"part_{number:02}": float(number) for number in range(1, 21)}, {})
    assert len(drawn(picture)) == PARTS + 1
    assert picture.endswith("- 105 others")
    assert len(picture) <= LONGEST


@pytest.mark.parametrize("nights", [1, 2, NIGHTS, 100])
def test_lines_over_the_last_nights_stay_short_enough_to_be_shown_in_place(nights: int) -> None:
    values = {side: [float(1e9 * (place % 2)) for place in range(nights)] for side in SIDES}
    picture = lines(values, SIDES, "$")
    assert len(picture) <= LONGEST
    assert len(drawn(picture)) == 2
    assert picture.endswith(f"- nights shown: {min(nights, NIGHTS)}")


def test_there_is_no_picture_of_nothing() -> None:
    assert bar({"exact": 0}, GRADE_COLOURS) == ""
    assert lines({"owed_to_us": []}, SIDES, "$") == ""
