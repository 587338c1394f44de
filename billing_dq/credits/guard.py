"""What forbids credits, kept outside the audit log: its newest record, and the organizations that are parked.

A log that was deleted, cut at its end or garbled in its last line is a whole chain, only a shorter one, and whatever it
forbade would be allowed. So each append is noted here, in a file beside the log's folder, after the log is on the disk:
the log may be longer than its guard, after a crash, and never shorter. The guard also names the home, so that the
credits of another home on the same database are told from its own.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from upath import UPath

from billing_dq.storage.placing import put_text

if TYPE_CHECKING:
    from billing_dq.credits.audit import Record


@dataclass(frozen=True)
class Guard:
    """``home`` is a name that no other home has, ``anchor`` the number and hash of the log's newest record."""

    home: str
    anchor: str | None
    parked: tuple[str, ...]

    @classmethod
    def new(cls) -> "Guard":
        """The guard of a home that has none, before any record."""
        return cls(uuid.uuid4().hex[:12], None, ())

    def after(self, records: Iterable["Record"]) -> "Guard":
        """The guard after these records, which are the newest ones."""
        anchor, parked = self.anchor, set(self.parked)
        for record in records:
            anchor = anchor_text(record)
            if record.kind == "parked" and record.organization_id:
                parked.add(record.organization_id)
            elif record.kind == "unparked" and record.organization_id:
                parked.discard(record.organization_id)
        return replace(self, anchor=anchor, parked=tuple(sorted(parked)))


_GUARD = TypeAdapter(Guard)


def anchor_text(record: "Record") -> str:
    """The anchor of a record, ``<number>:<sha256>``."""
    return f"{record.number}:{record.hash}"


def guard_file(credits_directory: Path) -> Path:
    """Beside the folder of the log, so that who loses the folder keeps it."""
    return credits_directory.with_name(f"{credits_directory.name}_guard.json")


def read_guard(credits_directory: Path) -> Guard | None:
    """The guard of a log, None where none was written yet.

    Raises:
        ValueError: what stands there is no guard.
    """
    path = guard_file(credits_directory)
    try:
        return _GUARD.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read ({type(error).__name__})") from None


def write_guard(credits_directory: Path, guard: Guard) -> None:
    """Put a guard in its place, whole, and wait until it is on the disk.

    Raises:
        PlaceError: it cannot be written.
    """
    put_text(_GUARD.dump_json(guard, indent=1).decode() + "\n", UPath(guard_file(credits_directory)))
