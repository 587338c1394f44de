"""The stored nights: which tables a night has, and where."""

from dataclasses import dataclass
from datetime import date

import pandas as pd
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import Table


@dataclass(frozen=True)
class Lake:
    """The stored nights: `<home>/lake/<table>/<night>.parquet`, a night being its date, YYYY-MM-DD."""

    home: str

    @property
    def root(self) -> UPath:
        """Where the tables are."""
        return UPath(self.home) / "lake"

    def stored(self, table: Table, night: str) -> StoredTable | None:
        """A table of a night, None where that night has none."""
        path = self.root / table.name / f"{night}.parquet"
        return StoredTable(table, path) if path.exists() else None

    def remove(self, table: Table, night: str) -> None:
        """Take a table of a night away, where it is: absent, never empty."""
        (self.root / table.name / f"{night}.parquet").unlink(missing_ok=True)

    def report_path(self, night: str) -> UPath:
        """Where the page of a night is, or will be; its Markdown has the suffix `.md`."""
        return self.root / "report" / f"{night}.html"

    def data_page_path(self, night: str) -> UPath:
        """Where the page about the data of a night is, or will be."""
        return self.root / "data_page" / f"{night}.html"

    def nights(self, table: Table) -> list[str]:
        """The nights that hold a table, oldest first."""
        directory = self.root / table.name
        if not directory.exists():
            return []
        return sorted(path.stem for path in directory.iterdir() if path.suffix == ".parquet")

    def require(self, table: Table, night: str) -> StoredTable:
        """A table of a night.

        Raises:
            SourceError: that night has none; the message says which nights do.
        """
        found = self.stored(table, night)
        if found is None:
            raise SourceError(self._absent(table, f"the night of {night}"))
        return found

    def frame_or_empty(self, table: Table, night: str) -> pd.DataFrame:
        """A result of a night for people to look at; without rows where the night could not compute it."""
        found = self.stored(table, night)
        return table.empty() if found is None else found.frame()

    def choose(self, table: Table, night: str | None) -> tuple[str, StoredTable]:
        """The asked night of a table, the newest one where none is asked for.

        Raises:
            SourceError: what is asked for is no night; that night (or any night) is not stored, and which are.
        """
        if night is not None:
            night = night_of(night)
        nights = self.nights(table)
        if night is None and not nights:
            raise SourceError(self._absent(table, "any night"))
        chosen = night or nights[-1]
        return chosen, self.require(table, chosen)

    def _absent(self, table: Table, asked: str) -> str:
        nights = self.nights(table)
        stored = f"stored nights: {', '.join(nights[-5:])}" if nights else "run `billing-dq nightly` first"
        return f"no {table.name} is stored for {asked} under {self.root}; {stored}"


def night_of(text: str) -> str:
    """A night as a person names it. It becomes a part of paths, so nothing but a date passes.

    Raises:
        SourceError: it is no date of the form YYYY-MM-DD.
    """
    try:
        night = date.fromisoformat(text)
    except ValueError:
        night = None
    if night is None or night.isoformat() != text:
        raise SourceError(f"{text[:40]!r} is no night: it must be a date such as 2026-11-21")
    return text
