"""The night's reading of MongoDB: one step, one snapshot, every table of it. Evidence: read once, then never again."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import dagster as dg

from billing_dq.defs.metadata import Metadata, head_of, record_out, table_of, table_out, told
from billing_dq.defs.outside import COLLECTIONS, collections_of
from billing_dq.defs.resources import NightConfig, ProgressTo
from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.facts import Snapshot, SnapshotFacts
from billing_dq.sources.mongodb.snapshot import read_snapshot
from billing_dq.storage.history import followed_by
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import (
    EvidenceRemovedRecord,
    ReconciliationRecord,
    SnapshotFactsRecord,
    SoundTablesRecord,
    StripeReadingRecord,
)
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import TABLES as CONTRACTS
from billing_dq.tables.sources import OF_MONGODB
from billing_dq.weeks import NightWeeks

TABLES = (
    *OF_MONGODB,
    "followed_weeks",
    "followed_usage",
    "followed_entries",
    "quarantined_documents",
    "unreadable_keys",
    "document_shapes",
)
GROUP = "mongodb"
Read = TypeVar("Read")
#: Further attempts at a night whose server cannot be read right now; an election takes about ten seconds.
RETRIES = 2


def snapshot_outs() -> dict[str, dg.AssetOut]:
    """The assets of the snapshot: what is told of it, and its tables."""
    return {
        SnapshotFactsRecord.name: record_out(SnapshotFactsRecord.name, "mongodb"),
        **{name: table_out(name, kinds=("mongodb",)) for name in TABLES},
    }


def snapshot_deps() -> dict[str, set[dg.AssetKey]]:
    """The collections that each of these assets is made of."""
    return {name: collections_of(name) for name in (SnapshotFactsRecord.name, *TABLES)}


def snapshot_assets(nights: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The multi-asset of the MongoDB snapshot."""

    @dg.multi_asset(
        name="mongo_snapshot",
        partitions_def=nights,
        outs=snapshot_outs(),
        deps=sorted(collections_of(SnapshotFactsRecord.name)),
        internal_asset_deps=snapshot_deps(),
        group_name=GROUP,
    )
    def mongo_snapshot(
        context: dg.AssetExecutionContext,
        night: NightConfig,
        night_lock: dg.ResourceParam[None],
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
        progress: dg.ResourceParam[ProgressTo],
    ) -> Iterator[dg.Output]:
        """Read organizations, subscriptions, usage and balances of the night's weeks inside one snapshot."""
        key = context.partition_key
        weeks = NightWeeks(instant_to_read(key, night, lake), settings.weeks_back, settings.settling_hours)
        followed = followed_by(lake, key, weeks, settings.follow_weeks)
        with directory_for("snapshot") as directory:
            snapshot = taken(
                context,
                settings.mongodb_connect_seconds,
                lambda: read_snapshot(settings, weeks, directory, progress.of(context), followed),
            )
            yield from outputs_of(lake, key, snapshot, weeks)

    return mongo_snapshot


@contextmanager
def directory_for(what: str) -> Iterator[Path]:
    """A directory for the tables that a step makes; that it cannot be removed is no failure of the step."""
    with tempfile.TemporaryDirectory(prefix=f"billing_dq_{what}_", ignore_cleanup_errors=True) as name:
        yield Path(name)


def instant_to_read(key: str, night: NightConfig, lake: Lake) -> datetime:
    """The instant at which a night is to be read.

    Raises:
        dg.Failure: it would be another night's, or the night is stored and is not to be replaced.
    """
    instant = night.instant()
    refuse_another_night(key, instant.date().isoformat())
    if not night.again and SnapshotFactsRecord.of(lake.home, key) is not None:
        raise dg.Failure(
            f"the night of {key} is stored, and what a night read is never read again; ask for it with `again` "
            "(--again) to replace it knowingly",
            allow_retries=False,
        )
    return instant


def outputs_of(lake: Lake, key: str, snapshot: Snapshot, weeks: NightWeeks) -> Iterator[dg.Output]:
    """The tables of a snapshot, and at last that it was taken; what was there of the night goes away before."""
    _forget(lake, key)
    for name in TABLES:
        table = snapshot.tables[name]
        yield dg.Output(table, name, metadata=_table_metadata(lake, key, table, snapshot.facts))
    yield dg.Output(_record(snapshot.facts, weeks), SnapshotFactsRecord.name, metadata=_metadata(snapshot.facts, weeks))


def _forget(lake: Lake, night: str) -> None:
    """Take away that a night was read and what was concluded from it, before its evidence is replaced.

    A run that ends in between leaves a night that is plainly not there, and no old conclusions beside new evidence.
    """
    lake.begin(night)
    # Stripe's first: without it the night is no night
    for record in (
        StripeReadingRecord,
        SnapshotFactsRecord,
        SoundTablesRecord,
        ReconciliationRecord,
        EvidenceRemovedRecord,
    ):
        record.remove(lake.home, night)
    for name in CONTRACTS.keys() - set(TABLES):
        lake.remove(CONTRACTS[name], night)
    for page in (lake.report_path(night), lake.report_path(night).with_suffix(".md")):
        page.unlink(missing_ok=True)


def taken(context: dg.OpExecutionContext | dg.AssetExecutionContext, seconds: float, read: Callable[[], Read]) -> Read:
    """Read; what may pass by itself (an election, a lost connection) is tried again, all else is told at once.

    ``seconds`` are waited before the second attempt, and twice as long before each further one.

    Raises:
        dg.RetryRequested: another attempt may work.
        dg.Failure: none will, or there were enough.
    """
    try:
        return read()
    except TransientSourceError as error:
        if context.retry_number < RETRIES:
            context.log.warning(f"attempt {context.retry_number + 1}: {error}")
            raise dg.RetryRequested(RETRIES, seconds * 2**context.retry_number) from None
        raise dg.Failure(str(error), allow_retries=False) from None
    except SourceError as error:
        raise dg.Failure(str(error), allow_retries=False) from None


def refuse_another_night(night: str, taken_on: str) -> None:
    """A night is the date on which its snapshot is taken.

    Raises:
        dg.Failure: the snapshot would belong to another night.
    """
    if night != taken_on:
        raise dg.Failure(
            f"a snapshot taken on {taken_on} belongs to that night and not to {night}; a past night cannot be read "
            "any more (as_of is for simulated and restored databases)",
            allow_retries=False,
        )


def _record(facts: SnapshotFacts, weeks: NightWeeks) -> SnapshotFactsRecord:
    return SnapshotFactsRecord.model_validate(
        {
            "as_of": weeks.as_of,
            "weeks_back": weeks.weeks_back,
            "settling_hours": weeks.settling_hours,
            **asdict(facts),
        }
    )


def _table_metadata(lake: Lake, night: str, table: StoredTable, facts: SnapshotFacts) -> Metadata:
    """The table, and what became of the documents that it is made of."""
    names = COLLECTIONS.get(table.table.name, tuple(facts.counts))
    counts = [facts.counts[name] for name in names if name in facts.counts]
    figures = {
        "rows": table.rows,
        "documents_read": sum(count.read for count in counts),
        "documents_quarantined": sum(count.quarantined for count in counts),
        "documents_of_other_weeks": sum(count.out_of_scope for count in counts),
    }
    return told(lake, night, table.table, figures, head_of(table))


def _metadata(facts: SnapshotFacts, weeks: NightWeeks) -> Metadata:
    counts = [{"collection": name, **asdict(count)} for name, count in facts.counts.items()]
    return {
        "documents_counted": sum(count.counted for count in facts.counts.values()),
        "documents_quarantined": sum(count.quarantined for count in facts.counts.values()),
        "seconds_in_all": round(float(sum(facts.seconds.values())), 3),
        "as_of": weeks.as_of.isoformat(),
        "weeks": ", ".join(weeks.keys),
        "server": facts.server_version,
        "topology": facts.topology,
        "one_snapshot": facts.one_snapshot,
        "read_plainly_because": facts.read_plainly_because or "it is one snapshot",
        "state": "incomplete" if facts.not_read else "complete",
        "not_read": ", ".join(facts.not_read) or "none",
        "missing_collections": ", ".join(facts.missing_collections) or "none",
        "counts": table_of(counts),
        "seconds": dg.MetadataValue.json({stage: round(float(took), 3) for stage, took in facts.seconds.items()}),
    }
