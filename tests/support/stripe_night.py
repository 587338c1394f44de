"""A night's reading of the local Stripe, without waiting."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import stripe
from pydantic import SecretStr

from billing_dq.settings import Plan, Settings
from billing_dq.sources.progress import SilentProgress
from billing_dq.sources.stripe.api import StripeReading, read_stripe
from billing_dq_simulation.local_stripe import LocalStripe

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
KEY = "rk_live_localStripe0123456789"


@dataclass
class FakeClock:
    """Time that passes only while somebody sleeps."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def sample_plans() -> dict[str, Plan]:
    """The plans of the sample world, with their prices."""
    price_map = json.loads((SAMPLE / "config.json").read_text())["price_map"]
    plans: dict[str, list[str]] = {"free": []}
    for price, plan in price_map.items():
        plans.setdefault(plan, []).append(price)
    return {name: Plan(prices=tuple(prices)) for name, prices in plans.items()}


def settings_for(local: LocalStripe, key: str = KEY, **changes: object) -> Settings:
    """Settings that lead to a local Stripe."""
    values = {"plans": sample_plans(), "stripe_timeout_seconds": 600.0, **changes}
    return Settings(stripe_api_key=SecretStr(key), stripe_base_url=local.url, **values)  # pyright: ignore[reportArgumentType]


def read(
    local: LocalStripe,
    open_last_night: Sequence[str] = (),
    clock: FakeClock | None = None,
    settings: Settings | None = None,
) -> StripeReading:
    """Read the night of the sample's snapshot."""
    return read_stripe(settings or settings_for(local), AS_OF, open_last_night, SilentProgress(), clock or FakeClock())


def no_waits_of_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK sleeps between its own retries, by the real clock."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0)
