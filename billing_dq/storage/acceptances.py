"""The acceptances of findings, in `<home>/acceptances.jsonl`: append only, one JSON object a line."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.storage.appending import append_line, read_lines
from billing_dq.tables import ACCEPTANCES, FrameError


@dataclass(frozen=True)
class AcceptancesReading:
    """`ACCEPTANCES`, oldest first, and how many lines a crash left torn; those are no records."""

    frame: pd.DataFrame
    torn_lines: int


class AcceptanceLog:
    """The acceptances of one home; `append` is safe among processes."""

    def __init__(self, home: str) -> None:
        self._home = UPath(home)

    @property
    def path(self) -> UPath:
        """Where they are."""
        return self._home / "acceptances.jsonl"

    def append(self, record: pd.DataFrame) -> None:
        """Add one record, an `ACCEPTANCES` row; it is on the disk when this returns.

        Raises:
            SourceError: the home cannot be written, or is no directory of this machine.
        """
        content = ACCEPTANCES.conform(record).to_json(orient="records", date_format="iso", double_precision=15)
        line = json.dumps(json.loads(content)[0], allow_nan=False)
        try:
            append_line(self._local_path(), line.encode())
        except OSError as error:
            raise SourceError(f"{self.path} cannot be written: {error.strerror}") from None

    def read(self) -> AcceptancesReading:
        """Every record. A home that is an object store has none.

        Raises:
            SourceError: the file cannot be read, or a line in it is JSON and no acceptance.
        """
        if not self._is_local():
            return AcceptancesReading(ACCEPTANCES.empty(), 0)
        try:
            lines = read_lines(self._local_path())
        except OSError as error:
            raise SourceError(f"{self.path} cannot be read: {error.strerror}") from None
        records = [_record(line, f"line {number} of {self.path}") for number, line in enumerate(lines, start=1)]
        whole = [record for record in records if record is not None]
        return AcceptancesReading(pd.concat([ACCEPTANCES.empty(), *whole], ignore_index=True), len(lines) - len(whole))

    def _is_local(self) -> bool:
        return self._home.protocol in ("", "file", "local")

    def _local_path(self) -> Path:
        if not self._is_local():
            raise SourceError(f"home {self._home}: acceptances need a local directory: their file is appended to")
        return Path(self.path.path)


def _record(line: bytes, where: str) -> pd.DataFrame | None:
    """The record of a line, None where a crash cut it: the beginning of a JSON object is never JSON."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    if not isinstance(content, dict):
        raise SourceError(f"{where} is no acceptance")
    try:
        row = pd.DataFrame([content])
        return ACCEPTANCES.conform(row.assign(at=pd.to_datetime(row["at"], utc=True)))
    except (FrameError, KeyError, ValueError, TypeError) as error:
        raise SourceError(f"{where} is no acceptance: {error}") from None
