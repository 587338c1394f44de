"""The jobs of a night, and which part of which job a night needs that ended half-way.

Not here: which assets a job selects (`definitions`), and what they do.
"""

from typing import Literal

import dagster as dg

from billing_dq.defs.asset_names import DATA_PAGE, REPORT, STRIPE_TABLES, asset_key, asset_keys
from billing_dq.settings import Settings
from billing_dq.storage.earlier_nights import is_read
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import NIGHTLY_REPORT, TABLES

RECONCILE_NIGHT = "reconcile_night"
CONCLUDE_NIGHT = "conclude_night"
DESCRIPTIONS = {
    RECONCILE_NIGHT: "Read MongoDB and Stripe once, reconcile them, and report the findings.",
    CONCLUDE_NIGHT: "Reconcile a stored night again, from what it read and without reading anything anew: the same "
    "tables give the same bytes.",
}
#: What of a job is run: all of it, what follows the reading of MongoDB, or the pages.
Part = Literal["all", "after_mongodb", "pages"]


def part_of(job: dg.JobDefinition, part: Part) -> dg.JobDefinition:
    """The part of a job that a night lacks, as a run of the same job; the pages have no check."""
    layer = job.asset_layer
    if part == "pages":
        return job.get_subset(asset_selection=asset_keys(REPORT, DATA_PAGE), asset_check_selection=set())
    if part == "after_mongodb":
        snapshot = layer.asset_graph.get(asset_key(SnapshotFactsRecord.name)).execution_set_entity_keys
        checks = set(layer.asset_graph.asset_check_keys)
        return job.get_subset(asset_selection=set(layer.selected_asset_keys) - snapshot, asset_check_selection=checks)
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
    has_tables = all(lake.stored(TABLES[name], night) for name in STRIPE_TABLES)
    if stripe is None or (stripe.state == "read" and not has_tables):
        return RECONCILE_NIGHT, "after_mongodb"
    return CONCLUDE_NIGHT, "all"
