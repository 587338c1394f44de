"""The steps of a run on the workers of a Dask cluster, which is configured as `dagster-dask` has it.

`dagster-dask` itself hands out all steps before the first has run. So it knows no mapped steps, tries none again, and
runs a step although what it needs is absent that night. Here each step is handed out when it can run.
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import DagsterEvent
from dagster._core.execution.api import create_execution_plan, execute_plan
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode
from dagster._core.instance.ref import InstanceRef
from dagster._utils.error import serializable_error_info_from_exc_info
from dagster_dask.executor import DaskExecutor
from dagster_dask.executor import dask_executor as of_dagster_dask
from dagster_shared.serdes import deserialize_value, serialize_value
from distributed import Client, Future, LocalCluster, wait

#: Seconds after which it is looked whether the run is to stop, or a step may be tried again.
_TICK = 0.5


class _Executor(DaskExecutor):
    @property
    def retries(self) -> RetryMode:
        return RetryMode.ENABLED

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        running: dict[str, Future] = {}
        with self._client(plan_context) as client, execution_plan.start(self.retries) as active:
            while running or not active.is_complete:
                if active.check_for_interrupts():
                    active.mark_interrupted()
                    client.cancel(list(running.values()))
                    raise DagsterExecutionInterruptedError
                for step in active.get_steps_to_execute():
                    running[step.key] = self._submit(client, plan_context, step.key, active.get_known_state())
                _wait_for_one(running)
                for key in [key for key, future in running.items() if future.done()]:
                    for event in self._events(plan_context, running.pop(key), key, active):
                        yield event
                        active.handle_event(event)
                    active.verify_complete(plan_context, key)
                yield from active.plan_events_iterator(plan_context)

    def _client(self, plan_context: PlanOrchestrationContext) -> Client:
        if self.cluster_type == "existing":
            return Client(self.cluster_configuration["address"])
        if self.cluster_type == "local":
            return Client(LocalCluster(**self.build_dict(plan_context.job_name)))
        raise dg.DagsterInvalidConfigError(
            f"execution.config: cluster.{self.cluster_type}: start the cluster and name it as cluster.existing.address",
            [],
            self.cluster_configuration,
        )

    def _submit(
        self, client: Client, plan_context: PlanOrchestrationContext, key: str, known_state: KnownExecutionState
    ) -> Future:
        run = plan_context.dagster_run
        attempt = known_state.get_retry_state().get_attempt_count(key)
        job, instance = plan_context.reconstructable_job, plan_context.instance.get_ref()
        return client.submit(
            run_step,
            # as text: Dask would look for tasks in whatever is a tuple, and Dagster's records are
            [serialize_value(one) for one in (job, run, instance, known_state)],
            key,
            key=f"{run.run_id}.{key}.{attempt}",
            pure=False,
            retries=0,
        )

    def _events(
        self, plan_context: PlanOrchestrationContext, future: Future, key: str, active: ActiveExecution
    ) -> Iterator[DagsterEvent]:
        """What happened in a step; that its worker died is an error of the step, too."""
        try:
            yield from future.result()
        except Exception:
            error = serializable_error_info_from_exc_info(sys.exc_info())
            step_context = plan_context.for_step(active.get_step_by_key(key))
            yield self.log_failure_or_retry_event_after_error(step_context, error, active.get_known_state())


def run_step(given: Sequence[str], key: str) -> Sequence[DagsterEvent]:
    """Run a step of a run, on a worker; the run's history has its events already.

    Args:
        given: the job, the run, where its history is, and what is known of the steps before, as Dagster writes them.
        key: of the step.
    """
    job = deserialize_value(given[0], ReconstructableJob)
    run = deserialize_value(given[1], dg.DagsterRun)
    known_state = deserialize_value(given[3], KnownExecutionState)
    with dg.DagsterInstance.from_ref(deserialize_value(given[2], InstanceRef)) as instance:
        plan = create_execution_plan(
            job, run_config=run.run_config, step_keys_to_execute=[key], known_state=known_state
        )
        return execute_plan(plan, job, instance, run, run_config=run.run_config, retry_mode=RetryMode.DEFERRED)


def _wait_for_one(running: dict[str, Future]) -> None:
    if not running:  # a step waits for its next attempt
        time.sleep(_TICK)
        return
    try:
        wait(list(running.values()), timeout=_TICK, return_when="FIRST_COMPLETED")
    except TimeoutError:
        return


@dg.executor(
    name="dask",
    config_schema=of_dagster_dask.config_schema.as_field(),
    requirements=dg.multiple_process_executor_requirements(),
)
def dask_executor(context: dg.InitExecutorContext) -> _Executor:
    """Steps on the workers of the Dask cluster that the configuration names."""
    cluster = cast("Mapping[str, dict[str, object]]", context.executor_config["cluster"])
    ((kind, configuration),) = cluster.items()
    return _Executor(kind, configuration)
