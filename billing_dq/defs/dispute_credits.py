"""The one correction, as Dagster sees it: the job that credits a dispute, the sensor that starts it, what is observed.

Nothing is decided here. `credits` plans, checks and writes; `dispatch` says which credits are to be started.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Literal

import dagster as dg
import pandas as pd
from pydantic import Field

from billing_dq.credits import validation
from billing_dq.credits.agreement import said_of_a_night
from billing_dq.credits.anchor import anchor_of, whole_log
from billing_dq.credits.dispatch import PastRun, Start, dispatch
from billing_dq.credits.parking import OnRecord
from billing_dq.credits.plan import CreditPlan
from billing_dq.credits.planner import plans_of_night
from billing_dq.credits.requests import CreditOutcome, CreditRequest, RunBudget
from billing_dq.credits.run import credits_off, open_applier, plan_now
from billing_dq.defs.checks.night_checks import night_check
from billing_dq.defs.pages.metadata import Metadata, table_of, tags_of
from billing_dq.defs.pages.texts import OWNERS, TEXTS
from billing_dq.errors import SettingsError, SourceError, TransientSourceError
from billing_dq.report.figures import rows_of
from billing_dq.settings import Settings, load_settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import DISPUTE_ENTRIES, DISPUTE_POSITIONS, Table

JOB = "apply_dispute_credit"
#: Not the job's name: a graph and an op of one name are refused when the location loads.
OP = "credit_dispute"
SENSOR = "reinstated_disputes"
CHECK = "every_reinstated_dispute_is_credited"
DISPUTE_TAG = "billing_dq/dispute"
PLAN_TAG = "billing_dq/plan"
ATTEMPT_TAG = "billing_dq/attempt"
#: What is transient is tried again so often, after 5, 10 and 20 seconds.
CREDIT_RETRIES = 3
RETRY_SECONDS = 5
_IN_FLIGHT = frozenset(
    {
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
        dg.DagsterRunStatus.MANAGED,
    }
)

dispute_credits = dg.AssetSpec(
    "dispute_credits",
    deps=["dispute_positions"],
    description=TEXTS["dispute_credits"].markdown(),
    group_name="credits",
    kinds={"mongodb"},
    owners=list(OWNERS),
    tags=tags_of("dispute_credits"),
)


class DisputeCreditConfig(dg.Config):
    """A credit that is asked for: the launchpad's form. Any text is taken; `refusals` says what is wrong with it."""

    dispute_id: str = Field(description="The dispute at Stripe, du_... or dp_...")
    plan_hash: str = Field(description="The plan's hash, from `billing-dq credits show`: that very plan or nothing.")
    requested_by: str = Field(description="Who asks.")
    why: str = Field(description="The reason, 10 characters at least.")

    def refusals(self) -> dict[str, str]:
        """What is wrong, one sentence a field; Dagster itself would show only types, and no sentence for a person."""
        found: dict[str, str] = {}
        for name, check in _FIELDS.items():
            text = getattr(self, name)
            try:
                if text == EXAMPLE[name]:
                    raise ValueError("this is still the example's: put your own")
                check(text)
            except ValueError as error:
                found[name] = str(error)
        return found


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


def dispute_credit_definitions(
    nights: dg.PartitionsDefinition, settings_now: Callable[[], Settings] = load_settings
) -> dg.Definitions:
    """Asset, check, job and sensor of the credits, to be merged into the definitions.

    Args:
        nights: the partitions of `dispute_positions`.
        settings_now: reads the settings again; kill switch and mode count at the last moment.
    """

    @dg.op(name=OP)
    def apply_op(context: dg.OpExecutionContext, config: DisputeCreditConfig) -> None:
        """Credit one dispute, exactly once; what is refused for good fails at once, what is transient is retried."""
        refusals = config.refusals()
        if refusals:
            said = "; ".join(f"{name}: {sentence}" for name, sentence in refusals.items())
            raise dg.Failure(f"nothing was written: {said}", metadata=dict(refusals), allow_retries=False)
        context.instance.add_run_tags(
            context.run_id, {DISPUTE_TAG: config.dispute_id, PLAN_TAG: config.plan_hash}
        )  # a run from the launchpad has none yet, and the sensor looks for them
        try:
            outcome = _apply(config, settings_now)
        except TransientSourceError as error:  # a policy of the op would try an invalid config again as well
            wait = RETRY_SECONDS * 2**context.retry_number
            raise dg.RetryRequested(max_retries=CREDIT_RETRIES, seconds_to_wait=wait) from error
        context.log_event(_observation(config, outcome))
        context.log.info(_line(outcome))

    @dg.graph(name="dispute_credit")  # op and job are of one name, which a job's own graph would take
    def credit_graph() -> None:
        apply_op()

    apply_job = credit_graph.to_job(
        name=JOB,
        executor_def=dg.in_process_executor,
        config={"ops": {OP: {"config": EXAMPLE}}},
        description="Give back the units of one reinstated dispute.",
    )

    @dg.sensor(
        name=SENSOR,
        job=apply_job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,  # the mode is the switch: in `propose` a run only shows
        description="Starts a credit for each reinstated dispute that is due and not credited yet; in the mode propose "
        "a run that shows its plan, and the credit once that plan is approved.",
    )
    def reinstated_disputes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        """Compare what is due with what is done; `dispatch` decides."""
        try:
            settings = settings_now()
            off = credits_off(settings)
            if off is not None:
                return dg.SensorResult(skip_reason=off)
            reading = whole_log(settings)
            night = plans_of_night(settings, OnRecord.of(reading))
        except (SettingsError, SourceError) as error:
            return dg.SensorResult(skip_reason=str(error))
        runs = {plan.dispute_id: _runs(context.instance, plan.dispute_id) for plan in night.plans if plan.units}
        found = dispatch(night, reading.records, runs, settings.credits)
        if not found.starts:
            return dg.SensorResult(skip_reason=found.looked_at)
        context.log.info(found.looked_at)
        return dg.SensorResult(run_requests=[_run_request(start) for start in found.starts])

    @dg.multi_asset_check(
        name="credit_checks",
        specs=[
            night_check(
                CHECK,
                StripeReadingRecord.name,
                "No dispute whose money came back waits for its units; names those that do.",
                nights,
                deps=("findings",),
            )
        ],
        ins={StripeReadingRecord.name: dg.AssetIn(StripeReadingRecord.name)},
        can_subset=True,
    )
    def credit_checks(
        context: dg.AssetCheckExecutionContext,
        stripe_reading: StripeReadingRecord,
        settings: dg.ResourceParam[Settings],
    ) -> Iterator[dg.AssetCheckResult]:
        """Judge the night's positions; nothing is said where Stripe was not asked."""
        if stripe_reading.state == "failed":
            why = f"not examined, Stripe could not be read: {stripe_reading.reason}"
            yield _result(passed=False, description=why, metadata={})
        elif stripe_reading.state == "read":
            night = context.partition_key
            disagreement = said_of_a_night(
                settings,
                _stored(settings, DISPUTE_ENTRIES, night),
                SnapshotFactsRecord.require(settings.home, night).as_of,
            )
            yield _judge(_stored(settings, DISPUTE_POSITIONS, night), anchor_of(settings.state_directory), disagreement)

    return dg.Definitions(
        assets=[dispute_credits],
        asset_checks=[credit_checks],
        jobs=[apply_job],
        sensors=[reinstated_disputes],
    )


def _stored(settings: Settings, table: Table, night: str) -> pd.DataFrame:
    stored = Lake(settings.home).stored(table, night)
    if stored is None:
        raise dg.Failure(f"{table.name} of {night} is gone", allow_retries=False)
    return stored.frame()


def _apply(config: DisputeCreditConfig, settings_now: Callable[[], Settings]) -> CreditOutcome:
    asking = validation.person(config.requested_by)
    request = CreditRequest(
        dispute_id=config.dispute_id,
        actor=asking,
        why=validation.why(config.why),
        plan_hash=config.plan_hash,
        asking=(asking,),
    )
    try:
        settings = settings_now()
        if settings.credits.mode == "propose" and settings.mongodb_write_uri is None:
            return _shown(settings, config)
        with open_applier(settings, settings_now) as applier:
            outcome = applier.apply(request, RunBudget.of(settings))
    except TransientSourceError:
        raise
    except (SettingsError, SourceError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    if outcome.state not in ("credited", "nothing_due", "proposed"):
        said = f"{config.dispute_id}: nothing was written: {outcome.state}: {outcome.reason}"
        raise dg.Failure(said, allow_retries=False)
    return outcome


def _shown(settings: Settings, config: DisputeCreditConfig) -> CreditOutcome:
    """The plan as it is now; without an address to write to nothing more can be done about it."""
    plan = plan_now(settings, config.dispute_id)
    state = "proposed" if plan.decision in ("due", "needs_approval") else plan.decision
    return CreditOutcome(plan.dispute_id, state, plan.reason, 0.0, plan)


def how_to_approve(plan: CreditPlan) -> str:
    """What a person does with a plan that was shown."""
    return (
        f"nothing was written. To give these {plan.units:,.0f} units: `billing-dq credits approve {plan.dispute_id} "
        f"--plan {plan.plan_hash} --by YOU --why ...` under your own login; the sensor's next tick then writes exactly "
        "this plan, where BILLING_DQ_MONGODB_WRITE_URI is set"
    )


def _line(outcome: CreditOutcome) -> str:
    if outcome.state == "proposed" and outcome.plan is not None:
        return f"{outcome.dispute_id}: {how_to_approve(outcome.plan)}"
    return f"{outcome.dispute_id}: {outcome.state}, {outcome.units:,.0f} units ({outcome.reason})"


def _observation(config: DisputeCreditConfig, outcome: CreditOutcome) -> dg.AssetObservation:
    return dg.AssetObservation(
        asset_key=dispute_credits.key,
        description=f"{outcome.dispute_id}: {outcome.state}",
        metadata={
            "dispute_id": outcome.dispute_id,
            "state": outcome.state,
            "reason": outcome.reason,
            "units": outcome.units,
            "organization_id": (outcome.plan.organization_id if outcome.plan else None) or "",
            "plan_hash": config.plan_hash,
            "entry_id": outcome.entry_id or "",
            "requested_by": config.requested_by,
            "evidence": dg.MetadataValue.json(asdict(outcome.plan) if outcome.plan else {}),
            "to_approve": how_to_approve(outcome.plan) if outcome.plan and outcome.state == "proposed" else "",
            "why": config.why,
        },
    )


def _runs(instance: dg.DagsterInstance, dispute_id: str) -> list[PastRun]:
    filters = dg.RunsFilter(job_name=JOB, tags={DISPUTE_TAG: dispute_id})
    return [
        PastRun(run.tags.get(PLAN_TAG, ""), _state(run.status), run.tags.get(ATTEMPT_TAG) == "0")
        for run in instance.get_runs(filters)
    ]


def _state(status: dg.DagsterRunStatus) -> Literal["in_flight", "succeeded", "failed"]:
    if status in _IN_FLIGHT:
        return "in_flight"
    return "succeeded" if status is dg.DagsterRunStatus.SUCCESS else "failed"


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


def _judge(positions: pd.DataFrame, audit_anchor: str, disagreement: str | None) -> dg.AssetCheckResult:
    """Red where a credit is due, or where audit log and ledgers disagree, which forbids every credit; what waits for a
    person (parked or refused with money back) is named beside it.
    """
    came_back = positions["reinstated_minor"] > 0
    waiting = positions.loc[
        (positions["decision"] == "due") | (positions["decision"].isin(["parked", "refused"]) & came_back)
    ]
    due = int((waiting["decision"] == "due").sum())
    rows = rows_of(waiting, ("dispute_id", "organization_id", "decision", "reason", "due_units"))
    named = "; ".join(f"{row['dispute_id']} {row['decision']} ({row['reason']})" for row in rows[:20])
    return _result(
        passed=due == 0 and disagreement is None,
        description=(f"{disagreement}; " if disagreement else "")
        + (
            f"{due} {'dispute' if due == 1 else 'disputes'} of which the money came back "
            f"{'waits' if due == 1 else 'wait'} for {waiting['due_units'].sum():,.0f} units, {len(rows) - due} wait "
            f"for a person: {named}"
            if rows
            else "no dispute waits"
        ),
        metadata={
            "due": due,
            "for_a_person": len(rows) - due,
            "due_units": float(waiting["due_units"].sum()),
            "disputes": table_of(rows[:50]),
            "audit_anchor": audit_anchor,
        },
    )


def _result(passed: bool, description: str, metadata: Metadata) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=dg.AssetKey(StripeReadingRecord.name),
        check_name=CHECK,
        severity=dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata=metadata,
    )
