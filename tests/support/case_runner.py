"""Runs a folder of `tests/data/cases` through the real command, in this process.

A case is one company and what is done with it: `<collection>.jsonl` (MongoDB Extended JSON, one document a line),
`stripe.json` (objects by resource), `billing_dq.toml`, and the two lists below, which belong together item by item.

`steps.json`, one of:
    {"cmd": [...]}                                     the command with these arguments
    {"cmd": [...], "parallel": n}                      n processes of it, started at once
    {"stripe": {"resource", "id", "set", "append"}}    fields of a Stripe object set, lists of it grown
    {"mongo": {"collection", "filter", "update"}}      one document updated

`expected.json`: {"not_yet": WHY, "steps": [...]}. While `not_yet` is there, the case must fail. Of a step, each of:
    "exit": 0                 the exit status; of `parallel` a list, in ascending order
    "findings": [{...}]       what `findings --json` lists, and nothing else, in any order; fields left out may be any
    "rows": [{...}]           what `export --format json` writes, in the same way
    "says": [...]             texts that the command prints
    "never_says": [...]       texts that it does not
"""

import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from pymongo.database import Database

from billing_dq.cli import main
from billing_dq_simulation import local_stripe

CASES = Path(__file__).parents[1] / "data" / "cases"
COLLECTIONS = ("organizations", "subscriptions", "billingusages", "billingextrabalances", "processedstripeevents")
PROGRAM = Path(sys.executable).parent / "billing-dq"
Document = dict[str, Any]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One folder, read."""

    directory: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.directory.name

    @property
    def steps(self) -> list[Document]:
        """What is done."""
        return json.loads((self.directory / "steps.json").read_text(encoding="utf-8"))

    @property
    def expected(self) -> Document:
        """What must come of it."""
        return json.loads((self.directory / "expected.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Ended:
    """What came of a command: its exit status, of several processes in ascending order, and what it printed."""

    exit: int | list[int]
    stdout: str
    stderr: str


def all_cases() -> list[Case]:
    """Every folder, in order."""
    return [Case(path) for path in sorted(CASES.iterdir()) if path.is_dir()]


@contextlib.contextmanager
def company_of(
    case: Case, database: Database[Document], uri: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[local_stripe.LocalStripe]:
    """The case's documents in the database, its Stripe, and the environment of the commands."""
    for name in COLLECTIONS:
        file = case.directory / f"{name}.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        if lines:
            database[name].insert_many([json_util.loads(line) for line in lines])
        else:
            database.create_collection(name)
    shutil.copy(case.directory / "billing_dq.toml", home)
    monkeypatch.chdir(home)
    objects = json.loads((case.directory / "stripe.json").read_text(encoding="utf-8"))
    with local_stripe.serve(objects) as stripe:
        for name, value in {
            "BILLING_DQ_HOME": str(home / "home"),
            "BILLING_DQ_MONGODB_URI": uri,
            "BILLING_DQ_MONGODB_WRITE_URI": uri,
            "BILLING_DQ_MONGODB_DATABASE": database.name,
            "BILLING_DQ_STRIPE_API_KEY": "rk_live_x",
            "BILLING_DQ_STRIPE_BASE_URL": stripe.url,
            "COLUMNS": "180",
        }.items():
            monkeypatch.setenv(name, value)
        yield stripe


def take(step: Document, database: Database[Document], stripe: local_stripe.LocalStripe) -> Ended | None:
    """Do one step; what came of it where it is a command."""
    if "stripe" in step:
        change = step["stripe"]
        changed = next(one for one in stripe.objects[change["resource"]] if one["id"] == change["id"])
        changed.update(change.get("set", {}))
        for name, added in change.get("append", {}).items():
            held = changed[name]
            assert isinstance(held, list)
            held.extend(added)
        return None
    if "mongo" in step:
        change = json_util.loads(json.dumps(step["mongo"]))
        assert database[change["collection"]].update_one(change["filter"], change["update"]).matched_count == 1
        return None
    return at_once(step["cmd"], step["parallel"]) if "parallel" in step else command(step["cmd"])


def command(arguments: Sequence[str]) -> Ended:
    """Run `billing-dq` in this process; what a person would see as a traceback is raised."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        patch.setattr(sys, "argv", ["billing-dq", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    status = ended.value.code
    assert isinstance(status, int)
    return Ended(status, stdout.getvalue(), stderr.getvalue())


def at_once(arguments: Sequence[str], processes: int) -> Ended:
    """Run `billing-dq` in so many processes, all started before any is waited for."""
    started = [
        subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    printed = [process.communicate() for process in started]
    stdout, stderr = ("".join(texts) for texts in zip(*printed, strict=True))
    assert "Traceback" not in stderr, stderr
    return Ended(sorted(process.returncode for process in started), stdout, stderr)


def check(step: Document, ended: Ended, expected: Document) -> None:
    """Compare what came of a command with what must."""
    told = f"{' '.join(step['cmd'])}\n{ended.stdout[-3000:]}\n{ended.stderr[-1000:]}"
    if "exit" in expected:
        assert ended.exit == expected["exit"], told
    if "findings" in expected:
        assert_rows(json.loads(ended.stdout), expected["findings"], told)
    if "rows" in expected:
        assert_rows([json.loads(line) for line in ended.stdout.splitlines()], expected["rows"], told)
    for text in expected.get("says", ()):
        assert text in ended.stdout + ended.stderr, told
    for text in expected.get("never_says", ()):
        assert text not in ended.stdout + ended.stderr, told


def assert_rows(actual: Rows, expected: Rows, told: str) -> None:
    """Each expected row is there, and no other: rows are told apart by the fields that are expected of them."""
    left = list(actual)
    for row in expected:
        found = next((one for one in left if row.items() <= one.items()), None)
        assert found is not None, f"no {row} in:\n{told}"
        left.remove(found)
    assert not left, f"nobody expects {left} of:\n{told}"
