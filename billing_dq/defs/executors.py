"""What runs the steps of a night: this process, or others, by the settings `[execution]`.

Only engines that Dagster itself keeps. Not here: what a step does.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from importlib import import_module

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan

from billing_dq.settings import Settings, SettingsError
from billing_dq.storage.night_locks import NightLocks

#: Where the executor of each engine is; the packages are extras.
_EXECUTORS = {
    "multiprocess": ("dagster", "multiprocess_executor"),
    "celery": ("dagster_celery", "celery_executor"),
    "k8s": ("dagster_k8s", "k8s_job_executor"),
}
#: The tag of a run whose night is locked already by the process that started it. Its value is the id of the run, since
#: a run that is started again has a copy of the tags.
LOCKED_TAG = "billing_dq/night_is_locked"


def executor_of(settings: Settings, locks: NightLocks) -> dg.ExecutorDefinition:
    """The executor of the settings, configured.

    Where the steps are several processes, none of them can hold the night's lock for all: the process that hands
    them out does, as long as the run takes.

    Raises:
        SettingsError: its package is not installed.
    """
    execution = settings.execution
    if execution.engine == "in_process":
        return dg.in_process_executor
    module, name = _EXECUTORS[execution.engine]
    try:
        executor: dg.ExecutorDefinition = getattr(import_module(module), name)
    except ImportError as error:
        raise SettingsError(
            f"execution.engine: {execution.engine} needs a package that is not installed ({error.name}); "
            f"install billing-dq with the extra {execution.engine}"
        ) from None
    return _locking(executor, locks).configured(dict(execution.config), name=executor.name)


def _locking(executor: dg.ExecutorDefinition, locks: NightLocks) -> dg.ExecutorDefinition:
    """The same executor, under whose runs the night is locked. A run of several nights locks none: it reads none."""

    def create(context: dg.InitExecutorContext) -> dg.Executor:
        if executor.executor_creation_fn is None:
            raise AssertionError(f"{executor.name} makes no executor")
        engine = executor.executor_creation_fn(context)
        execute = engine.execute

        def execute_locked(context: PlanOrchestrationContext, plan: ExecutionPlan) -> Iterator[dg.DagsterEvent]:
            run = context.dagster_run
            night = None if run.tags.get(LOCKED_TAG) == run.run_id else run.tags.get("dagster/partition")
            with nullcontext() if night is None else locks.hold(night):
                yield from execute(context, plan)

        # no subclass and no wrapper: engines ask whether an executor is of their own class
        vars(engine)["execute"] = execute_locked
        return engine

    return dg.ExecutorDefinition(
        executor.name, executor.config_schema.as_field(), executor.get_requirements, create, executor.description
    )
