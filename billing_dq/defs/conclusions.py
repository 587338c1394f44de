"""What the night concludes: the comparison with Stripe, the findings with their ageing, the headline figures.

One step for the comparison and the findings: without a reading of Stripe, `subscription_drift` and `dispute_positions`
do not exist that night, and the findings are made all the same. So they are where a table that a result rests on breaks
a critical expectation: that result was not examined.
"""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from billing_dq.credits.anchor import anchor_of
from billing_dq.defs.inputs import stripe_tables, whole
from billing_dq.defs.jobs import MANIFEST
from billing_dq.defs.nights import NIGHT_BEFORE, POOL, after_the_nights_before
from billing_dq.defs.pages.conclusions import (
    drift_page,
    findings_page,
    first_figures,
    link_to_report,
    money,
    positions_page,
    sentence_of,
)
from billing_dq.defs.pages.metadata import table_asset, table_metadata, table_out, tags_of
from billing_dq.defs.pages.texts import OWNERS, TEXTS
from billing_dq.errors import SourceError
from billing_dq.policy import policy_of
from billing_dq.reconcile.findings.ageing import seen_open
from billing_dq.reconcile.inputs import ApplicationTables
from billing_dq.reconcile.meter.meter_extras import MeterResult
from billing_dq.reconcile.night import NightResults, StripeComparison, drift_table, findings_stage, stripe_stage
from billing_dq.report.figures import headlines
from billing_dq.report.night import Lacks, read_night
from billing_dq.report.verdicts import verdicts
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
    COLUMN_PROFILES,
    DEAD_LETTERED_EVENTS,
    DISPUTE_ENTRIES,
    DISPUTE_POSITIONS,
    EXTRAS_BALANCES,
    FINDINGS,
    FOLLOWED_WEEKS,
    LEDGER_SUSPECTS,
    LEDGER_VIOLATIONS,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    NIGHT_MEASURES,
    NIGHTLY_REPORT,
    ORGANIZATIONS,
    PACK_PURCHASES,
    QUARANTINED_DOCUMENTS,
    REFUND_ENTRIES,
    RUNAWAY_BALANCES,
    SUBSCRIPTION_DRIFT,
    SUBSCRIPTIONS,
    TABLES,
    UNREADABLE_KEYS,
    Table,
)

GROUP = "conclusions"
PAGE = "report"
VERDICT_TAG, SUMMARY_TAG = "billing_dq/verdict", "billing_dq/summary"
#: Tables that may or may not be written before the figures are taken: the same night gives the same figures.
_BESIDE_THE_REPORT = {NIGHTLY_REPORT.name, NIGHT_MEASURES.name, COLUMN_PROFILES.name}


#: What each output rests on; the whole step is given all of it.
_COMPARED = (SUBSCRIPTIONS, UNREADABLE_KEYS)
_OF_DISPUTES = (DISPUTE_ENTRIES, PACK_PURCHASES, ORGANIZATIONS, EXTRAS_BALANCES)
_OF_PAYMENTS = (PACK_PURCHASES, REFUND_ENTRIES, LEDGER_SUSPECTS)
_OF_FINDINGS = (
    *_OF_PAYMENTS,
    DEAD_LETTERED_EVENTS,
    QUARANTINED_DOCUMENTS,
    ORGANIZATIONS,
    EXTRAS_BALANCES,
    FOLLOWED_WEEKS,
)


def conclusion_assets(nights: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets that people read first."""
    of_night = (SnapshotFactsRecord, StripeReadingRecord, SoundTablesRecord, ReconciliationRecord)
    records = {dg.AssetKey(record.name) for record in of_night}
    compared = records | _keys(*_COMPARED)

    @dg.multi_asset(
        name="conclusions",
        partitions_def=nights,
        ins=whole(*dict.fromkeys(table.name for table in (*_COMPARED, *_OF_DISPUTES, *_OF_FINDINGS))),
        outs={
            SUBSCRIPTION_DRIFT.name: table_out(SUBSCRIPTION_DRIFT.name, required=False),
            DISPUTE_POSITIONS.name: table_out(DISPUTE_POSITIONS.name, required=False),
            FINDINGS.name: table_out(FINDINGS.name),
        },
        internal_asset_deps={
            SUBSCRIPTION_DRIFT.name: compared,
            DISPUTE_POSITIONS.name: compared | _keys(*_OF_DISPUTES),
            FINDINGS.name: compared | _keys(*_OF_FINDINGS, SUBSCRIPTION_DRIFT, DISPUTE_POSITIONS, FINDINGS),
        },
        group_name=GROUP,
        deps=[dg.AssetDep(FINDINGS.name, partition_mapping=NIGHT_BEFORE)],
        pool=POOL,
    )
    def conclusions(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        stripe_reading: StripeReadingRecord,
        sound_tables: SoundTablesRecord,
        reconciliation: ReconciliationRecord,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
        **frames: pd.DataFrame,
    ) -> Iterator[dg.Output]:
        """Compare with Stripe where it was read, then turn every result into findings with their state."""
        unsound = sound_tables.unsound
        key, weeks, policy = context.partition_key, snapshot_facts.weeks, policy_of(settings)
        after_the_nights_before(lake, key)
        is_whole = not snapshot_facts.incomplete_because
        ours, theirs = ApplicationTables(weeks, frames, is_whole), stripe_tables(lake, key, stripe_reading)
        comparison = None if theirs is None else stripe_stage(ours, theirs, policy, unsound)
        drift = None if comparison is None else drift_table(comparison, ours, policy)
        disputes = None if comparison is None else comparison.disputes
        if drift is not None:
            yield dg.Output(drift, SUBSCRIPTION_DRIFT.name, metadata=drift_page(drift, settings, lake, key))
        if disputes is not None:
            positions = disputes.positions
            shown = positions_page(positions, settings, lake, key)
            yield dg.Output(positions, DISPUTE_POSITIONS.name, metadata=shown)
        for table, is_there in ((SUBSCRIPTION_DRIFT, drift is not None), (DISPUTE_POSITIONS, disputes is not None)):
            if not is_there:  # what a replaced reading left behind
                lake.remove(table, key)
        results = _results(lake, key, reconciliation, comparison)
        findings = findings_stage(results, ours, theirs, policy, earlier_than(lake, key, weeks), unsound)
        seen = seen_open(findings, key)
        deltas = METER_EXTRAS_DELTAS.empty() if results.meter is None else results.meter.deltas
        yield dg.Output(findings, FINDINGS.name, metadata=findings_page(lake, key, seen, deltas, settings))

    @table_asset(NIGHTLY_REPORT.name, nights, GROUP)
    def nightly_report(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        stripe_reading: StripeReadingRecord,
        reconciliation: ReconciliationRecord,
        findings: pd.DataFrame,
        night_lock: dg.ResourceParam[None],
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> dg.Output[pd.DataFrame]:
        """Put the night in figures, and beside the nights before it."""
        key = context.partition_key
        deltas = lake.frame_or_empty(METER_EXTRAS_DELTAS, key)
        seen = seen_open(findings, key)
        tables = {name: lake.stored(table, key) for name, table in TABLES.items() if name not in _BESIDE_THE_REPORT}
        rows = {name: table.rows for name, table in tables.items() if table is not None}
        resolved = int((findings["state"] == "resolved").sum())
        report = headlines(snapshot_facts, stripe_reading, rows, deltas, seen, resolved)
        lacks = Lacks(snapshot_facts.incomplete_because, reconciliation.absent)
        verdict, sentence = headline(seen, verdicts(seen, deltas), stripe_reading, key, lacks)
        # beside the run in every list of runs, so that a night can be told without opening it
        context.instance.add_run_tags(context.run.run_id, {VERDICT_TAG: verdict, SUMMARY_TAG: sentence})
        shown = money(seen, deltas)
        return dg.Output(
            report,
            metadata={
                "in_one_sentence": sentence_of(verdict, sentence),
                "report": link_to_report(settings, key),
                "audit_anchor": AuditAnchorRecord(anchor=anchor_of(settings.state_directory))
                .keep(lake.home, key)
                .anchor,
                **table_metadata(lake, key, NIGHTLY_REPORT, shown, first_figures(report)),
            },
        )

    @dg.asset(
        name=PAGE,
        partitions_def=nights,
        group_name=GROUP,
        deps=[MANIFEST, NIGHTLY_REPORT.name, FINDINGS.name, ReconciliationRecord.name],
        kinds={"html", "markdown"},
        description=TEXTS[PAGE].markdown(),
        owners=list(OWNERS),
        tags=tags_of(PAGE),
    )
    def page(
        context: dg.AssetExecutionContext, night_lock: dg.ResourceParam[None], settings: dg.ResourceParam[Settings]
    ) -> dg.MaterializeResult:
        """Write the report from the stored tables: a step of its own, so that they stand whatever becomes of it."""
        from billing_dq.report.storing import store_report  # Altair costs a second

        night = read_night(settings, context.partition_key)
        path = store_report(settings, night)
        verdict, sentence = headline(night.findings, night.verdict, night.stripe, night.night, night.lacks)
        return dg.MaterializeResult(
            metadata={
                "in_one_sentence": sentence_of(verdict, sentence),
                "report": link_to_report(settings, night.night),
                **money(seen_open(night.findings, night.night), night.deltas),
                "for_a_ticket": dg.MetadataValue.md(path.with_suffix(".md").read_text(encoding="utf-8")),
                "open_it": f"billing-dq report {night.night} --open",
            }
        )

    return [conclusions, nightly_report, page]


def _results(
    lake: Lake, night: str, reconciliation: ReconciliationRecord, comparison: StripeComparison | None
) -> NightResults:
    """The stored results of a night; they are no inputs of an asset: Dagster would skip it where one is absent.

    Raises:
        SourceError: a result is gone that the night has computed.
    """

    def of(table: Table) -> pd.DataFrame | None:
        if table.name in reconciliation.absent:
            return None
        found = lake.stored(table, night)
        if found is None:
            raise SourceError(f"{table.name} of the night of {night} is not stored, though it was computed")
        return found.frame()

    deltas, evidence = of(METER_EXTRAS_DELTAS), of(METER_EXTRAS_EVIDENCE)
    meter = None if deltas is None or evidence is None else MeterResult(deltas, evidence)
    return NightResults(meter, of(RUNAWAY_BALANCES), of(LEDGER_VIOLATIONS), comparison)


def _keys(*tables: Table) -> set[dg.AssetKey]:
    return {dg.AssetKey(table.name) for table in tables}
