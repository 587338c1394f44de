"""The night's reading of Stripe. Absent, never empty: without a reading its tables do not exist that night.

`stripe_reading` is always there and says whether the tables are and why they are not; it follows from them, and
what compares with Stripe hangs on it. An error of Stripe therefore never hides the rest of the night.
What Stripe's objects mean does not belong here: `sources/stripe/` makes rows of them.
"""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from billing_dq.defs.jobs import OF_EVERY_READING
from billing_dq.defs.nights import refuse
from billing_dq.defs.outside import resources_of
from billing_dq.defs.pages.metadata import record_out, table_out
from billing_dq.defs.pages.sources import stripe_page, stripe_table_page
from billing_dq.defs.resources import NightConfig, ProgressTo
from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq.sources.stripe.api import read_stripe
from billing_dq.storage.history import disputes_to_read_again, payments_to_read_again
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import TABLES as CONTRACTS

TABLES = OF_EVERY_READING
#: What a reading may lack: the record says which, and why.
OPTIONAL_TABLES = ("stripe_subscription_events", "stripe_charges", "stripe_refunds")
GROUP = "stripe"
#: So long after MongoDB Stripe may still be read, by a run that finishes a night; and so far a clock may be set back.
_HONEST, _SET_BACK = timedelta(hours=6), timedelta(minutes=-1)
NO_KEY = "no Stripe key is set (BILLING_DQ_STRIPE_API_KEY): nothing was compared with Stripe"


def unexpected(error: Exception, run_id: str) -> str:
    """The reason of a reading that failed in a way nobody foresaw, as one line."""
    return f"an unexpected {type(error).__name__} while Stripe was read; the log of run {run_id} in Dagster has it all"


def stripe_assets(nights: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The multi-asset of Stripe's side."""
    snapshot_facts = dg.AssetKey(SnapshotFactsRecord.name)

    @dg.multi_asset(
        name="stripe",
        partitions_def=nights,
        ins={SnapshotFactsRecord.name: dg.AssetIn(snapshot_facts)},
        outs={
            **{name: table_out(name, required=False, kinds=("stripe",)) for name in (*TABLES, *OPTIONAL_TABLES)},
            StripeReadingRecord.name: record_out(StripeReadingRecord.name, "stripe", required=False),
        },
        deps=sorted(resources_of(StripeReadingRecord.name)),
        internal_asset_deps={
            **{name: {snapshot_facts, *resources_of(name)} for name in (*TABLES, *OPTIONAL_TABLES)},
            StripeReadingRecord.name: {
                snapshot_facts,
                *resources_of(StripeReadingRecord.name),
                *(dg.AssetKey(name) for name in (*TABLES, *OPTIONAL_TABLES)),
            },
        },
        group_name=GROUP,
    )
    def stripe(
        context: dg.AssetExecutionContext,
        snapshot_facts: SnapshotFactsRecord,
        night: NightConfig,
        night_lock: dg.ResourceParam[None],
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
        progress: dg.ResourceParam[ProgressTo],
    ) -> Iterator[dg.Output]:
        """Read subscriptions, newest paid invoices and disputes; say so where that was not possible."""
        key = context.partition_key
        if not night.again and StripeReadingRecord.of(lake.home, key) is not None:
            refuse(
                context,
                f"Stripe's side of the night of {key} is stored, and what a night read is never read again; ask for "
                "it with `again` (--again) to replace it knowingly",
            )
            return
        lake.begin(key)
        StripeReadingRecord.remove(lake.home, key)
        for name in (*TABLES, *OPTIONAL_TABLES):  # what a replaced reading left behind
            lake.remove(CONTRACTS[name], key)
        record = StripeReadingRecord(state="not_run", reason=NO_KEY, livemode=None, requests={}, invoices_not_read=())
        after = night.instant() - snapshot_facts.as_of
        not_asked = why_not_asked(snapshot_facts, after)
        if not_asked:
            record = record.model_copy(update={"state": "failed", "reason": not_asked})
        elif settings.stripe_api_key is not None:
            try:
                again = _read_again(context, lake)
                reading = read_stripe(settings, snapshot_facts.as_of, again, progress.of(context))
            except SourceError as error:
                record = record.model_copy(update={"state": "failed", "reason": str(error)})
            except Exception as error:  # a defect of the reading; the rest of the night needs no Stripe
                # not the error's own words: they are written for programmers, and may quote what was sent
                context.log.exception("Stripe was not read because of an unexpected error")
                record = record.model_copy(update={"state": "failed", "reason": unexpected(error, context.run.run_id)})
            else:
                record = StripeReadingRecord(
                    state="read",
                    reason="",
                    livemode=reading.livemode,
                    requests=reading.requests,
                    invoices_not_read=reading.invoices_not_read,
                    absent=reading.absent,
                    events_since=reading.events_since,
                    since=reading.since,
                )
                for name, frame in reading.frames.items():
                    yield dg.Output(frame, name, metadata=stripe_table_page(lake, key, CONTRACTS[name], frame, record))
        if record.state != "read":
            context.log.warning(f"Stripe was not read: {record.reason}")
        for name, reason in record.absent.items():
            context.log.warning(f"no {name} tonight: {reason}")
        minutes = round(after.total_seconds() / 60, 1)
        shown = {**stripe_page(record), "minutes_after_mongodb": minutes}
        yield dg.Output(record, StripeReadingRecord.name, metadata=shown)

    return stripe


def why_not_asked(snapshot: SnapshotFactsRecord, after: timedelta) -> str:
    """Why Stripe is not asked so long after MongoDB was read; empty where it is."""
    if snapshot.incomplete_because:  # what is missing here would look like a break at Stripe
        return f"not asked, for the night is incomplete: {snapshot.incomplete_because}"
    if _SET_BACK <= after <= _HONEST:
        return ""
    return (
        f"not asked, for MongoDB was read at {snapshot.as_of:%Y-%m-%d %H:%M}, UTC, and Stripe shows the present only: "
        "what changed since would look like a break"
    )


def _read_again(context: dg.AssetExecutionContext, lake: Lake) -> list[str]:
    """The objects that earlier nights left open; none where these cannot be read: what Stripe shows now is kept, and
    the night is not concluded before they are restored.
    """
    try:
        return disputes_to_read_again(lake, context.partition_key) + payments_to_read_again(lake, context.partition_key)
    except SourceError as error:
        context.log.warning(f"nothing that earlier nights left open is read again: {error}")
        return []
