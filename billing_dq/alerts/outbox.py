"""What each route was notified of, and the notifications that wait: the outbox, in the SQLite file of the state.

A notification is stored before it is sent, in one transaction with what its route then knows. It waits until a delivery
succeeds. A crash between the delivery and its receipt sends it again: every notification arrives at least once.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from billing_dq.alerts.message import Message
from billing_dq.errors import SourceError
from billing_dq.report.figures import rows_of
from billing_dq.storage.file_locks import exclusive
from billing_dq.storage.home_database import FILE_NAME, reading, writing
from billing_dq.storage.places import state_directory
from billing_dq.tables import NOTIFIED_ALERTS
from billing_dq.vocabulary.severities import SEVERITIES


@dataclass(frozen=True)
class Notification:
    """A message to a route. While it waits: when and why its route failed last, None where it was not tried since."""

    id: int
    route: str
    created_at: datetime
    message: Message
    delivered_at: datetime | None = None
    failed_at: datetime | None = None
    reason: str = "not tried yet"


class Decision:
    """One transaction in which it is decided what the routes are notified of; no other process decides meanwhile."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def notified(self, route: str, origin: str) -> pd.DataFrame:
        """`NOTIFIED_ALERTS` of a route about the alerts of an origin."""
        query = "SELECT record FROM notified_alerts WHERE route = ? AND origin = ? ORDER BY alert_id"
        rows = self._database.execute(query, (route, origin))
        return NOTIFIED_ALERTS.from_rows([json.loads(row["record"]) for row in rows])

    def remember(self, route: str, origin: str, notified: pd.DataFrame) -> None:
        """Store `NOTIFIED_ALERTS` of the alerts that changed."""
        self._database.executemany(
            "INSERT OR REPLACE INTO notified_alerts (route, origin, alert_id, record) VALUES (?, ?, ?, ?)",
            [
                (route, origin, str(row["alert_id"]), json.dumps(row, allow_nan=False))
                for row in rows_of(notified, NOTIFIED_ALERTS.column_names)
            ],
        )

    def add(self, route: str, at: datetime, message: Message) -> None:
        """Put a notification into the outbox."""
        self._database.execute(
            "INSERT INTO notifications (created_at, route, title, text, severity) VALUES (?, ?, ?, ?, ?)",
            (at.isoformat(), route, message.title, message.text, message.severity),
        )


class Outbox:
    """The outbox of one home; safe among processes.

    Raises:
        SourceError: by each method, where the file cannot be read or written.
    """

    def __init__(self, state: str) -> None:
        self._state = state

    @property
    def path(self) -> Path:
        """Where it is."""
        return state_directory(self._state, "the outbox of the alerts") / FILE_NAME

    @contextmanager
    def deciding(self) -> Iterator[Decision]:
        """A transaction in which notifications are decided: all of it is stored, or nothing."""
        with writing(self.path) as database:
            yield Decision(database)

    def waiting(self, routes: Sequence[str]) -> list[Notification]:
        """The notifications to some routes that were not delivered, oldest first."""
        with reading(self.path) as database:
            if database is None:
                return []
            failures = {row["route"]: row for row in database.execute("SELECT * FROM failed_deliveries")}
            rows = database.execute("SELECT * FROM notifications WHERE delivered_at IS NULL ORDER BY id").fetchall()
        return [_notification(row, failures.get(row["route"])) for row in rows if row["route"] in routes]

    def newest(self, count: int) -> list[Notification]:
        """The newest notifications, delivered or not, oldest first."""
        with reading(self.path) as database:
            query = "SELECT * FROM (SELECT * FROM notifications ORDER BY id DESC LIMIT ?) ORDER BY id"
            return [] if database is None else [_notification(row, None) for row in database.execute(query, (count,))]

    def add_attempt(self, notification: Notification, at: datetime, reason: str | None) -> None:
        """Record that a notification was delivered, or the reason why it was not."""
        with writing(self.path) as database:
            if reason is None:
                delivered = "UPDATE notifications SET delivered_at = ? WHERE id = ?"
                database.execute(delivered, (at.isoformat(), notification.id))
                database.execute("DELETE FROM failed_deliveries WHERE route = ?", (notification.route,))
            else:
                failed = "INSERT OR REPLACE INTO failed_deliveries (route, at, reason) VALUES (?, ?, ?)"
                database.execute(failed, (notification.route, at.isoformat(), reason))

    def sending(self, wait: bool) -> AbstractContextManager[bool]:
        """A block in which no other process sends; gives False at once where one does and `wait` is False.

        A lock file and no transaction: sending takes seconds, in which others must be able to decide.
        """
        return exclusive(self.path.with_name("locks") / "alerts-sending.lock", wait)


def _notification(row: sqlite3.Row, failure: sqlite3.Row | None) -> Notification:
    if row["severity"] not in SEVERITIES:
        raise SourceError(f"notification {row['id']} has the severity {row['severity']!r}, which is none")
    created_at = datetime.fromisoformat(row["created_at"])
    delivered_at = None if row["delivered_at"] is None else datetime.fromisoformat(row["delivered_at"])
    message = Message(row["title"], row["text"], row["severity"])
    notification = Notification(row["id"], row["route"], created_at, message, delivered_at)
    failed_at = None if failure is None else datetime.fromisoformat(failure["at"])
    if failure is None or failed_at is None or failed_at < created_at:
        return notification
    return replace(notification, failed_at=failed_at, reason=str(failure["reason"]))
