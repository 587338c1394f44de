"""The stored nights: which tables a night has, and where."""

from dataclasses import dataclass
from datetime import date

import pandas as pd
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.storage import unfinished
from billing_dq.storage.organization_ranges import EVERYTHING, OrganizationRange
from billing_dq.storage.places import place_of
from billing_dq.storage.records import EvidenceRemovedRecord
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import Table


@dataclass(frozen=True)
class Lake:
    """The stored nights: `<home>/lake/<table>/<night>.parquet`, a night being its date, YYYY-MM-DD.

    `nights`, `require` and `choose` are for readers: they know no night that is being written. `stored` is for the run
    that writes it. Of tables with organizations all have the rows of a range of them.
    """

    home: str
    of: OrganizationRange = EVERYTHING

    @property
    def root(self) -> UPath:
        """Where the tables are."""
        return place_of(self.home) / "lake"

    def stored(self, table: Table, night: str) -> StoredTable | None:
        """A table of a night, None where that night has none."""
        path = self._path(table, night)
        of = self.of if "organization_id" in table.column_names else EVERYTHING
        return StoredTable(table, path, of) if path.exists() else None

    def begin(self, night: str) -> None:
        """Hide a night from readers, until its manifest is there: something of it is about to be written."""
        unfinished.mark(self.root, night)

    def remove(self, table: Table, night: str) -> None:
        """Take a table of a night away, where it is: absent, never empty."""
        path = self._path(table, night)
        if path.exists():
            self.begin(night)
            path.unlink(missing_ok=True)

    def is_whole(self, night: str) -> bool:
        """Whether nothing of a night is being written, or was left half-written."""
        return not unfinished.is_unfinished(self.root, night)

    def report_path(self, night: str) -> UPath:
        """Where the page of a night is, or will be; its Markdown has the suffix `.md`."""
        return self.root / "report" / f"{night}.html"

    def data_page_path(self, night: str) -> UPath:
        """Where the page about the data of a night is, or will be."""
        return self.root / "data_page" / f"{night}.html"

    def nights(self, table: Table) -> list[str]:
        """The whole nights that hold a table, oldest first."""
        directory = self.root / table.name
        if not directory.exists():
            return []
        hidden = unfinished.unfinished(self.root)
        return sorted({path.stem for path in directory.iterdir() if path.suffix == ".parquet"} - hidden)

    def nights_of_evidence(self, table: Table) -> list[str]:
        """The nights that hold a table, oldest first, concluded or not, but those that somebody left out."""
        directory = self.root / table.name
        if not directory.exists():
            return []
        there = {path.stem for path in directory.iterdir() if path.suffix == ".parquet"}
        return sorted(there - unfinished.left_out(self.root))

    def require(self, table: Table, night: str) -> StoredTable:
        """A table of a whole night.

        Raises:
            SourceError: that night has none, or is being written; the message says which nights do.
        """
        found = self.stored(table, night)
        if found is None or not self.is_whole(night):
            raise SourceError(self._absent(table, f"the night of {night}", night))
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
            raise SourceError(self._absent(table, "any night", None))
        chosen = night or nights[-1]
        return chosen, self.require(table, chosen)

    def _path(self, table: Table, night: str) -> UPath:
        return self.root / table.name / f"{night}.parquet"

    def _absent(self, table: Table, asked: str, night: str | None) -> str:
        if night is not None and not self.is_whole(night):
            return (
                f"{asked} is not whole: it is being taken, or its run ended half-way; "
                f"`billing-dq nightly` on that date, or the job conclude_night, finishes it"
            )
        removed = None if night is None else EvidenceRemovedRecord.of(self.home, night)
        if removed is not None and table.name in removed.tables:
            return f"no {table.name} is stored for {asked}: {removed.said}"
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
