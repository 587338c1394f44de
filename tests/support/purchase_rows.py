"""What the account of a purchase says: charges, refunds and ledgers in, units by kind and subject out."""

from datetime import timedelta

import pandas as pd

from billing_dq.reconcile.disputes.positions import PositionResult, dispute_positions
from billing_dq.reconcile.findings.disputes import findings_frame
from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.reconcile.purchases.findings import purchase_findings
from billing_dq.reconcile.purchases.ledgers import PaidLedgers
from billing_dq.tables import (
    DISPUTE_ENTRIES,
    ORGANIZATIONS,
    QUARANTINED_STRIPE_OBJECTS,
    STRIPE_DISPUTES,
    STRIPE_REFUNDS,
    SUBSCRIPTIONS,
)
from billing_dq.weeks import NightWeeks
from tests.support.dispute_rows import PACKS
from tests.support.payment_rows import charges, days_ago, disputes, ledgers
from tests.support.policy import policy
from tests.support.subscription_rows import AS_OF

POLICY = policy(packs=PACKS, dollars_to_units=1000.0)


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
    judged = None if positions is None else PositionResult(positions, findings_frame([]))
    theirs = _theirs(paid, refunded, disputes() if disputed is None else disputed, quarantined, livemode)
    return _by_subject(purchase_findings(_ours(known or ledgers()), theirs, POLICY, judged).findings)


def told_with_disputes(
    paid: list[dict[str, object]],
    refunded: list[dict[str, object]],
    known: PaidLedgers,
    disputed: list[dict[str, object]],
    entries: list[dict[str, object]] | None = None,
) -> dict[tuple[str, str], float]:
    """Units by kind and subject, those of disputes too; ``entries`` name disputes."""
    ours, theirs = _ours(known, entries), _theirs(paid, refunded, STRIPE_DISPUTES.from_rows(disputed))
    result = purchase_findings(ours, theirs, POLICY, dispute_positions(ours, theirs, POLICY))
    assert result.disputes is not None
    return _by_subject(pd.concat([result.findings, result.disputes.findings]))


def _by_subject(frame: pd.DataFrame) -> dict[tuple[str, str], float]:
    return dict(zip(zip(frame["kind"], frame["subject"], strict=True), frame["units"], strict=True))


def _ours(known: PaidLedgers, entries: list[dict[str, object]] | None = None) -> ApplicationTables:
    organizations = [{"organization_id": name} for name in known.balances["organization_id"]]
    frames = {
        "pack_purchases": known.purchases,
        "refund_entries": known.refund_entries,
        "ledger_suspects": known.suspects,
        "extras_balances": known.balances,
        "unreadable_keys": known.unreadable,
        "dispute_entries": DISPUTE_ENTRIES.from_rows(entries or []),
        "organizations": ORGANIZATIONS.from_rows(organizations),
        "subscriptions": SUBSCRIPTIONS.empty(),
    }
    return ApplicationTables(NightWeeks(AS_OF, 3, 6), frames)


def _theirs(
    paid: list[dict[str, object]],
    refunded: list[dict[str, object]] | None,
    disputed: pd.DataFrame,
    quarantined: pd.DataFrame | None = None,
    livemode: bool = True,
) -> StripeTables:
    frames = {
        "stripe_charges": charges(*paid),
        "stripe_refunds": STRIPE_REFUNDS.from_rows(refunded or []),
        "stripe_disputes": disputed,
        "quarantined_stripe_objects": QUARANTINED_STRIPE_OBJECTS.empty() if quarantined is None else quarantined,
    }
    since = {"stripe_charges": AS_OF - timedelta(days=30), "stripe_refunds": AS_OF - timedelta(days=180)}
    return StripeTables(frames, livemode, since=since)
