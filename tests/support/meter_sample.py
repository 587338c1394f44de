"""The sample world as the frames of a night, decoded plainly: what the MongoDB source makes of sound documents."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from bson import json_util

from billing_dq.reconcile.meter.meter_extras import MeterContext, MeterResult, reconcile_meter
from billing_dq.tables import EXTRAS_BALANCES, LEDGER_ENTRIES, SUBSCRIPTIONS, UNREADABLE_KEYS, WEEKLY_USAGE
from billing_dq.units import Tolerance
from billing_dq.weeks import NightWeeks

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
NIGHT = NightWeeks(datetime(2026, 11, 21, 3, 10, tzinfo=UTC), 3, 6)


def documents(collection: str) -> list[dict]:
    """The documents of a collection, times in UTC."""
    with gzip.open(SAMPLE / f"{collection}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json_util.loads(line, json_options=json_util.JSONOptions(tz_aware=True, tzinfo=UTC)) for line in lines]


def usage_rows() -> list[dict]:
    rows = []
    for document in documents("billingusages"):
        if document.get("weekKey") not in NIGHT.matching_keys:
            continue
        keys = document.get("consumedAttributionKeys")
        if keys is None:
            keys = [f"{history}:initial" for history in document.get("consumedHistoryIds") or []]
        breakdown = document.get("meterBreakdown")
        used = float(document["meterUsed"])
        settled: float | None = 0.0
        if f"settle:{document['weekKey']}" in keys:
            settled = None if breakdown is None else used - sum(breakdown.values())
        rows.append(
            {
                "organization_id": str(document["organizationId"]),
                "week_key": document["weekKey"],
                "meter_used": used,
                "meter_quota": float(document["meterQuota"]),
                "plan_version": document.get("planVersion"),
                "settled_units": settled,
                "updated_at": document.get("updatedAt"),
                "attribution_keys": keys,
            }
        )
    return rows


def entry_rows() -> list[dict]:
    rows = []
    for document in documents("billingextrabalances"):
        for position, entry in enumerate(document["ledger"]):
            if NIGHT.entries_from <= entry["at"] < NIGHT.entries_until:
                rows.append(
                    {
                        "organization_id": str(document["organization"]),
                        "position": position,
                        "entry_id": str(entry["_id"]),
                        "kind": entry["kind"],
                        "amount": float(entry["amount"]),
                        "ref_id": entry.get("refId"),
                        "stripe_session_id": entry.get("stripeSessionId"),
                        "source": entry.get("source"),
                        "at": entry["at"],
                        "expires_at": entry.get("expiresAt"),
                    }
                )
    return rows


def context() -> MeterContext:
    quotas = json.loads((SAMPLE / "config.json").read_text(encoding="utf-8"))["quotas"]
    subscriptions = [
        {
            "organization_id": str(document["organization"]),
            "stripe_customer_id": document.get("stripeCustomerId"),
            "stripe_subscription_id": document.get("stripeSubscriptionId"),
            "plan": document.get("plan"),
            "status": document.get("status"),
            "current_period_start": document.get("currentPeriodStart"),
            "past_due_since": document.get("pastDueSince"),
            "last_invoice_event_at": _instant(document.get("lastInvoiceEventCreatedAt")),
            "last_subscription_event_at": _instant(document.get("lastSubscriptionEventCreatedAt")),
            "admin_updated_at": document.get("adminUpdatedAt"),
            "updated_at": document.get("updatedAt"),
        }
        for document in documents("subscriptions")
    ]
    balances = [
        {
            "organization_id": str(document["organization"]),
            "cached_balance": float(document["cachedBalance"]),
            "ledger_sum": float(sum(entry["amount"] for entry in document["ledger"])),
            "entry_count": len(document["ledger"]),
            "document_bytes": 0,
            "cached_balance_at": document.get("cachedBalanceAt"),
        }
        for document in documents("billingextrabalances")
    ]
    return MeterContext(
        night=NIGHT,
        tolerance=Tolerance(),
        quota_of_plan={plan: float(quota) for plan, quota in quotas.items()},
        subscriptions=SUBSCRIPTIONS.from_rows(subscriptions),
        balances=EXTRAS_BALANCES.from_rows(balances),
        unreadable=UNREADABLE_KEYS.empty(),
        earlier_quotas=pd.DataFrame(
            {
                "organization_id": pd.Series(dtype="str"),
                "week_key": pd.Series(dtype="str"),
                "meter_quota": pd.Series(dtype="float64"),
            }
        ),
    )


def frames() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Usage without keys, keys, entries."""
    usage = WEEKLY_USAGE.from_rows(usage_rows())
    keys = usage["attribution_keys"].explode().dropna()
    exploded = pd.DataFrame({"row": keys.index.astype("int64"), "key": keys.astype("str").to_numpy()})
    return usage.drop(columns="attribution_keys"), exploded, LEDGER_ENTRIES.from_rows(entry_rows())


def reconcile_sample() -> MeterResult:
    return reconcile_meter(*frames(), context())


def _instant(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC)
