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
    organizations: OrganizationRange = EVERYTHING

    @property
    def root(self) -> UPath:
        """Where the tables are."""
        return place_of(self.home) / "lake"

    def stored(self, table: Table, night: str) -> StoredTable | None:
        """A table of a night, None where that night has none."""
        path = self._path(table, night)
        organizations = self.organizations if "organization_id" in table.column_names else EVERYTHING
        return StoredTable(table, path, organizations) if path.exists() else None

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
        return sorted(self._stored_nights(table) - unfinished.unfinished(self.root))

    def nights_of_evidence(self, table: Table) -> list[str]:
        """The nights that hold a table, oldest first, concluded or not, but those that somebody left out."""
        return sorted(self._stored_nights(table) - unfinished.left_out(self.root))

    def require(self, table: Table, night: str) -> StoredTable:
        """A table of a whole night.

        Raises:
            SourceError: that night has none, or is being written; the message says which nights do.
        """
        stored = self.stored(table, night)
        if stored is None or not self.is_whole(night):
            raise SourceError(self._why_absent(table, night))
        return stored

    def frame_or_empty(self, table: Table, night: str) -> pd.DataFrame:
        """A result of a night for people to look at; without rows where the night could not compute it."""
        stored = self.stored(table, night)
        return table.empty() if stored is None else stored.frame()

    def choose(self, table: Table, night: str | None) -> tuple[str, StoredTable]:
        """The asked night of a table, the newest one where none is asked for.

        Raises:
            SourceError: what is asked for is no night; that night (or any night) is not stored, and which are.
        """
        chosen = night_of(night) if night is not None else next(reversed(self.nights(table)), None)
        if chosen is None:
            raise SourceError(
                f"no {table.name} is stored for any night under {self.root}; run `billing-dq nightly` first"
            )
        return chosen, self.require(table, chosen)

    def _path(self, table: Table, night: str) -> UPath:
        return self.root / table.name / f"{night}.parquet"

    def _stored_nights(self, table: Table) -> set[str]:
        directory = self.root / table.name
        return {path.stem for path in directory.glob("*.parquet")} if directory.exists() else set()

    def _why_absent(self, table: Table, night: str) -> str:
        if not self.is_whole(night):
            return (
                f"the night of {night} is not whole: it is being taken, or its run ended half-way; "
                f"`billing-dq nightly` on that date, or the job conclude_night, finishes it"
            )
        absent = f"no {table.name} is stored for the night of {night}"
        removed = EvidenceRemovedRecord.of(self.home, night)
        if removed is not None and table.name in removed.tables:
            return f"{absent}: {removed.reason}"
        nights = self.nights(table)
        stored = f"stored nights: {', '.join(nights[-5:])}" if nights else "run `billing-dq nightly` first"
        return f"{absent} under {self.root}; {stored}"


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
