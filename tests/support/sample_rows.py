"""The sample world as the frames of this part, decoded as simply as can be: it is sound."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from bson import json_util

from billing_dq.tables import (
    DISPUTE_ENTRIES,
    EXTRAS_BALANCES,
    ORGANIZATIONS,
    PACK_PURCHASES,
    STRIPE_DISPUTES,
    STRIPE_INVOICES,
    STRIPE_SUBSCRIPTIONS,
    SUBSCRIPTIONS,
)

SAMPLE = Path(__file__).parents[1] / "data" / "sample"


def config() -> dict[str, Any]:
    return json.loads((SAMPLE / "config.json").read_text())


def _documents(name: str) -> list[dict[str, Any]]:
    with gzip.open(SAMPLE / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json_util.loads(line) for line in lines]


def _stripe() -> dict[str, list[dict[str, Any]]]:
    return json.loads(gzip.decompress((SAMPLE / "stripe.json.gz").read_bytes()))


def _utc(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _at(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)


def subscriptions() -> pd.DataFrame:
    return SUBSCRIPTIONS.from_rows(
        {
            "organization_id": str(row["organization"]),
            "stripe_customer_id": row.get("stripeCustomerId"),
            "stripe_subscription_id": row.get("stripeSubscriptionId"),
            "plan": row.get("plan"),
            "status": row.get("status"),
            "past_due_since": _at(row.get("pastDueSince")),
            "last_invoice_event_at": _utc(row.get("lastInvoiceEventCreatedAt")),
            "updated_at": _at(row.get("updatedAt")),
        }
        for row in _documents("subscriptions")
    )


def organizations() -> pd.DataFrame:
    return ORGANIZATIONS.from_rows(
        {"organization_id": str(row["_id"]), "plan": row.get("plan")} for row in _documents("organizations")
    )


def ledgers() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """EXTRAS_BALANCES, DISPUTE_ENTRIES and PACK_PURCHASES."""
    balances, entries, purchases = [], [], []
    for document in _documents("billingextrabalances"):
        name = str(document["organization"])
        amounts = [float(entry["amount"]) for entry in document["ledger"]]
        balances.append(
            {
                "organization_id": name,
                "cached_balance": float(document["cachedBalance"]),
                "ledger_sum": sum(amounts),
                "entry_count": len(amounts),
                "document_bytes": 1,
                "cached_balance_at": None,
            }
        )
        clawed = [one.get("refId") or "" for one in document["ledger"] if one["kind"] == "refund"]
        expirations = {"expire-" + ref.rsplit("-", 1)[-1] for ref in clawed if ref.startswith("refund-dispute_")}
        for entry in document["ledger"]:
            ref, session = entry.get("refId") or "", entry.get("stripeSessionId")
            common = {"organization_id": name, "entry_id": str(entry["_id"]), "at": _at(entry["at"])}
            common["amount"] = float(entry["amount"])
            if ref.startswith(("refund-dispute_", "dispute_", "dispute-credit-")) or ref in expirations:
                entries.append(common | {"kind": entry["kind"], "ref_id": ref})
            if entry["kind"] == "topup" and session:
                purchases.append(common | {"stripe_session_id": session})
    tables = (EXTRAS_BALANCES, balances), (DISPUTE_ENTRIES, entries), (PACK_PURCHASES, purchases)
    first, second, third = (table.from_rows(rows) for table, rows in tables)
    return first, second, third


def disputes() -> pd.DataFrame:
    objects = _stripe()
    charges = {charge["id"]: charge["metadata"] for charge in objects["charges"]}
    paid = {charge["id"]: charge["amount"] for charge in objects["charges"]}
    intents = {intent["id"]: intent["metadata"] for intent in objects["payment_intents"]}
    rows = []
    for dispute in objects["disputes"]:
        places = charges.get(dispute["charge"], {}), intents.get(dispute["payment_intent"], {})
        told = {
            key: next((place[key] for place in places if place.get(key) not in (None, "", "__pending__")), None)
            for key in ("organizationId", "stripeSessionId", "packId")
        }
        rows.append(
            {
                "dispute_id": dispute["id"],
                "charge_id": dispute["charge"],
                "status": dispute["status"],
                "amount_minor": dispute["amount"],
                "charge_amount_minor": paid.get(dispute["charge"]),
                "currency": dispute["currency"],
                "organization_id": told["organizationId"],
                "stripe_session_id": told["stripeSessionId"],
                "pack_id": told["packId"],
                "created": _utc(dispute["created"]),
                "movements": [
                    {
                        "amount_minor": move["amount"],
                        "currency": move["currency"],
                        "exchange_rate": move["exchange_rate"],
                        "reporting_category": move["reporting_category"],
                        "created": _utc(move["created"]),
                    }
                    for move in dispute["balance_transactions"]
                ],
                "livemode": dispute["livemode"],
            }
        )
    return STRIPE_DISPUTES.from_rows(rows)


def stripe_subscriptions() -> pd.DataFrame:
    plan_of = config()["price_map"]
    rows = []
    for subscription in _stripe()["subscriptions"]:
        prices = [item["price"] for item in subscription["items"]["data"]]
        names = {plan_of.get(price["id"]) or price["metadata"].get("planId") for price in prices} - {None}
        plan = names.pop() if len(names) == 1 else ("ambiguous" if names else "unresolved")
        rows.append(
            {
                "stripe_subscription_id": subscription["id"],
                "customer_id": subscription["customer"],
                "status": subscription["status"],
                "price_ids": [price["id"] for price in prices],
                "plan": plan,
                "created": _utc(subscription["created"]),
                "livemode": subscription["livemode"],
                "changed_at": _utc(subscription["created"]),
            }
        )
    return STRIPE_SUBSCRIPTIONS.from_rows(rows)


def stripe_invoices() -> pd.DataFrame:
    newest: dict[str, tuple[int, str]] = {}
    for invoice in _stripe()["invoices"]:
        details = (invoice.get("parent") or {}).get("subscription_details") or {}
        subscription = invoice.get("subscription") or details.get("subscription")
        paid = (invoice.get("status_transitions") or {}).get("paid_at")
        if subscription and paid:
            newest[subscription] = max(newest.get(subscription, (0, "")), (paid, invoice["id"]))
    return STRIPE_INVOICES.from_rows(
        {"stripe_subscription_id": name, "invoice_id": invoice, "paid_at": _utc(paid), "out_of_band": False}
        for name, (paid, invoice) in newest.items()
    )
