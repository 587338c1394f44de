"""What the night concludes: the comparison with Stripe, the findings with their ageing, the headline figures.

One step makes the comparison and the findings: without a reading of Stripe, `subscription_drift` and
`dispute_positions` do not exist that night, and the findings are made all the same. So they are where a table that a
result rests on breaks a critical expectation: that result was not examined.
Not here: any rule (`reconcile/`), and what the pages show (`pages/`).
"""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from billing_dq.credits.anchor import anchor_of
from billing_dq.defs.asset_names import MANIFEST, REPORT, asset_key, asset_keys, location_name, op_name
from billing_dq.defs.declarations import asset_out, night_asset
from billing_dq.defs.inputs import frames_in, stripe_tables
from billing_dq.defs.nights import NIGHT_BEFORE, POOL, after_the_nights_before
from billing_dq.defs.pages.conclusions import (
    drift_page,
    findings_page,
    link_to_report,
    money,
    positions_page,
    report_page,
    sentence_of,
)
from billing_dq.errors import SourceError
from billing_dq.policy import policy_of
from billing_dq.reconcile.findings.standing import is_open, seen_open, verdicts
from billing_dq.reconcile.inputs import ApplicationTables
from billing_dq.reconcile.meter.meter_extras import MeterResult
from billing_dq.reconcile.night import NightResults, StripeComparison, drift_table, findings_stage, stripe_stage
from billing_dq.report.figures import headlines
from billing_dq.report.night import Lacks, read_night
from billing_dq.report.words import headline
from billing_dq.settings import Settings
from billing_dq.storage.history import earlier_than
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import (
    AuditAnchorRecord,
    ReconciliationRecord,
    SnapshotFactsRecord,
    SoundTablesRecord,
    StripeReadingRecord,
)
from billing_dq.tables import (
    DISPUTE_POSITIONS,
    FINDINGS,
    LEDGER_VIOLATIONS,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    NIGHTLY_REPORT,
    RUNAWAY_BALANCES,
    SUBSCRIPTION_DRIFT,
    TABLES,
    Table,
)

#: Tags of a run with the night in a word and in a sentence, which every list of runs shows.
VERDICT_TAG, SUMMARY_TAG = "billing_dq/verdict", "billing_dq/summary"
#: Tables that may or may not be written before the figures are counted: the same night gives the same figures.
_BESIDE_THE_REPORT = ("nightly_report", "night_measures", "column_profiles")
_RECORDS = (SnapshotFactsRecord.name, StripeReadingRecord.name, SoundTablesRecord.name, ReconciliationRecord.name)

#: What each output rests on; the step reads all of it.
_COMPARED = ("subscriptions", "unreadable_keys")
_OF_DISPUTES = ("dispute_entries", "pack_purchases", "organizations", "extras_balances")
_OF_FINDINGS = (
    *("pack_purchases", "refund_entries", "ledger_suspects", "dead_lettered_events", "quarantined_documents"),
    *("organizations", "extras_balances", "followed_weeks"),
)


def conclusion_assets(nights: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets that people read first."""
    drift_name, positions_name, findings_name = SUBSCRIPTION_DRIFT.name, DISPUTE_POSITIONS.name, FINDINGS.name
    compared = asset_keys(*_RECORDS, *_COMPARED)

    @dg.multi_asset(
        name=op_name("conclusions"),
        partitions_def=nights,
        ins={
            **{name: dg.AssetIn(asset_key(name)) for name in _RECORDS},
            **frames_in(dict.fromkeys((*_COMPARED, *_OF_DISPUTES, *_OF_FINDINGS))),
        },
        outs={
            drift_name: asset_out(drift_name, required=False),
            positions_name: asset_out(positions_name, required=False),
            findings_name: asset_out(findings_name),
        },
        internal_asset_deps={
            drift_name: compared,
            positions_name: compared | asset_keys(*_OF_DISPUTES),
            findings_name: compared | asset_keys(*_OF_FINDINGS, drift_name, positions_name, findings_name),
        },
        group_name=location_name("conclusions"),
        deps=[dg.AssetDep(asset_key(findings_name), partition_mapping=NIGHT_BEFORE)],
        pool=POOL,  # one night at a time: each is judged by the nights before it
    )
    def conclusions(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        stripe_reading: StripeReadingRecord,
        sound_tables: SoundTablesRecord,
        reconciliation: ReconciliationRecord,
        billing_dq_settings: dg.ResourceParam[Settings],
        billing_dq_lake: dg.ResourceParam[Lake],
        **frames: pd.DataFrame,
    ) -> Iterator[dg.Output]:
        """Compare with Stripe where it was read, then turn every result into findings with their state."""
        night, weeks, policy = context.partition_key, snapshot_facts.weeks, policy_of(billing_dq_settings)
        after_the_nights_before(billing_dq_lake, night)
        application = ApplicationTables(weeks, frames, not snapshot_facts.incomplete_because)
        at_stripe = stripe_tables(billing_dq_lake, night, stripe_reading)
        comparison = stripe_stage(application, at_stripe, policy, sound_tables.unsound) if at_stripe else None
        drift = drift_table(comparison, application, policy) if comparison else None
        positions = comparison.disputes.positions if comparison and comparison.disputes else None
        for table, frame, page in (
            (SUBSCRIPTION_DRIFT, drift, drift_page),
            (DISPUTE_POSITIONS, positions, positions_page),
        ):
            if frame is None:  # what a replaced reading left behind
                billing_dq_lake.remove(table, night)
            else:
                yield dg.Output(frame, table.name, metadata=page(frame, billing_dq_settings, billing_dq_lake, night))
        results, earlier = (
            _results(billing_dq_lake, night, reconciliation, comparison),
            earlier_than(billing_dq_lake, night, weeks),
        )
        findings = findings_stage(results, application, at_stripe, policy, earlier, sound_tables.unsound)
        yield dg.Output(
            findings, findings_name, metadata=findings_page(billing_dq_lake, night, findings, billing_dq_settings)
        )

    return [conclusions, _nightly_report(nights), _page(nights)]


def _nightly_report(nights: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    # the results are read from the lake and are no inputs: Dagster would skip the report where one is absent
    @night_asset(NIGHTLY_REPORT.name, nights, "conclusions")
    def nightly_report(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        stripe_reading: StripeReadingRecord,
        reconciliation: ReconciliationRecord,
        findings: pd.DataFrame,
        billing_dq_night_lock: dg.ResourceParam[None],
        billing_dq_settings: dg.ResourceParam[Settings],
        billing_dq_lake: dg.ResourceParam[Lake],
    ) -> dg.Output[pd.DataFrame]:
        """Put the night in figures, and beside the nights before it."""
        night = context.partition_key
        deltas = billing_dq_lake.frame_or_empty(METER_EXTRAS_DELTAS, night)
        open_findings = seen_open(findings, night)
        tables = {
            name: billing_dq_lake.stored(table, night)
            for name, table in TABLES.items()
            if name not in _BESIDE_THE_REPORT
        }
        rows = {name: table.rows for name, table in tables.items() if table is not None}
        resolved = int((~is_open(findings)).sum())
        report = headlines(snapshot_facts, stripe_reading, rows, deltas, open_findings, resolved)
        lacks = Lacks(snapshot_facts.incomplete_because, reconciliation.absent)
        verdict, sentence = headline(open_findings, verdicts(open_findings), stripe_reading, night, lacks)
        context.instance.add_run_tags(context.run.run_id, {VERDICT_TAG: verdict, SUMMARY_TAG: sentence})
        anchor = (
            AuditAnchorRecord(anchor=anchor_of(billing_dq_settings.state_directory))
            .keep(billing_dq_lake.home, night)
            .anchor
        )
        metadata = {
            "in_one_sentence": sentence_of(verdict, sentence),
            "report": link_to_report(billing_dq_settings, night),
            "audit_anchor": anchor,
            **report_page(billing_dq_lake, night, report, money(open_findings)),
        }
        return dg.Output(report, metadata=metadata)

    return nightly_report


def _page(nights: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    upstream = [MANIFEST, NIGHTLY_REPORT.name, FINDINGS.name, ReconciliationRecord.name]

    @night_asset(REPORT, nights, "conclusions", upstream, kinds=("html", "markdown"))
    def page(
        context: dg.AssetExecutionContext,
        billing_dq_night_lock: dg.ResourceParam[None],
        billing_dq_settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        """Write the report from the stored tables: a step of its own, so that they stand whatever becomes of it."""
        from billing_dq.report.storing import store_report  # Altair costs a second

        night = read_night(billing_dq_settings, context.partition_key)
        path = store_report(billing_dq_settings, night)
        verdict, sentence = headline(night.findings, night.verdict, night.stripe, night.night, night.lacks)
        return dg.MaterializeResult(
            metadata={
                "in_one_sentence": sentence_of(verdict, sentence),
                "report": link_to_report(billing_dq_settings, night.night),
                **money(seen_open(night.findings, night.night)),
                "for_a_ticket": dg.MetadataValue.md(path.with_suffix(".md").read_text(encoding="utf-8")),
                "open_it": f"billing-dq report {night.night} --open",
            }
        )

    return page


def _results(
    lake: Lake, night: str, reconciliation: ReconciliationRecord, comparison: StripeComparison | None
) -> NightResults:
    """The stored results of a night; they are no inputs of an asset: Dagster would skip it where one is absent.

    Raises:
        SourceError: a result is gone that the night has computed.
    """

    def frame(table: Table) -> pd.DataFrame | None:
        if table.name in reconciliation.absent:
            return None
        stored = lake.stored(table, night)
        if stored is None:
            raise SourceError(f"{table.name} of the night of {night} is not stored, though it was computed")
        return stored.frame()

    deltas, evidence = frame(METER_EXTRAS_DELTAS), frame(METER_EXTRAS_EVIDENCE)
    meter = None if deltas is None or evidence is None else MeterResult(deltas, evidence)
    return NightResults(meter, frame(RUNAWAY_BALANCES), frame(LEDGER_VIOLATIONS), comparison)
