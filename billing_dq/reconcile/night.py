"""All rules over all tables of a night, in one pure pass over frames that are held whole.

The Dagster layer runs the same rules asset by asset and the large tables by batch; `reconcile_night` is for worlds that
fit into memory: the score and the tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.disputes.positions import PackPrice, PositionResult, dispute_positions
from billing_dq.reconcile.findings.ageing import findings_of_night
from billing_dq.reconcile.findings.cumulative_drift import cumulative_drift
from billing_dq.reconcile.findings.night_findings import FindingInputs
from billing_dq.reconcile.ledger.balances import orphan_balances, runaway_balances
from billing_dq.reconcile.ledger.document_size import document_size_violations
from billing_dq.reconcile.ledger.expiry import expiry_violations
from billing_dq.reconcile.ledger.settlements import settlement_violations
from billing_dq.reconcile.ledger.violations import one_violation_each, whole_ledger_violations
from billing_dq.reconcile.meter.meter_extras import MeterContext, MeterResult, reconcile_meter, unreadable_elsewhere
from billing_dq.reconcile.subscriptions.comparison import subscription_drift
from billing_dq.reconcile.subscriptions.markers import invoice_marker_lag, stale_past_due
from billing_dq.tables import METER_EXTRAS_DELTAS
from billing_dq.units import Tolerance
from billing_dq.weeks import NightWeeks

Frames = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class NightRules:
    """What the rules are told beside the tables; see the settings of the same names."""

    weeks: NightWeeks
    tolerance: Tolerance
    quota_of_plan: Mapping[str, float]
    quota_multiple: float
    floor_units: float | None
    packs: Mapping[str, PackPrice]
    dollars_to_units: float
    pending_minutes: float
    runbook_url: str


@dataclass(frozen=True)
class NightResult:
    """The result tables of a night; those of Stripe are None where it was not read."""

    meter: MeterResult
    violations: pd.DataFrame
    runaway: pd.DataFrame
    drift: pd.DataFrame | None
    disputes: PositionResult | None
    findings: pd.DataFrame


def reconcile_night(ours: Frames, theirs: Frames | None, livemode: bool, rules: NightRules) -> NightResult:
    """Every rule of a first night: no earlier quotas, no earlier findings.

    Args:
        ours: the MongoDB tables by name; ``weekly_usage`` with its list of keys.
        theirs: the Stripe tables by name, None where Stripe was not read.
        livemode: the mode of Stripe's key.
        rules: settings and weeks.
    """
    weeks, unreadable = rules.weeks, ours["unreadable_keys"]
    usage, keys = split_keys(ours["weekly_usage"])
    entries = ours["ledger_entries"]
    context = MeterContext(
        night=weeks,
        tolerance=rules.tolerance,
        quota_of_plan=rules.quota_of_plan,
        subscriptions=ours["subscriptions"],
        balances=ours["extras_balances"],
        unreadable=unreadable,
        earlier_quotas=usage.loc[[], ["organization_id", "week_key", "meter_quota"]],
    )
    batch = reconcile_meter(usage, keys, entries, context)
    seen = pd.concat([usage["organization_id"], entries["organization_id"]])
    elsewhere = unreadable_elsewhere(seen, context)
    meter = MeterResult(METER_EXTRAS_DELTAS.conform(pd.concat([batch.deltas, elsewhere])), batch.evidence)
    in_window = entries.groupby("organization_id", as_index=False).agg(entries=("entry_id", "size"))
    violations = one_violation_each(
        [
            whole_ledger_violations(ours["extras_balances"], ours["ledger_suspects"], unreadable),
            expiry_violations(ours["expiring_ledgers"], weeks.as_of),
            settlement_violations(usage, keys, entries, weeks, unreadable),
            document_size_violations(ours["extras_balances"], in_window, weeks.weeks_of_entries),
        ]
    )
    runaway = runaway_balances(
        ours["extras_balances"],
        usage,
        ours["subscriptions"],
        weeks.keys[-1],
        rules.quota_of_plan,
        rules.quota_multiple,
        rules.floor_units,
        unreadable,
    )
    drift, disputes = (None, None) if theirs is None else compare_with_stripe(ours, theirs, livemode, rules)
    inputs = FindingInputs(
        deltas=meter.deltas,
        evidence=meter.evidence,
        drift=cumulative_drift(meter.deltas, rules.tolerance),
        runaway=runaway,
        orphans=orphan_balances(ours["extras_balances"], ours["organizations"], ours["subscriptions"], unreadable),
        violations=violations,
        balances=ours["extras_balances"],
        subscription_drift=drift,
        subscriptions=ours["subscriptions"],
        stale_past_due=stale_past_due(ours["subscriptions"], unreadable),
        disputes=None if disputes is None else disputes.findings,
        dead_lettered=ours["dead_lettered_events"],
        quarantined=ours["quarantined_documents"],
        quarantined_stripe=None if theirs is None else theirs["quarantined_stripe_objects"],
        unreadable=unreadable,
    )
    night = weeks.as_of.date().isoformat()
    findings = findings_of_night(inputs, None, night, weeks, rules.dollars_to_units, rules.runbook_url)
    return NightResult(meter, violations, runaway, drift, disputes, findings)


def compare_with_stripe(
    ours: Frames, theirs: Frames, livemode: bool, rules: NightRules
) -> tuple[pd.DataFrame, PositionResult]:
    """What needs both sides: `SUBSCRIPTION_DRIFT` (late invoice markers included) and the positions of disputes."""
    as_of, pending, unreadable = rules.weeks.as_of, rules.pending_minutes, ours["unreadable_keys"]
    subscriptions = ours["subscriptions"]
    drift = [
        subscription_drift(
            subscriptions,
            theirs["stripe_subscriptions"],
            as_of,
            pending,
            livemode,
            unreadable,
            theirs["quarantined_stripe_objects"],
        ),
        invoice_marker_lag(subscriptions, theirs["stripe_invoices"], as_of, pending, unreadable),
    ]
    positions = dispute_positions(
        theirs["stripe_disputes"],
        ours["dispute_entries"],
        ours["pack_purchases"],
        ours["organizations"],
        subscriptions,
        ours["extras_balances"],
        rules.packs,
        rules.dollars_to_units,
        livemode,
        unreadable,
        as_of,
    )
    return pd.concat(drift, ignore_index=True), positions


def split_keys(weekly_usage: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """WEEKLY_USAGE without its lists, and the keys in them: ``row`` (its position) and ``key``, in commit order."""
    exploded = weekly_usage["attribution_keys"].reset_index(drop=True).explode().dropna()
    keys = pd.DataFrame({"row": exploded.index.astype("int64"), "key": exploded.astype("str").to_numpy()})
    return weekly_usage.drop(columns="attribution_keys"), keys
