"""Small tables of ledgers, balances and usage, and the sample world's whole ledgers."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from bson import json_util

from billing_dq.tables import (
    EXPIRING_LEDGERS,
    EXTRAS_BALANCES,
    LEDGER_ENTRIES,
    LEDGER_SUSPECTS,
    SUBSCRIPTIONS,
    UNREADABLE_KEYS,
    WEEKLY_USAGE,
)
from billing_dq.weeks import NightWeeks

ORG = "a" * 24
OTHER = "b" * 24
AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
NIGHT = NightWeeks(AS_OF, 3, 6)


SAMPLE = Path(__file__).parents[1] / "data" / "sample"


def documents(collection: str) -> list[dict]:
    """The sample's documents of a collection, times in UTC."""
    in_utc = json_util.JSONOptions(tz_aware=True, tzinfo=UTC)
    with gzip.open(SAMPLE / f"{collection}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json_util.loads(line, json_options=in_utc) for line in lines]


def ago(hours: float) -> datetime:
    return AS_OF - timedelta(hours=hours)


def entry(kind: str, amount: float, entry_id: str, hours_ago: float, **more: object) -> dict[str, object]:
    """An entry written so many hours before the snapshot; `expires` likewise, `ref` and `session` as they are."""
    expires = more.get("expires")
    return {
        "organization_id": more.get("organization", ORG),
        "entry_id": entry_id,
        "kind": kind,
        "amount": float(amount),
        "ref_id": more.get("ref"),
        "stripe_session_id": more.get("session"),
        "source": None,
        "at": ago(hours_ago),
        "expires_at": ago(expires) if isinstance(expires, int | float) else None,
    }


def ledger(*entries: dict[str, object]) -> pd.DataFrame:
    """Whole ledgers in commit order, in EXPIRING_LEDGERS."""
    return EXPIRING_LEDGERS.from_rows({"position": position, **row} for position, row in enumerate(entries))


def window(*entries: dict[str, object]) -> pd.DataFrame:
    return LEDGER_ENTRIES.from_rows({"position": position, **row} for position, row in enumerate(entries))


def suspects(*entries: dict[str, object]) -> pd.DataFrame:
    """Entries in commit order, all of them, in LEDGER_SUSPECTS."""
    columns = LEDGER_SUSPECTS.column_names
    return LEDGER_SUSPECTS.conform(ledger(*entries)[columns])


def balance(organization: str = ORG, cached: float = 0.0, **more: object) -> dict[str, object]:
    return {
        "organization_id": organization,
        "cached_balance": cached,
        "ledger_sum": more.get("ledger_sum", cached),
        "entry_count": more.get("entry_count", 1),
        "document_bytes": more.get("document_bytes", 1000),
        "cached_balance_at": None,
    }


def balances(*rows: dict[str, object]) -> pd.DataFrame:
    return EXTRAS_BALANCES.from_rows(rows)


def usage(*rows: dict[str, object]) -> pd.DataFrame:
    """WEEKLY_USAGE rows without their keys; of the first organization and the open week unless told."""
    columns = [name for name in WEEKLY_USAGE.column_names if name != "attribution_keys"]
    defaults: dict[str, object] = {
        "organization_id": ORG,
        "week_key": "2026-W47",
        "meter_used": 0.0,
        "meter_quota": 0.0,
        "plan_version": None,
        "settled_units": 0.0,
        "updated_at": ago(72),
    }
    frame = WEEKLY_USAGE.from_rows([defaults | row | {"attribution_keys": []} for row in rows])
    return frame[columns]


def keys(*pairs: tuple[int, str]) -> pd.DataFrame:
    frame = pd.DataFrame(list(pairs), columns=["row", "key"])
    return frame.astype({"row": "int64", "key": "str"})


def subscriptions(**plan_of: str | None) -> pd.DataFrame:
    empty: dict[str, object] = {**dict.fromkeys(SUBSCRIPTIONS.column_names)}
    rows = [empty | {"organization_id": organization, "plan": plan} for organization, plan in plan_of.items()]
    return SUBSCRIPTIONS.from_rows(rows)


def unreadable(collection: str | None = None, organization: str | None = ORG, week: str | None = None) -> pd.DataFrame:
    """UNREADABLE_KEYS with one row, or none."""
    if collection is None:
        return UNREADABLE_KEYS.empty()
    row = {"collection": collection, "document_id": "bad", "organization_id": organization, "week_key": week}
    return UNREADABLE_KEYS.from_rows([row])


def sample_ledgers() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The sample's EXTRAS_BALANCES and its whole ledgers in EXPIRING_LEDGERS."""
    accounts: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    for document in documents("billingextrabalances"):
        organization, entries = str(document["organization"]), document["ledger"]
        total = float(sum(entry["amount"] for entry in entries))
        accounts.append(
            balance(organization, float(document["cachedBalance"]), ledger_sum=total, entry_count=len(entries))
        )
        rows += [
            {
                "organization_id": organization,
                "position": position,
                "entry_id": str(item["_id"]),
                "kind": item["kind"],
                "amount": float(item["amount"]),
                "ref_id": item.get("refId"),
                "stripe_session_id": item.get("stripeSessionId"),
                "source": item.get("source"),
                "at": item["at"],
                "expires_at": item.get("expiresAt"),
            }
            for position, item in enumerate(entries)
        ]
    return balances(*accounts), EXPIRING_LEDGERS.from_rows(rows)
