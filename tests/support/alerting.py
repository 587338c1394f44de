"""For tests of alerts: alerts, settings with routes, and a clock that stands."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from billing_dq.alerts.changes import notified_after
from billing_dq.alerts.notifier import Clock
from billing_dq.settings import Settings
from billing_dq.tables import ALERTS

AT = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)


def alert(name: str, **more: object) -> dict[str, object]:
    """An error about a week, over a dollar owed to us, unless told."""
    return {
        "alert_id": name,
        "kind": "meter_extras_divergence",
        "organization_id": "6ab32b259efbcc0f7f5a4495",
        "subject": "2026-W45",
        "severity": "error",
        "units": 1000.0,
        "usd_cents": 100,
        "sentence": "1,000 units were not debited",
        "since": "2026-11-21",
        "silenced": None,
        "is_reopened": False,
        **more,
    }


def alerts(*rows: dict[str, object]) -> pd.DataFrame:
    return ALERTS.from_rows(rows)


def after(known: pd.DataFrame, changed: pd.DataFrame) -> pd.DataFrame:
    """What a route knows after it was notified of some changes."""
    return pd.concat([known, notified_after(changed)]).drop_duplicates("alert_id", keep="last")


def settings(home: Path, **routes: dict[str, object]) -> Settings:
    """Settings with some routes, and patience that tests need not wait for."""
    return Settings.model_validate({"home": str(home), "first_night": "2026-11-01", "alerts": {"routes": routes}})


@dataclass
class Ticking:
    """A clock that stands until somebody sleeps; it remembers for how long."""

    at: datetime = AT
    slept: list[float] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.at += timedelta(seconds=seconds)

        return Clock(lambda: self.at, sleep)
