"""Rows of paid packs and refunds at Stripe, and of what the ledgers hold for them."""

from datetime import datetime, timedelta

import pandas as pd

from billing_dq.reconcile.purchases.ledgers import PaidLedgers
from billing_dq.tables import (
    EXTRAS_BALANCES,
    LEDGER_SUSPECTS,
    PACK_PURCHASES,
    REFUND_ENTRIES,
    STRIPE_CHARGES,
    STRIPE_DISPUTES,
    STRIPE_REFUNDS,
    UNREADABLE_KEYS,
)
from tests.support.subscription_rows import AS_OF, ORG


def days_ago(days: float) -> datetime:
    return AS_OF - timedelta(days=days)


def charge(charge_id: str = "ch_1", **fields: object) -> dict[str, object]:
    """A paid pack of 6 000 units, three days old."""
    return {
        "charge_id": charge_id,
        "organization_id": ORG,
        "stripe_session_id": "cs_1",
        "pack_id": "pack_m",
        "amount_minor": 500,
        "refunded_minor": 0,
        "currency": "usd",
        "status": "succeeded",
        "disputed": False,
        "created": days_ago(3),
        "livemode": True,
    } | fields


def topup(session: str = "cs_1", **fields: object) -> dict[str, object]:
    """The top-up of a pack of 6 000 units."""
    return {
        "organization_id": ORG,
        "entry_id": f"entry_of_{session}",
        "stripe_session_id": session,
        "amount": 6_000.0,
        "at": days_ago(3),
    } | fields


def refund_entry(ref_id: str, amount: float = -6_000.0, **fields: object) -> dict[str, object]:
    return {
        "organization_id": ORG,
        "entry_id": f"entry_{ref_id}",
        "ref_id": ref_id,
        "amount": amount,
        "at": days_ago(8),
    } | fields


def charges(*rows: dict[str, object]) -> pd.DataFrame:
    return STRIPE_CHARGES.from_rows(rows)


def refunds(**status: str | None) -> pd.DataFrame:
    return STRIPE_REFUNDS.from_rows(
        {"refund_id": name, "charge_id": "ch_1", "status": told, "amount_minor": 500, "created": days_ago(8)}
        for name, told in status.items()
    )


def disputes(**status: str) -> pd.DataFrame:
    """Disputes by the id of their charge."""
    return STRIPE_DISPUTES.from_rows(
        {
            "dispute_id": f"du_{name}",
            "charge_id": name,
            "status": told,
            "amount_minor": 500,
            "currency": "usd",
            "created": days_ago(2),
            "movements": [],
            "livemode": True,
        }
        for name, told in status.items()
    )


def ledgers(
    topups: list[dict[str, object]] | None = None,
    refunded: list[dict[str, object]] | None = None,
    dark: pd.DataFrame | None = None,
    readable: tuple[str, ...] = (ORG,),
    suspects: pd.DataFrame | None = None,
) -> PaidLedgers:
    balances = [
        {
            "organization_id": name,
            "cached_balance": 0.0,
            "ledger_sum": 0.0,
            "entry_count": 0,
            "document_bytes": 100,
        }
        for name in readable
    ]
    return PaidLedgers(
        PACK_PURCHASES.from_rows(topups or []),
        REFUND_ENTRIES.from_rows(refunded or []),
        LEDGER_SUSPECTS.empty() if suspects is None else suspects,
        EXTRAS_BALANCES.from_rows(balances),
        UNREADABLE_KEYS.empty() if dark is None else dark,
    )
