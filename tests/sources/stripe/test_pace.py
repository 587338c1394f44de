"""How fast and how long Stripe is asked."""

from datetime import UTC, datetime

import pytest

from billing_dq.errors import TransientSourceError
from billing_dq.sources.stripe.pace import LONGEST_WAIT_SECONDS, Pace, seconds_after_refusal
from tests.support.stripe_night import FakeClock

NOW = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)


def test_a_thousand_requests_stay_under_half_of_25_a_second() -> None:
    clock = FakeClock()
    pace = Pace(clock, 900)
    for _ in range(1000):
        pace.take("disputes")
    assert 1000 / clock.now < 12.5


def test_a_small_night_does_not_wait() -> None:
    clock = FakeClock()
    pace = Pace(clock, 900)
    for _ in range(12):
        pace.take("disputes")
    assert clock.now == 0


def test_a_wait_that_overruns_the_budget_is_not_begun() -> None:
    clock = FakeClock()
    pace = Pace(clock, 10)
    pace.wait(9, "disputes")
    with pytest.raises(TransientSourceError, match="while reading disputes"):
        pace.wait(2, "disputes")
    assert clock.now == 9


def test_a_budget_used_up_by_slow_answers_is_an_error_too() -> None:
    clock = FakeClock()
    pace = Pace(clock, 10)
    clock.now = 11
    with pytest.raises(TransientSourceError, match="stripe_budget_seconds = 10"):
        pace.take("invoices")


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("3", 3),
        ("0", 0),
        ("86400", LONGEST_WAIT_SECONDS),
        ("Sat, 21 Nov 2026 03:10:05 GMT", 5),
        ("Sat, 21 Nov 2026 03:09:00 GMT", 0),
    ],
)
def test_retry_after_is_honoured_within_reason(retry_after: str, seconds: float) -> None:
    assert seconds_after_refusal(retry_after, 1, NOW) == seconds


@pytest.mark.parametrize("retry_after", [None, "", "soon", "-5", "²", "Sat, 21 Nov 2026 03:10:05"])
def test_without_a_usable_hint_the_waits_double_up_to_a_limit(retry_after: str | None) -> None:
    waits = [seconds_after_refusal(retry_after, refusals, NOW) for refusals in (1, 2, 3, 50)]
    for wait, longest in zip(waits, (0.5, 1, 2, LONGEST_WAIT_SECONDS), strict=True):
        assert 0.75 * longest <= wait <= longest
