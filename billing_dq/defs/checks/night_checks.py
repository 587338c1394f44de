"""Checks: sentences that are true when green. Each judges what the night itself found of its kinds of finding.

A check is red where a finding of its kinds is `error` or above; what is explained, provisional or accepted by a person
leaves it green. In an incomplete night one check is red and says why; those of findings are not run, for a green one
would speak of organizations that nobody read. Checks that need Stripe hang on `stripe_reading`, which always exists:
they fail where Stripe failed, and are not run where Stripe was not asked.
Not here: which kind of finding is red (`vocabulary/kinds`).
"""

from collections.abc import Iterator, Mapping

import dagster as dg
import pandas as pd

from billing_dq.defs.asset_names import asset_key, op_name
from billing_dq.defs.declarations import check_result, night_check
from billing_dq.defs.pages.conclusions import owed_either_way
from billing_dq.defs.pages.metadata import Metadata, finding_rows, short, table_of
from billing_dq.defs.pages.runbook import runbook
from billing_dq.reconcile.findings.shared_money import owed_units
from billing_dq.reconcile.findings.standing import is_accepted, is_new, seen_open, verdicts
from billing_dq.reconcile.soundness import stopped_by
from billing_dq.report.figures import findings_by_kind
from billing_dq.report.verdicts import in_order_of_work
from billing_dq.report.words import money_either_way
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, SoundTablesRecord, StripeReadingRecord
from billing_dq.vocabulary.kinds import KINDS, kinds_of_check

_RED = ("error", "critical")


#: The checks of findings about the application's data: by asset, name and description.
FINDING_CHECKS = {
    "meter_extras_deltas": {
        "no_week_diverges": "No closed week of an organization differs from its debits for a reason that is a defect.",
        "no_small_difference_adds_up": "No organization's differences below the tolerance add up over the weeks.",
    },
    "runaway_balances": {"no_balance_is_running_away": "No balance is below its multiple of the week's quota."},
    "extras_balances": {
        "every_balance_belongs_to_an_organization": "Every balance document's organization exists, or its subscription "
        "does.",
    },
    "ledger_violations": {
        "every_ledger_is_sound": "Every ledger adds up to its balance and keeps the rules of its entries.",
    },
    "subscriptions": {
        "no_subscription_is_past_due_and_active": "No active subscription is still marked as past due.",
        "every_paid_plan_has_its_own_subscription": "Every paid plan has a subscription of its own, or a person set it "
        "by hand.",
    },
    "dead_lettered_events": {"no_event_is_dead_lettered": "The application gave up on no webhook event."},
}
STRIPE_WAS_READ = "stripe_was_read"
#: The checks that compare with Stripe, all of `stripe_reading`.
STRIPE_CHECKS = {
    "subscriptions_agree_with_stripe": "Every subscription has the same status, plan and customer on both sides, is "
    "known on both, and collects.",
    "every_invoice_marker_is_current": "No subscription's invoice marker is older than its newest paid invoice.",
    "every_dispute_is_settled_in_the_ledger": "Every withdrawal of a pack's money has one clawback, and every credit a "
    "reinstatement.",
    "every_paid_pack_is_delivered": "Every pack that was paid has its top-up of its units in its own ledger, and no "
    "failed refund keeps units.",
    "every_topup_was_paid": "No ledger was given units for a payment that failed, for test mode, or for another "
    "ledger's session.",
    "every_refund_is_settled_in_the_ledger": "Every refund took its share of the pack's units, once, and no units were "
    "taken for any other.",
}
_STRIPE = StripeReadingRecord.name


def sums_up_the_night(check: str) -> bool:
    """Whether a check says what the alerts of a night say anyway: findings, and a Stripe that failed."""
    return check in {STRIPE_WAS_READ, *STRIPE_CHECKS, *(name for checks in FINDING_CHECKS.values() for name in checks)}


def finding_checks(nights: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """All checks that judge findings, and the one that proves that no document was left out."""
    # a step for each asset: Dagster skips a step one of whose assets could not be computed
    return [*(_checks_of(asset, nights) for asset in FINDING_CHECKS), _stripe_checks(nights), _document_check(nights)]


def _stripe_checks(nights: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=op_name("stripe_checks"),
        specs=[
            night_check(
                STRIPE_WAS_READ,
                _STRIPE,
                "Stripe answered what the night asked of it.",
                nights,
                [SoundTablesRecord.name],
            ),
            *_specs(_STRIPE, STRIPE_CHECKS, nights),
        ],
        ins={name: dg.AssetIn(asset_key(name)) for name in ("findings", _STRIPE, SoundTablesRecord.name)},
        can_subset=True,
    )
    def of_stripe(
        context: dg.AssetCheckExecutionContext,
        findings: pd.DataFrame,
        stripe_reading: StripeReadingRecord,
        sound_tables: SoundTablesRecord,
        billing_dq_lake: dg.ResourceParam[Lake],
        billing_dq_settings: dg.ResourceParam[Settings],
    ) -> Iterator[dg.AssetCheckResult]:
        """Judge what the comparison with Stripe came to; nothing where Stripe was not asked."""
        if stripe_reading.state == "not_run":
            context.log.info(f"not run: {stripe_reading.reason}")
            return
        selected = {key.name for key in context.selected_asset_check_keys}
        failed = stripe_reading.state == "failed"
        if STRIPE_WAS_READ in selected:
            absent = "; ".join(f"no {name}: {reason}" for name, reason in stripe_reading.absent.items())
            yield check_result(STRIPE_WAS_READ, not failed, stripe_reading.reason or absent or "read")
        open_findings = seen_open(findings, context.partition_key)
        is_incomplete = SnapshotFactsRecord.require(billing_dq_lake.home, context.partition_key).incomplete_because
        for check in () if is_incomplete else STRIPE_CHECKS:
            if check in selected and failed:
                reason = f"not examined, Stripe could not be read: {stripe_reading.reason}"
                yield check_result(check, False, reason, {"error": stripe_reading.reason})
            elif check in selected and not _lacks_a_table(check, stripe_reading):
                yield judge(check, open_findings, sound_tables, billing_dq_settings)

    return of_stripe


def _checks_of(asset: str, nights: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    inputs = ("findings", SnapshotFactsRecord.name, SoundTablesRecord.name)

    @dg.multi_asset_check(
        name=op_name(f"{asset}_finding_checks"),
        specs=_specs(asset, FINDING_CHECKS[asset], nights, SnapshotFactsRecord.name),
        ins={name: dg.AssetIn(asset_key(name)) for name in inputs},
        can_subset=True,  # and so need not report: Dagster fails a check that may not be left out
    )
    def of_asset(
        context: dg.AssetCheckExecutionContext,
        findings: pd.DataFrame,
        snapshot_facts: SnapshotFactsRecord,
        sound_tables: SoundTablesRecord,
        billing_dq_settings: dg.ResourceParam[Settings],
    ) -> Iterator[dg.AssetCheckResult]:
        """Judge what the night found about the asset; nothing in an incomplete night."""
        if snapshot_facts.incomplete_because:
            context.log.info("not run: the night is incomplete")
            return
        open_findings = seen_open(findings, context.partition_key)
        selected = {key.name for key in context.selected_asset_check_keys}
        for check in (name for name in FINDING_CHECKS[asset] if name in selected):
            yield judge(check, open_findings, sound_tables, billing_dq_settings)

    return of_asset


def _document_check(nights: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key("quarantined_documents"),
        additional_ins={"snapshot_facts": dg.AssetIn(asset_key(SnapshotFactsRecord.name))},
        partitions_def=nights,
        description="Documents counted = read + quarantined (+ those of weeks that the night does not cover), and the "
        "night is complete.",
    )
    def every_document_was_read_or_quarantined(
        quarantined_documents: pd.DataFrame, snapshot_facts: SnapshotFactsRecord
    ) -> dg.AssetCheckResult:
        """Add up the documents of each collection."""
        counts = snapshot_facts.counts
        differences = {
            name: count.counted - count.read - count.quarantined - count.out_of_scope for name, count in counts.items()
        }
        lost = {name: difference for name, difference in differences.items() if difference}
        if snapshot_facts.incomplete_because:
            description = (
                f"the night is incomplete: {snapshot_facts.incomplete_because}; checks of findings are not run"
            )
        elif lost:
            description = f"{sum(lost.values()):,} documents are neither read nor quarantined: {lost}"
        else:
            description = f"{sum(count.counted for count in counts.values()):,} documents are accounted for"
        return dg.AssetCheckResult(
            passed=not lost and not snapshot_facts.incomplete_because,
            description=description,
            metadata={
                "quarantined": sum(count.quarantined for count in counts.values()),
                "counts": table_of([{"collection": name, **count.model_dump()} for name, count in counts.items()]),
            },
        )

    return every_document_was_read_or_quarantined


def judge(
    check: str, open_findings: pd.DataFrame, sound_tables: SoundTablesRecord, settings: Settings
) -> dg.AssetCheckResult:
    """What a check says of the findings that a night itself saw; those that people accepted turn nothing red.

    It is red, too, where its findings rest on a table that breaks a critical expectation.
    """
    kinds = kinds_of_check(check)
    stopped = {table for kind in kinds for table in stopped_by(KINDS[kind].result, sound_tables.unsound)}
    if stopped:
        reason = sound_tables.reason(tuple(sorted(stopped)))
        return check_result(check, False, f"not examined: {reason}", {"error": reason})
    of_check = open_findings[open_findings["kind"].isin(kinds)]
    accepted = is_accepted(of_check)
    red = of_check[of_check["severity"].isin(_RED) & ~accepted]
    in_order = in_order_of_work(of_check, verdicts(of_check))
    metadata: Metadata = {
        "red": len(red),
        **owed_either_way(red["usd_cents"]),
        "findings": len(of_check),
        "accepted": int(accepted.sum()),
        "units": float(owed_units(red).sum()),
        "first_rows": table_of(finding_rows(in_order)),
        "by_kind": table_of(findings_by_kind(of_check)),
        "runbook": runbook(settings, str(in_order["kind"].iloc[0]) if len(in_order) else kinds[0]),
    }
    if len(red):
        description = _red_sentence(red, in_order.iloc[0])
    else:
        description = _green_sentence(len(of_check), int(accepted.sum()))
    return check_result(check, red.empty, description, metadata)


def _red_sentence(red: pd.DataFrame, first: "pd.Series") -> str:
    """What is wrong, with what money, since when, and what to look at first."""
    need = "finding needs" if len(red) == 1 else "findings need"
    return (
        f"{len(red):,} {need} somebody, {int(is_new(red).sum()):,} of them new: "
        f"{money_either_way(red['usd_cents'])}. First: {first['subject']}: {short(first['explanation'])}"
    )


def _green_sentence(findings: int, accepted: int) -> str:
    below = f"; {findings - accepted:,} below error" if findings - accepted else ""
    return f"Nothing needs anybody{below}{f'; {accepted:,} accepted' if accepted else ''}."


def _lacks_a_table(check: str, reading: StripeReadingRecord) -> bool:
    """Whether the night had no table for a kind of the check: then the check is not run, as without Stripe."""
    return any(f"stripe_{KINDS[kind].result}" in reading.absent for kind in kinds_of_check(check))


def _specs(
    asset: str, checks: Mapping[str, str], nights: dg.PartitionsDefinition, *deps: str
) -> list[dg.AssetCheckSpec]:
    upstream = ("findings", SoundTablesRecord.name, *deps)
    return [night_check(name, asset, description, nights, upstream) for name, description in checks.items()]
