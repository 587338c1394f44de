"""What was told to whom, and what is still to be sent: `<home>/alerts.jsonl`, append only, one JSON object a line.

A `told` line is the intent: from then on its matters are told, and its message waits. A `sent` line is the receipt. A
crash between the two sends the message again: every message arrives at least once. A `failed` line says when a target
did not take a message, and why. A line that a crash cut is no record: what it would have told is told by the next run.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd
from upath import UPath

from billing_dq.alerts.message import Message
from billing_dq.alerts.telling import after
from billing_dq.errors import SourceError
from billing_dq.report.figures import rows_of
from billing_dq.storage.appending import append_line, read_lines
from billing_dq.tables import TELLINGS, TOLD

_ITEM = [name for name in TELLINGS.column_names if name not in ("sentence", "since", "loudness")]


@dataclass(frozen=True)
class Waiting:
    """A message that was not delivered yet; when and why its route failed last, None where it was not tried."""

    number: int
    route: str
    at: datetime
    message: Message
    failed_at: datetime | None
    reason: str


@dataclass(frozen=True)
class Recorded:
    """The whole record: the `told` lines by number, the receipts, and each route's newest failure."""

    told: Mapping[int, dict[str, object]] = field(default_factory=dict)
    sent: frozenset[int] = frozenset()
    failed: Mapping[str, tuple[datetime, str]] = field(default_factory=dict)

    @property
    def next_number(self) -> int:
        """The number of the next `told` line."""
        return max(self.told, default=0) + 1

    def known(self, route: str, origin: str) -> pd.DataFrame:
        """`TOLD` of a route about the matters of an origin."""
        known: dict[str, dict[str, object]] = {}
        for line in self.told.values():  # sequential: the newest line about a matter counts
            if (line["route"], line["origin"]) == (route, origin):
                items = line["items"] if isinstance(line["items"], list) else []
                known |= {str(item["matter_id"]): item for item in items}
        if not known:
            return TOLD.empty()
        return after(TOLD.empty(), pd.DataFrame.from_records(list(known.values()), columns=_ITEM))

    def waiting(self, routes: Sequence[str]) -> list[Waiting]:
        """The messages to some routes that were not delivered, oldest first."""
        found: list[Waiting] = []
        for number, line in sorted(self.told.items()):
            content, route = line["message"], str(line["route"])
            if number in self.sent or route not in routes or not isinstance(content, dict):
                continue
            failed_at, reason = self.failed.get(route, (None, "not tried yet"))
            at = datetime.fromisoformat(str(line["at"]))
            if failed_at is not None and failed_at < at:
                failed_at, reason = None, "not tried yet"
            found.append(Waiting(number, route, at, Message(**content), failed_at, reason))
        return found


class AlertRecord:
    """The record of one home; safe among processes."""

    def __init__(self, home: str) -> None:
        self._home = UPath(home)

    @property
    def path(self) -> Path:
        """Where it is.

        Raises:
            SourceError: the home is no directory of this machine.
        """
        if self._home.protocol not in ("", "file", "local"):
            raise SourceError(
                f"{self._home}: alerts need a local directory, for their record is appended to; "
                "set state (BILLING_DQ_STATE) to one"
            )
        return Path(self._home.path) / "alerts.jsonl"

    def read(self) -> Recorded:
        """Everything that was recorded; lines of other programs and torn ones are passed over.

        Raises:
            SourceError: the file cannot be read, or a record in it is not whole.
        """
        told: dict[int, dict[str, object]] = {}
        sent: set[int] = set()
        failed: dict[str, tuple[datetime, str]] = {}
        path = self.path
        try:
            for line in map(_content, read_lines(path)):
                if line.get("record") == "told":
                    told[int(str(line["number"]))] = line
                elif line.get("record") == "sent":
                    sent.add(int(str(line["number"])))
                    failed.pop(str(line["route"]), None)
                elif line.get("record") == "failed":
                    failed[str(line["route"])] = datetime.fromisoformat(str(line["at"])), str(line["reason"])
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from None
        except (KeyError, ValueError) as error:
            raise SourceError(f"{path} holds a record that is not whole: {error}") from None
        return Recorded(told, frozenset(sent), failed)

    def add_told(
        self, number: int, at: datetime, route: str, origin: str, happened: pd.DataFrame, said: Message | None
    ) -> None:
        """Record what a route is told, before it is sent.

        Args:
            number: `Recorded.next_number`.
            at: when.
            route: its name.
            origin: where the matters are from.
            happened: `TELLINGS`.
            said: the message; None where everything is only noted.
        """
        self._add(
            {
                "record": "told",
                "number": number,
                "at": at.isoformat(),
                "route": route,
                "origin": origin,
                "message": None if said is None else asdict(said),
                "items": rows_of(happened, _ITEM),
            }
        )

    def add_sent(self, message: Waiting, at: datetime) -> None:
        """Record that a message was delivered."""
        self._add({"record": "sent", "number": message.number, "at": at.isoformat(), "route": message.route})

    def add_failed(self, message: Waiting, at: datetime, reason: str) -> None:
        """Record that a message was not delivered, and why."""
        about = {"number": message.number, "at": at.isoformat(), "route": message.route, "reason": reason}
        self._add({"record": "failed", **about})

    def deciding(self) -> AbstractContextManager[bool]:
        """A block in which no other process decides what is told; it waits for its turn, which is short."""
        return self._held("alerts-deciding.lock", wait=True)

    def sending(self, wait: bool) -> AbstractContextManager[bool]:
        """A block in which no other process sends; gives False at once where one does and `wait` is False."""
        return self._held("alerts-sending.lock", wait)

    def _held(self, name: str, wait: bool) -> AbstractContextManager[bool]:
        return _hold(self.path.with_name("locks") / name, wait)

    def _add(self, line: dict[str, object]) -> None:
        try:
            append_line(self.path, json.dumps(line, allow_nan=False).encode())
        except OSError as error:
            raise SourceError(f"{self.path} cannot be written: {error.strerror}") from None


def _content(line: bytes) -> dict[str, object]:
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


@contextmanager
def _hold(path: Path, wait: bool) -> Iterator[bool]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise SourceError(f"the lock {path} cannot be written: {error.strerror}") from None
    try:
        is_mine = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            is_mine = False
        yield is_mine
    finally:
        os.close(descriptor)  # gives the lock up
