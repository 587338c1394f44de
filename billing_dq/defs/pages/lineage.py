"""Which columns a column is made of. Where a rule looks at more than columns, nothing is stated.

A source is ``asset.column`` with the asset's key as a path; a field of a collection has its own name.
Not here: which assets an asset hangs on (its declaration).
"""

from collections.abc import Mapping

import dagster as dg

from billing_dq.defs.asset_names import asset_key

_BALANCES, _USAGES, _SUBSCRIPTIONS = "mongodb/billingextrabalances", "mongodb/billingusages", "mongodb/subscriptions"
_ORGANIZATION = {"organization_id": f"{_BALANCES}.organization"}
_ENTRY = {
    **_ORGANIZATION,
    "entry_id": f"{_BALANCES}.ledger._id",
    "ref_id": f"{_BALANCES}.ledger.refId",
    "amount": f"{_BALANCES}.ledger.amount",
    "at": f"{_BALANCES}.ledger.at",
}
_KIND = {"kind": f"{_BALANCES}.ledger.kind"}
_SESSION = {"stripe_session_id": f"{_BALANCES}.ledger.stripeSessionId"}
_LEDGER = {
    **_ENTRY,
    **_KIND,
    **_SESSION,
    "source": f"{_BALANCES}.ledger.source",
    "expires_at": f"{_BALANCES}.ledger.expiresAt",
}
_USAGE = {
    "organization_id": f"{_USAGES}.organizationId",
    "week_key": f"{_USAGES}.weekKey",
    "meter_used": f"{_USAGES}.meterUsed",
    "meter_quota": f"{_USAGES}.meterQuota",
    "plan_version": f"{_USAGES}.planVersion",
    "settled_units": f"{_USAGES}.meterUsed {_USAGES}.meterBreakdown {_USAGES}.consumedAttributionKeys",
    "updated_at": f"{_USAGES}.updatedAt",
    "attribution_keys": f"{_USAGES}.consumedAttributionKeys {_USAGES}.consumedHistoryIds",
}
_EXPECTED = "weekly_usage.meter_used weekly_usage.meter_quota"
_ACTUAL = "ledger_entries.amount ledger_entries.kind ledger_entries.at"

#: By table and column: the columns it is made of.
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "organizations": {"organization_id": "mongodb/organizations._id", "plan": "mongodb/organizations.plan"},
    "subscriptions": {
        "organization_id": f"{_SUBSCRIPTIONS}.organization",
        "stripe_customer_id": f"{_SUBSCRIPTIONS}.stripeCustomerId",
        "stripe_subscription_id": f"{_SUBSCRIPTIONS}.stripeSubscriptionId",
        "plan": f"{_SUBSCRIPTIONS}.plan",
        "status": f"{_SUBSCRIPTIONS}.status",
        "current_period_start": f"{_SUBSCRIPTIONS}.currentPeriodStart",
        "past_due_since": f"{_SUBSCRIPTIONS}.pastDueSince",
        "last_invoice_event_at": f"{_SUBSCRIPTIONS}.lastInvoiceEventCreatedAt",
        "last_subscription_event_at": f"{_SUBSCRIPTIONS}.lastSubscriptionEventCreatedAt",
        "admin_updated_at": f"{_SUBSCRIPTIONS}.adminUpdatedAt",
        "updated_at": f"{_SUBSCRIPTIONS}.updatedAt",
    },
    "weekly_usage": _USAGE,
    "followed_usage": _USAGE,
    "extras_balances": {
        **_ORGANIZATION,
        "cached_balance": f"{_BALANCES}.cachedBalance",
        "ledger_sum": f"{_BALANCES}.ledger.amount",
        "entry_count": f"{_BALANCES}.ledger",
        "cached_balance_at": f"{_BALANCES}.cachedBalanceAt",
    },
    "ledger_entries": _LEDGER,
    "followed_entries": _LEDGER,
    "expiring_ledgers": _LEDGER,
    "ledger_suspects": {**_ENTRY, **_KIND, **_SESSION},
    "dispute_entries": {**_ENTRY, **_KIND},
    "pack_purchases": {name: source for name, source in {**_ENTRY, **_SESSION}.items() if name != "ref_id"},
    "refund_entries": _ENTRY,
    "ledger_seals": {**_ORGANIZATION, "digest": f"{_BALANCES}.ledger"},
    "dead_lettered_events": {
        "event_id": "mongodb/processedstripeevents.eventId",
        "type": "mongodb/processedstripeevents.type",
        "last_error": "mongodb/processedstripeevents.lastError",
        "attempts": "mongodb/processedstripeevents.attempts",
        "at": "mongodb/processedstripeevents.processedAt",
    },
    "meter_extras_deltas": {
        "organization_id": "weekly_usage.organization_id ledger_entries.organization_id",
        "week_key": "weekly_usage.week_key ledger_entries.at",
        "meter_used": "weekly_usage.meter_used",
        "meter_quota": "weekly_usage.meter_quota",
        "expected_units": _EXPECTED,
        "actual_units": _ACTUAL,
        "delta_units": f"{_EXPECTED} {_ACTUAL}",
    },
    "runaway_balances": {
        "organization_id": "extras_balances.organization_id",
        "cached_balance": "extras_balances.cached_balance",
        "meter_quota": "weekly_usage.meter_quota subscriptions.plan",
    },
    "dispute_positions": {
        "dispute_id": "stripe_disputes.dispute_id",
        "charge_id": "stripe_disputes.charge_id",
        "status": "stripe_disputes.status",
        "withdrawn_minor": "stripe_disputes.movements",
        "reinstated_minor": "stripe_disputes.movements",
        "fraction": "stripe_disputes.movements",
        "clawed_back_units": "dispute_entries.amount",
        "credited_units": "dispute_entries.amount",
        "due_units": "stripe_disputes.movements dispute_entries.amount",
    },
}


def column_lineage(table: str) -> dg.TableColumnLineage | None:
    """What the columns of a table are made of; None where nothing is stated."""
    if table not in COLUMNS:
        return None
    deps = {name: [_dep(source) for source in sources.split()] for name, sources in COLUMNS[table].items()}
    return dg.TableColumnLineage(deps)


def _dep(source: str) -> dg.TableColumnDep:
    asset, _, column = source.partition(".")
    return dg.TableColumnDep(asset_key=asset_key(*asset.split("/")), column_name=column)
