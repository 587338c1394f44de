"""An incomplete night knows some organizations only: it is compared with no night, and no night with it."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from billing_dq.quality.judgement import judged
from billing_dq.quality.measures import Measure
from billing_dq.storage.lake import Lake
from billing_dq.storage.quality_history import night_before, nights_before
from billing_dq.tables import NIGHT_MEASURES
from tests.support.snapshot_facts import snapshot_facts
from tests.support.stored_nights import store, store_record

FIRST = date(2026, 11, 1)
NIGHTS = [FIRST + timedelta(days=day) for day in range(10)]
ORGANIZATIONS = Measure("organizations", "documents", "", 1000.0, "documents")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Ten nights of a thousand organizations."""
    for night in NIGHTS:
        take(tmp_path, night)
    return Lake(str(tmp_path))


def take(home: Path, night: date, organizations: float = 1000.0, incomplete: bool = False) -> None:
    """A night that measured so many organizations."""
    measured = Measure("organizations", "documents", "", organizations, "documents")
    rows = judged([measured], {}, {}, night, nights_before(Lake(str(home)), NIGHT_MEASURES, night.isoformat()))
    as_of = datetime(night.year, night.month, night.day, 2, 15, tzinfo=UTC)
    others = {"not_read": ("subscriptions",), "whole_until": "6" * 24} if incomplete else {}
    store(home, NIGHT_MEASURES.name, night.isoformat(), rows)
    store_record(home, snapshot_facts(as_of, **others), night.isoformat())


def verdict(lake: Lake, night: date, value: float) -> str:
    history = nights_before(lake, NIGHT_MEASURES, night.isoformat())
    measured = Measure("organizations", "documents", "", value, "documents")
    return str(judged([measured], {}, {}, night, history)["verdict"].iloc[0])


def test_what_an_incomplete_night_measured_is_no_past(lake: Lake, tmp_path: Path) -> None:
    for night in NIGHTS[-6:]:
        take(tmp_path, night, organizations=10, incomplete=True)
    next_night = NIGHTS[-1] + timedelta(days=1)
    history = nights_before(lake, NIGHT_MEASURES, next_night.isoformat())
    assert set(history["night"]) == set(NIGHTS[:-6])
    take(tmp_path, NIGHTS[-1])
    assert verdict(lake, next_night, 1000) == "usual"
    assert verdict(lake, next_night, 10) == "too_low"


def test_what_came_since_is_told_against_the_newest_complete_night(lake: Lake, tmp_path: Path) -> None:
    take(tmp_path, NIGHTS[-1], organizations=10, incomplete=True)
    tonight = (NIGHTS[-1] + timedelta(days=1)).isoformat()
    before = night_before(lake, tonight, nights_before(lake, NIGHT_MEASURES, tonight))
    assert before is not None
    assert before.as_of.date() == NIGHTS[-2]
    assert before.values[ORGANIZATIONS.key] == 1000.0


def test_an_incomplete_night_is_not_judged(lake: Lake, tmp_path: Path) -> None:
    assert verdict(lake, NIGHTS[-1], 10) == "too_low"
    take(tmp_path, NIGHTS[-1], organizations=10, incomplete=True)
    assert verdict(lake, NIGHTS[-1], 10) == "not_judged"
