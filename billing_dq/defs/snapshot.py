"""The night's reading of MongoDB: one snapshot, every table of it. Evidence: read once, then never again.

One step reads it, or one for each range of organizations (`shards`).
Not here: how documents become rows (`sources/mongodb/`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import dagster as dg
from pydantic import TypeAdapter

from billing_dq.defs.asset_names import MONGODB_TABLES
from billing_dq.defs.declarations import asset_out
from billing_dq.defs.io_manager import RECORDS
from billing_dq.defs.nights import refuse
from billing_dq.defs.outside import collections_of
from billing_dq.defs.pages.sources import snapshot_page, snapshot_table_page
from billing_dq.defs.shards import FURTHER_ATTEMPTS, NightStep, Shard, ShardedWork, sharded_assets
from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.sources.mongodb.facts import Part, PartFacts, refuse_a_living_database
from billing_dq.sources.mongodb.merging import merged
from billing_dq.sources.mongodb.parts import Reading, ReadingPlan, plan_reading, read_part
from billing_dq.storage.earlier_nights import is_read
from billing_dq.storage.followed import Followed
from billing_dq.storage.history import followed_by
from billing_dq.storage.lake import Lake
from billing_dq.storage.organization_ranges import OrganizationRange
from billing_dq.storage.records import EvidenceRemovedRecord, SnapshotFactsRecord, StripeReadingRecord
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import TABLES
from billing_dq.weeks import NightWeeks

ReadResult = TypeVar("ReadResult")


def snapshot_assets(nights: dg.PartitionsDefinition, shards: int) -> dg.AssetsDefinition:
    """The assets of the snapshot of MongoDB: its tables and the record of it; none where the reading is refused."""
    names = (SnapshotFactsRecord.name, *MONGODB_TABLES)
    work = ShardedWork(
        name="mongo_snapshot",
        steps=("plan_shards", "read_shard", "join_shards"),
        outs={name: asset_out(name, "mongodb", required=False) for name in names},
        deps={name: collections_of(name) for name in names},
        group="mongodb",
        resources=frozenset({"billing_dq_night", "billing_dq_night_lock"}),
        plan=_plan,
        do=_read,
        join=_join,
        types=(TypeAdapter(ReadingTask), TypeAdapter(PartFacts)),
    )
    return sharded_assets(work, nights, shards)


@dataclass(frozen=True)
class ReadingTask:
    """A range of organizations to be read, and the plan by which all of them are read."""

    plan: ReadingPlan
    organizations: OrganizationRange


def _plan(step: NightStep) -> list[ReadingTask]:
    """Cut the organizations, and name the instant in which all shards read."""
    instant = instant_to_read(step)
    if instant is None:
        return []
    plan = tried_again(step, lambda: plan_reading(step.settings, instant))
    return [ReadingTask(plan, organizations) for organizations in plan.ranges]


def _read(step: NightStep, task: ReadingTask, directory: Path) -> tuple[PartFacts, Mapping[str, StoredTable]]:
    """Read organizations, subscriptions, usage and balances of the night's weeks, of a range of organizations."""
    weeks, followed = _weeks_to_read(step, task.plan)
    reading = Reading(step.settings, weeks, followed, directory, step.progress, task.organizations)
    part = tried_again(step, lambda: read_part(reading, task.plan))
    return part.facts, part.tables


def _join(step: NightStep, shards: Sequence[Shard[ReadingTask, PartFacts]], directory: Path) -> Iterator[dg.Output]:
    """Bring the shards together as one snapshot, and store it; before, remove what is stored of the night."""
    plan = shards[0].task.plan
    weeks, followed = _weeks_to_read(step, plan)
    parts = [Part(dict(shard.tables), shard.account) for shard in shards]
    snapshot = tried_again(step, lambda: merged(parts, plan.server, step.settings, weeks, followed, directory))
    tried_again(step, lambda: refuse_a_living_database(snapshot.facts, datetime.now(UTC)))
    _remove_night(step.lake, step.key)
    for name in MONGODB_TABLES:
        table = snapshot.tables[name]
        yield dg.Output(table, name, metadata=snapshot_table_page(step.lake, step.key, table, snapshot.facts))
    # the record comes last: a run that ends before leaves a night that is not there
    yield dg.Output(snapshot.facts, SnapshotFactsRecord.name, metadata=snapshot_page(snapshot.facts))


def _weeks_to_read(step: NightStep, plan: ReadingPlan) -> tuple[NightWeeks, Followed]:
    weeks = NightWeeks(plan.as_of, step.settings.weeks_back, step.settings.settling_hours)
    try:
        return weeks, followed_by(step.lake, step.key, weeks, step.settings.follow_weeks)
    except SourceError as error:  # what MongoDB holds now is kept; nothing is concluded before the night is restored
        step.context.log.warning(f"no week behind the window is followed: {error}")
        return weeks, Followed()


def instant_to_read(step: NightStep) -> datetime | None:
    """The instant at which a night is to be read; None where that is refused: a snapshot of now would belong to another
    night, or the night is stored and is not to be replaced.
    """
    key, instant = step.key, step.config.instant()
    date = instant.date().isoformat()
    if key != date:
        refuse(
            step.context,
            f"a snapshot taken on {date} belongs to that night and not to {key}; a past night cannot be read any "
            "more (as_of is for simulated and restored databases)",
        )
    elif not step.config.again and is_read(step.lake, key):
        refuse(
            step.context,
            f"the night of {key} is stored, and what a night read is never read again; ask for it with `again` "
            "(--again) to replace it knowingly, or have it concluded from what is stored (conclude_night)",
        )
    else:
        return instant
    return None


def _remove_night(lake: Lake, night: str) -> None:
    """Remove the records of a night and what was concluded from it, before its evidence is replaced.

    A run that ends in between leaves a night that is not there, and no old conclusions beside new evidence.
    """
    lake.begin(night)
    # Stripe's first: without it the night is no night
    for record in (StripeReadingRecord, *RECORDS.values(), EvidenceRemovedRecord):
        record.remove(lake.home, night)
    for name in TABLES.keys() - set(MONGODB_TABLES):
        lake.remove(TABLES[name], night)
    for page in (lake.report_path(night), lake.report_path(night).with_suffix(".md")):
        page.unlink(missing_ok=True)


def tried_again(step: NightStep, read: Callable[[], ReadResult]) -> ReadResult:
    """Read; what may pass by itself (an election, a lost connection) is tried again; all else fails at once.

    The driver's patience for a connection is waited before the second attempt, and twice as long before the third.

    Raises:
        dg.RetryRequested: another attempt may work.
        dg.Failure: none will, or there were enough.
    """
    context, seconds = step.context, step.settings.mongodb_connect_seconds
    try:
        return read()
    except TransientSourceError as error:
        if context.retry_number < FURTHER_ATTEMPTS:
            context.log.warning(f"attempt {context.retry_number + 1}: {error}")
            raise dg.RetryRequested(FURTHER_ATTEMPTS, seconds * 2**context.retry_number) from None
        raise dg.Failure(str(error), allow_retries=False) from None
    except SourceError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
