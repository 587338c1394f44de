"""Checks: sentences that are true when green. Each judges what the night itself found of its kinds of finding.

A check is red where a finding of its kinds is `error` or above; what is explained, provisional or accepted by a person
leaves it green. The
checks that need Stripe hang on `stripe_reading`, which is always there: they fail where Stripe failed, and are not run
where Stripe was not asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pandas as pd

from billing_dq.defs.pages.metadata import Metadata, finding_rows, short, table_of
from billing_dq.defs.pages.runbook import runbook
from billing_dq.reconcile.findings.acceptance import is_accepted
from billing_dq.reconcile.findings.ageing import seen_open
from billing_dq.reconcile.soundness import stopped_by
from billing_dq.report.figures import findings_by_kind
from billing_dq.report.verdicts import in_order_of_work
from billing_dq.report.words import money_either_way
from billing_dq.settings import Settings
from billing_dq.storage.records import SnapshotFactsRecord, SoundTablesRecord, StripeReadingRecord
from billing_dq.vocabulary.kinds import KINDS, kinds_of_check

_RED = ("error", "critical")
#: Order of work within a check: what is red, then what is not, then what somebody accepted.
_VERDICT = {"critical": "unexplained", "error": "unexplained", "warning": "undecided", "info": "by_design"} | {
    "accepted": "accepted"
}


@dataclass(frozen=True)
class FindingCheck:
    """A check that is green where no finding of its kinds is red."""

    name: str
    asset: str
    description: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of finding that it judges (`vocabulary.kinds`)."""
        return kinds_of_check(self.name)


FINDING_CHECKS = (
    FindingCheck(
        "no_week_diverges",
        "meter_extras_deltas",
        "No closed week of an organization differs from its debits for a reason that is a defect.",
    ),
    FindingCheck(
        "no_small_difference_adds_up",
        "meter_extras_deltas",
        "No organization's differences below the tolerance add up over the weeks.",
    ),
    FindingCheck(
        "no_balance_is_running_away",
        "runaway_balances",
        "No balance is below its multiple of the week's quota.",
    ),
    FindingCheck(
        "every_balance_belongs_to_an_organization",
        "extras_balances",
        "Every balance document's organization exists, or its subscription does.",
    ),
    FindingCheck(
        "every_ledger_is_sound",
        "ledger_violations",
        "Every ledger adds up to its balance and keeps the rules of its entries.",
    ),
    FindingCheck(
        "no_subscription_is_past_due_and_active",
        "subscriptions",
        "No active subscription is still marked as past due.",
    ),
    FindingCheck(
        "every_paid_plan_has_its_own_subscription",
        "subscriptions",
        "Every paid plan has a subscription of its own, or a person set it by hand.",
    ),
    FindingCheck(
        "no_event_is_dead_lettered",
        "dead_lettered_events",
        "The application gave up on no webhook event.",
    ),
)
STRIPE_CHECKS = (
    FindingCheck(
        "subscriptions_agree_with_stripe",
        StripeReadingRecord.name,
        "Every subscription has the same status, plan and customer on both sides, is known on both, and collects.",
    ),
    FindingCheck(
        "every_invoice_marker_is_current",
        StripeReadingRecord.name,
        "No subscription's invoice marker is older than its newest paid invoice.",
    ),
    FindingCheck(
        "every_dispute_is_settled_in_the_ledger",
        StripeReadingRecord.name,
        "Every withdrawal of a pack's money has one clawback, and every credit a reinstatement.",
    ),
    FindingCheck(
        "every_paid_pack_is_delivered",
        StripeReadingRecord.name,
        "Every pack that was paid has its top-up of its units in its own ledger, and no failed refund keeps units.",
    ),
    FindingCheck(
        "every_topup_was_paid",
        StripeReadingRecord.name,
        "No ledger was given units for a payment that failed, for test mode, or for another ledger's session.",
    ),
    FindingCheck(
        "every_refund_is_settled_in_the_ledger",
        StripeReadingRecord.name,
        "Every refund took its share of the pack's units, once, and no units were taken for any other.",
    ),
)
STRIPE_WAS_READ = "stripe_was_read"


def told_by_the_night() -> frozenset[str]:
    """The checks that sum up what the alerts of a night tell by themselves: findings, and a Stripe that failed."""
    return frozenset({STRIPE_WAS_READ, *(check.name for check in (*FINDING_CHECKS, *STRIPE_CHECKS))})


def night_check(
    name: str,
    asset: str,
    description: str,
    nights: dg.PartitionsDefinition,
    deps: tuple[str, ...] = (),
    blocking: bool = False,
) -> dg.AssetCheckSpec:
    """A check of an asset's night."""
    return dg.AssetCheckSpec(
        name, asset=asset, description=description, additional_deps=deps, blocking=blocking, partitions_def=nights
    )


def finding_checks(nights: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """All checks that judge findings, and the one that proves that no document was left out."""

    @dg.multi_asset_check(
        name="stripe_checks",
        specs=[
            night_check(
                STRIPE_WAS_READ,
                StripeReadingRecord.name,
                "Stripe answered what the night asked of it.",
                nights,
                deps=(SoundTablesRecord.name,),
            ),
            *(_spec(check, nights) for check in STRIPE_CHECKS),
        ],
        ins={
            "findings": dg.AssetIn("findings"),
            "stripe_reading": dg.AssetIn(StripeReadingRecord.name),
            "sound_tables": dg.AssetIn(SoundTablesRecord.name),
        },
        can_subset=True,
    )
    def of_stripe(
        context: dg.AssetCheckExecutionContext,
        findings: pd.DataFrame,
        stripe_reading: StripeReadingRecord,
        sound_tables: SoundTablesRecord,
        settings: dg.ResourceParam[Settings],
    ) -> Iterator[dg.AssetCheckResult]:
        """Judge what the comparison with Stripe came to; nothing is said where Stripe was not asked."""
        if stripe_reading.state == "not_run":
            context.log.info(f"not run: {stripe_reading.reason}")
            return
        wanted = {key.name for key in context.selected_asset_check_keys}
        failed = stripe_reading.state == "failed"
        if STRIPE_WAS_READ in wanted:
            absent = "; ".join(f"no {name}: {reason}" for name, reason in stripe_reading.absent.items())
            said = stripe_reading.reason or absent or "read"
            yield _result(STRIPE_WAS_READ, StripeReadingRecord.name, not failed, said, {})
        seen = seen_open(findings, context.partition_key)
        for check in STRIPE_CHECKS:
            if check.name in wanted and failed:
                why = f"not examined, Stripe could not be read: {stripe_reading.reason}"
                yield _result(check.name, check.asset, False, why, {"error": stripe_reading.reason})
            elif check.name in wanted and not _lacks_a_table(check, stripe_reading):
                yield _not_computed(check, sound_tables) or judge(check, seen, settings)

    @dg.asset_check(
        asset="quarantined_documents",
        additional_ins={"snapshot_facts": dg.AssetIn(SnapshotFactsRecord.name)},
        partitions_def=nights,
        description="Documents counted = read + quarantined (+ those of weeks that the night does not cover).",
    )
    def every_document_was_read_or_quarantined(
        quarantined_documents: pd.DataFrame, snapshot_facts: SnapshotFactsRecord
    ) -> dg.AssetCheckResult:
        counts = snapshot_facts.counts
        off = {
            name: count.counted - count.read - count.quarantined - count.out_of_scope for name, count in counts.items()
        }
        lost = {name: rest for name, rest in off.items() if rest}
        said = f"{sum(count.counted for count in counts.values()):,} documents are accounted for"
        if lost:
            said = f"{sum(lost.values()):,} documents are neither read nor quarantined: {lost}"
        why = snapshot_facts.incomplete_because
        return dg.AssetCheckResult(
            passed=not lost and not why,
            description=f"the night is incomplete: {why}" if why else said,
            metadata={
                "quarantined": sum(count.quarantined for count in counts.values()),
                "counts": table_of([{"collection": name, **count.model_dump()} for name, count in counts.items()]),
            },
        )

    return [*_of_mongodb(nights), of_stripe, every_document_was_read_or_quarantined]


def _of_mongodb(nights: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """A step for each asset: Dagster skips a step one of whose assets could not be computed."""
    assets = dict.fromkeys(check.asset for check in FINDING_CHECKS)
    return [_of_asset(asset, [check for check in FINDING_CHECKS if check.asset == asset], nights) for asset in assets]


def _of_asset(asset: str, checks: list[FindingCheck], nights: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"{asset}_finding_checks",
        specs=[_spec(check, nights, SnapshotFactsRecord.name) for check in checks],
        ins={
            "findings": dg.AssetIn("findings"),
            "snapshot_facts": dg.AssetIn(SnapshotFactsRecord.name),
            "sound_tables": dg.AssetIn(SoundTablesRecord.name),
        },
    )
    def of_asset(
        context: dg.AssetCheckExecutionContext,
        findings: pd.DataFrame,
        snapshot_facts: SnapshotFactsRecord,
        sound_tables: SoundTablesRecord,
        settings: dg.ResourceParam[Settings],
    ) -> Iterator[dg.AssetCheckResult]:
        """Judge what the night found about the asset; an incomplete night is never green."""
        seen, why = seen_open(findings, context.partition_key), snapshot_facts.incomplete_because
        for check in checks:
            if why:
                yield _result(check.name, check.asset, False, f"the night is incomplete: {why}", {"error": why})
            else:
                yield _not_computed(check, sound_tables) or judge(check, seen, settings)

    return of_asset


def _lacks_a_table(check: FindingCheck, reading: StripeReadingRecord) -> bool:
    """Whether the night had no table for a kind of the check: then the check is not run, as without Stripe."""
    return any(f"stripe_{KINDS[kind].result}" in reading.absent for kind in check.kinds)


def _not_computed(check: FindingCheck, sound_tables: SoundTablesRecord) -> dg.AssetCheckResult | None:
    """The red result of a check whose findings rest on a table that breaks a critical expectation."""
    stopped = {table for kind in check.kinds for table in stopped_by(KINDS[kind].result, sound_tables.unsound)}
    if not stopped:
        return None
    why = sound_tables.reason(tuple(sorted(stopped)))
    return _result(check.name, check.asset, False, f"not examined: {why}", {"error": why})


def _spec(check: FindingCheck, nights: dg.PartitionsDefinition, *more: str) -> dg.AssetCheckSpec:
    return night_check(
        check.name, check.asset, check.description, nights, deps=("findings", SoundTablesRecord.name, *more)
    )


def judge(check: FindingCheck, seen: pd.DataFrame, settings: Settings) -> dg.AssetCheckResult:
    """What a check says of the findings that a night itself saw; those that people accepted turn nothing red."""
    mine = seen[seen["kind"].isin(check.kinds)]
    accepted = is_accepted(mine)
    red = mine[mine["severity"].isin(_RED) & ~accepted]
    order = in_order_of_work(mine, mine["severity"].where(~accepted, "accepted").map(_VERDICT))
    cents = red["usd_cents"]
    details: Metadata = {
        "red": len(red),
        "usd_owed_to_us": float(cents.clip(lower=0).sum()) / 100,
        "usd_owed_to_customers": float(-cents.clip(upper=0).sum()) / 100,
        "findings": len(mine),
        "accepted": int(accepted.sum()),
        "units": float(red["units"].sum()),
        "first_rows": table_of(finding_rows(order)),
        "by_kind": table_of(findings_by_kind(mine)),
        "runbook": runbook(settings, str(order["kind"].iloc[0]) if len(order) else check.kinds[0]),
    }
    said = _red_sentence(red, order) if len(red) else _green_sentence(len(mine), int(accepted.sum()))
    return _result(check.name, check.asset, red.empty, said, details)


def _red_sentence(red: pd.DataFrame, order: pd.DataFrame) -> str:
    """What is wrong, with what money, since when, and what to look at first."""
    new = int((red["state"] == "new").sum())
    first = order.iloc[0]
    return (
        f"{len(red):,} {'finding needs' if len(red) == 1 else 'findings need'} somebody, {new:,} of them new: "
        f"{money_either_way(red['usd_cents'])}. First: {first['subject']}: {short(first['explanation'])}"
    )


def _green_sentence(found: int, accepted: int) -> str:
    below = f"; {found - accepted:,} below error" if found - accepted else ""
    return f"Nothing needs anybody{below}{f'; {accepted:,} accepted' if accepted else ''}."


def _result(name: str, asset: str, passed: bool, said: str, details: Metadata) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        check_name=name,
        asset_key=asset,
        description=said,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=details,
    )
