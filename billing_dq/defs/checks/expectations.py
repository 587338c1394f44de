"""What the source tables are expected to be, as plain data: keys, allowed values, ranges. One check an expectation.

`kind` and `arguments` are those of Great Expectations; `great_expectations` is where it is imported. A critical one
blocks what follows: it says that the reading itself went wrong. Stripe's are never critical, so that they hide nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from billing_dq.settings import Settings

STATUSES = (
    "incomplete",
    "incomplete_expired",
    "trialing",
    "active",
    "past_due",
    "canceled",
    "unpaid",
    "paused",
)
DISPUTE_STATUSES = (
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
    "needs_response",
    "under_review",
    "appeal_needs_response",
    "appeal_under_review",
    "won",
    "lost",
    "prevented",
)
_OBJECT_ID = r"^[0-9a-f]{24}$"
_WEEK = r"^[0-9]{4}-W[0-5][0-9]$"


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


def expectations(settings: Settings) -> list[Expectation]:
    """All expectations, by table."""
    plans = sorted(settings.plans)
    return [
        _unique("organizations", "organization_id"),
        _matches("organizations", "organization_id", _OBJECT_ID),
        _unique("subscriptions", "organization_id"),
        _one_of("subscriptions", "status", list(STATUSES)),
        _one_of("subscriptions", "plan", plans),
        _key("weekly_usage", "organization_id", "week_key"),
        _matches("weekly_usage", "week_key", _WEEK),
        _at_least("weekly_usage", "meter_used", 0),
        _at_least("weekly_usage", "meter_quota", 0),
        _unique("extras_balances", "organization_id"),
        _present("extras_balances", "cached_balance"),
        _at_least("extras_balances", "entry_count", 0),
        _key("ledger_entries", "organization_id", "position"),
        _present("ledger_entries", "amount"),
        _present("ledger_entries", "at"),
        _unique("stripe_subscriptions", "stripe_subscription_id", critical=False),
        _one_of("stripe_subscriptions", "status", list(STATUSES)),
        _unique("stripe_invoices", "stripe_subscription_id", critical=False),
        _unique("stripe_disputes", "dispute_id", critical=False),
        _one_of("stripe_disputes", "status", list(DISPUTE_STATUSES)),
    ]


def _unique(asset: str, column: str, critical: bool = True) -> Expectation:
    return Expectation(
        asset, f"{column}_is_unique", "ExpectColumnValuesToBeUnique", {"column": column}, critical=critical
    )


def _key(asset: str, *columns: str) -> Expectation:
    return Expectation(
        asset,
        f"{'_and_'.join(columns)}_are_unique",
        "ExpectCompoundColumnsToBeUnique",
        {"column_list": list(columns)},
        critical=True,
    )


def _present(asset: str, column: str) -> Expectation:
    return Expectation(
        asset, f"{column}_is_present", "ExpectColumnValuesToNotBeNull", {"column": column}, critical=True
    )


def _one_of(asset: str, column: str, values: list[str]) -> Expectation:
    return Expectation(
        asset, f"{column}_is_known", "ExpectColumnValuesToBeInSet", {"column": column, "value_set": values}
    )


def _matches(asset: str, column: str, regex: str) -> Expectation:
    return Expectation(
        asset, f"{column}_is_well_formed", "ExpectColumnValuesToMatchRegex", {"column": column, "regex": regex}
    )


def _at_least(asset: str, column: str, least: float) -> Expectation:
    return Expectation(
        asset,
        f"{column}_is_not_negative",
        "ExpectColumnValuesToBeBetween",
        {"column": column, "min_value": least},
        critical=True,
    )
