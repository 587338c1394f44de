import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.weeks import NightWeeks, Week

INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda instant: instant.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("instant", "key"),
    [
        ("2026-11-21T03:10:00+00:00", "2026-W47"),
        ("2026-11-16T00:00:00+00:00", "2026-W47"),
        ("2026-11-15T23:59:59.999+00:00", "2026-W46"),
        ("2025-12-29T00:00:00+00:00", "2026-W01"),  # 29 December in the next year's first week
        ("2024-12-30T00:00:00+00:00", "2025-W01"),
        ("2027-01-03T23:59:59+00:00", "2026-W53"),  # a 53-week year reaches into January
        ("2027-01-04T00:00:00+00:00", "2027-W01"),
        ("2021-01-03T12:00:00+00:00", "2020-W53"),
        ("2026-01-01T00:00:00+00:00", "2026-W01"),
        ("2022-01-01T00:00:00+00:00", "2021-W52"),
    ],
)
def test_an_instant_belongs_to_its_iso_week(instant: str, key: str) -> None:
    assert Week.of(datetime.fromisoformat(instant)).key == key


def test_a_week_is_judged_in_utc_whatever_the_time_zone() -> None:
    monday_in_tokyo = datetime(2026, 11, 16, 1, tzinfo=timezone(timedelta(hours=9)))
    assert Week.of(monday_in_tokyo).key == "2026-W46"


@pytest.fixture
def machine_in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("machine_in_tokyo")
def test_a_week_is_judged_in_utc_wherever_the_machine_stands() -> None:
    assert Week.of(datetime(2026, 11, 15, 20, tzinfo=UTC)).key == "2026-W46"
    assert Week.of(datetime(2026, 11, 16, tzinfo=UTC)).start == datetime(2026, 11, 16, tzinfo=UTC)


def test_an_instant_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Week.of(datetime(2026, 11, 21))


@pytest.mark.parametrize("key", ["2026-W54", "2025-W53", "2026-W00", "2026-47", "2026-W7", " 2026-W47", "W47", ""])
def test_an_impossible_week_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"week"):
        Week.parse(key)


@given(INSTANTS)
def test_a_key_leads_back_to_its_week(instant: datetime) -> None:
    week = Week.of(instant)
    assert Week.parse(week.key) == week
    assert week.start <= instant < week.end
    assert week.start.isocalendar()[:2] == instant.isocalendar()[:2]


@given(INSTANTS, st.integers(-200, 200))
def test_shifting_forth_and_back_changes_nothing(instant: datetime, weeks: int) -> None:
    week = Week.of(instant)
    assert week.shifted(weeks).shifted(-weeks) == week
    assert week.shifted(1).start == week.end


def test_a_week_is_open_until_it_ends_then_settles_then_is_closed() -> None:
    week = Week.parse("2026-W46")
    assert week.state(week.end - timedelta(milliseconds=1), 6) == "open"
    assert week.state(week.end, 6) == "settling"
    assert week.state(week.end + timedelta(hours=5, minutes=59), 6) == "settling"
    assert week.state(week.end + timedelta(hours=6), 6) == "closed"
    assert week.state(week.end, 0) == "closed"


def test_a_night_covers_the_open_week_and_those_before_it_and_reads_one_further_on_both_ends() -> None:
    night = NightWeeks(datetime(2026, 11, 21, 3, 10, tzinfo=UTC), weeks_back=3, settling_hours=6)
    assert night.keys == ("2026-W44", "2026-W45", "2026-W46", "2026-W47")
    assert night.matching_keys == ("2026-W43", *night.keys, "2026-W48")
    assert night.entries_from == datetime(2026, 10, 25, tzinfo=UTC)
    assert night.entries_until == datetime(2026, 11, 24, tzinfo=UTC)
    assert night.states() == {
        "2026-W44": "closed",
        "2026-W45": "closed",
        "2026-W46": "closed",
        "2026-W47": "open",
    }


def test_on_monday_the_week_before_settles_for_as_many_hours_as_the_night_is_told() -> None:
    monday = datetime(2026, 11, 16, 3, 10, tzinfo=UTC)
    assert NightWeeks(monday, weeks_back=1, settling_hours=6).states() == {"2026-W46": "settling", "2026-W47": "open"}
    assert NightWeeks(monday, weeks_back=1, settling_hours=3).states() == {"2026-W46": "closed", "2026-W47": "open"}


def test_a_night_without_weeks_back_covers_the_open_week_alone() -> None:
    night = NightWeeks(datetime(2027, 1, 1, tzinfo=UTC), weeks_back=0, settling_hours=6)
    assert night.keys == ("2026-W53",)
    assert night.matching_keys == ("2026-W52", "2026-W53", "2027-W01")


def test_the_open_week_of_entries_counts_with_the_part_of_it_that_has_passed() -> None:
    monday = datetime(2026, 11, 16, tzinfo=UTC)
    assert NightWeeks(monday, weeks_back=3, settling_hours=6).weeks_of_entries == 3 + 1 / 7
    assert NightWeeks(monday + timedelta(days=2.5), weeks_back=0, settling_hours=6).weeks_of_entries == 0.5
