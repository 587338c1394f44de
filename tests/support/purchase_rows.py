"""What the account of a purchase says: charges, refunds and ledgers in, units by kind and subject out."""

from datetime import timedelta

import pandas as pd

from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.reconcile.purchases.findings import purchase_findings
from billing_dq.reconcile.purchases.ledgers import PaidLedgers
from billing_dq.tables import QUARANTINED_STRIPE_OBJECTS, STRIPE_REFUNDS
from billing_dq.weeks import NightWeeks
from tests.support.dispute_rows import PACKS
from tests.support.payment_rows import charges, days_ago, disputes, ledgers
from tests.support.policy import policy
from tests.support.subscription_rows import AS_OF


def refund(refund_id: str, cents: int, **fields: object) -> dict[str, object]:
    """A refund of ch_1 that succeeded a day ago."""
    made = {"refund_id": refund_id, "charge_id": "ch_1", "status": "succeeded", "amount_minor": cents}
    return {**made, "created": days_ago(1), **fields}


def told(
    paid: list[dict[str, object]],
    refunded: list[dict[str, object]] | None = None,
    known: PaidLedgers | None = None,
    positions: pd.DataFrame | None = None,
    disputed: pd.DataFrame | None = None,
    quarantined: pd.DataFrame | None = None,
    livemode: bool = True,
) -> dict[tuple[str, str], float]:
    """Units by kind and subject; the lists reach 30 and 180 days back."""
    ours = known or ledgers()
    frames = {
        "pack_purchases": ours.purchases,
        "refund_entries": ours.refund_entries,
        "ledger_suspects": ours.suspects,
        "extras_balances": ours.balances,
        "unreadable_keys": ours.unreadable,
    }
    theirs = {
        "stripe_charges": charges(*paid),
        "stripe_refunds": STRIPE_REFUNDS.from_rows(refunded or []),
        "stripe_disputes": disputes() if disputed is None else disputed,
        "quarantined_stripe_objects": QUARANTINED_STRIPE_OBJECTS.empty() if quarantined is None else quarantined,
    }
    since = {"stripe_charges": AS_OF - timedelta(days=30), "stripe_refunds": AS_OF - timedelta(days=180)}
    frame = purchase_findings(
        ApplicationTables(NightWeeks(AS_OF, 3, 6), frames),
        StripeTables(theirs, livemode, since=since),
        policy(packs=PACKS, dollars_to_units=1000.0),
        positions,
    )
    return dict(zip(zip(frame["kind"], frame["subject"], strict=True), frame["units"], strict=True))
