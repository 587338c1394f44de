"""All organizations of the newest night, with what is open about them; sorted by a column of the address."""

from dataclasses import dataclass
from typing import Self

import pandas as pd

from billing_dq.reconcile.findings.standing import is_open, verdicts
from billing_dq.storage.lake import Lake
from billing_dq.tables import EXTRAS_BALANCES, FINDINGS, ORGANIZATIONS, SUBSCRIPTIONS, Table

#: Organizations on one page.
LISTED = 50
COLUMNS = {
    "organization_id": "Organization",
    "usd_cents": "Money open",
    "findings": "Findings",
    "balance": "Balance",
    "plan": "Plan",
    "last_activity": "Last activity",
}


@dataclass(frozen=True)
class Order:
    """How the list is sorted, and which page of it is shown, as the address says.

    Attributes:
        column: one of `COLUMNS`.
        is_ascending: smallest first.
        page: from 1.
    """

    column: str = "usd_cents"
    is_ascending: bool = False
    page: int = 1

    @classmethod
    def of(cls, sort: str, page: str) -> Self:
        """The order of the texts of an address, such as ``plan`` or ``-balance``; the most money first otherwise."""
        column = sort.removeprefix("-")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
        if column not in COLUMNS:
            return cls(page=max(1, number))
        return cls(column, not sort.startswith("-"), max(1, number))

    @property
    def columns(self) -> dict[str, str]:
        """The columns that it can be sorted by, with their headings."""
        return COLUMNS

    @property
    def length(self) -> int:
        """Organizations on one page."""
        return LISTED

    @property
    def text(self) -> str:
        """This order as the address has it."""
        return f"{'' if self.is_ascending else '-'}{self.column}"

    def by(self, column: str) -> str:
        """The order that a click on a heading asks for: numbers begin with the largest, a second click turns it."""
        if column == self.column:
            return f"{'-' if self.is_ascending else ''}{column}"
        return column if column in ("organization_id", "plan") else f"-{column}"

    def page_of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows of the page, sorted; missing values last."""
        key = rows[self.column].abs() if self.column == "usd_cents" else rows[self.column]
        places = key.sort_values(ascending=self.is_ascending, kind="stable", na_position="last").index
        return rows.loc[places[(self.page - 1) * LISTED : self.page * LISTED]]


def organization_rows(lake: Lake) -> pd.DataFrame:
    """A row for each organization of the newest night: the columns of `COLUMNS`, by organization.

    ``usd_cents`` is what is owed in all, signed, and ``findings`` counts what is open; notes and what people accepted
    are in neither. ``last_activity`` is when its balance was last written.
    """
    rows = _newest(lake, ORGANIZATIONS, ["organization_id", "plan"])
    subscriptions = _newest(lake, SUBSCRIPTIONS, ["organization_id", "plan"])
    balances = _newest(lake, EXTRAS_BALANCES, ["organization_id", "cached_balance", "cached_balance_at"])
    findings = _newest(lake, FINDINGS, None)
    breaks = findings[is_open(findings) & (verdicts(findings) == "unexplained")]
    grouped = breaks.groupby("organization_id")["usd_cents"]
    amounts = pd.DataFrame({"usd_cents": grouped.sum(), "findings": grouped.size()}).reset_index()
    organizations = pd.concat([frame[["organization_id"]] for frame in (rows, balances, amounts)]).drop_duplicates()
    plans = subscriptions.dropna().drop_duplicates("organization_id").rename(columns={"plan": "paid_plan"})
    merged = organizations.dropna().merge(rows, how="left").merge(plans, how="left").merge(balances, how="left")
    merged = merged.merge(amounts, how="left").sort_values("organization_id", ignore_index=True)
    merged = merged.assign(
        plan=merged["paid_plan"].fillna(merged["plan"]),
        usd_cents=merged["usd_cents"].fillna(0).astype("int64"),
        findings=merged["findings"].fillna(0).astype("int64"),
    )
    return merged.rename(columns={"cached_balance": "balance", "cached_balance_at": "last_activity"})[list(COLUMNS)]


def _newest(lake: Lake, table: Table, columns: list[str] | None) -> pd.DataFrame:
    nights = lake.nights(table)
    return lake.require(table, nights[-1]).frame(columns) if nights else table.empty()[columns or table.column_names]
