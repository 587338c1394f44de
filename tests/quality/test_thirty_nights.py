"""Thirty nights of a sound company are green, whatever it goes through; each break is seen the same night."""

from collections.abc import Callable
from datetime import timedelta

import pandas as pd
import pytest

from billing_dq.quality.judgement import is_lost, is_unusual
from billing_dq.quality.measures import EVENTS, LEDGERS, USAGE, CollectionReading, WeekAmounts
from tests.support.company_nights import FIRST_DAY, Company, nights

FIRST, LAST = 35, 65  # thirty nights; the company is older than its first night
LAUNCH, HOLIDAYS = 45, (57, 58)
BROKEN = 62


def eventful(day: int) -> float:
    """A launch doubles usage and it stays; on two days of holiday half of it is left."""
    return (2.0 if day >= LAUNCH else 1.0) * (0.5 if day in HOLIDAYS else 1.0)


def unusual(history: pd.DataFrame, night: int) -> set[tuple[str, str, str]]:
    rows = history[is_unusual(history) & (history["night"] == FIRST_DAY + timedelta(days=night))]
    return set(zip(rows["collection"], rows["measure"], rows["verdict"], strict=True))


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("factor", [lambda day: 1.0, eventful], ids=["plain", "eventful"])
def test_thirty_nights_with_weekends_a_launch_and_a_holiday_are_green(
    seed: int, factor: Callable[[int], float]
) -> None:
    history = nights(Company(factor=factor, seed=seed), FIRST, LAST)
    odd = history[is_unusual(history)]
    assert odd.empty, odd.to_string()


def test_nothing_is_said_in_the_first_nights_and_nearly_everything_is_judged_after_a_month() -> None:
    history = nights(Company(), FIRST, LAST)
    first = history[history["night"] == history["night"].min()]
    last = history[history["night"] == history["night"].max()]
    assert set(first["verdict"]) == {"not_judged"}
    assert set(last.loc[last["verdict"] == "not_judged", "measure"]) == {
        "documents_of_week",
        "entries_of_week",
        "units_of_week",
    }


def broken(change: Callable[[dict[str, CollectionReading], WeekAmounts], None]) -> Company:
    """A company whose data is changed from one night on."""

    def from_then_on(night: int, read: dict[str, CollectionReading], weeks: WeekAmounts) -> None:
        if night >= BROKEN:
            change(read, weeks)

    return Company(factor=eventful, change=from_then_on)


@pytest.mark.parametrize("collection", [USAGE, LEDGERS, EVENTS])
def test_a_collection_that_is_written_no_more_is_seen_the_next_night(collection: str) -> None:
    def old(read: dict[str, CollectionReading], weeks: WeekAmounts) -> None:
        newest = read[collection].newest
        assert newest is not None
        read[collection] = read[collection]._replace(newest=newest - timedelta(hours=12))

    history = nights(broken(old), FIRST, LAST)
    assert unusual(history, BROKEN - 1) == set()
    assert unusual(history, BROKEN) == {(collection, "age", "too_high")}


def test_a_day_without_debits_is_seen() -> None:
    def none(read: dict[str, CollectionReading], weeks: WeekAmounts) -> None:
        weeks.entries.iloc[-1] = weeks.entries.iloc[-1] * 0.4  # nothing was added since

    assert unusual(nights(broken(none), FIRST, LAST), BROKEN) == {
        (LEDGERS, "entries_a_day", "too_low"),
        (LEDGERS, "units_a_day", "too_low"),
    }


@pytest.mark.parametrize("collection", ["organizations", "subscriptions", USAGE, LEDGERS])
def test_half_of_the_documents_missing_is_an_error(collection: str) -> None:
    def halve(read: dict[str, CollectionReading], weeks: WeekAmounts) -> None:
        read[collection] = read[collection]._replace(documents=read[collection].documents // 2)

    history = nights(broken(halve), FIRST, LAST)
    assert unusual(history, BROKEN) == {(collection, "documents", "too_low")}
    rows = history[is_lost(history)]
    assert set(rows["collection"]) == {collection}


def test_half_of_the_usage_of_closed_weeks_missing_is_an_error_for_each_of_them() -> None:
    def halve(read: dict[str, CollectionReading], weeks: WeekAmounts) -> None:
        weeks.usage.iloc[:-1] = weeks.usage.iloc[:-1] / 2

    rows = nights(broken(halve), FIRST, LAST)
    rows = rows[is_lost(rows) & (rows["night"] == FIRST_DAY + timedelta(days=BROKEN))]
    assert len(rows) == 6  # three closed weeks, documents and units
    assert set(rows["measure"]) == {"documents_of_week", "units_of_week"}


def test_half_of_all_entries_missing_is_an_error() -> None:
    company = Company(factor=eventful, entries_lost=lambda night: 40_000.0 if night >= BROKEN else 0.0)
    history = nights(company, FIRST, LAST)
    assert unusual(history, BROKEN) == {(LEDGERS, "entries", "too_low")}


def test_a_jump_of_unreadable_documents_is_seen_and_five_of_them_are_not() -> None:
    def some(count: int) -> Company:
        def spoil(read: dict[str, CollectionReading], weeks: WeekAmounts) -> None:
            read[USAGE] = read[USAGE]._replace(unreadable=read[USAGE].unreadable + count)

        return broken(spoil)

    assert unusual(nights(some(5), FIRST, LAST), BROKEN) == set()
    assert unusual(nights(some(60), FIRST, LAST), BROKEN) == {(USAGE, "unreadable", "too_high")}


def test_a_lasting_change_of_level_becomes_usual_by_itself() -> None:
    history = nights(Company(factor=lambda day: 4.0 if day >= 65 else 1.0), FIRST, 100)
    too_high = history[is_unusual(history) & history["measure"].str.endswith("_a_day")]
    assert not too_high.empty
    assert too_high["night"].max() < FIRST_DAY + timedelta(days=86)  # three weeks
