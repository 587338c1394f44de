"""What tests share: a MongoDB server (SecantusDB, or BILLING_DQ_TEST_MONGODB_URI) and a fresh database on it."""

import gzip
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bson import json_util
from hypothesis import Phase, settings
from pymongo import MongoClient
from pymongo.database import Database

from billing_dq_simulation.embedded import embedded_mongodb
from tests.support.loops import kept_for_these_sources
from tests.support.s3_server import S3Server, s3_server

if TYPE_CHECKING:
    from tests.support.sample_night import SampleNight

SAMPLE = Path(__file__).parent / "data" / "sample"
COLLECTIONS = ("organizations", "subscriptions", "billingusages", "billingextrabalances", "processedstripeevents")

# Before any test imports numba.
os.environ.setdefault("NUMBA_CACHE_DIR", kept_for_these_sources(Path(__file__).parents[1] / "billing_dq"))

# A shell ignores SIGINT for what it starts in the background; tests send it, and Dagster would copy that to SIGTERM.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No example is too slow: how long one takes is the machine's doing. `tests.support.examples` scales what a property
# asks for by the examples of the profile.
settings.register_profile("quick", deadline=None, max_examples=33)
settings.register_profile("long", deadline=None, max_examples=100)
# A mutant is dead at its first failing example; nobody reads the smallest one.
settings.register_profile("mutation", deadline=None, phases=[Phase.explicit, Phase.generate])
settings.load_profile(os.environ.get("BILLING_DQ_TEST_PROFILE", "quick"))


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that speaks the real wire protocol."""
    given = os.environ.get("BILLING_DQ_TEST_MONGODB_URI")
    if given:
        yield given
        return
    with embedded_mongodb(tmp_path_factory.mktemp("mongodb")) as server:
        yield server.uri


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On a server that is known to differ, its differences must fail: one that is gone is told as well."""
    listed = os.environ.get("BILLING_DQ_TEST_DIFFERENCES")
    if not listed:
        return
    lines = Path(listed).read_text(encoding="utf-8").splitlines()
    differences = tuple(line for line in lines if line and not line.startswith("#"))
    for item in items:
        if item.nodeid.startswith(differences):
            item.add_marker(pytest.mark.xfail(reason="see docs/scale.md", strict=True))


def database_name() -> str:
    """A name that nobody else has: processes of tests may share a server."""
    return f"billing_dq_test_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def database(mongodb_uri: str) -> Iterator[Database[dict[str, object]]]:
    """An empty database of the test's own, dropped afterwards."""
    with MongoClient[dict[str, object]](mongodb_uri) as client:
        name = database_name()
        yield client[name]
        client.drop_database(name)


@pytest.fixture(scope="session")
def s3_process() -> Iterator[S3Server]:
    """A server that speaks S3, one for all tests of a process: its client keeps the address that it saw first."""
    with s3_server() as running:
        yield running


@pytest.fixture
def s3(s3_process: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, reached as AWS would be: by the environment."""
    for name, value in s3_process.environment.items():
        monkeypatch.setenv(name, value)
    return s3_process


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no settings of the machine they run on."""
    for name in list(os.environ):
        if name.startswith("BILLING_DQ_") and not name.startswith("BILLING_DQ_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def sample_documents() -> dict[str, list[dict[str, object]]]:
    """The sample world's documents by collection, as pymongo would write them."""
    return {name: read_sample(name) for name in COLLECTIONS}


@pytest.fixture(scope="session")
def sample_night(
    mongodb_uri: str, sample_documents: dict[str, list[dict[str, object]]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator["SampleNight"]:
    """The sample's night through Dagster; nobody changes it, `copied_to` gives a home of one's own."""
    from tests.support.sample_night import taken_sample_night  # Dagster costs seconds, and few tests need it

    home, dagster = tmp_path_factory.mktemp("sample"), tmp_path_factory.mktemp("dagster")
    with (
        MongoClient[dict[str, object]](mongodb_uri) as client,
        taken_sample_night(mongodb_uri, client[database_name()], sample_documents, home, dagster) as night,
    ):
        yield night
        client.drop_database(night.settings.mongodb_database)


@pytest.fixture(scope="session")
def credit_lake(
    mongodb_uri: str, sample_documents: dict[str, list[dict[str, object]]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What a night stored of the sample without the credit of one dispute, once a process; tests copy it."""
    from tests.support import credit_night  # the sources cost a second, and few tests need them

    home = tmp_path_factory.mktemp("credit")
    with MongoClient[dict[str, object]](mongodb_uri) as client, pytest.MonkeyPatch.context() as patch:
        database = client[database_name()]
        credit_night.load_without_the_credit(database, sample_documents)
        with credit_night.company(mongodb_uri, database, home, patch, 'mode = "apply"') as settings:
            credit_night.store_night(settings)
        client.drop_database(database.name)
    return home / "lake"


def read_sample(name: str) -> list[dict[str, object]]:
    """One collection of the sample world."""
    with gzip.open(SAMPLE / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json_util.loads(line) for line in lines]
