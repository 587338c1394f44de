"""Stripe shows the present only: a night is compared with it only where MongoDB was read a little before."""

from datetime import UTC, datetime, timedelta

import pytest

from billing_dq.defs.stripe import why_not_asked
from tests.support.snapshot_facts import snapshot_facts

AT = datetime(2026, 11, 21, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize("minutes", [0, 10, 360])
def test_stripe_is_asked_up_to_six_hours_after_mongodb(minutes: int) -> None:
    assert why_not_asked(snapshot_facts(AT), timedelta(minutes=minutes)) == ""


@pytest.mark.parametrize("minutes", [361, 24 * 60, -135])
def test_later_or_for_a_past_night_it_is_not_asked_and_the_reason_is_said(minutes: int) -> None:
    assert why_not_asked(snapshot_facts(AT), timedelta(minutes=minutes)) == (
        "not asked, for MongoDB was read at 2026-11-21 02:15, UTC, and Stripe shows the present only: what changed "
        "since would look like a break"
    )
