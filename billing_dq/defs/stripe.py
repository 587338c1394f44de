"""The night's reading of Stripe. Absent, never empty: without a reading its tables do not exist that night.

`stripe_reading` always exists and says whether the tables do and why they do not; it follows from them, and what
compares with Stripe hangs on it. An error of Stripe therefore never hides the findings that need no Stripe.
Not here: what Stripe's objects mean (`sources/stripe/`).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Literal

import dagster as dg
import pandas as pd

from billing_dq.defs.asset_names import (
    OPTIONAL_STRIPE_TABLES,
    STRIPE_TABLES,
    asset_key,
    asset_keys,
    location_name,
    op_name,
)
from billing_dq.defs.declarations import asset_out
from billing_dq.defs.nights import refuse
from billing_dq.defs.outside import resources_of
from billing_dq.defs.pages.sources import stripe_page, stripe_table_page
from billing_dq.defs.resources import NightConfig, ProgressTo
from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq.sources.progress import Progress
from billing_dq.sources.stripe.api import read_stripe
from billing_dq.sources.stripe.payments import sessions_of
from billing_dq.storage.history import disputes_to_read_again, payments_to_read_again
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import PACK_PURCHASES, TABLES

#: How long after MongoDB Stripe may still be read, by a run that finishes a night; and how far a clock may be set back.
_LATEST, _CLOCK_SET_BACK = timedelta(hours=6), timedelta(minutes=-1)
_NAMES = (*STRIPE_TABLES, *OPTIONAL_STRIPE_TABLES)
_NO_KEY = "no Stripe key is set (BILLING_DQ_STRIPE_API_KEY): nothing was compared with Stripe"


def stripe_assets(nights: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The multi-asset of Stripe's side."""
    record_name, snapshot_key = StripeReadingRecord.name, asset_key(SnapshotFactsRecord.name)

    @dg.multi_asset(
        name=op_name("stripe"),
        partitions_def=nights,
        ins={SnapshotFactsRecord.name: dg.AssetIn(snapshot_key)},
        outs={name: asset_out(name, "stripe", required=False) for name in (*_NAMES, record_name)},
        deps=sorted(resources_of(record_name)),
        internal_asset_deps={
            **{name: {snapshot_key, *resources_of(name)} for name in _NAMES},
            record_name: {snapshot_key, *resources_of(record_name), *asset_keys(*_NAMES)},
        },
        group_name=location_name("stripe"),
    )
    def stripe(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        billing_dq_night: NightConfig,
        billing_dq_night_lock: dg.ResourceParam[None],
        billing_dq_settings: dg.ResourceParam[Settings],
        billing_dq_lake: dg.ResourceParam[Lake],
        billing_dq_progress: dg.ResourceParam[ProgressTo],
    ) -> Iterator[dg.Output]:
        """Read subscriptions, newest paid invoices and disputes, and record why where that was not possible."""
        key = context.partition_key
        if not billing_dq_night.again and StripeReadingRecord.of(billing_dq_lake.home, key) is not None:
            reason = f"Stripe's side of the night of {key} is stored, and what a night read is never read again"
            refuse(context, f"{reason}; ask for it with `again` (--again) to replace it knowingly")
            return
        _remove_reading(billing_dq_lake, key)
        after = billing_dq_night.instant() - snapshot_facts.as_of
        reason = why_not_asked(snapshot_facts, after)
        if reason:
            record, frames = _without_reading("failed", reason), {}
        else:
            record, frames = _read(
                context, billing_dq_lake, billing_dq_settings, snapshot_facts, billing_dq_progress.of(context)
            )
        for name, frame in frames.items():
            yield dg.Output(frame, name, metadata=stripe_table_page(billing_dq_lake, key, TABLES[name], frame, record))
        if record.state != "read":
            context.log.warning(f"Stripe was not read: {record.reason}")
        for name, reason in record.absent.items():
            context.log.warning(f"no {name} tonight: {reason}")
        minutes = round(after.total_seconds() / 60, 1)
        yield dg.Output(record, record_name, metadata={**stripe_page(record), "minutes_after_mongodb": minutes})

    return stripe


def why_not_asked(snapshot: SnapshotFactsRecord, after: timedelta) -> str:
    """Why Stripe is not asked so long after MongoDB was read; empty where it is."""
    if snapshot.incomplete_because:  # what is missing here would look like a break at Stripe
        return "not asked, for the night is incomplete"
    if _CLOCK_SET_BACK <= after <= _LATEST:
        return ""
    return (
        f"not asked, for MongoDB was read at {snapshot.as_of:%Y-%m-%d %H:%M}, UTC, and Stripe shows the present only: "
        "what changed since would look like a break"
    )


def _remove_reading(lake: Lake, night: str) -> None:
    """Take away the record and the tables of a reading that is replaced."""
    lake.begin(night)
    StripeReadingRecord.remove(lake.home, night)
    for name in _NAMES:
        lake.remove(TABLES[name], night)


def _read(
    context: dg.AssetExecutionContext, lake: Lake, settings: Settings, snapshot: SnapshotFactsRecord, progress: Progress
) -> tuple[StripeReadingRecord, Mapping[str, pd.DataFrame]]:
    """Read Stripe, and the record of it; without tables where there is no key or the reading failed."""
    if settings.stripe_api_key is None:
        return _without_reading("not_run", _NO_KEY), {}
    try:
        reading = read_stripe(settings, snapshot.as_of, _to_read_again(context, lake, snapshot.as_of), progress)
    except SourceError as error:
        return _without_reading("failed", str(error)), {}
    except Exception as error:  # a defect of the reading; the findings about MongoDB need no Stripe
        # not the error's own words: they are written for programmers, and may quote what was sent
        context.log.exception("Stripe was not read because of an unexpected error")
        reason = f"an unexpected {type(error).__name__} while Stripe was read"
        run_id = context.run.run_id
        return _without_reading("failed", f"{reason}; the log of run {run_id} in Dagster has it all"), {}
    record = StripeReadingRecord(
        state="read",
        reason="",
        livemode=reading.livemode,
        requests=reading.requests,
        invoices_not_read=reading.invoices_not_read,
        absent=reading.absent,
        events_since=reading.events_since,
        since=reading.since,
        not_read=reading.not_read,
    )
    return record, reading.frames


def _without_reading(state: Literal["not_run", "failed"], reason: str) -> StripeReadingRecord:
    return StripeReadingRecord(state=state, reason=reason, livemode=None, requests={}, invoices_not_read=())


def _to_read_again(context: dg.AssetExecutionContext, lake: Lake, as_of: datetime) -> list[str]:
    """The sessions of the night's purchases, and the objects that earlier nights left open.

    None of the latter where these cannot be read: what Stripe shows now is kept, and the night is not concluded before
    they are restored.
    """
    night = context.partition_key
    purchases = lake.stored(PACK_PURCHASES, night)
    sessions = sessions_of(purchases.frame(), as_of) if purchases is not None else []
    try:
        return [*sessions, *disputes_to_read_again(lake, night), *payments_to_read_again(lake, night)]
    except SourceError as error:
        context.log.warning(f"nothing that earlier nights left open is read again: {error}")
        return sessions
