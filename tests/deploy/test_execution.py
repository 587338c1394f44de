"""`deploy/execution/`: Dagster's own schema takes each configuration, and the executor is the one of the engine."""

import re
import tomllib
from pathlib import Path

import dagster as dg
import pytest

from billing_dq.defs.executors import executor_of
from billing_dq.settings import Execution, Settings
from billing_dq.storage.night_locks import NightLocks

FILES = sorted((Path(__file__).parents[2] / "deploy" / "execution").glob("*.toml"))


def job_by(settings: Settings) -> dg.JobDefinition:
    @dg.op
    def nothing() -> None: ...

    @dg.job(executor_def=executor_of(settings, NightLocks(settings.home)))
    def does_nothing() -> None:
        nothing()

    return does_nothing


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_dagster_takes_the_configuration_of(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for name in re.findall(r'env = "(\w+)"', text):
        monkeypatch.setenv(name, "redis://broker:6379/0")
    settings = Settings.model_validate({**tomllib.loads(text), "home": str(tmp_path)})
    job = job_by(settings)
    assert file.stem == settings.execution.engine
    assert job.executor_def.name == file.stem
    assert dg.validate_run_config(job, {})


def test_a_configuration_that_dagster_does_not_know_is_refused(tmp_path: Path) -> None:
    wrong = Execution(engine="celery", config={"brokr": "redis://x:1"})
    with pytest.raises(dg.DagsterInvalidConfigError, match="brokr"):
        dg.validate_run_config(job_by(Settings(home=str(tmp_path), execution=wrong)), {})


def test_every_engine_that_is_not_the_default_has_a_file() -> None:
    engines = Execution.model_json_schema()["properties"]["engine"]["enum"]
    assert {file.stem for file in FILES} == set(engines) - {"in_process"}
