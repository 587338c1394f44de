"""`billing-dq`: exit statuses, and errors that are one line; once as a process, which costs seconds."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.case_runner import Ended, command
from tests.support.night_without_dagster import nights_without_dagster
from tests.support.pure_night import PACKS, PRICES, QUOTAS

AS_OF = "2026-11-21T03:10:00Z"
PROGRAM = Path(sys.executable).parent / "billing-dq"


def settings_file(home: Path) -> Path:
    lines = ["first_night = 2026-11-01"]
    for plan, quota in QUOTAS.items():
        lines += [f"[plans.{plan}]", f"meter_quota = {quota}", f"prices = {json.dumps(PRICES[plan])}"]
    for pack, fields in PACKS.items():
        lines += [f"[packs.{pack}]", *(f"{key} = {value}" for key, value in fields.items())]
    path = home / "billing_dq.toml"
    path.write_text("\n".join(lines))
    return path


@contextmanager
def place(home: Path, variables: dict[str, str]) -> Iterator[None]:
    """A directory and an environment for a command: those of a shell that knows nothing of other settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BILLING_DQ_HOME": str(home / "home"), "DAGSTER_HOME": "", **variables}.items():
            patch.setenv(name, value)
        patch.chdir(home)
        yield


def run(home: Path, *arguments: str, **variables: str) -> Ended:
    with place(home, variables):
        return command(arguments)


def process(home: Path, *arguments: str, **variables: str) -> Ended:
    with place(home, variables):
        ended = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def the_one_line_of(result: Ended) -> str:
    assert result.exit == 2
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("billing-dq: ")
    return lines[0]


@pytest.fixture
def company(
    database: Database[dict[str, Any]], sample_documents: dict[str, list[dict[str, object]]], mongodb_uri: str
) -> dict[str, str]:
    for name, documents in sample_documents.items():
        database[name].insert_many([dict(document) for document in documents])
    return {"BILLING_DQ_MONGODB_URI": mongodb_uri, "BILLING_DQ_MONGODB_DATABASE": database.name}


def test_a_night_ends_with_0_is_not_read_twice_and_can_be_exported(
    tmp_path: Path,
    company: dict[str, str],
    database: Database[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings_file(tmp_path)
    first = process(tmp_path, "nightly", "--as-of", AS_OF, "--json", **company)
    assert first.exit == 0, first.stderr
    assert json.loads(first.stdout)["incidents"] == []
    assert "--again" in the_one_line_of(run(tmp_path, "nightly", "--as-of", AS_OF, **company))
    exported = run(tmp_path, "export", "meter_extras_deltas", "--format", "json")
    rows = [json.loads(line) for line in exported.stdout.splitlines()]
    assert len(rows) == 386
    assert sum(row["grade"] == "explained" for row in rows) == sum(bool(row["diverged"]) for row in rows) == 10
    # a broken ledger on the next night is something to act on
    database.billingextrabalances.update_one({}, {"$inc": {"cachedBalance": 777}})
    nights_without_dagster(monkeypatch)
    second = run(tmp_path, "nightly", "--as-of", "2026-11-22T03:10:00Z", **company)
    assert second.exit == 1, second.stderr
    assert "ledger_violation" in second.stdout
    listed = json.loads(run(tmp_path, "findings", "--severity", "error", "--json").stdout)
    assert [(row["kind"], row["cause"], row["units"]) for row in listed] == [
        ("ledger_violation", "cached_balance", 777.0)
    ]


def test_errors_are_one_line_with_the_way_out_and_without_a_secret(tmp_path: Path) -> None:
    assert "set BILLING_DQ_MONGODB_URI" in the_one_line_of(run(tmp_path, "nightly"))
    unreachable = {
        "BILLING_DQ_MONGODB_URI": "mongodb://u:hunter2@127.0.0.1:1/",
        "BILLING_DQ_MONGODB_CONNECT_SECONDS": "1",
    }
    line = the_one_line_of(run(tmp_path, "nightly", **unreachable))
    assert "cannot be reached" in line
    assert "hunter2" not in line
    assert "unknown setting" in the_one_line_of(run(tmp_path, "findings", BILLING_DQ_TYPO="1"))
    assert "run `billing-dq nightly` first" in the_one_line_of(run(tmp_path, "findings"))
    assert "No such command" in the_one_line_of(run(tmp_path, "sing"))


def test_doctor_names_what_is_missing_and_ends_with_2(tmp_path: Path) -> None:
    result = run(tmp_path, "doctor")
    assert result.exit == 2
    assert "FAILED  MongoDB" in result.stdout
    assert "output location" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"brokr": "redis://user:hunter2@x:1"}, 'config entry "brokr" at path root:config'),
        ({"backend": ["hunter2"]}, "a value is not of the type that the engine takes"),
    ],
)
def test_a_configuration_that_the_engine_does_not_take_is_one_line_without_a_value(
    config: dict[str, object], said: str, tmp_path: Path
) -> None:
    settings_file(tmp_path)
    execution = json.dumps({"engine": "celery", "config": config})
    refused = process(
        tmp_path,
        "nightly",
        BILLING_DQ_EXECUTION=execution,
        BILLING_DQ_MONGODB_URI="mongodb://127.0.0.1:1",  # never reached
    )
    line = the_one_line_of(refused)
    assert said in line
    assert "hunter2" not in refused.stderr + refused.stdout
