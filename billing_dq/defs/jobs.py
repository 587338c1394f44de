"""The jobs of a night: the whole of it, and what follows the sources; and what of them a night needs."""

from typing import Literal

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from billing_dq.settings import Settings
from billing_dq.storage.earlier_nights import is_read
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import NIGHTLY_REPORT, TABLES

RECONCILE_NIGHT = "reconcile_night"
CONCLUDE_NIGHT = "conclude_night"
#: The asset that ends the writing of a night, and its step.
MANIFEST = "night_manifest"
#: The assets that are pages of a night.
PAGES = ("report", "data_page")
#: What of a job is run: all of it, what follows the reading of MongoDB, or the pages.
Part = Literal["all", "after_mongodb", "pages"]
#: What every reading of Stripe has.
OF_EVERY_READING = ("stripe_subscriptions", "stripe_invoices", "stripe_disputes", "quarantined_stripe_objects")


def reconcile_night(selection: dg.AssetSelection, executor: dg.ExecutorDefinition) -> UnresolvedAssetJobDefinition:
    """The whole night. In one process by default: a process for each step would cost seconds each."""
    return dg.define_asset_job(
        RECONCILE_NIGHT,
        selection=selection,
        executor_def=executor,
        description="Read MongoDB and Stripe once, reconcile them, and say what was found.",
    )


def conclude_night(selection: dg.AssetSelection, executor: dg.ExecutorDefinition) -> UnresolvedAssetJobDefinition:
    """Everything after the sources, from what a night has stored: the same frames give the same bytes."""
    return dg.define_asset_job(
        CONCLUDE_NIGHT,
        selection=selection,
        executor_def=executor,
        description="Reconcile a stored night again, from what it read and without reading anything anew.",
    )


def part_of(job: dg.JobDefinition, part: Part) -> dg.JobDefinition:
    """The part of a job that a night lacks, as a run of the same job; of the pages no check is asked."""
    layer = job.asset_layer
    if part == "pages":
        return job.get_subset(asset_selection={dg.AssetKey(page) for page in PAGES}, asset_check_selection=set())
    if part == "after_mongodb":
        evidence = layer.asset_graph.get(dg.AssetKey(SnapshotFactsRecord.name)).execution_set_entity_keys
        checks = set(layer.asset_graph.asset_check_keys)
        return job.get_subset(asset_selection=set(layer.selected_asset_keys) - evidence, asset_check_selection=checks)
    return job


def what_is_missing(settings: Settings, night: str) -> tuple[str, Part] | None:
    """The job that makes what a night lacks, and the part of it; None where it lacks nothing."""
    lake = Lake(settings.home)
    if lake.is_whole(night) and lake.stored(NIGHTLY_REPORT, night) is not None:
        pages = (lake.report_path(night), lake.data_page_path(night))
        return None if all(page.exists() for page in pages) else (CONCLUDE_NIGHT, "pages")
    if not is_read(lake, night):
        return RECONCILE_NIGHT, "all"
    stripe = StripeReadingRecord.of(settings.home, night)
    is_there = all(lake.stored(TABLES[name], night) for name in OF_EVERY_READING)
    if stripe is None or (stripe.state == "read" and not is_there):
        return RECONCILE_NIGHT, "after_mongodb"
    return CONCLUDE_NIGHT, "all"
