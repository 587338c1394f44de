"""Small worlds for the meter's tests: organizations told in a few words, and the frames that a night would read."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pandas as pd

from billing_dq.reconcile.meter.meter_extras import MeterContext, MeterResult, reconcile_meter
from billing_dq.tables import EXTRAS_BALANCES, LEDGER_ENTRIES, SUBSCRIPTIONS, UNREADABLE_KEYS, WEEKLY_USAGE
from billing_dq.units import Tolerance
from billing_dq.weeks import NightWeeks, Week

AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
QUOTAS = {"free": 0.0, "starter": 500.0, "pro": 5000.0, "enterprise": 20000.0}
ORG = "6a0000000000000000000001"
OTHER = "6a0000000000000000000002"


@dataclass
class Org:
    """An organization: documents as (week, used, quota, keys), debits as (key, units, instant)."""

    name: str = ORG
    usage: list[dict] = field(default_factory=list)
    entries: list[dict] = field(default_factory=list)
    subscription: dict | None = None
    has_balance: bool = True
    balance_gap: float = 0.0

    def week(self, key: str, used: float, quota: float, keys: Iterable[str] = (), **more: object) -> "Org":
        row = {
            "organization_id": self.name,
            "week_key": key,
            "meter_used": used,
            "meter_quota": quota,
            "plan_version": None,
            "settled_units": 0.0,
            "updated_at": Week.parse(key).end - timedelta(days=3),
            "attribution_keys": list(keys),
        }
        self.usage.append(row | more)
        return self

    def entry(self, kind: str, ref: str | None, amount: float, at: datetime) -> "Org":
        row = {
            "organization_id": self.name,
            "position": len(self.entries),
            "entry_id": f"{len(self.entries):024x}",
            "kind": kind,
            "amount": amount,
            "ref_id": ref,
            "stripe_session_id": None,
            "source": None,
            "at": at,
            "expires_at": None,
        }
        self.entries.append(row)
        return self

    def debit(self, ref: str | None, units: float, at: datetime) -> "Org":
        return self.entry("debit", ref, -units, at)

    def subscribed(self, **fields: object) -> "Org":
        row: dict = dict.fromkeys(SUBSCRIPTIONS.column_names)
        self.subscription = row | {"organization_id": self.name, "plan": "starter", "status": "active"} | fields
        return self


def inside(week: str, days: float = 2.0) -> datetime:
    """An instant so many days after the start of a week."""
    return Week.parse(week).start + timedelta(days=days)


def frames(orgs: Iterable[Org]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Usage without keys, keys, entries."""
    orgs = list(orgs)
    usage = WEEKLY_USAGE.from_rows(row for org in orgs for row in org.usage)
    keys = usage["attribution_keys"].explode().dropna()
    exploded = pd.DataFrame({"row": keys.index.astype("int64"), "key": keys.to_numpy()}).astype({"key": "str"})
    entries = LEDGER_ENTRIES.from_rows(row for org in orgs for row in org.entries)
    return usage.drop(columns="attribution_keys"), exploded, entries


def context(
    orgs: Iterable[Org],
    night: NightWeeks | None = None,
    tolerance: Tolerance | None = None,
    unreadable: Iterable[tuple[str, str | None, str | None]] = (),
    earlier: Iterable[tuple[str, str, float]] = (),
) -> MeterContext:
    orgs = list(orgs)
    return MeterContext(
        night=night or NightWeeks(AS_OF, 3, 6),
        tolerance=tolerance or Tolerance(),
        quota_of_plan=QUOTAS,
        subscriptions=SUBSCRIPTIONS.from_rows(org.subscription for org in orgs if org.subscription),
        balances=EXTRAS_BALANCES.from_rows(
            {
                "organization_id": org.name,
                "cached_balance": org.balance_gap,
                "ledger_sum": 0.0,
                "entry_count": len(org.entries),
                "document_bytes": 0,
                "cached_balance_at": None,
            }
            for org in orgs
            if org.has_balance
        ),
        unreadable=UNREADABLE_KEYS.from_rows(
            {"collection": collection, "document_id": str(place), "organization_id": name, "week_key": week}
            for place, (collection, name, week) in enumerate(unreadable)
        ),
        earlier_quotas=pd.DataFrame(list(earlier), columns=["organization_id", "week_key", "meter_quota"]).astype(
            {"organization_id": "str", "week_key": "str", "meter_quota": "float64"}
        ),
    )


def reconcile(*orgs: Org, **more: object) -> MeterResult:
    return reconcile_meter(*frames(orgs), context(orgs, **more))  # type: ignore[arg-type]


def causes(result: MeterResult, week: str, name: str = ORG) -> dict[str, float]:
    """Units by cause of an organization's week."""
    mine = result.evidence[(result.evidence["organization_id"] == name) & (result.evidence["week_key"] == week)]
    return {str(cause): float(units) for cause, units in mine.groupby("cause")["units"].sum().items()}


def row(result: MeterResult, week: str, name: str = ORG) -> pd.Series:
    """The row of an organization's week."""
    mine = result.deltas[(result.deltas["organization_id"] == name) & (result.deltas["week_key"] == week)]
    assert len(mine) == 1
    return mine.iloc[0]
