"""The stages of a night. A Dagster asset calls one stage, and `reconcile_night` calls all of them.

So what the score and the tests measure is what production runs. A stage is given bundles of tables (`inputs`); what
grows with the ledger comes to it by batch, and a stage keeps of a batch only what it finds.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.disputes.positions import PositionResult, dispute_positions
from billing_dq.reconcile.findings.acceptance import with_acceptances
from billing_dq.reconcile.findings.ageing import findings_of_night
from billing_dq.reconcile.findings.cumulative_drift import cumulative_drift
from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.reconcile.followed_weeks import back_to_followed, in_window, only_followed
from billing_dq.reconcile.inputs import (
    QUOTA_COLUMNS,
    ApplicationTables,
    Earlier,
    LargeTables,
    OrganizationBatch,
    Policy,
    StripeTables,
)
from billing_dq.reconcile.ledger.balances import orphan_balances, runaway_balances
from billing_dq.reconcile.ledger.document_size import document_size_violations, usage_size_violations
from billing_dq.reconcile.ledger.expiry import expiry_violations
from billing_dq.reconcile.ledger.grants import grant_violations
from billing_dq.reconcile.ledger.past import history_violations
from billing_dq.reconcile.ledger.settlements import settlement_violations
from billing_dq.reconcile.ledger.violations import one_violation_each, whole_ledger_violations
from billing_dq.reconcile.meter.meter_extras import MeterContext, MeterResult, reconcile_meter, unreadable_elsewhere
from billing_dq.reconcile.meter.quota.events import QuotaEvents, quota_events
from billing_dq.reconcile.meter.quota.resets import Resets
from billing_dq.reconcile.purchases.findings import purchase_findings
from billing_dq.reconcile.soundness import stopped_by
from billing_dq.reconcile.subscriptions.comparison import subscription_drift
from billing_dq.reconcile.subscriptions.markers import invoice_marker_lag, stale_past_due
from billing_dq.reconcile.subscriptions.payers import unpaid_at_stripe, unpaid_by_documents
from billing_dq.tables import (
    LEDGER_ENTRIES,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    SUBSCRIPTION_DRIFT,
    WEEKLY_USAGE,
)
from billing_dq.vocabulary.references import SETTLEMENT


@dataclass(frozen=True)
class StripeComparison:
    """What took both sides to find.

    Attributes:
        drift: `SUBSCRIPTION_DRIFT` of the comparison, late invoice markers included.
        disputes: the positions of the disputes, and what is wrong with them.
        payments: what is wrong with purchases and refunds, as `purchase_findings` has it.

    None: it rests on a table that breaks a critical expectation.
    """

    drift: pd.DataFrame | None
    disputes: PositionResult | None
    payments: pd.DataFrame | None


@dataclass(frozen=True)
class NightResults:
    """What the stages before the findings came to; ``comparison`` is None where Stripe was not read, the others where
    a table that they rest on breaks a critical expectation.
    """

    meter: MeterResult | None
    runaway: pd.DataFrame | None
    violations: pd.DataFrame | None
    comparison: StripeComparison | None


@dataclass(frozen=True)
class NightResult:
    """The result tables of a night as they are stored; those of Stripe are None where it was not read."""

    meter: MeterResult
    violations: pd.DataFrame
    runaway: pd.DataFrame
    drift: pd.DataFrame | None
    disputes: PositionResult | None
    findings: pd.DataFrame


def reconcile_night(
    ours: ApplicationTables, theirs: StripeTables | None, policy: Policy, earlier: Earlier | None = None
) -> NightResult:
    """All stages over frames that are held whole: for worlds that fit into memory.

    Args:
        ours: all tables of the application, those that grow with the ledger too; ``weekly_usage`` has its lists of
            keys.
        theirs: None where Stripe was not read.
        policy: what the operator decides.
        earlier: what earlier nights knew; None: this is the first night.
    """
    before = earlier or Earlier()
    large = large_tables(ours)
    parts = [
        *meter_stage(large.batches, ours, theirs, policy, before),
        *followed_meter_stage(large.followed, ours, theirs, policy, before),
    ]
    meter = MeterResult(
        METER_EXTRAS_DELTAS.conform(pd.concat([part.deltas for part in parts])),
        METER_EXTRAS_EVIDENCE.conform(pd.concat([part.evidence for part in parts])),
    )
    violations = ledger_stage(large, ours, theirs, policy)
    runaway = runaway_stage((batch.usage for batch in large.batches), ours, policy)
    comparison = None if theirs is None else stripe_stage(ours, theirs, policy)
    results = NightResults(meter, runaway, violations, comparison)
    return NightResult(
        meter,
        violations,
        runaway,
        drift=None if comparison is None else drift_table(comparison, ours, policy),
        disputes=None if comparison is None else comparison.disputes,
        findings=findings_stage(results, ours, theirs, policy, before),
    )


def meter_stage(
    batches: Iterable[OrganizationBatch],
    ours: ApplicationTables,
    theirs: StripeTables | None,
    policy: Policy,
    earlier: Earlier,
) -> Iterator[MeterResult]:
    """The meter against the extras: a result a batch, and at last the unreadable weeks that no batch has.

    Args:
        batches: usage and ledger entries in organization order.
        ours: subscriptions, balances and unreadable keys.
        theirs: evidence of why a week differs; None, or without events, there is less of it, and that is no error.
        policy: tolerance and quotas.
        earlier: quotas and plans that earlier nights saw.
    """
    context = MeterContext(
        night=ours.weeks,
        tolerance=policy.tolerance,
        quota_of_plan=policy.quota_of_plan,
        subscriptions=ours.subscriptions,
        balances=ours.balances,
        unreadable=ours.unreadable,
        earlier_quotas=earlier.quotas,
        earlier_plans=earlier.plans,
        quota_events=_quota_events(ours, theirs, policy),
        change_resets_usage=policy.change_resets_usage,
    )
    seen: set[str] = set()
    for batch in batches:
        seen.update(batch.usage["organization_id"], batch.entries["organization_id"])
        yield reconcile_meter(batch.usage, batch.keys, batch.entries, context)
    yield MeterResult(unreadable_elsewhere(seen, context), METER_EXTRAS_EVIDENCE.empty())


def followed_meter_stage(
    batches: Iterable[OrganizationBatch],
    ours: ApplicationTables,
    theirs: StripeTables | None,
    policy: Policy,
    earlier: Earlier,
) -> Iterator[MeterResult]:
    """The meter against the extras in the followed weeks, as `meter_stage` has it for those of the window: one result,
    by organization and week, and none where no week is followed.

    Args:
        batches: everything of the organizations with a followed week, from there on, in organization order.
        ours: `FOLLOWED_WEEKS` too.
        theirs: evidence of why a week differs.
        policy: tolerance and quotas.
        earlier: quotas and plans that earlier nights saw in the followed weeks.
    """
    if ours.followed_weeks.empty:
        return
    of_followed = Earlier(quotas=earlier.quotas_of_followed, plans=earlier.plans_of_followed)
    parts = list(meter_stage(batches, back_to_followed(ours), theirs, policy, of_followed))
    deltas = pd.concat([only_followed(part.deltas, part.deltas["week_key"], ours) for part in parts])
    evidence = pd.concat([only_followed(part.evidence, part.evidence["week_key"], ours) for part in parts])
    week = ["organization_id", "week_key"]
    yield MeterResult(
        METER_EXTRAS_DELTAS.conform(deltas.sort_values(week, kind="stable")),
        METER_EXTRAS_EVIDENCE.conform(evidence.sort_values(week, kind="stable")),
    )


def _quota_events(ours: ApplicationTables, theirs: StripeTables | None, policy: Policy) -> QuotaEvents | None:
    if theirs is None or theirs.subscription_events is None or theirs.events_since is None:
        return None
    return quota_events(
        theirs.subscription_events,
        theirs.subscriptions,
        ours.subscriptions,
        policy.quota_of_plan,
        theirs.events_since,
    )


def runaway_stage(usage: Iterable[pd.DataFrame], ours: ApplicationTables, policy: Policy) -> pd.DataFrame:
    """`RUNAWAY_BALANCES`.

    Args:
        usage: `QUOTA_COLUMNS` of `WEEKLY_USAGE` at least, by batch; only those of the open week are kept.
        ours: balances, subscriptions and unreadable keys.
        policy: quotas and thresholds.
    """
    open_week = ours.weeks.keys[-1]
    this_week = [WEEKLY_USAGE.empty()[QUOTA_COLUMNS]]
    this_week += [batch.loc[batch["week_key"] == open_week, QUOTA_COLUMNS] for batch in usage]
    return runaway_balances(pd.concat(this_week), ours, policy)


def ledger_stage(
    large: LargeTables, ours: ApplicationTables, theirs: StripeTables | None, policy: Policy
) -> pd.DataFrame:
    """`LEDGER_VIOLATIONS`: sums, references, signs, dates, expiry, settlements and size of every ledger.

    Args:
        large: the tables that grow with the ledger.
        ours: balances, suspects, subscriptions and unreadable keys.
        theirs: the events of subscriptions; None, or without events, fewer settlements can be compared.
        policy: the ratio at which the application's tool gives units.
    """
    weeks, unreadable = ours.weeks, ours.unreadable
    resets = Resets(ours.subscriptions, _quota_events(ours, theirs, policy))
    found = [whole_ledger_violations(ours.balances, ours.ledger_suspects, unreadable, weeks.as_of)]
    found.append(history_violations(ours.ledger_seals))
    found.append(grant_violations(ours.ledger_suspects))
    found += [expiry_violations(ledgers, weeks) for ledgers in large.expiring_ledgers]
    counts = [_entry_counts(LEDGER_ENTRIES.empty())]
    for batch in large.batches:
        found.append(settlement_violations(batch.usage, batch.keys, batch.entries, weeks, unreadable, resets))
        found.append(usage_size_violations(batch.usage, weeks.keys))
        counts.append(_entry_counts(batch.entries))
    found += _followed_settlements(large.followed, ours, resets)
    recent = pd.concat(counts, ignore_index=True)
    found.append(document_size_violations(ours.balances, recent, weeks.weeks_of_entries))
    return one_violation_each(found, ours.ledger_suspects, policy.dollars_to_units)


def _followed_settlements(
    batches: Iterable[OrganizationBatch], ours: ApplicationTables, resets: Resets
) -> Iterator[pd.DataFrame]:
    if ours.followed_weeks.empty:
        return
    weeks = back_to_followed(ours).weeks
    for batch in batches:
        rows = settlement_violations(batch.usage, batch.keys, batch.entries, weeks, ours.unreadable, resets)
        yield only_followed(rows, rows["ref_id"].str.removeprefix(SETTLEMENT), ours)


def stripe_stage(
    ours: ApplicationTables, theirs: StripeTables, policy: Policy, unsound: Set[str] = frozenset()
) -> StripeComparison:
    """What takes both sides: subscriptions, invoice markers, disputes and payments.

    Args:
        ours: subscriptions, balances, the entries of disputes and payments, unreadable keys.
        theirs: Stripe's side.
        policy: prices and what is pending.
        unsound: tables of ours that break a critical expectation: what rests on them is left out.
    """
    disputes = None if stopped_by("disputes", unsound) else dispute_positions(ours, theirs, policy)
    drift = None if stopped_by("subscription_drift", unsound) else _against_stripe(ours, theirs, policy)
    if stopped_by("charges", unsound):
        return StripeComparison(drift, disputes, None)
    purchases = purchase_findings(ours, theirs, policy, disputes)
    return StripeComparison(drift, purchases.disputes, purchases.findings)


def _against_stripe(ours: ApplicationTables, theirs: StripeTables, policy: Policy) -> pd.DataFrame:
    drift = [
        subscription_drift(ours, theirs, policy.pending_minutes),
        unpaid_at_stripe(ours, theirs, policy.quota_of_plan, policy.pending_minutes),
        invoice_marker_lag(
            ours.subscriptions, theirs.invoices, ours.weeks.as_of, policy.pending_minutes, ours.unreadable
        ),
    ]
    return SUBSCRIPTION_DRIFT.conform(pd.concat(drift))


def drift_table(comparison: StripeComparison, ours: ApplicationTables, policy: Policy) -> pd.DataFrame | None:
    """`SUBSCRIPTION_DRIFT` as it is stored: the comparison's rows, and the markers that take no Stripe."""
    if comparison.drift is None:
        return None
    return SUBSCRIPTION_DRIFT.conform(pd.concat([comparison.drift, _stale_past_due(ours, policy)]))


def findings_stage(
    results: NightResults,
    ours: ApplicationTables,
    theirs: StripeTables | None,
    policy: Policy,
    earlier: Earlier,
    unsound: Set[str] = frozenset(),
) -> pd.DataFrame:
    """`FINDINGS`: what every rule found, with the state that follows from the night before, and what people accepted.

    Args:
        results: of the stages before.
        ours: organizations, subscriptions, balances, dead-lettered events, quarantined documents, unreadable keys.
        theirs: None where Stripe was not read.
        policy: tolerance, prices and the address of the runbooks.
        earlier: what earlier nights knew.
        unsound: tables of ours that break a critical expectation. What rests on them was not examined.
    """
    comparison, meter = results.comparison, results.meter
    disputes = None if comparison is None else comparison.disputes
    payments = None if comparison is None else comparison.payments
    inputs = FindingInputs(
        deltas=None if meter is None else meter.deltas,
        evidence=None if meter is None else meter.evidence,
        followed_weeks=ours.followed_weeks,
        drift=_drift(in_window(meter.deltas, ours.weeks), earlier, policy) if meter and ours.is_whole else None,
        is_whole=ours.is_whole,
        runaway=results.runaway,
        orphans=None if stopped_by("orphans", unsound) else _orphans(ours),
        violations=results.violations,
        suspects=ours.frames.get("ledger_suspects"),
        balances=None if "extras_balances" in unsound else ours.balances,
        subscription_drift=None if comparison is None else comparison.drift,
        subscriptions=None if "subscriptions" in unsound else ours.subscriptions,
        pending_minutes=policy.pending_minutes,
        invoices_not_read=frozenset() if theirs is None else theirs.invoices_not_read,
        stale_past_due=None if stopped_by("stale_past_due", unsound) else _stale_past_due(ours, policy),
        payers=None
        if stopped_by("payers", unsound)
        else unpaid_by_documents(ours, policy.quota_of_plan, policy.pending_minutes),
        disputes=None if disputes is None else disputes.findings,
        dispute_positions=None if disputes is None else disputes.positions,
        payments=payments,
        stripe_subscriptions=None if theirs is None else theirs.subscriptions,
        charges=None if theirs is None or payments is None else theirs.charges,
        refunds=None if theirs is None or payments is None else theirs.refunds,
        purchases=None if theirs is None else ours.pack_purchases,
        dead_lettered=None if stopped_by("dead_lettered", unsound) else ours.dead_lettered_events,
        quarantined=ours.quarantined,
        quarantined_stripe=None if theirs is None else theirs.quarantined,
        quarantined_before=earlier.quarantined,
        unreadable=ours.unreadable,
    )
    night = ours.weeks.as_of.date().isoformat()
    found = findings_of_night(inputs, earlier.findings, night, ours.weeks, policy.dollars_to_units, policy.runbook_url)
    return with_acceptances(found, earlier.findings, earlier.acceptances, night)


def large_tables(ours: ApplicationTables) -> LargeTables:
    """The tables that grow with the ledger, held whole, as one batch, and one of the followed weeks.

    Raises:
        KeyError: ``weekly_usage``, ``ledger_entries`` or ``expiring_ledgers`` is not there.
    """
    usage, keys = split_keys(ours.frames["weekly_usage"])
    batch = OrganizationBatch(usage, keys, ours.frames["ledger_entries"])
    return LargeTables([batch], [ours.frames["expiring_ledgers"]], _followed_batch(ours))


def _followed_batch(ours: ApplicationTables) -> list[OrganizationBatch]:
    """Everything of the organizations with a followed week, from there on."""
    if ours.followed_weeks.empty:
        return []
    whole: dict[str, pd.DataFrame] = {}
    for window, older, order in (
        ("weekly_usage", "followed_usage", "week_key"),
        ("ledger_entries", "followed_entries", "position"),
    ):
        both = pd.concat([ours.frames[window], ours.frames[older]])
        mine = both.loc[both["organization_id"].isin(ours.followed_weeks["organization_id"])]
        whole[window] = mine.sort_values(["organization_id", order], ignore_index=True)
    usage, keys = split_keys(whole["weekly_usage"])
    return [OrganizationBatch(usage, keys, whole["ledger_entries"])]


def split_keys(weekly_usage: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """WEEKLY_USAGE without its lists, and the keys in them: ``row`` (its position) and ``key``, in commit order."""
    exploded = weekly_usage["attribution_keys"].reset_index(drop=True).explode().dropna()
    keys = pd.DataFrame({"row": exploded.index.astype("int64"), "key": exploded.astype("str").to_numpy()})
    return weekly_usage.drop(columns="attribution_keys"), keys


def _drift(deltas: pd.DataFrame, earlier: Earlier, policy: Policy) -> pd.DataFrame:
    history = pd.concat([deltas, earlier.closed_weeks], ignore_index=True)
    return cumulative_drift(history, policy.tolerance)


def _orphans(ours: ApplicationTables) -> pd.DataFrame:
    return orphan_balances(ours.balances, ours.organizations, ours.subscriptions, ours.unreadable)


def _stale_past_due(ours: ApplicationTables, policy: Policy) -> pd.DataFrame:
    return stale_past_due(ours.subscriptions, ours.weeks.as_of, policy.pending_minutes, ours.unreadable)


def _entry_counts(entries: pd.DataFrame) -> pd.DataFrame:
    """``organization_id`` and ``entries`` (how many), of the organizations that have any."""
    return entries.groupby("organization_id", as_index=False).agg(entries=("entry_id", "size"))
