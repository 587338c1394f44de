"""A night in shards has the bytes of a night in one piece: in process, in processes of their own, on Celery workers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from pymongo import MongoClient

from billing_dq.defs import snapshot
from billing_dq.runner import DAGSTER_YAML, run_night
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.facts import Part
from billing_dq.sources.mongodb.parts import Reading, ReadingPlan
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq_simulation.config import WorldConfig, world_settings
from billing_dq_simulation.embedded import free_port
from billing_dq_simulation.faults.catalogue import FAULTS
from billing_dq_simulation.loader import load
from billing_dq_simulation.local_stripe import serve

pytestmark = pytest.mark.slow

COMPANY = WorldConfig(
    seed=5, organizations=24, weeks=4, faults={name: 0.05 for name in FAULTS if name != "large_document"}
)
NIGHT = COMPANY.as_of.date().isoformat()


@dataclass(frozen=True)
class Company:
    """A company in MongoDB and at Stripe, and a night of it that was taken in one piece."""

    known: dict[str, object]
    whole: Settings

    def settings(self, home: Path, **more: object) -> Settings:
        return Settings.model_validate({**self.known, "home": str(home), **more})


@pytest.fixture(scope="module")
def company(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    database = "billing_dq_test_shards"
    world = load(COMPANY, mongodb_uri, database, replace=True)
    with serve(world.stripe) as stripe, MongoClient[dict[str, object]](mongodb_uri) as client:
        client[database].billingextrabalances.insert_many([{"organization": "nobody"}, {"ledger": []}])
        known: dict[str, object] = {
            **world_settings(COMPANY, database),
            "mongodb_uri": mongodb_uri,
            "stripe_api_key": "rk_live_simulated",
            "stripe_base_url": stripe.url,
            "batch_organizations": 5,
        }
        whole = Company(known, Settings.model_validate({**known, "home": str(tmp_path_factory.mktemp("whole"))}))
        take(whole.whole, tmp_path_factory.mktemp("dagster"))
        yield whole
        client.drop_database(database)


def take(settings: Settings, directory: Path) -> list[dg.DagsterEvent]:
    """Take the night in process; the events of its steps."""
    (directory / "dagster.yaml").write_text(DAGSTER_YAML)
    with dg.DagsterInstance.from_config(str(directory)) as instance:
        taken = run_night(settings, instance, COMPANY.as_of)
        return [one.dagster_event for one in instance.all_logs(taken.run_id) if one.dagster_event is not None]


def tables(settings: Settings) -> dict[str, bytes]:
    """The stored tables of the night."""
    return {path.parent.name: path.read_bytes() for path in (Path(settings.home) / "lake").glob(f"*/{NIGHT}.parquet")}


def assert_same_night(settings: Settings, company: Company) -> None:
    found, expected = tables(settings), tables(company.whole)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
    facts, of_whole = (SnapshotFactsRecord.require(one.home, NIGHT) for one in (settings, company.whole))
    assert facts.model_copy(update={"seconds": {}}) == of_whole.model_copy(update={"seconds": {}})
    assert not (Path(settings.home) / "shards").exists()


def test_seven_shards_give_the_same_bytes_and_one_whose_process_dies_is_read_again_alone(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, died = snapshot.read_part, list[str]()

    def dies_once(reading: Reading, plan: ReadingPlan) -> Part:
        if reading.organizations == plan.ranges[2] and not died:
            died.append("once")
            raise MemoryError
        return read(reading, plan)

    monkeypatch.setattr(snapshot, "read_part", dies_once)
    settings = company.settings(tmp_path / "home", shards=7)
    (tmp_path / "dagster").mkdir()
    events = take(settings, tmp_path / "dagster")
    assert_same_night(settings, company)
    starts = [event.step_key for event in events if event.event_type_value in ("STEP_START", "STEP_RESTARTED")]
    read_steps = [key for key in starts if key is not None and "read_shard" in key]
    shard = "billing_dq_mongo_snapshot.billing_dq_read_shard"
    assert sorted(read_steps) == sorted([f"{shard}[{number:03}]" for number in range(7)] + [f"{shard}[002]"])


def environment_of(company: Company, directory: Path) -> dict[str, str]:
    """What a process needs to take the company's night in two shards."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_DQ_")}
    for name, value in {**company.known, "home": str(directory / "home"), "shards": 2}.items():
        is_text = isinstance(value, str | date)
        environment[f"BILLING_DQ_{name.upper()}"] = str(value) if is_text else json.dumps(value)
    return environment | {"DAGSTER_HOME": str(directory / "dagster")}


def assert_a_process_takes_the_same_night(company: Company, directory: Path, environment: dict[str, str]) -> None:
    command = [Path(sys.executable).parent / "billing-dq", "nightly", "--as-of", COMPANY.as_of.isoformat()]
    result = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr  # there are findings
    assert "Traceback" not in result.stderr, result.stderr
    assert_same_night(company.settings(directory / "home"), company)


@contextmanager
def redis_broker(directory: Path) -> Iterator[str]:
    """The address of a Redis of the test's own, which keeps nothing on the disk."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(directory)]
    with subprocess.Popen(["redis-server", *options], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert any("Ready to accept connections" in line for line in server.stdout)
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


@contextmanager
def celery_workers(directory: Path, environment: dict[str, str]) -> Iterator[None]:
    """Two worker processes, started as docs/scale.md says; each writes a log."""
    options = Path(__file__).parents[2] / "deploy" / "execution" / "celery_worker.yaml"
    command = ["dagster-celery", "worker", "start", "-A", "dagster_celery.app", "-y", str(options), "-n"]
    with ExitStack() as running:
        for name in ("first", "second"):
            log = running.enter_context((directory / f"{name}.log").open("w"))
            worker = subprocess.Popen(
                [*command, name, "--", "--concurrency", "1"],
                cwd=directory,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the worker is a process of its own below it, which must end with it
            )
            running.callback(worker.wait)
            running.callback(os.killpg, worker.pid, signal.SIGTERM)
        yield


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no broker: redis-server is not installed")
def test_a_night_on_two_celery_workers_gives_the_same_bytes(company: Company, tmp_path: Path) -> None:
    pytest.importorskip("dagster_celery", reason="needs the extra celery")
    dagster = tmp_path / "dagster"
    dagster.mkdir()
    (dagster / "dagster.yaml").write_text(DAGSTER_YAML)
    with dg.DagsterInstance.from_config(str(dagster)), redis_broker(tmp_path) as address:
        environment = environment_of(company, tmp_path)
        environment |= {"DAGSTER_CELERY_BROKER_URL": address, "DAGSTER_CELERY_BACKEND_URL": address}
        settings = tomllib.loads((Path(__file__).parents[2] / "deploy" / "execution" / "celery.toml").read_text())
        environment["BILLING_DQ_EXECUTION"] = json.dumps(settings["execution"])
        with celery_workers(tmp_path, environment):
            assert_a_process_takes_the_same_night(company, tmp_path, environment)
    logs = [(tmp_path / f"{name}.log").read_text() for name in ("first", "second")]
    assert all("succeeded in" in log for log in logs), "one worker took every step"


def test_a_night_in_processes_of_this_machine_gives_the_same_bytes(company: Company, tmp_path: Path) -> None:
    execution = json.dumps({"engine": "multiprocess", "config": {"max_concurrent": 2}})
    environment = environment_of(company, tmp_path) | {"BILLING_DQ_EXECUTION": execution}
    assert_a_process_takes_the_same_night(company, tmp_path, environment)
