"""Runs a night through Dagster in this process, keeps its history, and returns its results.

Not here: what a night reads and concludes (`defs/`), and what a command prints.
"""

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pandas as pd
from dagster._core.definitions.job_base import IJob, InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from sqlalchemy.exc import DBAPIError
from upath import UPath

from billing_dq.composition import build_definitions
from billing_dq.defs.alerts import DELIVERED
from billing_dq.defs.checks.night_checks import sums_up_the_night
from billing_dq.defs.executors import LOCKED_TAG
from billing_dq.defs.jobs import RECONCILE_NIGHT, Part, part_of, what_is_missing
from billing_dq.defs.nights import REFUSED_TAG
from billing_dq.defs.resources import NightConfig
from billing_dq.defs.sensors import notify_of_checks
from billing_dq.errors import SettingsError, SourceError
from billing_dq.logs import log
from billing_dq.reconcile.findings.incidents import incidents
from billing_dq.reconcile.findings.standing import seen_open
from billing_dq.settings import Settings
from billing_dq.sources.progress import Progress
from billing_dq.storage.earlier_nights import unfinished_before
from billing_dq.storage.lake import Lake
from billing_dq.storage.night_locks import NightLocks
from billing_dq.storage.places import dagster_directory, why_not_writable
from billing_dq.storage.placing import put_text
from billing_dq.storage.records import ReconciliationRecord, SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import FINDINGS, METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE, NIGHTLY_REPORT

#: Written into an empty Dagster home. `nux` is a sign-up window that would cover the UI. A night is judged by the
#: nights before it, so that one run at a time holds the pool of nights, from its start to its end.
DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  pools:
    granularity: run
    default_limit: 1
"""
_OUR_ERRORS = "billing_dq.errors."
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
#: What Dagster calls the definitions of this package, where it is started with ``-m billing_dq.definitions``.
CODE_LOCATION = "billing_dq.definitions"
_DEFINITIONS = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(CODE_LOCATION), "__repository__")


class CheckOutcome(NamedTuple):
    """The result of a check of a night, with its sentence."""

    asset: str
    name: str
    passed: bool
    severity: str
    sentence: str

    @property
    def speaks_for_itself(self) -> bool:
        """Whether it reports what no finding and no other part of the night reports: a red one needs somebody."""
        return self.name != DELIVERED and not sums_up_the_night(self.name)


@dataclass(frozen=True)
class StoredNight:
    """A stored night, as commands show it. ``absent`` are the results that it could not compute, with the reasons."""

    night: str
    run_id: str
    snapshot: SnapshotFactsRecord
    stripe: StripeReadingRecord
    deltas: pd.DataFrame
    incidents: pd.DataFrame
    findings: pd.DataFrame
    report: pd.DataFrame
    checks: tuple[CheckOutcome, ...]
    absent: Mapping[str, str]

    @property
    def open_findings(self) -> pd.DataFrame:
        """The findings that this night itself saw."""
        return seen_open(self.findings, self.night)


def dagster_home(settings: Settings) -> Path:
    """`DAGSTER_HOME`, else `<home>/dagster`; made, with our `dagster.yaml`, where it is not there.

    Raises:
        SourceError: it cannot be written.
    """
    directory = dagster_directory(settings.state_directory)
    reason = why_not_writable(str(directory))
    if reason is not None:
        raise SourceError(f"Dagster's home {directory} cannot be written: {reason}; set DAGSTER_HOME")
    config = directory / "dagster.yaml"
    if not config.exists():
        put_text(DAGSTER_YAML, UPath(config))
    return directory


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Dagster's history, kept in `dagster_home`; the variable is set for this process and those it starts.

    Raises:
        SourceError: it cannot be written, also inside the block.
    """
    directory = dagster_home(settings)
    os.environ["DAGSTER_HOME"] = str(directory)
    try:
        with dg.DagsterInstance.get() as instance:
            yield instance
    except DBAPIError as error:  # of SQLite in that directory, or of the database that its dagster.yaml names
        reason = " ".join(str(error.orig).split())
        raise SourceError(
            f"Dagster's history cannot be written: {reason}; see that {directory} (DAGSTER_HOME), or the database that "
            "its dagster.yaml names, has room and can be reached"
        ) from error


def run_night(
    settings: Settings,
    instance: dg.DagsterInstance,
    as_of: datetime | None = None,
    again: bool = False,
    progress: Progress | None = None,
) -> StoredNight:
    """Take a night: read, reconcile, check, report. Of one that ended half-way only what is missing is made, and so is
    what earlier nights lack that were read and not concluded.

    Of two processes that take one night at once, the second is refused.

    Args:
        settings: every knob.
        instance: where Dagster keeps the history.
        as_of: the instant of the snapshot; now by default. The night is its UTC date.
        again: replace what the night has read before.
        progress: where long reads report how far they are.

    Raises:
        SourceError: the night cannot be taken; the message is one line.
        SettingsError: Dagster does not know the configuration of `[execution]`.
        KeyboardInterrupt: it was stopped on the way.
    """
    reason = why_not_writable(settings.home, "lake")
    if reason is not None:
        raise SourceError(f"home {settings.home} cannot be written: {reason}; set BILLING_DQ_HOME")
    now = datetime.now(UTC)
    instant = (as_of or now).astimezone(UTC)
    night = instant.date().isoformat()
    if night < settings.first_night.isoformat():
        raise SourceError(f"the night of {night} is before first_night, {settings.first_night}; set an earlier one")
    if instant.date() > now.date():  # Dagster has no partition of it
        raise SourceError(f"the night of {night} has not begun: this machine's clock stands at {now:%Y-%m-%d}, UTC")
    locks = NightLocks(settings.home)
    for earlier in unfinished_before(Lake(settings.home), night):
        with suppress(SourceError):  # the night itself fails with the reason that it waits for an earlier one
            _Taking(settings, instance, locks, progress).take(earlier, NightConfig())
    config = NightConfig(as_of=as_of.isoformat() if as_of else "", again=again)
    result = _Taking(settings, instance, locks, progress).take(night, config)
    return stored_night(settings, night, result.run_id, tuple(_outcomes(result)))


class _Taking(NamedTuple):
    """What every night of a command is taken with."""

    settings: Settings
    instance: dg.DagsterInstance
    locks: NightLocks
    progress: Progress | None

    def take(self, night: str, config: NightConfig) -> dg.JobExecutionResult:
        """Run what a night lacks, and hold it meanwhile.

        Raises:
            SourceError: it lacks nothing, or did not come to its end.
            SettingsError: Dagster does not know the configuration of `[execution]`.
            KeyboardInterrupt: it was stopped on the way.
        """
        with self.locks.hold(night):
            missing = (RECONCILE_NIGHT, "all") if config.again else what_is_missing(self.settings, night)
            if missing is None:
                raise SourceError(
                    f"the night of {night} is stored and is not read again; --again replaces it knowingly"
                )
            job = self._job(night, *missing)
            try:
                result = _execute(job, self.instance, night, config)
            except dg.DagsterInvalidConfigError as error:  # the executor's: our own is as the schema has it
                raise SettingsError(f"execution.config: {_invalid_fields(error)}") from None
        _log_steps(night, result)
        if not result.success:
            raise KeyboardInterrupt if _was_interrupted(result) else SourceError(_first_error(result))
        run = self.instance.get_run_by_id(result.run_id)
        if run is not None and REFUSED_TAG in run.tags:
            raise SourceError(run.tags[REFUSED_TAG])
        notify_of_checks(self.settings, self.instance, job.get_definition().asset_layer.asset_graph.asset_check_keys)
        return result

    def _job(self, night: str, name: str, part: Part) -> IJob:
        """A job, of these very settings where its steps run in this process; other processes make it anew."""
        if self.settings.execution.engine == "in_process":
            definitions = build_definitions(self.settings, self.progress, locks=self.locks, night=night)
            return InMemoryJob(part_of(definitions.resolve_job_def(name), part))
        arguments = {"name": name, "night": night, "part": part}
        return dg.build_reconstructable_job("billing_dq.definitions", "job_of_night", reconstructable_kwargs=arguments)


def _execute(job: IJob, instance: dg.DagsterInstance, night: str, config: NightConfig) -> dg.JobExecutionResult:
    """Run a job of a night, as a run of our code location: the UI's time line and `failed_runs` see no others."""
    definition, run_id = job.get_definition(), str(uuid.uuid4())
    run = instance.create_run_for_job(
        definition,
        run_id=run_id,
        run_config={
            "loggers": _QUIET,
            "resources": {"billing_dq_night": {"config": {"as_of": config.as_of, "again": config.again}}},
        },
        tags={
            **definition.run_tags,
            **definition.get_tags_for_partition_key(night, selected_asset_keys=None),
            LOCKED_TAG: run_id,
        },
        remote_job_origin=_DEFINITIONS.get_job_origin(definition.name),
    )
    return execute_run(job, run, instance)


def _log_steps(night: str, result: dg.JobExecutionResult) -> None:
    for event in result.all_events:
        if event.is_step_success:
            log("step done", night=night, step=event.step_key, seconds=event.step_success_data.duration_ms / 1000)
        elif event.is_step_failure:
            log("step failed", night=night, step=event.step_key)
    log("run ended", night=night, run_id=result.run_id, success=result.success)


def stored_night(
    settings: Settings, night: str, run_id: str = "", checks: tuple[CheckOutcome, ...] = ()
) -> StoredNight:
    """A night as it is stored.

    Raises:
        SourceError: it is not, or in part only.
    """
    lake = Lake(settings.home)
    stripe = StripeReadingRecord.of(settings.home, night)
    if stripe is None:
        raise SourceError(f"the night of {night} is not stored under {lake.root}")
    reconciliation = ReconciliationRecord.of(settings.home, night)
    return StoredNight(
        night,
        run_id,
        SnapshotFactsRecord.require(settings.home, night),
        stripe,
        lake.frame_or_empty(METER_EXTRAS_DELTAS, night),
        incidents(lake.frame_or_empty(METER_EXTRAS_EVIDENCE, night)),
        lake.require(FINDINGS, night).frame(),
        lake.require(NIGHTLY_REPORT, night).frame(),
        checks,
        {} if reconciliation is None else reconciliation.absent,
    )


def _invalid_fields(error: dg.DagsterInvalidConfigError) -> str:
    """The fields that Dagster does not accept, in one line; never a value, which may hold a password."""
    names = [" ".join(detail.message.split()) for detail in error.errors if "FIELD" in detail.reason.value]
    return "; ".join(names) or "a value is not of the type that the engine takes"


def _outcomes(result: dg.JobExecutionResult) -> list[CheckOutcome]:
    outcomes = [
        CheckOutcome(
            evaluation.asset_key.path[-1],
            evaluation.check_name,
            evaluation.passed,
            evaluation.severity.value,
            evaluation.description or "",
        )
        for evaluation in result.get_asset_check_evaluations()
    ]
    return sorted(outcomes, key=lambda check: (check.passed, check.asset, check.name))


def _was_interrupted(result: dg.JobExecutionResult) -> bool:
    """Dagster turns a Ctrl-C into the failure of the step that it hit."""
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return any(error is not None and error.cls_name == "DagsterExecutionInterruptedError" for error in errors)


def _first_error(result: dg.JobExecutionResult) -> str:
    """The first failed step's reason as one line; our own failures need no more words."""
    event = next((event for event in result.all_events if event.is_step_failure), None)
    if event is None:
        return f"run {result.run_id} failed; Dagster has the details"
    failure, error = event.step_failure_data.user_failure_data, event.step_failure_data.error
    if failure is not None:
        return failure.description or "a step failed"
    while error is not None and error.cause is not None and not error.message.startswith(_OUR_ERRORS):
        error = error.cause
    reason = " ".join(error.message.split()) if error else "unknown"
    if reason.startswith(_OUR_ERRORS):
        return reason.partition(": ")[2]
    return f"{event.step_key} failed: {reason}; run {result.run_id} in Dagster has the details"
