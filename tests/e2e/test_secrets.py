"""Users with the shipped roles take nights and write a credit, and no file or line holds a secret."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.diagnosis import diagnose
from billing_dq_simulation.embedded import embedded_mongodb
from tests.support import credit_night as night

PROGRAM = Path(sys.executable).parent / "billing-dq"
ROLES = Path(__file__).parents[2] / "deploy" / "mongodb_roles.py"
READING, WRITING, STRIPE = "pw-Reading-7f3a", "pw-Writing-91bc", "rk_live_Planted5d0e"
WRONG = "pw-Wrong-c4d2"
SECRETS = (READING, WRITING, STRIPE, WRONG)
DATABASE = "app"
Document = dict[str, object]


@dataclass(frozen=True)
class Installation:
    """A company on a server that asks for users, and the variables of its commands."""

    home: Path
    dagster: Path
    reader: str
    writer: str


def roles_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mongodb_roles", ROLES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def installation(
    tmp_path: Path, sample_documents: dict[str, list[Document]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    data, home, dagster = (tmp_path / name for name in ("data", "home", "dagster"))
    home.mkdir()
    script = roles_script()
    with embedded_mongodb(data) as server, MongoClient[Document](server.uri, w="majority", journal=True) as client:
        night.load_without_the_credit(client[DATABASE], sample_documents)
        for _ in range(2):  # a second time sets the same privileges anew
            script.create(client[DATABASE], Settings(mongodb_database=DATABASE))
        for name, password in ((script.READER, READING), (script.WRITER, WRITING)):
            client[DATABASE].command("createUser", name, pwd=password, roles=[{"role": name, "db": DATABASE}])
        client.admin.command("createUser", "root", pwd="x", roles=["root"])
    with embedded_mongodb(data, "--auth") as server:
        address = server.uri.removeprefix("mongodb://")
        reader, writer = (
            f"mongodb://{name}:{password}@{address}?authSource={DATABASE}"
            for name, password in ((script.READER, READING), (script.WRITER, WRITING))
        )
        with (
            MongoClient[Document](reader) as client,
            night.company(reader, client[DATABASE], home, monkeypatch, 'mode = "apply"'),
        ):
            monkeypatch.setenv("BILLING_DQ_MONGODB_WRITE_URI", writer)
            monkeypatch.setenv("BILLING_DQ_STRIPE_API_KEY", STRIPE)
            monkeypatch.setenv("DAGSTER_HOME", str(dagster))
            yield Installation(home, dagster, reader, writer)


def run(installation: Installation, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [PROGRAM, *arguments], cwd=installation.home, env=environment, capture_output=True, text=True, check=False
    )


def places_of_secrets(*directories: Path) -> list[tuple[str, str]]:
    """Every file that holds a planted secret, as text or as the UTF-16 that some databases write."""
    return [
        (str(path), secret)
        for directory in directories
        for path in directory.rglob("*")
        if path.is_file()
        for secret in SECRETS
        if secret.encode() in path.read_bytes() or secret.encode("utf-16-le") in path.read_bytes()
    ]


@pytest.mark.slow
def test_no_secret_is_in_any_file_or_line_after_nights_that_fail_and_succeed_and_a_credit(
    installation: Installation,
) -> None:
    as_of = ("--as-of", night.AS_OF.isoformat())
    wrong = installation.reader.replace(READING, WRONG)
    said = [
        run(installation, "nightly", *as_of, BILLING_DQ_MONGODB_URI=wrong),
        run(installation, "nightly", *as_of, BILLING_DQ_MONGODB_URI=f"mongodb://u:{WRONG}@/not an address"),
        run(
            installation, "nightly", "--as-of", "2026-11-20T03:10:00Z", BILLING_DQ_STRIPE_BASE_URL="http://127.0.0.1:1"
        ),
        run(installation, "nightly", *as_of),
        run(installation, "doctor"),
        run(installation, "credits", "apply", BILLING_DQ_MONGODB_WRITE_URI=installation.reader),
        run(installation, "credits", "apply"),
        run(installation, "credits", "verify-audit"),
    ]
    states = [one.returncode for one in said]
    assert states[:3] == [2, 2, 2], said[2].stderr
    assert states[3] in (0, 1), said[3].stderr
    assert (states[5], states[6], states[7]) == (2, 0, 0), (said[5].stderr, said[6].stderr)
    assert "1 of 1 credited" in said[6].stdout
    for one in said:
        assert not [secret for secret in SECRETS if secret in one.stdout + one.stderr], one.args
        assert "Traceback" not in one.stderr, one.args
    assert places_of_secrets(installation.home, installation.dagster) == []
    assert list(installation.dagster.rglob("*.db"))  # there was something to search


def test_the_shipped_roles_name_one_collection_each_and_no_right_but_those_that_are_needed() -> None:
    settings = Settings(mongodb_database=DATABASE)
    found = {
        name: {(one["resource"]["collection"], *one["actions"]) for one in privileges}
        for name, privileges in roles_script().roles(settings).items()
    }
    assert found == {
        "billing_dq_reader": {
            ("", "listCollections"),
            *((name, "find", "listIndexes") for name in settings.collections.model_dump().values()),
        },
        "billing_dq_writer": {("billingextrabalances", "find", "update")},
    }


def test_the_reader_cannot_write_and_the_writer_can_only_update(installation: Installation) -> None:
    with MongoClient[Document](installation.reader) as client, pytest.raises(OperationFailure, match="not authorized"):
        client[DATABASE].billingextrabalances.update_one({}, {"$inc": {"cachedBalance": 1}})
    with MongoClient[Document](installation.writer) as client:
        balances = client[DATABASE].billingextrabalances
        assert balances.update_one({}, {"$inc": {"cachedBalance": 0}}).matched_count == 1
        for refused in (
            lambda: balances.insert_one({}),
            lambda: balances.delete_one({}),
            lambda: balances.drop(),
            lambda: client[DATABASE].command("createIndexes", "billingextrabalances", indexes=[]),
        ):
            with pytest.raises(OperationFailure):
                refused()
    settings = Settings(mongodb_uri=SecretStr(installation.reader), mongodb_database=DATABASE)
    (told,) = [one for one in diagnose(settings) if one.part == "MongoDB privileges"]
    assert told.state == "ok", told.detail
