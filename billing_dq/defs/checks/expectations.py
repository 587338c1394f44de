"""What the source tables are expected to be, as plain data, taken from their contracts. One check an expectation.

`kind` and `arguments` are those of Great Expectations; `great_expectations` is where it is imported. A critical one
blocks what follows: it says that the reading itself went wrong. Stripe's are never critical, so that they hide nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from billing_dq.settings import Settings
from billing_dq.tables import (
    EXTRAS_BALANCES,
    LEDGER_ENTRIES,
    ORGANIZATIONS,
    STRIPE_DISPUTES,
    STRIPE_INVOICES,
    STRIPE_SUBSCRIPTIONS,
    SUBSCRIPTIONS,
    WEEKLY_USAGE,
    Column,
    Table,
)


@dataclass(frozen=True)
class Expectation:
    """One expectation of a table: its check's name, and Great Expectations' class and arguments."""

    asset: str
    name: str
    kind: str
    arguments: Mapping[str, object]
    critical: bool = False

    @property
    def columns(self) -> list[str]:
        """The columns it looks at; no others are loaded."""
        named = self.arguments.get("column") or self.arguments.get("column_list")
        return [named] if isinstance(named, str) else [str(name) for name in named] if isinstance(named, list) else []


@dataclass(frozen=True)
class Checked:
    """A table whose key is checked, and the columns that are checked besides: each costs time over every row."""

    table: Table
    columns: tuple[str, ...] = ()
    critical: bool = True


_CHECKED = (
    Checked(ORGANIZATIONS, ("organization_id",)),
    Checked(SUBSCRIPTIONS, ("status", "plan")),
    Checked(WEEKLY_USAGE, ("week_key", "meter_used", "meter_quota")),
    Checked(EXTRAS_BALANCES, ("cached_balance", "entry_count")),
    Checked(LEDGER_ENTRIES, ("amount", "at")),
    Checked(STRIPE_SUBSCRIPTIONS, ("status",), critical=False),
    Checked(STRIPE_INVOICES, critical=False),
    Checked(STRIPE_DISPUTES, ("status",), critical=False),
)


def expectations(settings: Settings) -> list[Expectation]:
    """All expectations, by table. The plans that are known are those of the settings."""
    return [one for checked in _CHECKED for one in _of_table(checked, tuple(sorted(settings.plans)))]


def _of_table(checked: Checked, plans: tuple[str, ...]) -> Iterator[Expectation]:
    table = checked.table
    yield _key(table, checked.critical)
    for name in checked.columns:
        column = table.column(name)
        yield _of_column(table.name, column, plans if name == "plan" else column.known)


def _key(table: Table, critical: bool) -> Expectation:
    if len(table.key) == 1:
        (column,) = table.key
        unique = ("ExpectColumnValuesToBeUnique", {"column": column})
        return Expectation(table.name, f"{column}_is_unique", *unique, critical=critical)
    together = ("ExpectCompoundColumnsToBeUnique", {"column_list": list(table.key)})
    return Expectation(table.name, f"{'_and_'.join(table.key)}_are_unique", *together, critical=critical)


def _of_column(asset: str, column: Column, known: tuple[str, ...]) -> Expectation:
    """What the contract says of a column's values, else that there is always one."""
    of_column = {"column": column.name}
    if known:
        allowed = {**of_column, "value_set": list(known)}
        return Expectation(asset, f"{column.name}_is_known", "ExpectColumnValuesToBeInSet", allowed)
    if column.pattern is not None:
        form = {**of_column, "regex": column.pattern}
        return Expectation(asset, f"{column.name}_is_well_formed", "ExpectColumnValuesToMatchRegex", form)
    if column.least is not None:
        bound = {**of_column, "min_value": column.least}
        return Expectation(
            asset, f"{column.name}_is_not_negative", "ExpectColumnValuesToBeBetween", bound, critical=True
        )
    return Expectation(asset, f"{column.name}_is_present", "ExpectColumnValuesToNotBeNull", of_column, critical=True)
