"""Assets of a night that are made range by range of its organizations: by one step or, in shards, by several.

What is planned, what is done with a range, and how the ranges come together are the same functions either way, so that
a night of one shard is the night of N shards with N = 1. In one step they hand each other local files. Several steps
hand each other texts and files in the home (`PartsIOManager`), so that each may run on another machine. One shard is no
mapped step, because a small night would take four steps more.
Not here: what is read or held to rules (`snapshot`, `reconciliation`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import dagster as dg
from pydantic import TypeAdapter

from billing_dq.defs.asset_names import IO_MANAGER, Group, asset_key, asset_keys, location_name, op_name
from billing_dq.defs.io_manager import PARTS
from billing_dq.defs.resources import NightConfig, ProgressTo
from billing_dq.settings import Settings
from billing_dq.sources.progress import Progress
from billing_dq.storage.lake import Lake
from billing_dq.storage.scratch import scratch_directory
from billing_dq.storage.shard_parts import ShardPart, remove_parts
from billing_dq.storage.stored_table import StoredTable

StepContext = dg.OpExecutionContext | dg.AssetExecutionContext
Task = TypeVar("Task")
Account = TypeVar("Account")
#: Further attempts at a shard, and at a night whose server cannot be read right now; an election takes about ten
#: seconds.
FURTHER_ATTEMPTS = 2


@dataclass(frozen=True)
class NightStep:
    """The night, the settings and the stored nights of a step."""

    context: StepContext
    key: str
    settings: Settings
    lake: Lake

    @property
    def config(self) -> NightConfig:
        """When the night is to be read, and whether again; of a step that asks for ``billing_dq_night``."""
        night: NightConfig = self.context.resources.billing_dq_night
        return night

    @property
    def progress(self) -> Progress:
        """Where a long read reports how far it is; of a step that asks for the resource ``billing_dq_progress``."""
        progress: ProgressTo = self.context.resources.billing_dq_progress
        return progress.of(self.context)


@dataclass(frozen=True)
class Shard(Generic[Task, Account]):
    """A task that is done: the account of it, and its tables by name."""

    task: Task
    account: Account
    tables: Mapping[str, StoredTable]


@dataclass(frozen=True)
class ShardedWork(Generic[Task, Account]):
    """How some assets of a night are made.

    Attributes:
        name: of the step, or of the graph of several.
        steps: the names of these: of the plan, of a shard, and of the joining.
        outs: the assets.
        deps: by asset what it hangs on.
        group: the group that they are shown in.
        resources: what the plan asks for beside the settings and the lake; a shard always has ``billing_dq_progress``.
        plan: the tasks; none where there is nothing to do, and then no asset is made.
        do: one task, which writes its tables to a directory.
        join: the outputs, from all that was done, in the order of the plan.
        types: of a task and of an account, as JSON.
    """

    name: str
    steps: tuple[str, str, str]
    outs: Mapping[str, dg.AssetOut]
    deps: Mapping[str, set[dg.AssetKey]]
    group: Group
    resources: frozenset[str]
    plan: Callable[[NightStep], Sequence[Task]]
    do: Callable[[NightStep, Task, Path], tuple[Account, Mapping[str, StoredTable]]]
    join: Callable[[NightStep, Sequence[Shard[Task, Account]], Path], Iterator[dg.Output]]
    types: tuple[TypeAdapter[Task], TypeAdapter[Account]]

    @property
    def upstream(self) -> list[dg.AssetKey]:
        """The assets of others that these hang on."""
        return sorted(set().union(*self.deps.values()) - asset_keys(*self.outs))


_ALWAYS = frozenset({"billing_dq_settings", "billing_dq_lake"})
_OF_A_SHARD = _ALWAYS | {"billing_dq_progress"}


def sharded_assets(
    work: ShardedWork[Task, Account], nights: dg.PartitionsDefinition, shards: int
) -> dg.AssetsDefinition:
    """The assets of some work: of one step, or of a graph with a step for each of so many shards."""
    return _in_one_step(work, nights) if shards == 1 else _in_several_steps(work, nights)


def _step(context: StepContext) -> NightStep:
    return NightStep(
        context, context.partition_key, context.resources.billing_dq_settings, context.resources.billing_dq_lake
    )


def _in_one_step(work: ShardedWork[Task, Account], nights: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=op_name(work.name),
        partitions_def=nights,
        outs=dict(work.outs),
        deps=work.upstream,
        internal_asset_deps={name: set(keys) for name, keys in work.deps.items()},
        group_name=location_name(work.group),
        required_resource_keys={*_OF_A_SHARD, *work.resources},
    )
    def in_one_step(context: dg.AssetExecutionContext) -> Iterator[dg.Output]:
        step, shards = _step(context), list[Shard[Task, Account]]()
        with scratch_directory(work.name) as directory:
            for number, task in enumerate(work.plan(step)):
                (part := directory / f"{number:03}").mkdir()
                shards.append(Shard(task, *work.do(step, task, part)))
            if shards:
                yield from work.join(step, shards, directory)

    return in_one_step


def _in_several_steps(work: ShardedWork[Task, Account], nights: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    inputs = {"__".join(key.path): key for key in work.upstream}
    as_task, as_account = work.types
    plan_name, shard_name, join_name = work.steps

    @dg.op(
        name=op_name(plan_name),
        ins={name: dg.In(dg.Nothing) for name in inputs},
        out=dg.DynamicOut(io_manager_key=PARTS),
        required_resource_keys={*_ALWAYS, *work.resources},
    )
    def plan(context: dg.OpExecutionContext) -> Iterator[dg.DynamicOutput]:
        step = _step(context)
        tasks = work.plan(step)
        remove_parts(step.lake.home)
        for number, task in enumerate(tasks):
            yield dg.DynamicOutput(ShardPart(as_task.dump_json(task).decode()), mapping_key=f"{number:03}")

    # the policy is for a step whose process died; the step itself asks for another attempt where one may work
    @dg.op(
        name=op_name(shard_name),
        out=dg.Out(io_manager_key=PARTS),
        retry_policy=dg.RetryPolicy(max_retries=FURTHER_ATTEMPTS),
        required_resource_keys={*_OF_A_SHARD},
    )
    def shard(context: dg.OpExecutionContext, task: ShardPart) -> Iterator[dg.Output]:
        with scratch_directory(work.name) as directory:
            account, tables = work.do(_step(context), as_task.validate_json(task.text), directory)
            yield dg.Output(ShardPart(as_account.dump_json(account).decode(), tables))

    @dg.op(
        name=op_name(join_name),
        out={
            name: dg.Out(is_required=out.is_required, io_manager_key=IO_MANAGER, code_version=out.code_version)
            for name, out in work.outs.items()
        },
        required_resource_keys={*_ALWAYS},
    )
    def join(context: dg.OpExecutionContext, tasks: list[ShardPart], parts: list[ShardPart]) -> Iterator[dg.Output]:
        if not parts:
            return
        step = _step(context)
        shards = [
            Shard(as_task.validate_json(task.text), as_account.validate_json(part.text), part.tables)
            for task, part in zip(tasks, parts, strict=True)
        ]
        with scratch_directory(work.name) as directory:
            yield from work.join(step, shards, directory)
        remove_parts(step.lake.home)

    @dg.graph(
        name=op_name(work.name),
        ins={name: dg.GraphIn() for name in inputs},
        out={name: dg.GraphOut() for name in work.outs},
    )
    def in_several_steps(**upstream: object) -> dict[str, object]:
        tasks = plan(**upstream)
        outputs = join(tasks.collect(), tasks.map(shard).collect())
        return {name: getattr(outputs, name) for name in work.outs}

    # Dagster's own decorator for graphs leaves out which of the assets hangs on which
    return dg.AssetsDefinition.from_graph(
        in_several_steps,
        keys_by_input_name=inputs,
        keys_by_output_name={name: asset_key(name) for name in work.outs},
        internal_asset_deps={name: set(keys) for name, keys in work.deps.items()},
        partitions_def=nights,
        group_name=location_name(work.group),
        descriptions_by_output_name={name: out.description for name, out in work.outs.items() if out.description},
        metadata_by_output_name={name: out.metadata for name, out in work.outs.items()},
        tags_by_output_name={name: out.tags for name, out in work.outs.items()},
        owners_by_output_name={name: out.owners for name, out in work.outs.items() if out.owners},
    )
