"""The night's reading of MongoDB in shards: planned, read by a step for each range of organizations, brought together.

The assets are those of `snapshot`. The steps hand each other what they have by way of the home, so that each may run
on another machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
from pydantic import TypeAdapter

from billing_dq.defs.graph_assets import graph_assets
from billing_dq.defs.io_manager import PARTS
from billing_dq.defs.outside import collections_of
from billing_dq.defs.resources import NightConfig, ProgressTo
from billing_dq.defs.snapshot import (
    GROUP,
    RETRIES,
    directory_for,
    instant_to_read,
    outputs_of,
    snapshot_deps,
    snapshot_outs,
    taken,
)
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.facts import Part, PartFacts
from billing_dq.sources.mongodb.merging import merged
from billing_dq.sources.mongodb.parts import Reading, ReadingPlan, plan_reading, read_part
from billing_dq.storage.history import followed_by
from billing_dq.storage.lake import Lake
from billing_dq.storage.organization_ranges import OrganizationRange
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.storage.shard_parts import ShardPart, remove_parts
from billing_dq.weeks import NightWeeks


@dataclass(frozen=True)
class _Task:
    """What a step is to read."""

    plan: ReadingPlan
    of: OrganizationRange


_PLAN, _TASK, _FACTS = TypeAdapter(ReadingPlan), TypeAdapter(_Task), TypeAdapter(PartFacts)


def sharded_snapshot_assets(nights: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The assets of the MongoDB snapshot, each shard read by a step of its own."""
    collections = sorted("__".join(key.path) for key in collections_of(SnapshotFactsRecord.name))
    outs = snapshot_outs()

    @dg.op(
        ins={name: dg.In(dg.Nothing) for name in collections},
        out={"plan": dg.Out(io_manager_key=PARTS), "tasks": dg.DynamicOut(io_manager_key=PARTS)},
    )
    def plan_shards(
        context: dg.OpExecutionContext,
        night: NightConfig,
        night_lock: dg.ResourceParam[None],
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> Iterator[dg.Output | dg.DynamicOutput]:
        """Cut the organizations, and name the instant in which all shards read."""
        instant = instant_to_read(context.partition_key, night, lake)
        remove_parts(lake.home)
        plan = taken(context, settings.mongodb_connect_seconds, lambda: plan_reading(settings, instant))
        yield dg.Output(ShardPart(_PLAN.dump_json(plan).decode()), "plan")
        for number, of in enumerate(plan.ranges):
            task = ShardPart(_TASK.dump_json(_Task(plan, of)).decode())
            yield dg.DynamicOutput(task, mapping_key=f"{number:03}", output_name="tasks")

    # the policy is for a step whose process died; the step itself asks for another attempt where one may work
    @dg.op(out=dg.Out(io_manager_key=PARTS), retry_policy=dg.RetryPolicy(max_retries=RETRIES))
    def read_shard(
        context: dg.OpExecutionContext,
        task: ShardPart,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
        progress: dg.ResourceParam[ProgressTo],
    ) -> Iterator[dg.Output]:
        """Read the organizations of a range."""
        todo = _TASK.validate_json(task.said)
        weeks = _weeks(todo.plan, settings)
        followed = followed_by(lake, context.partition_key, weeks, settings.follow_weeks)
        with directory_for("shard") as directory:
            reading = Reading(settings, weeks, followed, directory, progress.of(context), todo.of)
            part = taken(context, settings.mongodb_connect_seconds, lambda: read_part(reading, todo.plan))
            yield dg.Output(ShardPart(_FACTS.dump_json(part.facts).decode(), part.tables))

    @dg.op(out={name: dg.Out(is_required=out.is_required) for name, out in outs.items()})
    def join_shards(
        context: dg.OpExecutionContext,
        plan: ShardPart,
        parts: list[ShardPart],
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> Iterator[dg.Output]:
        """Bring the shards together as one snapshot."""
        planned, key = _PLAN.validate_json(plan.said), context.partition_key
        weeks = _weeks(planned, settings)
        followed = followed_by(lake, key, weeks, settings.follow_weeks)
        read = [Part(dict(part.tables), _FACTS.validate_json(part.said)) for part in parts]
        with directory_for("snapshot") as directory:
            snapshot = merged(read, planned.server, settings, weeks, followed, directory)
            yield from outputs_of(lake, key, snapshot, weeks)
            remove_parts(lake.home)

    @dg.graph(
        name="mongo_snapshot",
        ins={name: dg.GraphIn() for name in collections},
        out={name: dg.GraphOut() for name in outs},
    )
    def mongo_snapshot(**read: object) -> dict[str, object]:
        plan, tasks = plan_shards(**read)
        found = join_shards(plan, tasks.map(read_shard).collect())
        return {name: getattr(found, name) for name in outs}

    return graph_assets(mongo_snapshot, outs, nights, GROUP, snapshot_deps())


def _weeks(plan: ReadingPlan, settings: Settings) -> NightWeeks:
    return NightWeeks(plan.as_of, settings.weeks_back, settings.settling_hours)
