"""How fast and how long Stripe is asked: a token bucket, the wait after a refusal, the night's budget of seconds.

The application shares the account's budget of requests with us (docs/stripe.md, "Client"), so this side stays under
half of the smallest one, 25 requests a second for one endpoint.
"""

import random
import re
import time
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
    """Time as the pace sees it, so that tests need not wait."""

    def monotonic(self) -> float:
        """Seconds since some fixed instant."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        time.sleep(seconds)


@dataclass
class Pace:
    """Lets a request start when the bucket holds a token, and gives up when the budget would be overrun.

    Args:
        clock: where time comes from.
        budget_seconds: all of Stripe in one night (setting ``stripe_budget_seconds``).
    """

    clock: Clock
    budget_seconds: float

    def __post_init__(self) -> None:
        self._tokens = BURST
        self._filled_at = self.clock.monotonic()
        self._deadline = self._filled_at + self.budget_seconds

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
        now = self.clock.monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * REQUESTS_PER_SECOND)
        self._filled_at = now

    def _overrun(self, resource: str) -> TransientSourceError:
        return TransientSourceError(
            f"Stripe took longer than stripe_budget_seconds = {self.budget_seconds:g} while reading {resource}: "
            "it is slow or refuses requests (429); try again later, or raise the setting"
        )


def seconds_after_refusal(retry_after: str | None, refusals: int, now: datetime | None = None) -> float:
    """How long to wait after the n-th refusal (429) in a row, in seconds.

    ``Retry-After`` is honoured as seconds or as a date, up to `LONGEST_WAIT_SECONDS`; anything else, and its absence,
    is answered by a wait that doubles, with jitter so that several readers do not come back together.
    """
    asked = _asked_seconds(retry_after, now or datetime.now(UTC)) if retry_after else None
    if asked is not None:
        return min(asked, LONGEST_WAIT_SECONDS)
    doubled = min(FIRST_WAIT_SECONDS * 2.0 ** (refusals - 1), LONGEST_WAIT_SECONDS)
    return doubled * random.uniform(0.75, 1.0)


def _asked_seconds(retry_after: str, now: datetime) -> float | None:
    if re.fullmatch(r"\s*[0-9]+\s*", retry_after):
        return float(retry_after)
    try:
        then = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if then.tzinfo is None:
        return None
    return max(0.0, (then - now).total_seconds())
