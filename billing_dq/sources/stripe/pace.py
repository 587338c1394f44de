"""How fast and how long Stripe is asked: a token bucket, the wait after a refusal, the night's budget of seconds.

The application shares the account's budget of requests with us (docs/stripe.md, "Client"), so this side stays under
half of the smallest one, 25 requests a second for one endpoint.
"""

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

from billing_dq.errors import TransientSourceError

REQUESTS_PER_SECOND = 12.0
BURST = 12.0
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 60.0


class Clock(Protocol):
    """Time as the pace sees it: the module `time`, or a clock of a test that need not wait."""

    def monotonic(self) -> float:
        """Seconds since some fixed instant."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...


@dataclass
class Pace:
    """Lets a request start when the bucket holds a token, and gives up when the budget would be overrun.

    Args:
        clock: tells the time and waits.
        budget_seconds: all of Stripe in one night (setting ``stripe_budget_seconds``).
    """

    clock: Clock
    budget_seconds: float

    def __post_init__(self) -> None:
        self._tokens = BURST
        self._filled_at = self.clock.monotonic()
        self._deadline = self._filled_at + self.budget_seconds

    @property
    def seconds_left(self) -> float:
        """Seconds of the budget that are left."""
        return self._deadline - self.clock.monotonic()

    def take(self, resource: str) -> None:
        """Wait for a token.

        Raises:
            TransientSourceError: the budget is used up.
        """
        self._fill()
        if self._tokens < 1:
            self.wait((1 - self._tokens) / REQUESTS_PER_SECOND, resource)
            self._fill()
        elif self.clock.monotonic() > self._deadline:
            raise self._overrun(resource)
        self._tokens -= 1

    def wait(self, seconds: float, resource: str) -> None:
        """Sleep, unless that overruns the budget.

        Raises:
            TransientSourceError: the budget would be used up.
        """
        if self.clock.monotonic() + seconds > self._deadline:
            raise self._overrun(resource)
        self.clock.sleep(seconds)

    def _fill(self) -> None:
        instant = self.clock.monotonic()
        self._tokens = min(BURST, self._tokens + (instant - self._filled_at) * REQUESTS_PER_SECOND)
        self._filled_at = instant

    def _overrun(self, resource: str) -> TransientSourceError:
        return TransientSourceError(
            f"Stripe took longer than stripe_budget_seconds = {self.budget_seconds:g} while reading {resource}: "
            "it is slow or refuses requests (429); try again later, or raise the setting"
        )


def seconds_after_refusal(retry_after: str | None, refusals: int, instant: datetime | None = None) -> float:
    """How long to wait after a refusal (429).

    Args:
        retry_after: the answer's ``Retry-After``, seconds or a date; honoured up to `LONGEST_WAIT_SECONDS`.
        refusals: how many came in a row. Without a usable ``Retry-After`` the wait doubles with each, with jitter, so
            that several readers do not come back together.
        instant: what a date is counted from; the present by default.

    Returns:
        Seconds.
    """
    if retry_after and re.fullmatch(r"\s*[0-9]+\s*", retry_after):
        return min(float(retry_after), LONGEST_WAIT_SECONDS)
    try:
        date = parsedate_to_datetime(retry_after or "")
    except ValueError:
        date = None
    if date is not None and date.tzinfo is not None:
        return min(max(0.0, (date - (instant or datetime.now(UTC))).total_seconds()), LONGEST_WAIT_SECONDS)
    doubled = min(FIRST_WAIT_SECONDS * 2.0 ** (refusals - 1), LONGEST_WAIT_SECONDS)
    return doubled * random.uniform(0.75, 1.0)
