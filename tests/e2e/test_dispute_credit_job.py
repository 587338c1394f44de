"""The credit as Dagster runs it: the sensor finds it, the job writes it, the launchpad's form is checked."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from bson import ObjectId
from pymongo.database import Database

from billing_dq.credits.approvals import approve
from billing_dq.credits.audit import AuditLog
from billing_dq.credits.run import plan_now
from billing_dq.defs import dispute_credits as defs
from billing_dq.errors import TransientSourceError
from billing_dq.settings import Settings, load_settings
from tests.support import credit_night as night

Document = dict[str, object]


@pytest.fixture
def settings(
    mongodb_uri: str,
    database: Database[Document],
    sample_documents: dict[str, list[Document]],
    credit_lake: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Settings]:
    night.load_without_the_credit(database, sample_documents)
    with night.company(mongodb_uri, database, tmp_path, monkeypatch, 'mode = "apply"') as settings:
        shutil.copytree(credit_lake, tmp_path / "lake")
        yield settings


@pytest.fixture
def definitions(settings: Settings) -> dg.Definitions:
    return defs.dispute_credit_definitions(load_settings)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dg.SensorResult:
    sensor = definitions.resolve_sensor_def(defs.SENSOR)
    result = sensor(dg.build_sensor_context(instance=instance, repository_def=definitions.get_repository_def()))
    assert isinstance(result, dg.SensorResult)
    return result


def execute(
    definitions: dg.Definitions, instance: dg.DagsterInstance, request: dg.RunRequest
) -> dg.ExecuteInProcessResult:
    job = definitions.resolve_job_def(defs.JOB)
    return job.execute_in_process(
        run_config=request.run_config, tags=request.tags, instance=instance, raise_on_error=False
    )


FORM = {
    "dispute_id": night.DISPUTE,
    "plan_hash": "0" * 24,
    "requested_by": "anna",
    "why": "the money came back",
}


def config(**changes: str) -> dict[str, object]:
    return {"ops": {defs.OP: {"config": {**FORM, **changes}}}}


def ours(database: Database[Document]) -> list[Document]:
    balance = database.billingextrabalances.find_one({"organization": ObjectId(night.ORGANIZATION)})
    assert balance is not None
    return [entry for entry in balance["ledger"] if entry.get("refId") == night.REF]


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    (failed,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    data = failed.step_failure_data
    assert data.user_failure_data is not None, data.error
    return str(data.user_failure_data.description)


def test_the_sensor_starts_the_due_credit_and_the_job_writes_it_once(
    definitions: dg.Definitions, instance: dg.DagsterInstance, settings: Settings, database: Database[Document]
) -> None:
    (request,) = tick(definitions, instance).run_requests
    assert request.run_key is not None
    assert request.run_key.endswith("-attempt-1")
    assert request.tags[defs.DISPUTE_TAG] == night.DISPUTE
    result = execute(definitions, instance, request)
    assert result.success
    (entry,) = ours(database)
    assert entry["amount"] == 6000
    observed = instance.fetch_observations(dg.AssetKey("dispute_credits"), limit=5).records
    assert [record.asset_observation.metadata["units"].value for record in observed] == [6000.0]
    skipped = tick(definitions, instance)
    assert not skipped.run_requests
    assert f"{night.DISPUTE} credited since" in str(skipped.skip_reason)
    assert execute(definitions, instance, request).success
    assert len(ours(database)) == 1


def test_two_daemons_on_one_dispute_make_one_credit(
    definitions: dg.Definitions, settings: Settings, database: Database[Document]
) -> None:
    with dg.DagsterInstance.ephemeral() as one, dg.DagsterInstance.ephemeral() as other:
        requests = [tick(definitions, instance).run_requests[0] for instance in (one, other)]
        assert requests[0].run_key == requests[1].run_key
        assert [execute(definitions, i, r).success for i, r in zip((one, other), requests, strict=True)] == [True, True]
    assert len(ours(database)) == 1


def test_in_the_mode_propose_a_run_shows_the_plan_and_an_approval_has_exactly_that_plan_written(
    definitions: dg.Definitions, instance: dg.DagsterInstance, settings: Settings, database: Database[Document]
) -> None:
    night.rewrite(settings, '"apply"', '"propose"')
    (proposal,) = tick(definitions, instance).run_requests
    shown = execute(definitions, instance, proposal)
    assert shown.success
    (observed,) = instance.fetch_observations(dg.AssetKey("dispute_credits"), limit=5).records
    metadata = observed.asset_observation.metadata
    assert metadata["state"].value == "proposed"
    assert metadata["evidence"].value["clawed_back_units"] == 6000
    assert f"credits approve {night.DISPUTE} --plan" in metadata["to_approve"].value
    assert ours(database) == []
    assert f"{night.DISPUTE} proposed, 6,000 units" in str(tick(definitions, instance).skip_reason)
    plan = plan_now(load_settings(), night.DISPUTE)
    approve(AuditLog(Path(settings.home) / "credits"), plan, plan.plan_hash, "bert", "checked with the bank")
    (request,) = tick(definitions, instance).run_requests
    assert request.tags[defs.PLAN_TAG] == plan.plan_hash
    assert execute(definitions, instance, request).success
    assert [entry["amount"] for entry in ours(database)] == [6000]
    assert f"{night.DISPUTE} credited since" in str(tick(definitions, instance).skip_reason)


def test_nothing_is_started_while_a_run_is_in_flight_nor_after_three_attempts(
    definitions: dg.Definitions, instance: dg.DagsterInstance, settings: Settings
) -> None:
    job = definitions.resolve_job_def(defs.JOB)
    for attempt in (1, 2, 3):
        (request,) = tick(definitions, instance).run_requests
        assert str(request.run_key).endswith(f"-attempt-{attempt}")
        run = instance.create_run_for_job(job, run_config=request.run_config, tags=request.tags)
        assert "in flight" in str(tick(definitions, instance).skip_reason)
        instance.report_run_failed(run)
    assert "given up after 3 attempts" in str(tick(definitions, instance).skip_reason)


def test_a_permanent_refusal_fails_at_once_with_its_reason(
    definitions: dg.Definitions, instance: dg.DagsterInstance, settings: Settings, database: Database[Document]
) -> None:
    result = execute(definitions, instance, dg.RunRequest(run_config=config()))
    assert "plan_changed" in failure_of(result)
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert ours(database) == []
    assert AuditLog(Path(settings.home) / "credits").read().records[-1].kind == "refused"


def test_what_is_transient_is_tried_again(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    settings: Settings,
    database: Database[Document],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (request,) = tick(definitions, instance).run_requests
    usual, calls = defs._apply, []

    def flaky(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 1:
            raise TransientSourceError("MongoDB cannot be read right now")
        return usual(*arguments)

    monkeypatch.setattr(defs, "_apply", flaky)
    monkeypatch.setattr(defs, "RETRY_SECONDS", 0)
    result = execute(definitions, instance, request)
    assert result.success
    assert len(calls) == 2
    assert len(ours(database)) == 1


@pytest.mark.parametrize(
    "changes",
    [{"dispute_id": "pi_1"}, {"plan_hash": "12"}, {"requested_by": " "}, {"why": "too short"}],
)
def test_what_is_invalid_is_refused_by_a_sentence_about_its_field(changes: dict[str, str]) -> None:
    form = defs.DisputeCreditConfig(**{**FORM, **changes})
    assert list(form.refusals()) == list(changes)


def test_the_example_of_the_launchpad_is_refused_field_by_field() -> None:
    refusals = defs.DisputeCreditConfig(**defs.EXAMPLE).refusals()
    assert list(refusals) == ["dispute_id", "plan_hash", "requested_by", "why"]
    assert all("still the example's" in sentence for sentence in refusals.values())


def test_the_launchpad_opens_with_the_example_and_nobody_approves_in_it(
    definitions: dg.Definitions, settings: Settings
) -> None:
    assert definitions.resolve_job_def(defs.JOB).run_config == {"ops": {defs.OP: {"config": defs.EXAMPLE}}}
    assert "approved_by" not in defs.DisputeCreditConfig.model_fields


def test_an_invalid_form_fails_at_once(
    definitions: dg.Definitions, instance: dg.DagsterInstance, settings: Settings, database: Database[Document]
) -> None:
    result = execute(definitions, instance, dg.RunRequest(run_config=config(why="too short", dispute_id="pi_1")))
    assert failure_of(result).startswith("nothing was written: dispute_id: 'pi_1' is no dispute id")
    assert "; why: the reason is too short" in failure_of(result)
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert ours(database) == []


def test_a_large_credit_waits_for_an_approval_by_the_command_under_another_name(
    definitions: dg.Definitions, instance: dg.DagsterInstance, settings: Settings, database: Database[Document]
) -> None:
    night.rewrite(settings, 'mode = "apply"', 'mode = "apply"\napprove_above_units = 5999')
    assert "waits for approval" in str(tick(definitions, instance).skip_reason)
    plan = plan_now(load_settings(), night.DISPUTE)
    form = config(plan_hash=plan.plan_hash)
    assert "needs_approval" in failure_of(execute(definitions, instance, dg.RunRequest(run_config=form)))
    log = AuditLog(Path(settings.home) / "credits")
    approve(log, plan, plan.plan_hash, "Anna", "checked with the bank")
    assert "same_person" in failure_of(execute(definitions, instance, dg.RunRequest(run_config=form)))
    assert ours(database) == []
    (request,) = tick(definitions, instance).run_requests
    assert execute(definitions, instance, request).success
    assert len(ours(database)) == 1
