"""Runs a folder of `tests/data/cases` through the real commands, in this process; its nights go without Dagster.

A case is one company and what is done with it: `<collection>.jsonl` (MongoDB Extended JSON, one document a line),
`stripe.json` (objects by resource), `billing_dq.toml`, and `steps.json`, a list of
    {"cmd": [...]}                                     the command with these arguments
    {"stripe": {"resource", "id", "set", "append"}}    fields of a Stripe object set, lists of it grown
    {"mongo": {"collection", "filter", "update"}}      one document updated
What must come of it is in `tests/e2e/case_table.py`: a `Night` for each `nightly` of the steps.
"""

import contextlib
import io
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from pymongo.database import Database

from billing_dq.cli import main
from billing_dq.reconcile.findings.severity import SEVERITIES
from billing_dq_simulation import local_stripe
from tests.support.night_without_dagster import nights_without_dagster

CASES = Path(__file__).parents[1] / "data" / "cases"
COLLECTIONS = ("organizations", "subscriptions", "billingusages", "billingextrabalances", "processedstripeevents")
Document = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """A finding that must be there; what is None may be anything.

    ``units`` are signed: positive is owed to us. ``says`` stands in its explanation, or is the cause of it.
    """

    kind: str | None
    subject: str | None = None
    units: float | None = None
    severity: str | None = None
    organization: str | None = None
    says: str = ""

    def matches(self, row: Document) -> bool:
        """Whether a row of `findings --json` is it."""
        wanted = {
            "kind": self.kind,
            "subject": self.subject,
            "units": self.units,
            "severity": self.severity,
            "organization_id": self.organization,
        }
        is_it = all(row[name] == value for name, value in wanted.items() if value is not None)
        return is_it and self.says in f"{row['cause']} {row['explanation']}"


@dataclass(frozen=True)
class Night:
    """What a night must come to: these findings and no others.

    Attributes:
        findings: each is there once.
        besides: findings of this severity, and of lesser ones, may be there as well.
        exits: the exit status of `nightly`; None: 1 where a finding is an error at least, else 0.
        refused: the night is not taken; a command that asks for it ends with 2.
        positions: of `dispute_positions`, by dispute: the fields that are known.
        prints: what the commands until the next night print; ``never_prints``: what they do not.
    """

    findings: Sequence[Finding] = ()
    besides: str | None = None
    exits: int | None = None
    refused: bool = False
    positions: dict[str, Document] | None = None
    prints: Sequence[str] = ()
    never_prints: Sequence[str] = ()


@dataclass(frozen=True)
class Case:
    """A case and what is right; while ``not_yet`` says why, the case must fail."""

    nights: Sequence[Night]
    not_yet: str | None = None


def run_case(
    name: str, case: Case, database: Database[Document], uri: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Take the steps of a case, and compare what comes of them with what must."""
    nights = iter(case.nights)
    night, printed = Night(), ""
    nights_without_dagster(monkeypatch)
    with company_of(name, database, uri, home, monkeypatch) as stripe:
        for step in steps_of(name):
            if "cmd" not in step:
                _change(step, database, stripe)
                continue
            if step["cmd"][0] == "nightly":
                _check_printed(night, printed)
                night, printed = next(nights), ""
            ended = command(step["cmd"])
            printed += ended.stdout + ended.stderr
            _check(step["cmd"], ended, night)
        _check_printed(night, printed)
    assert not list(nights), f"{name} takes fewer nights than the table has"


def steps_of(name: str) -> list[Document]:
    """What is done in a case."""
    return json.loads((CASES / name / "steps.json").read_text(encoding="utf-8"))


@contextlib.contextmanager
def company_of(
    name: str, database: Database[Document], uri: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[local_stripe.LocalStripe]:
    """The case's documents in the database, its Stripe, and the environment of the commands."""
    directory = CASES / name
    for collection in COLLECTIONS:
        file = directory / f"{collection}.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        if lines:
            database[collection].insert_many([json_util.loads(line) for line in lines])
        else:
            database.create_collection(collection)
    shutil.copy(directory / "billing_dq.toml", home)
    monkeypatch.chdir(home)
    objects = json.loads((directory / "stripe.json").read_text(encoding="utf-8"))
    with local_stripe.serve(objects) as stripe:
        for variable, value in {
            "BILLING_DQ_HOME": str(home / "home"),
            "DAGSTER_HOME": str(home / "dagster"),
            "BILLING_DQ_MONGODB_URI": uri,
            "BILLING_DQ_MONGODB_WRITE_URI": uri,
            "BILLING_DQ_MONGODB_DATABASE": database.name,
            "BILLING_DQ_STRIPE_API_KEY": "rk_live_x",
            "BILLING_DQ_STRIPE_BASE_URL": stripe.url,
            "COLUMNS": "180",
        }.items():
            monkeypatch.setenv(variable, value)
        yield stripe


def _change(step: Document, database: Database[Document], stripe: local_stripe.LocalStripe) -> None:
    """Change an object at Stripe or a document, as a step says."""
    if "stripe" in step:
        change = step["stripe"]
        changed = next(item for item in stripe.objects[change["resource"]] if item["id"] == change["id"])
        changed.update(change.get("set", {}))
        for name, added in change.get("append", {}).items():
            items = changed[name]
            assert isinstance(items, list)
            items.extend(added)
        return
    change = json_util.loads(json.dumps(step["mongo"]))
    assert database[change["collection"]].update_one(change["filter"], change["update"]).matched_count == 1


@dataclass(frozen=True)
class Ended:
    """What came of a command: its exit status, and what it printed."""

    exit: int
    stdout: str
    stderr: str


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


def _check(arguments: Sequence[str], ended: Ended, night: Night) -> None:
    """Compare what came of a command with what must."""
    shown = f"{' '.join(arguments)} ended with {ended.exit}\n{ended.stdout[-3000:]}\n{ended.stderr[-1000:]}"
    if arguments[0] == "nightly":
        is_red = any(finding.severity in ("error", "critical") for finding in night.findings)
        assert ended.exit == (int(is_red) if night.exits is None else night.exits), shown
        return
    assert ended.exit == (2 if night.refused else 0), shown
    if night.refused:
        return
    if arguments == ["findings", "--json"]:
        _check_findings(json.loads(ended.stdout), night, shown)
    if arguments[:2] == ["export", "dispute_positions"] and night.positions is not None:
        rows = {row["dispute_id"]: row for row in map(json.loads, ended.stdout.splitlines())}
        for dispute, fields in night.positions.items():
            assert fields.items() <= rows[dispute].items(), shown


def _check_findings(rows: list[Document], night: Night, shown: str) -> None:
    """Each expected finding is there, and no other."""
    left = list(rows)
    for finding in night.findings:
        row = next((row for row in left if finding.matches(row)), None)
        assert row is not None, f"no {finding} in:\n{shown}"
        left.remove(row)
    passed_over = () if night.besides is None else SEVERITIES[: SEVERITIES.index(night.besides) + 1]
    left = [row for row in left if row["severity"] not in passed_over]
    assert not left, f"nobody expects {left} of:\n{shown}"


def _check_printed(night: Night, printed: str) -> None:
    for text in night.prints:
        assert text in printed, printed
    for text in night.never_prints:
        assert text not in printed, printed
