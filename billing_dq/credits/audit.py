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
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from upath import UPath

from billing_dq.errors import SettingsError, SourceError
from billing_dq.storage.file_locks import locked
from billing_dq.storage.placing import is_local, sync_directory

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
            AuditError: the last record was changed, so that nothing can be chained to it.
        """
        created = not self.path.exists()
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file, locked(file.fileno(), fcntl.LOCK_EX):
            previous, torn = _last_record(file.fileno())
            if not _ends_with_newline(file.fileno()):
                os.write(file.fileno(), b"\n")
            if previous is None:
                previous = self._write(file.fileno(), None, "started", Subject(), actor, "", {})
            if torn:
                previous = self._write(file.fileno(), previous, "recovered", Subject(), actor, "", _evidence(torn))
            record = self._write(file.fileno(), previous, kind, subject, actor, why, dict(facts or {}))
            os.fsync(file.fileno())
        if created:
            sync_directory(self.directory)
            sync_directory(self.directory.parent)
        return record

    def read(self) -> "AuditReading":
        """Every record, oldest first, the chain proved.

        Raises:
            AuditError: a record was changed, removed or put in; the message names the line.
        """
        if not self.path.exists():
            return AuditReading((), 0)
        with self.path.open("rb") as file, locked(file.fileno(), fcntl.LOCK_SH):
            return _prove(_lines(file.read()))

    def _write(
        self,
        descriptor: int,
        previous: Record | None,
        kind: Kind,
        subject: Subject,
        actor: str,
        why: str,
        facts: dict[str, Value],
    ) -> Record:
        content: dict[str, object] = {
            "number": previous.number + 1 if previous else 0,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "kind": kind,
            "actor": actor,
            "why": why,
            **asdict(subject),
            "facts": facts,
            "previous": previous.hash if previous else _FIRST,
        }
        digest = hashlib.sha256(_json(content).encode()).hexdigest()
        line = _json({**content, "hash": digest}).encode() + b"\n"
        written = 0
        while written < len(line):
            written += os.write(descriptor, line[written:])
        return Record(**json.loads(line))


@dataclass(frozen=True)
class AuditReading:
    """The proved records, and the bytes of a torn last line that the next writer will recover (0: none)."""

    records: tuple[Record, ...]
    torn_bytes: int


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
            _check_recovery(record, torn, where)
            torn = b""
        records.append(record)
    return AuditReading(tuple(records), len(torn))


def _check_chain(record: Record, previous: Record | None, where: str) -> None:
    expected = (previous.number + 1, previous.hash) if previous else (0, _FIRST)
    if (record.number, record.previous) != expected:
        raise AuditError(f"{where} does not follow the record before it: a record was removed, put in or moved")


def _check_recovery(record: Record, torn: bytes, where: str) -> None:
    if record.kind != "recovered" or record.facts != _evidence(torn):
        raise AuditError(f"{where}: what stands before it is no record, and it does not recover that")


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
    try:
        record = Record(**content)
        whole = record.computed_hash() == record.hash
    except (TypeError, ValueError):
        raise AuditError(f"{where} is no record") from None
    if not whole:
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
        for back in range(len(lines) - 1, -1, -1):
            record = _parse(lines[back], "the last record of the audit log")
            if record is not None:
                return record, _joined(lines[back + 1 :])
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
