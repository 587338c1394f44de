"""What the findings of a night are made from."""

from dataclasses import dataclass

import pandas as pd

from billing_dq.vocabulary.kinds import Result


@dataclass(frozen=True)
class FindingInputs:
    """The result tables of a night. None: not examined tonight (its source failed, or was not asked)."""

    #: `METER_EXTRAS_DELTAS` and `METER_EXTRAS_EVIDENCE`
    deltas: pd.DataFrame | None = None
    evidence: pd.DataFrame | None = None
    #: `FOLLOWED_WEEKS`, which are in them too
    followed_weeks: pd.DataFrame | None = None
    #: cumulative drift, as `cumulative_drift` has it
    drift: pd.DataFrame | None = None
    #: `RUNAWAY_BALANCES`
    runaway: pd.DataFrame | None = None
    #: organization_id, cached_balance
    orphans: pd.DataFrame | None = None
    #: `LEDGER_VIOLATIONS`, the `LEDGER_SUSPECTS` that date their entries, and the `EXTRAS_BALANCES` they are about
    #: (for the size of documents)
    violations: pd.DataFrame | None = None
    suspects: pd.DataFrame | None = None
    balances: pd.DataFrame | None = None
    #: `SUBSCRIPTION_DRIFT` against Stripe, the `SUBSCRIPTIONS` it is about, and how young a write is not compared yet
    subscription_drift: pd.DataFrame | None = None
    subscriptions: pd.DataFrame | None = None
    pending_minutes: float = 0.0
    #: `STRIPE_SUBSCRIPTIONS`, which tell what changed there lately
    stripe_subscriptions: pd.DataFrame | None = None
    #: Stripe subscriptions whose newest paid invoice was out of reach of the night's requests
    invoices_not_read: frozenset[str] = frozenset()
    #: `SUBSCRIPTION_DRIFT` rows that need no Stripe
    stale_past_due: pd.DataFrame | None = None
    payers: pd.DataFrame | None = None
    #: findings of disputes (`findings.disputes.findings_frame`), and the `DISPUTE_POSITIONS` behind them
    disputes: pd.DataFrame | None = None
    dispute_positions: pd.DataFrame | None = None
    #: findings of payments (`purchases.ledgers.findings_frame`), and the `STRIPE_CHARGES` and `STRIPE_REFUNDS` they are
    #: about; one that could not be read is None, whatever was found of the other
    payments: pd.DataFrame | None = None
    charges: pd.DataFrame | None = None
    refunds: pd.DataFrame | None = None
    #: `PACK_PURCHASES`, which date sessions
    purchases: pd.DataFrame | None = None
    #: `DEAD_LETTERED_EVENTS`
    dead_lettered: pd.DataFrame | None = None
    #: `QUARANTINED_DOCUMENTS`, `QUARANTINED_STRIPE_OBJECTS`, and what the former are about (`UNREADABLE_KEYS`)
    quarantined: pd.DataFrame | None = None
    quarantined_stripe: pd.DataFrame | None = None
    unreadable: pd.DataFrame | None = None
    #: `quarantine.DOCUMENT_COLUMNS` of the documents that open findings of earlier nights are about
    quarantined_before: pd.DataFrame | None = None
    #: whether all of the application's side was read
    is_whole: bool = True

    def has(self, result: Result) -> bool:
        """Whether a result was examined tonight."""
        frame: pd.DataFrame | None = getattr(self, result)
        return frame is not None
