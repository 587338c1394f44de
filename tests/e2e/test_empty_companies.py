"""Every command on companies that lack something: nobody sees a traceback, and status 2 comes with one line."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pymongo.database import Database

from billing_dq.reconcile.findings.severity import SEVERITIES
from billing_dq.tables import TABLES
from billing_dq_simulation import local_stripe
from tests.conftest import COLLECTIONS, SAMPLE, read_sample
from tests.e2e.test_command_line import settings_file
from tests.support.case_runner import Ended, command
from tests.support.night_without_dagster import nights_without_dagster

NIGHT, AS_OF = "2026-11-21", "2026-11-21T03:10:00Z"
ORGANIZATION = "6aba68021f1483412b0fa60e"
DISPUTE = "du_1TILWEKGU1Y4hKjv9j5G2C5M"
BY = ("--by", "anna", "--why", "the money came back")
#: What a night stores without Dagster.
STORED = sorted(TABLES.keys() - {"night_measures", "column_profiles"})
COMPARED_NOTHING = ("no collection", "no document", "organizations", "billingusages")
#: Every command but those that take a night or run until they are stopped.
COMMANDS: Sequence[Sequence[str]] = [
    ["findings"],
    ["findings", "--json"],
    *(["findings", "--severity", name, "--resolved", "--json"] for name in SEVERITIES),
    ["findings", "--kind", "orphan_balance", "--organization", ORGANIZATION, "--night", NIGHT],
    ["explain", ORGANIZATION, "2026-W47"],
    ["explain", ORGANIZATION, "2026-W46", "--json"],
    ["dispute", DISPUTE],
    ["dispute", DISPUTE, "--json"],
    *(["export", name, "--format", "parquet", "--to", f"{name}.parquet"] for name in STORED),
    ["credits", "list"],
    ["credits", "list", "--all", "--json"],
    ["credits", "show", DISPUTE],
    ["credits", "show", DISPUTE, "--json"],
    ["credits", "approve", DISPUTE, "--plan", "0" * 16, *BY],
    ["credits", "apply", "--json"],
    ["credits", "apply", DISPUTE, "--plan", "0" * 16, *BY],
    ["credits", "park", ORGANIZATION, *BY],
    ["credits", "list", "--json"],
    ["credits", "unpark", ORGANIZATION, *BY],
    ["credits", "verify-audit", "--json"],
    ["doctor"],
]


@dataclass(frozen=True)
class Company:
    """Documents by collection (a collection that is not named does not exist), and Stripe's objects by resource."""

    documents: Mapping[str, list[dict[str, Any]]]
    stripe: Mapping[str, list[dict[str, Any]]]


def company(name: str) -> Company:
    """The sample's company, less what the name says."""
    documents = {collection: read_sample(collection) for collection in COLLECTIONS}
    stripe = local_stripe.load(SAMPLE / "stripe.json.gz")
    if name == "no collection":
        return Company({}, {})
    if name == "no document":
        return Company({collection: [] for collection in COLLECTIONS}, {})
    if name == "one organization":
        owners = {"organizations": "_id", "billingusages": "organizationId"}
        own = {
            collection: [one for one in rows if str(one.get(owners.get(collection, "organization"))) == ORGANIZATION]
            for collection, rows in documents.items()
        }
        return Company(own, stripe)
    if name == "nothing at Stripe":
        return Company(documents, {})
    assert name in COLLECTIONS
    return Company(documents | {name: []}, stripe)


def run(*arguments: str) -> Ended:
    """One command; one that fails says so in one line."""
    ended = command(arguments)
    assert ended.exit in (0, 1, 2), arguments
    assert "Traceback" not in ended.stderr, ended.stderr
    if ended.exit == 2 and arguments[0] != "doctor":
        lines = [line for line in ended.stderr.splitlines() if line.startswith("billing-dq: ")]
        assert len(lines) == 1, (arguments, ended.stderr)
    if ended.exit == 0 and "--json" in arguments:
        json.loads(ended.stdout)
    return ended


@pytest.mark.parametrize(
    "name", ["no collection", "no document", "one organization", "nothing at Stripe", *COLLECTIONS]
)
def test_every_command_ends_in_order_on_a_company_that_lacks_something(
    name: str,
    database: Database[dict[str, Any]],
    mongodb_uri: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lacking = company(name)
    for collection, documents in lacking.documents.items():
        database.create_collection(collection)
        if documents:
            database[collection].insert_many(documents)
    settings_file(tmp_path)
    nights_without_dagster(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BILLING_DQ_MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("BILLING_DQ_MONGODB_WRITE_URI", mongodb_uri)
    monkeypatch.setenv("BILLING_DQ_MONGODB_DATABASE", database.name)
    monkeypatch.setenv("BILLING_DQ_STRIPE_API_KEY", "rk_live_local")
    with local_stripe.serve(dict(lacking.stripe)) as stripe:
        monkeypatch.setenv("BILLING_DQ_STRIPE_BASE_URL", stripe.url)
        night = run("nightly", "--as-of", AS_OF, "--json")
        # nothing was compared without organizations or usage, and without any collection it is the wrong database
        assert night.exit in ((2,) if name in COMPARED_NOTHING else (0, 1)), night.stderr
        for arguments in COMMANDS:
            run(*arguments)
        if name == "no document":  # as text too, which no column has a row to be told by
            for table, kind in product(STORED, ("csv", "json")):
                run("export", table, "--format", kind)
    for table in STORED if night.exit != 2 else ():
        frame = pd.read_parquet(tmp_path / f"{table}.parquet")
        assert list(frame.columns) == TABLES[table].column_names


def test_a_company_of_one_organization_can_be_simulated_and_scored(
    database: Database[dict[str, Any]], mongodb_uri: str
) -> None:
    for organizations in ("0", "1"):
        asked = ["simulate", "--to", mongodb_uri, "--database", database.name, "--organizations", organizations]
        assert run(*asked, "--faults", "all", "--replace").exit == 0
    assert run("score", "--seeds", "1", "--organizations", "1", "--weeks", "1").exit == 0
