"""The one correction, as Dagster sees it: the job that credits a dispute, the sensor that starts it, the observation.

Not here: any decision. `credits` plans, checks and writes; `credits/dispatch` says which credits are to be started.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Literal

import dagster as dg
from pydantic import Field

from billing_dq.credits import validation
from billing_dq.credits.anchor import whole_log
from billing_dq.credits.dispatch import PastRun, Start, dispatch
from billing_dq.credits.parking import OnRecord
from billing_dq.credits.plan import AFTERWARDS, CreditPlan
from billing_dq.credits.planner import plans_of_night
from billing_dq.credits.requests import CreditOutcome, CreditRequest, RunBudget
from billing_dq.credits.run import credits_off, open_applier, plan_now
from billing_dq.defs.asset_names import DISPUTE_CREDITS, asset_key, location_name, op_name
from billing_dq.defs.pages.texts import OWNERS, TEXTS, tags_of
from billing_dq.errors import SettingsError, SourceError, TransientSourceError
from billing_dq.settings import Settings, load_settings
from billing_dq.tables import DISPUTE_POSITIONS

JOB = "apply_dispute_credit"
#: Not the job's name: a graph and an op of one name are refused when the location loads.
OP = "credit_dispute"
SENSOR = "reinstated_disputes"
DISPUTE_TAG = "billing_dq/dispute"
PLAN_TAG = "billing_dq/plan"
ATTEMPT_TAG = "billing_dq/attempt"
#: What is transient is tried again so often, after 5, 10 and 20 seconds.
CREDIT_RETRIES = 3
RETRY_SECONDS = 5
_FINISHED: dict[dg.DagsterRunStatus, Literal["succeeded", "failed"]] = {
    dg.DagsterRunStatus.SUCCESS: "succeeded",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "failed",
}


class DisputeCreditConfig(dg.Config):
    """The request for a credit: the launchpad's form. Any text is taken; `refusals` says what is wrong with it."""

    dispute_id: str = Field(description="The dispute at Stripe, du_... or dp_...")
    plan_hash: str = Field(description="The plan's hash, from `billing-dq credits show`: that very plan or nothing.")
    requested_by: str = Field(description="Who asks.")
    why: str = Field(description="The reason, 10 characters at least.")

    def refusals(self) -> dict[str, str]:
        """What is wrong, one sentence a field; Dagster itself would show only types, and no sentence for a person."""
        refusals: dict[str, str] = {}
        for name, check in _FIELDS.items():
            text = getattr(self, name)
            try:
                if text == EXAMPLE[name]:
                    raise ValueError("this is still the example's: put your own")
                check(text)
            except ValueError as error:
                refusals[name] = str(error)
        return refusals


_FIELDS: dict[str, Callable[[str], str]] = {
    "dispute_id": validation.dispute_id,
    "plan_hash": validation.plan_hash,
    "requested_by": validation.person,
    "why": validation.why,
}
#: What the launchpad opens with. None of it can be launched as it is.
EXAMPLE = {
    "dispute_id": "du_...",
    "plan_hash": "24 hexadecimal characters, from billing-dq credits show du_...",
    "requested_by": "your name",
    "why": "why the units are given back, in 10 characters at least",
}


def dispute_credit_definitions(settings_now: Callable[[], Settings] = load_settings) -> dg.Definitions:
    """Asset, job and sensor of the credits, to be merged into the definitions.

    Args:
        settings_now: reads the settings again; kill switch and mode count at the last moment.
    """
    asset = dg.AssetSpec(
        asset_key(DISPUTE_CREDITS),
        deps=[asset_key(DISPUTE_POSITIONS.name)],
        description=TEXTS[DISPUTE_CREDITS].markdown(),
        group_name=location_name("credits"),
        kinds={"mongodb"},
        owners=list(OWNERS),
        tags=tags_of(DISPUTE_CREDITS),
    )

    @dg.op(name=OP)
    def apply_op(context: dg.OpExecutionContext, config: DisputeCreditConfig) -> None:
        """Credit one dispute, exactly once; what is refused for good fails at once, what is transient is retried."""
        refusals = config.refusals()
        if refusals:
            sentences = "; ".join(f"{name}: {sentence}" for name, sentence in refusals.items())
            raise dg.Failure(f"nothing was written: {sentences}", metadata=dict(refusals), allow_retries=False)
        # a run from the launchpad has no tags yet, and the sensor looks for them
        context.instance.add_run_tags(context.run_id, {DISPUTE_TAG: config.dispute_id, PLAN_TAG: config.plan_hash})
        try:
            outcome = _apply(config, settings_now)
        except TransientSourceError as error:  # a policy of the op would try an invalid config again as well
            wait = RETRY_SECONDS * 2**context.retry_number
            raise dg.RetryRequested(max_retries=CREDIT_RETRIES, seconds_to_wait=wait) from error
        except (SettingsError, SourceError) as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        context.log_event(_observation(asset.key, config, outcome))
        context.log.info(_line(outcome))

    @dg.graph(name=op_name("dispute_credit"))  # op and job are of one name, which a job's own graph would take
    def credit_graph() -> None:
        apply_op()

    apply_job = credit_graph.to_job(
        name=location_name(JOB),
        executor_def=dg.in_process_executor,
        config={"ops": {OP: {"config": EXAMPLE}}},
        description="Give back the units of one reinstated dispute.",
    )
    return dg.Definitions(assets=[asset], jobs=[apply_job], sensors=[_sensor(apply_job, settings_now)])


def _sensor(job: dg.JobDefinition, settings_now: Callable[[], Settings]) -> dg.SensorDefinition:
    @dg.sensor(
        name=location_name(SENSOR),
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,  # the mode is the switch: in `propose` a run only shows
        description="Starts a credit for each reinstated dispute that is due and not credited yet; in the mode propose "
        "a run that shows its plan, and the credit once that plan is approved.",
    )
    def reinstated_disputes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """Compare what is due with what is done; `dispatch` decides."""
        try:
            settings = settings_now()
            reason = credits_off(settings)
            if reason is not None:
                return dg.SensorResult(skip_reason=reason)
            log = whole_log(settings)
            night = plans_of_night(settings, OnRecord.of(log))
        except (SettingsError, SourceError) as error:
            return dg.SensorResult(skip_reason=str(error))
        runs = {
            plan.dispute_id: _runs(context.instance, job.name, plan.dispute_id) for plan in night.plans if plan.units
        }
        decision = dispatch(night, log.records, runs, settings.credits)
        if not decision.starts:
            return dg.SensorResult(skip_reason=decision.looked_at)
        context.log.info(decision.looked_at)
        return dg.SensorResult(run_requests=[_run_request(start) for start in decision.starts])

    return reinstated_disputes


def _apply(config: DisputeCreditConfig, settings_now: Callable[[], Settings]) -> CreditOutcome:
    """Have the credit written; without an address to write to, show the plan as it is now.

    Raises:
        dg.Failure: the credit is refused.
        SettingsError, SourceError: it cannot be done; a `TransientSourceError` may pass by itself.
    """
    person, settings = validation.person(config.requested_by), settings_now()
    if settings.credits.mode == "propose" and settings.mongodb_write_uri is None:
        plan = plan_now(settings, config.dispute_id)
        state = "proposed" if plan.decision in ("due", "needs_approval") else plan.decision
        return CreditOutcome(plan.dispute_id, state, plan.reason, 0.0, plan)
    request = CreditRequest(
        dispute_id=config.dispute_id,
        actor=person,
        why=validation.why(config.why),
        plan_hash=config.plan_hash,
        asking=(person,),
    )
    with open_applier(settings, settings_now) as applier:
        outcome = applier.apply(request, RunBudget.of(settings))
    if outcome.state not in ("credited", "nothing_due", "proposed"):
        reason = f"{config.dispute_id}: nothing was written: {outcome.state}: {outcome.reason}"
        raise dg.Failure(reason, allow_retries=False)
    return outcome


def _how_to_approve(plan: CreditPlan) -> str:
    """What a person does with a plan that was shown."""
    return (
        f"nothing was written. To give these {plan.units:,.0f} units: `billing-dq credits approve {plan.dispute_id} "
        f"--plan {plan.plan_hash} --by YOU --why ...` under your own login; the sensor's next tick then writes exactly "
        f"this plan, where BILLING_DQ_MONGODB_WRITE_URI is set. {AFTERWARDS}"
    )


def _line(outcome: CreditOutcome) -> str:
    if outcome.state == "proposed" and outcome.plan is not None:
        return f"{outcome.dispute_id}: {_how_to_approve(outcome.plan)}"
    return f"{outcome.dispute_id}: {outcome.state}, {outcome.units:,.0f} units ({outcome.reason})"


def _observation(asset: dg.AssetKey, config: DisputeCreditConfig, outcome: CreditOutcome) -> dg.AssetObservation:
    plan = outcome.plan
    return dg.AssetObservation(
        asset_key=asset,
        description=f"{outcome.dispute_id}: {outcome.state}",
        metadata={
            "dispute_id": outcome.dispute_id,
            "state": outcome.state,
            "reason": outcome.reason,
            "units": outcome.units,
            "organization_id": (plan.organization_id if plan else None) or "",
            "plan_hash": config.plan_hash,
            "entry_id": outcome.entry_id or "",
            "requested_by": config.requested_by,
            "evidence": dg.MetadataValue.json(asdict(plan) if plan else {}),
            "to_approve": _how_to_approve(plan) if plan and outcome.state == "proposed" else "",
            "why": config.why,
        },
    )


def _runs(instance: dg.DagsterInstance, job: str, dispute_id: str) -> list[PastRun]:
    runs = instance.get_runs(dg.RunsFilter(job_name=job, tags={DISPUTE_TAG: dispute_id}))
    return [
        PastRun(run.tags.get(PLAN_TAG, ""), _FINISHED.get(run.status, "in_flight"), run.tags.get(ATTEMPT_TAG) == "0")
        for run in runs
    ]


def _run_request(start: Start) -> dg.RunRequest:
    plan = start.plan
    config = DisputeCreditConfig(
        dispute_id=plan.dispute_id,
        plan_hash=plan.plan_hash,
        requested_by=f"sensor {SENSOR}",
        why=f"the money came back: {plan.reason}, {'a proposal' if start.proposes else f'attempt {start.attempt}'}",
    )
    return dg.RunRequest(
        run_key=start.run_key,
        run_config=dg.RunConfig(ops={OP: config}),
        tags={DISPUTE_TAG: plan.dispute_id, PLAN_TAG: plan.plan_hash, ATTEMPT_TAG: str(start.attempt)},
    )
