"""The audit log of the credits: append only, one JSON record a line, each holding the hash of the one before.

A record is on the disk (fsync) before `append` returns, and one writer writes at a time (flock), whichever process or
thread it is in. A crash can leave the last line torn. Nothing is deleted then: the next writer ends that line and adds
a `recovered` record with the number and hash of the torn bytes: the only way in which what is no record may stand.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from upath import UPath

from billing_dq.credits.guard import Guard, anchor_text, read_guard, write_guard
from billing_dq.errors import SettingsError, SourceError
from billing_dq.storage.file_locks import locked
from billing_dq.storage.placing import is_local, sync_directory
from billing_dq.storage.private import private_directory, private_opener

Kind = Literal[
    "started",  # the first record: what is older than it has none
    "recovered",  # a torn line stands before it
    "approved",
    "parked",
    "unparked",
    "decided",  # the plan that is about to be carried out, and who approved it
    "intent",  # a write is about to be tried
    "missed",  # the guard did not hold: nothing was written
    "written",
    "unknown_outcome",  # the answer was lost
    "resolved",  # an intent whose outcome was unknown has been looked up
    "verified",
    "unverified",  # what was read after the write is not what was written
    "refused",
    "acknowledged",  # a person has looked into a difference between the log and the ledgers
]
Value = str | int | float | bool | None
_FIRST = "0" * 64
#: What a person does who has looked into a log that lost records.
ACKNOWLEDGE = "billing-dq credits verify-audit --acknowledge log --by YOU --why ..."


class AuditError(SourceError):
    """The audit log is not whole: nothing is credited until a person has looked at it (RUNBOOKS.md)."""


@dataclass(frozen=True)
class Record:
    """One record: when (UTC, ISO 8601), what, who and why, about which dispute and plan, with the figures."""

    number: int
    at: str
    kind: str
    actor: str
    why: str
    dispute_id: str | None
    organization_id: str | None
    plan_hash: str | None
    facts: dict[str, Value]
    previous: str
    hash: str

    def computed_hash(self) -> str:
        """The hash of everything in the record but the hash."""
        content = {name: value for name, value in asdict(self).items() if name != "hash"}
        return hashlib.sha256(_json(content).encode()).hexdigest()


@dataclass(frozen=True)
class Subject:
    """What a record is about."""

    dispute_id: str | None = None
    organization_id: str | None = None
    plan_hash: str | None = None


def credits_directory(state: str) -> Path:
    """Where the audit log and the file STOP live: `<state>/credits`; ``state`` is the home where it is not set.

    Raises:
        SettingsError: that is no directory of this machine; an object store can neither append nor lock.
    """
    path = UPath(state)
    if not is_local(path):
        raise SettingsError(
            f"state: {state}: credits need a local directory, for their audit log is appended to and locked; "
            "set state (BILLING_DQ_STATE) to one"
        )
    return Path(path.path) / "credits"


class AuditLog:
    """The log of one home; `append` is safe among processes and threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "audit.jsonl"

    def append(
        self, kind: Kind, subject: Subject, actor: str, why: str = "", facts: Mapping[str, Value] | None = None
    ) -> Record:
        """Add a record, first `started` or `recovered` where one is needed, and return it once it is on the disk.

        Raises:
            AuditError: the last record was changed or is gone, so that nothing can be chained to it.
        """
        self._require_file()
        private_directory(self.directory)
        created = not self.path.exists()
        with open(self.path, "a+b", opener=private_opener) as file, locked(file.fileno(), fcntl.LOCK_EX):
            guard, previous = self._guard(), _last_record(file.fileno())[0]
            if guard is None or guard.anchor is None or previous is None or anchor_text(previous) != guard.anchor:
                # the first record, a crash behind the last one, or a loss: all of the log tells which
                file.seek(0)
                reading = _prove(_lines(file.read()))
                _require_held(reading.records, guard)
                guard = (guard or Guard.new()).after(reading.records)
            record = self._append(file.fileno(), guard, _Entry(kind, subject, actor, why, dict(facts or {})))
        if created:
            sync_directory(self.directory)
            sync_directory(self.directory.parent)
        return record

    def read(self) -> "AuditReading":
        """Every record, oldest first, the chain proved and held against the guard.

        Raises:
            AuditError: a record was changed, removed or put in, or the newest ones are gone; the message names the
                line, or the command that acknowledges the loss.
        """
        guard = self._guard()  # before the log, which may only be longer by now
        reading = self.read_chain()
        _require_held(reading.records, guard)
        return replace(reading, parked_outside=frozenset(guard.parked) if guard else frozenset())

    def read_chain(self) -> "AuditReading":
        """As `read`, but whatever the guard says: to look into a log whose end is gone.

        Raises:
            AuditError: a record was changed, removed or put in.
        """
        self._require_file()
        if not self.path.exists():
            return AuditReading((), 0)
        with self.path.open("rb") as file, locked(file.fileno(), fcntl.LOCK_SH):
            content = file.read()
        try:
            return _prove(_lines(content))
        except AuditError as error:
            raise AuditError(f"{error}; restore it from a backup, or look into it and then `{ACKNOWLEDGE}`") from None

    def begin_anew(self, anchors: Iterable[str], by: str, why: str) -> Path | None:
        """Acknowledge that records are lost: those of ``anchors``, and that of the guard. What they parked stays so.

        Returns:
            Where a log went whose chain is broken; a log that is only shorter is gone on with.

        Raises:
            AuditError: what stands in the log's place is no file, or the guard cannot be read.
        """
        aside = None
        try:
            reading = self.read_chain()
        except AuditError:
            self._require_file()
            reading = AuditReading((), 0)
            aside = self.path.with_name(f"audit-{datetime.now(UTC):%Y%m%dT%H%M%S}.damaged.jsonl")
            self.path.rename(aside)
        guard = self._guard() or Guard.new()
        lost = {*anchors, *([guard.anchor] if guard.anchor else [])}
        present = {anchor_text(record) for record in reading.records}
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file, locked(file.fileno(), fcntl.LOCK_EX):
            for anchor in sorted(lost - present) or [""]:
                facts: dict[str, Value] = {"anchor": anchor, "aside": str(aside) if aside else None}
                self._append(file.fileno(), guard, _Entry("acknowledged", Subject(), by, why, facts))
                guard = self._guard() or guard
        return aside

    @property
    def home(self) -> str:
        """The name of the home, which no other one has; there is one from the first record on."""
        guard = self._guard()
        return guard.home if guard else ""

    def _append(self, descriptor: int, guard: Guard, entry: "_Entry") -> Record:
        previous, torn = _last_record(descriptor)
        if not _ends_with_newline(descriptor):
            os.write(descriptor, b"\n")
        entries = [entry]
        if torn:
            entries.insert(0, _Entry("recovered", Subject(), entry.actor, "", _evidence(torn)))
        if previous is None:
            entries.insert(0, _Entry("started", Subject(), entry.actor, "", {}))
        records: list[Record] = []
        for new in entries:
            previous = self._write(descriptor, previous, new)
            records.append(previous)
        os.fsync(descriptor)
        write_guard(self.directory, guard.after(records))
        return records[-1]

    def _guard(self) -> Guard | None:
        try:
            return read_guard(self.directory)
        except ValueError as error:
            raise AuditError(f"the guard of the audit log is damaged: {error}; restore it from a backup") from None

    def _require_file(self) -> None:
        """A folder or a pipe in the log's place would end or stop whoever opens it."""
        if self.path.exists() and not self.path.is_file():
            raise AuditError(f"{self.path} is no file: move it away, then `{ACKNOWLEDGE}`")

    def _write(self, descriptor: int, previous: Record | None, entry: "_Entry") -> Record:
        content: dict[str, object] = {
            "number": previous.number + 1 if previous else 0,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "kind": entry.kind,
            "actor": entry.actor,
            "why": entry.why,
            **asdict(entry.subject),
            "facts": entry.facts,
            "previous": previous.hash if previous else _FIRST,
        }
        digest = hashlib.sha256(_json(content).encode()).hexdigest()
        line = _json({**content, "hash": digest}).encode() + b"\n"
        written = 0
        while written < len(line):
            written += os.write(descriptor, line[written:])
        return Record(**json.loads(line))


@dataclass(frozen=True)
class _Entry:
    """What a record says, before it has its place in the chain."""

    kind: Kind
    subject: Subject
    actor: str
    why: str
    facts: dict[str, Value]


@dataclass(frozen=True)
class AuditReading:
    """The proved records, and the bytes of a torn last line that the next writer will recover (0: none).

    ``parked_outside`` are the organizations that the guard keeps parked, whatever became of the log.
    """

    records: tuple[Record, ...]
    torn_bytes: int
    parked_outside: frozenset[str] = frozenset()


def missing_anchors(records: Iterable[Record], anchors: Iterable[str]) -> list[str]:
    """The anchors whose record the log does not hold and whose loss nobody acknowledged, oldest first."""
    present: set[Value] = set()
    for record in records:
        present |= {anchor_text(record), record.facts.get("anchor") if record.kind == "acknowledged" else None}
    return sorted({*anchors} - present, key=lambda anchor: int(anchor.partition(":")[0]))


def _require_held(records: tuple[Record, ...], guard: Guard | None) -> None:
    lost = missing_anchors(records, [guard.anchor] if guard and guard.anchor else [])
    if lost:
        number = lost[0].partition(":")[0]
        raise AuditError(
            f"the audit log has lost its end: it has {len(records)} records, and its record {number} is not there; "
            f"restore it from a backup, or look into it and then `{ACKNOWLEDGE}`"
        )


def _prove(lines: list[bytes]) -> AuditReading:
    records: list[Record] = []
    torn = b""  # what a crash left since the last record; only a `recovered` record may follow, and it names it
    for number, line in enumerate(lines, start=1):
        where = f"line {number} of the audit log"
        record = _parse(line, where)
        if record is None:
            torn += line.removesuffix(b"\n")
            continue
        _check_chain(record, records[-1] if records else None, where)
        if torn and records:
            if record.kind != "recovered" or record.facts != _evidence(torn):
                raise AuditError(f"{where}: what stands before it is no record, and it does not recover that")
            torn = b""
        records.append(record)
    return AuditReading(tuple(records), len(torn))


def _check_chain(record: Record, previous: Record | None, where: str) -> None:
    expected = (previous.number + 1, previous.hash) if previous else (0, _FIRST)
    if (record.number, record.previous) != expected:
        raise AuditError(f"{where} does not follow the record before it: a record was removed, put in or moved")


def _evidence(torn: bytes) -> dict[str, Value]:
    return {"torn_bytes": len(torn), "torn_sha256": hashlib.sha256(torn).hexdigest()}


def _parse(line: bytes, where: str) -> Record | None:
    """The record of a line, None where a crash cut it: the beginning of a record is never JSON.

    Raises:
        AuditError: it is JSON, but no record that this module wrote.
    """
    try:
        content = json.loads(line)
    except ValueError:
        return None
    except RecursionError:
        raise AuditError(f"{where} is nested without end") from None
    try:
        record = Record(**content)
        is_sound = isinstance(record.facts, dict) and record.computed_hash() == record.hash
    except (TypeError, ValueError, RecursionError):
        raise AuditError(f"{where} is no record") from None
    if not is_sound:
        raise AuditError(f"{where} was changed: its hash does not fit its content")
    return record


def _lines(content: bytes) -> list[bytes]:
    return [line for line in re.split(rb"(?<=\n)", content) if line]


def _last_record(descriptor: int) -> tuple[Record | None, bytes]:
    """The last record of a file and what a crash left after it, read from the end, without the line ends."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    size = 1 << 16
    while True:
        start = max(0, end - size)
        lines = _lines(os.pread(descriptor, end - start, start))
        if start:
            del lines[0]  # its beginning was not read
        for number in range(len(lines) - 1, -1, -1):
            record = _parse(lines[number], "the last record of the audit log")
            if record is not None:
                return record, _joined(lines[number + 1 :])
        if not start:
            return None, _joined(lines)
        size *= 4


def _joined(lines: list[bytes]) -> bytes:
    return b"".join(line.removesuffix(b"\n") for line in lines)


def _ends_with_newline(descriptor: int) -> bool:
    end = os.lseek(descriptor, 0, os.SEEK_END)
    return end == 0 or os.pread(descriptor, 1, end - 1) == b"\n"


def _json(content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
