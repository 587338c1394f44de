"""Stripe shows the present only: a night is compared with it only where MongoDB was read a little before."""

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from billing_dq.defs import stripe
from billing_dq.settings import Settings
from billing_dq.sources.progress import SilentProgress
from billing_dq.storage.lake import Lake
from tests.support.snapshot_facts import snapshot_facts

AT = datetime(2026, 11, 21, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize("minutes", [0, 10, 360])
def test_stripe_is_asked_up_to_six_hours_after_mongodb(minutes: int) -> None:
    assert stripe.why_not_asked(snapshot_facts(AT), timedelta(minutes=minutes)) == ""


@pytest.mark.parametrize("minutes", [361, 24 * 60, -135])
def test_later_or_for_a_past_night_it_is_not_asked_and_the_reason_is_recorded(minutes: int) -> None:
    assert stripe.why_not_asked(snapshot_facts(AT), timedelta(minutes=minutes)) == (
        "not asked, for MongoDB was read at 2026-11-21 02:15, UTC, and Stripe shows the present only: what changed "
        "since would look like a break"
    )


def test_a_defect_in_the_reading_is_a_failed_reading_and_its_words_are_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("rk_live_secret")

    monkeypatch.setattr(stripe, "read_stripe", broken)
    monkeypatch.setattr(stripe, "_to_read_again", lambda *_: [])
    context = SimpleNamespace(log=logging.getLogger("test"), run=SimpleNamespace(run_id="1234"))
    settings = Settings(stripe_api_key=SecretStr("rk_test_a"))
    record, frames = stripe._read(context, Lake("nowhere"), settings, snapshot_facts(AT), SilentProgress())  # pyright: ignore[reportArgumentType]
    assert (record.state, frames) == ("failed", {})
    assert record.reason == ("an unexpected KeyError while Stripe was read; the log of run 1234 in Dagster has it all")
