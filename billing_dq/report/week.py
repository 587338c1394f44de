"""One organization's week, as a stored night has it: how its usage became its debits, and where its documents are."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from billing_dq.errors import SourceError
from billing_dq.reconcile.meter.waterfall import Waterfall, waterfall
from billing_dq.settings import Collections, Settings
from billing_dq.storage.batches import rows_of_organizations
from billing_dq.storage.lake import Lake
from billing_dq.tables import (
    FOLLOWED_ENTRIES,
    FOLLOWED_USAGE,
    LEDGER_ENTRIES,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    SUBSCRIPTIONS,
    WEEKLY_USAGE,
    Table,
)
from billing_dq.weeks import Week


@dataclass(frozen=True)
class ToldWeek:
    """A week of an organization.

    Attributes:
        night: the stored night that tells it, YYYY-MM-DD.
        delta: its row of `METER_EXTRAS_DELTAS`.
        found: its lines from usage to debits, its keys and its entries.
        queries: for `mongosh`, to see the raw documents.
    """

    night: str
    delta: Mapping[str, object]
    found: Waterfall
    queries: tuple[str, ...]


def read_week(settings: Settings, organization: str, week: Week, night: str | None = None) -> ToldWeek:
    """A week of an organization from a stored night, the newest by default.

    Args:
        settings: where the nights are, and the quotas of the plans.
        organization: 24 hexadecimal digits.
        week: the week.
        night: YYYY-MM-DD.

    Raises:
        SourceError: the night is not stored, or has neither usage nor a debit of that organization in that week.
    """
    lake = Lake(settings.home)
    chosen, _ = lake.choose(METER_EXTRAS_DELTAS, night)

    def of_organization(table: Table) -> pd.DataFrame:
        return lake.require(table, chosen).where("organization_id", [organization])

    rows, evidence = of_organization(METER_EXTRAS_DELTAS), of_organization(METER_EXTRAS_EVIDENCE)
    row = rows[rows["week_key"] == week.key]
    if row.empty:
        raise SourceError(_absent(organization, week.key, chosen, rows))
    delta: dict[str, object] = {str(name): value for name, value in row.to_dict("records")[0].items()}
    found = waterfall(
        delta,
        evidence[evidence["week_key"] == week.key],
        rows_of_organizations(lake, chosen, (WEEKLY_USAGE, FOLLOWED_USAGE), [organization]),
        rows_of_organizations(lake, chosen, (LEDGER_ENTRIES, FOLLOWED_ENTRIES), [organization]),
        (week.start, week.end),
        plan_quotas(of_organization(SUBSCRIPTIONS), week, settings.quota_of_plan),
    )
    return ToldWeek(chosen, delta, found, tuple(mongosh(organization, week, settings.collections)))


def plan_quotas(subscription: pd.DataFrame, week: Week, quota_of_plan: Mapping[str, float]) -> list[float]:
    """Quotas of the subscription's plan; of all plans where one was set by hand in the week: it may be gone by now."""
    if bool(subscription["admin_updated_at"].between(week.start, week.end, inclusive="left").any()):
        return list(quota_of_plan.values())
    return [quota_of_plan[plan] for plan in subscription["plan"] if plan in quota_of_plan]


def mongosh(organization: str, week: Week, collections: Collections) -> list[str]:
    """Queries for `mongosh` that show the raw documents of the week."""
    bounds = ", ".join(
        f'{{{test}: ["$$entry.at", ISODate("{instant:%Y-%m-%dT%H:%M:%SZ}")]}}'
        for test, instant in (("$gte", week.start), ("$lt", week.end))
    )
    return [
        f'db.getCollection("{collections.billingusages}").find('
        f'{{organizationId: ObjectId("{organization}"), weekKey: "{week.key}"}})',
        f'db.getCollection("{collections.billingextrabalances}").aggregate(['
        f'{{$match: {{organization: ObjectId("{organization}")}}}}, '
        f'{{$project: {{cachedBalance: 1, ledger: {{$filter: {{input: "$ledger", as: "entry", '
        f"cond: {{$and: [{bounds}]}}}}}}}}}}])",
    ]


def _absent(organization: str, week_key: str, night: str, rows: pd.DataFrame) -> str:
    if rows.empty:
        return f"the night of {night} has no usage and no debit of organization {organization}"
    weeks = ", ".join(sorted(rows["week_key"]))
    return f"the night of {night} has no usage and no debit of {organization} in {week_key}; its weeks: {weeks}"
