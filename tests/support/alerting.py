"""For tests of alerts: alerts, settings with routes, a clock that stands, and an HTTP target that takes or refuses."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd

from billing_dq.alerts.changes import known_after
from billing_dq.alerts.delivery import Clock
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
    return pd.concat([known, known_after(changed)]).drop_duplicates("alert_id", keep="last")


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


@dataclass
class Target:
    """An HTTP server that answers with a status, and what it took."""

    port: int
    status: int = 200
    asked: int = 0
    taken: list[dict[str, str]] = field(default_factory=list)

    def url(self, path: str = "") -> str:
        return f"json://127.0.0.1:{self.port}/{path}"


@contextmanager
def target() -> Iterator[Target]:
    """A target on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            found.asked += 1
            if found.status == 200:
                found.taken.append(json.loads(content))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Target(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
