"""A large, dull company for the benchmark: every step of every organization is debited, nothing is broken.

It runs as a process, ``python -m billing_dq_simulation.bulk --help``, so that memory and CPU of the
benchmark stay those of the night.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import bson
import click
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from billing_dq.weeks import Week

_BATCH = 200
_COLLECTIONS = ("organizations", "subscriptions", "billingusages", "billingextrabalances", "processedstripeevents")
Document = dict[str, Any]


def company(organizations: int, weeks: int, entries: int, as_of: datetime) -> Iterator[dict[str, list[Document]]]:
    """Documents by collection, an organization at a time; ``entries`` are debits a week."""
    current = Week.of(as_of)
    periods = [current.shifted(-back) for back in range(weeks - 1, -1, -1)]
    for index in range(organizations):
        yield _organization(ObjectId(f"{index:024x}"), periods, entries, as_of)


def _organization(
    organization: ObjectId, weeks: list[Week], entries: int, as_of: datetime
) -> dict[str, list[Document]]:
    ledger: list[Document] = [
        {"kind": "topup", "amount": 10**6, "refId": "signup_grant", "at": weeks[0].start, "_id": ObjectId()}
    ]
    usages: list[Document] = []
    for week in weeks:
        span = min(week.end, as_of) - week.start
        keys = [f"{ObjectId()}:initial" for _ in range(entries)]
        usages.append(
            {
                "_id": ObjectId(),
                "organizationId": organization,
                "weekKey": week.key,
                "meterQuota": 0,
                "meterUsed": entries * 10,
                "meterBreakdown": {"autofix": entries * 10},
                "planVersion": "v1",
                "updatedAt": week.start + span,
                "consumedAttributionKeys": keys,
            }
        )
        for number, key in enumerate(keys):
            at = week.start + span * (number / entries)
            ledger.append({"kind": "debit", "amount": -10, "refId": key, "at": at, "_id": ObjectId()})
    cached = sum(int(entry["amount"]) for entry in ledger)
    balance = {"_id": ObjectId(), "organization": organization, "cachedBalance": cached, "ledger": ledger}
    return {
        "organizations": [{"_id": organization, "plan": "free"}],
        "subscriptions": [{"_id": ObjectId(), "organization": organization, "plan": "free", "status": "active"}],
        "billingusages": usages,
        "billingextrabalances": [balance],
    }


@click.command()
@click.option("--to", "uri", help="A server, and its --database.")
@click.option("--database")
@click.option("--files", type=click.Path(path_type=Path), help="A directory instead: documents as mongodump has them.")
@click.option("--organizations", type=int, required=True)
@click.option("--weeks", type=int, required=True)
@click.option("--entries", type=int, required=True)
@click.option("--as-of", type=datetime.fromisoformat, required=True)
def main(
    uri: str | None,
    database: str | None,
    files: Path | None,
    organizations: int,
    weeks: int,
    entries: int,
    as_of: datetime,
) -> None:
    """Make the company: in a server, with the indexes that the application has, or in files."""
    documents = company(organizations, weeks, entries, as_of)
    if files is not None:
        _write(documents, files)
    elif uri is not None and database is not None:
        _insert(documents, uri, database)
    else:
        raise click.UsageError("say where to: --to and --database, or --files")


def _write(documents: Iterator[dict[str, list[Document]]], directory: Path) -> None:
    directory.mkdir(parents=True)
    with ExitStack() as stack:
        files = {name: stack.enter_context((directory / f"{name}.bson").open("wb")) for name in _COLLECTIONS}
        for organization in documents:
            for name, found in organization.items():
                files[name].writelines(bson.encode(one) for one in found)


def _insert(documents: Iterator[dict[str, list[Document]]], uri: str, database: str) -> None:
    with MongoClient[Document](uri) as client:
        target = client[database]
        held: dict[str, list[Document]] = {}
        for number, organization in enumerate(documents, 1):
            for name, found in organization.items():
                held.setdefault(name, []).extend(found)
            if number % _BATCH == 0:
                _flush(target, held)
        _flush(target, held)
        target.billingusages.create_index([("organizationId", 1), ("weekKey", 1)], unique=True)
        target.billingextrabalances.create_index("organization", unique=True)
        target.subscriptions.create_index("organization", unique=True)
        target.create_collection("processedstripeevents")


def _flush(target: Database[Document], held: dict[str, list[Document]]) -> None:
    for name, found in held.items():
        target[name].insert_many(found)
    held.clear()


if __name__ == "__main__":
    main()
