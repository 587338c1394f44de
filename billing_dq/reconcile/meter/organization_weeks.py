"""Integer codes of a batch: organizations, weeks, and the cells (organization x week) that they span.

Everything that touches every key and every entry works on these codes; text is compared once, when they are made.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from billing_dq.reconcile.meter.context import Booleans, MeterContext
from billing_dq.units import Floats
from billing_dq.weeks import NightWeeks

Codes = npt.NDArray[np.int64]

_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_WEEK_MS = 7 * 24 * 3600 * 1000


@dataclass(frozen=True)
class OrganizationWeeks:
    """``len(organizations) * len(weeks)`` cells, week by week within an organization.

    ``weeks`` are the matching weeks of the night: the reconciled ones and one further on both ends.
    """

    organizations: pd.Index
    weeks: tuple[str, ...]
    first_week: int

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self.organizations) * len(self.weeks)

    def inner(self) -> Booleans:
        """Of every cell: whether its week is one of the night's, not only there for matching."""
        column = np.arange(self.size) % len(self.weeks)
        return (column > 0) & (column < len(self.weeks) - 1)

    def of(self, organizations: Codes, weeks: Codes) -> Codes:
        """Cells of pairs of organization code and week code; -1 where either is outside the index."""
        inside = (organizations >= 0) & (weeks >= 0) & (weeks < len(self.weeks))
        return np.where(inside, organizations * len(self.weeks) + weeks, -1)

    def organization_codes(self, values: pd.Series) -> Codes:
        """Codes of organizations; -1 where one is not in the batch."""
        return self.organizations.get_indexer(pd.Index(values)).astype(np.int64)

    def week_codes(self, keys: pd.Series) -> Codes:
        """Codes of week keys; -1 where a week is not matched tonight."""
        return pd.Index(self.weeks).get_indexer(pd.Index(keys)).astype(np.int64)

    def weeks_of_instants(self, instants: Codes) -> Codes:
        """Week codes of instants in milliseconds; they may lie outside ``0 ... len(weeks) - 1``."""
        return (instants - int(_MONDAY.timestamp() * 1000)) // _WEEK_MS - self.first_week

    def week_keys(self, cells: Codes) -> list[str]:
        """The week key of each cell."""
        columns: list[int] = (cells % len(self.weeks)).tolist()
        return [self.weeks[column] for column in columns]

    def frame(self, cells: Codes) -> pd.DataFrame:
        """``organization_id`` and ``week_key`` of each cell."""
        organizations = self.organizations[cells // len(self.weeks)]
        return pd.DataFrame({"organization_id": organizations, "week_key": self.week_keys(cells)})

    def sums(self, cells: Codes, values: Floats) -> Floats:
        """Sum of the values by cell, those outside the index left out."""
        inside = cells >= 0
        return np.bincount(cells[inside], values[inside], self.size).astype(np.float64)

    def any(self, cells: Codes) -> Booleans:
        """Of every cell: whether it is among some."""
        marked = np.zeros(self.size, dtype=bool)
        marked[cells[cells >= 0]] = True
        return marked


def organization_weeks_of(
    usage: pd.DataFrame, entries: pd.DataFrame, night: NightWeeks
) -> tuple[OrganizationWeeks, Codes, Codes]:
    """The index of a batch, and the organization codes of its usage rows and of its entries."""
    names = pd.concat([usage["organization_id"], entries["organization_id"]], ignore_index=True)
    codes, organizations = pd.factorize(names, sort=True)
    codes = codes.astype(np.int64)
    before = night.weeks[0].shifted(-1).start
    index = OrganizationWeeks(pd.Index(organizations), night.matching_keys, (before - _MONDAY).days // 7)
    return index, codes[: len(usage)], codes[len(usage) :]


def milliseconds(instants: pd.Series) -> Codes:
    """Milliseconds since 1970 of a column of instants; nulls are far in the past."""
    return instants.dt.tz_localize(None).to_numpy(dtype="datetime64[ms]").astype(np.int64)


def unreadable_cells(index: OrganizationWeeks, has_usage: Booleans, context: MeterContext) -> Booleans:
    """Of every cell: whether either side could not be read.

    A usage document without a readable week leaves every week of its organization unreadable that has no other
    document, an unreadable balance document all its weeks (docs/tables.md, "Unreadable is not absent").
    """
    weeks = len(index.weeks)
    anywhere = context.unreadable_usage[context.unreadable_usage["week_key"].isna()]
    vague = np.repeat(index.organizations.isin(anywhere["organization_id"]), weeks) & ~has_usage
    ledgers = np.repeat(index.organizations.isin(context.unreadable_ledgers), weeks)
    return unreadable_documents(index, context) | vague | ledgers


def unreadable_documents(index: OrganizationWeeks, context: MeterContext) -> Booleans:
    """Of every cell: whether a usage document of this very week could not be read."""
    documents = context.unreadable_usage.dropna()
    return index.any(
        index.of(index.organization_codes(documents["organization_id"]), index.week_codes(documents["week_key"]))
    )
