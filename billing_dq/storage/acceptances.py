"""The acceptances of findings, oldest first: in the SQLite file of a home, or on an object store one object a record.

An object store has no transactions. There each record is put under a name of its own,
`<home>/acceptances/<instant>-<id>.json`, so that two writers never touch one object.
"""

import json
import uuid
from pathlib import Path

import pandas as pd
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.storage.home_database import FILE_NAME, reading, writing
from billing_dq.storage.places import place_of
from billing_dq.storage.placing import is_local, put_text
from billing_dq.tables import ACCEPTANCES, FrameError


class AcceptanceLog:
    """The acceptances of one home; safe among processes."""

    def __init__(self, home: str) -> None:
        self._home = place_of(home)
        self._is_local = is_local(self._home)

    @property
    def path(self) -> UPath:
        """Where they are: the SQLite file, or the folder of the objects."""
        return self._home / (FILE_NAME if self._is_local else "acceptances")

    def append(self, record: pd.DataFrame) -> None:
        """Add one record, an `ACCEPTANCES` row; it is stored when this returns.

        Raises:
            SourceError: the home cannot be written.
        """
        rows = ACCEPTANCES.conform(record)
        text = rows.to_json(orient="records", lines=True, date_format="iso", double_precision=15).strip()
        if self._is_local:
            with writing(Path(self.path.path)) as database:
                database.execute("INSERT INTO acceptances (record) VALUES (?)", (text,))
            return
        instant = record["at"].iloc[0].strftime("%Y%m%dT%H%M%S.%fZ")
        put_text(text, self.path / f"{instant}-{uuid.uuid4().hex[:8]}.json")

    def read(self) -> pd.DataFrame:
        """Every record, `ACCEPTANCES`, oldest first.

        Raises:
            SourceError: they cannot be read, or a record is no acceptance.
        """
        texts = self._texts()
        if not texts:
            return ACCEPTANCES.empty()
        try:
            rows = pd.DataFrame([dict(json.loads(text)) for text in texts])
            return ACCEPTANCES.conform(rows.assign(at=pd.to_datetime(rows["at"], utc=True, format="ISO8601")))
        except (FrameError, KeyError, ValueError, TypeError) as error:
            raise SourceError(f"a record of {self.path} is no acceptance: {error}") from None

    def _texts(self) -> list[str]:
        if self._is_local:
            with reading(Path(self.path.path)) as database:
                rows = [] if database is None else database.execute("SELECT record FROM acceptances ORDER BY id")
                return [row["record"] for row in rows]
        try:
            # the names begin with the instant
            objects = sorted(self.path.iterdir(), key=lambda path: path.name) if self.path.exists() else []
            return [path.read_text(encoding="utf-8") for path in objects]
        except OSError as error:
            raise SourceError(f"{self.path} cannot be read: {error.strerror or error}") from None
