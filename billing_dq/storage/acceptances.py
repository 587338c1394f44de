"""The acceptances of findings, in `<home>/acceptances.jsonl`: append only, one JSON object a line.

An object store cannot append: there each record is an object of its own, `<home>/acceptances/<instant>-<id>.json`.
"""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.storage.appending import append_line, read_lines
from billing_dq.storage.places import place_of
from billing_dq.storage.placing import is_local, put_text
from billing_dq.tables import ACCEPTANCES, FrameError


@dataclass(frozen=True)
class AcceptancesReading:
    """`ACCEPTANCES`, oldest first, and how many lines a crash left torn; those are no records."""

    frame: pd.DataFrame
    torn_lines: int


class AcceptanceLog:
    """The acceptances of one home; `append` is safe among processes."""

    def __init__(self, home: str) -> None:
        self._home = place_of(home)

    @property
    def path(self) -> UPath:
        """Where they are: a file, or in an object store what their names begin with."""
        return self._home / ("acceptances.jsonl" if self._is_local() else "acceptances")

    def append(self, record: pd.DataFrame) -> None:
        """Add one record, an `ACCEPTANCES` row; it is stored when this returns.

        Raises:
            SourceError: the home cannot be written.
        """
        content = ACCEPTANCES.conform(record).to_json(orient="records", date_format="iso", double_precision=15)
        line = json.dumps(json.loads(content)[0], allow_nan=False)
        try:
            if self._is_local():
                append_line(Path(self.path.path), line.encode())
            else:
                at = record["at"].iloc[0].strftime("%Y%m%dT%H%M%S.%fZ")
                put_text(line, self.path / f"{at}-{uuid.uuid4().hex[:8]}.json")
        except OSError as error:
            raise SourceError(f"{self.path} cannot be written: {error.strerror or error}") from None

    def read(self) -> AcceptancesReading:
        """Every record.

        Raises:
            SourceError: the file cannot be read, or a line in it is JSON and no acceptance.
        """
        try:
            lines = read_lines(Path(self.path.path)) if self._is_local() else self._objects()
        except OSError as error:
            raise SourceError(f"{self.path} cannot be read: {error.strerror or error}") from None
        records = [_record(line, f"line {number} of {self.path}") for number, line in enumerate(lines, start=1)]
        whole = [record for record in records if record is not None]
        return AcceptancesReading(pd.concat([ACCEPTANCES.empty(), *whole], ignore_index=True), len(lines) - len(whole))

    def _is_local(self) -> bool:
        return is_local(self._home)

    def _objects(self) -> list[bytes]:
        """The content of every object, oldest first: their names begin with the instant."""
        if not self.path.exists():
            return []
        return [path.read_bytes() for path in sorted(self.path.iterdir(), key=lambda path: path.name)]


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
