"""The instant of a night, as a run's config gives it."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from billing_dq.defs.resources import NightConfig


def test_an_instant_is_utc_where_it_names_no_time_zone_and_is_kept_in_whole_milliseconds() -> None:
    expected = datetime(2026, 11, 21, 3, 10, 0, 123_000, tzinfo=UTC)
    for text in ("2026-11-21T03:10:00.123999", "2026-11-21T04:10:00.123+01:00"):
        assert NightConfig(as_of=text).instant() == expected


def test_what_is_no_instant_fails_the_step_and_is_not_tried_again() -> None:
    with pytest.raises(dg.Failure, match="'yesterday' is not an instant") as failed:
        NightConfig(as_of="yesterday").instant()
    assert not failed.value.allow_retries
