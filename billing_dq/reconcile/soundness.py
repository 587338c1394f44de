"""Which results rest on which tables. A table that breaks a critical expectation stops these results and no others."""

from collections.abc import Set

from billing_dq.vocabulary.kinds import Result

_METER = ("weekly_usage", "ledger_entries", "subscriptions", "extras_balances")
_PAYMENTS = ("pack_purchases", "refund_entries", "ledger_suspects", "extras_balances")

#: The application's tables that a result is made of. Stripe's are absent where they cannot be trusted.
RESTS_ON: dict[Result, tuple[str, ...]] = {
    "deltas": _METER,
    "drift": _METER,
    "runaway": ("weekly_usage", "subscriptions", "extras_balances"),
    "violations": (*_METER, "expiring_ledgers", "ledger_suspects"),
    "orphans": ("organizations", "subscriptions", "extras_balances"),
    "stale_past_due": ("subscriptions",),
    "payers": ("subscriptions", "organizations"),
    "subscription_drift": ("subscriptions",),
    "disputes": ("dispute_entries", "pack_purchases", "organizations", "subscriptions", "extras_balances"),
    "charges": _PAYMENTS,
    "refunds": _PAYMENTS,
    "dead_lettered": ("dead_lettered_events",),
    "quarantined": (),
}


def stopped_by(result: Result, unsound: Set[str]) -> tuple[str, ...]:
    """The tables that break a critical expectation and that a result rests on; none: it can be made."""
    return tuple(table for table in RESTS_ON[result] if table in unsound)
