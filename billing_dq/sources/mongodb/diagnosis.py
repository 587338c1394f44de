"""What `billing-dq doctor` finds out about MongoDB: version, topology, privileges, collections, queries and indexes.

It sends what a night sends, for documents that cannot be, so that it fails where the night would.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from pydantic import SecretStr
from pymongo.errors import OperationFailure

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import CollectionContract, contracts
from billing_dq.sources.mongodb.connection import Client, clear_errors, connect, hosts_of, is_transient
from billing_dq.sources.mongodb.queries import KEYS, documents_of, odd_weeks
from billing_dq.sources.mongodb.reader import Reader, reader_at, snapshot_instant
from billing_dq.weeks import NightWeeks

#: Without these indexes the server sorts whole collections every night.
_SORTED = ("subscriptions", "billingusages", "billingextrabalances")
_WRITES = {"insert", "update", "remove", "dropCollection", "dropDatabase", "createCollection", "createIndex"}
_OLDEST = (5, 0)
_UNAUTHORIZED = 13


@dataclass(frozen=True)
class Diagnosis:
    """One part of the installation, how it is, and what to do about it."""

    part: str
    state: Literal["ok", "warning", "failed"]
    detail: str


def diagnose(settings: Settings) -> list[Diagnosis]:
    """Reach the database that the nights read and name what is there and what is missing.

    Raises:
        SourceError: it cannot be reached or read.
    """
    uri = settings.mongodb_uri
    if uri is None:
        return [Diagnosis("MongoDB", "failed", "no address: set BILLING_DQ_MONGODB_URI (a read-only user is enough)")]
    with clear_errors(uri, settings), connect(uri, settings) as client:
        return [_reading_code(), _server(client, uri), _privileges(client, settings), *_collections(client, settings)]


def _reading_code() -> Diagnosis:
    """Whether the loops that read documents can be compiled here, and where they are kept."""
    check = "MongoDB reading code"
    try:
        from billing_dq.sources.mongodb.bson.walker import documents  # numba: only who asks for it pays for it
    except (ImportError, RuntimeError) as error:  # numba refuses to declare a loop that it can keep nowhere
        return Diagnosis(check, "failed", f'numba cannot be used here: {error}; see docs/running.md, "Compiled loops"')
    documents(np.zeros(0, dtype=np.uint8))
    return Diagnosis(check, "ok", f"compiled loops are kept in {documents.stats.cache_path}")


def _server(client: Client, uri: SecretStr) -> Diagnosis:
    info = client.server_info()
    topology = client.topology_description.topology_type_name
    detail = f"{hosts_of(uri)} runs MongoDB {info['version']}, topology {topology}"
    if tuple(int(part) for part in info["versionArray"][:2]) < _OLDEST:
        return Diagnosis("MongoDB", "failed", f"{detail}; billing_dq needs 5.0 or later")
    if topology == "Single":
        member_of = client.admin.command("hello").get("setName")
        if member_of:
            return Diagnosis(
                "MongoDB",
                "warning",
                f"{detail}: a member of the replica set {member_of}, reached directly; with replicaSet={member_of} in "
                "the address (and without directConnection) nights follow an election",
            )
        return Diagnosis("MongoDB", "warning", f"{detail}: a standalone server")
    return Diagnosis("MongoDB", "ok", detail)


def _privileges(client: Client, settings: Settings) -> Diagnosis:
    database = settings.mongodb_database
    status = client.admin.command("connectionStatus", showPrivileges=True)
    info = status.get("authInfo", {})
    if not info.get("authenticatedUsers"):
        return Diagnosis("MongoDB privileges", "warning", "no user: the server lets anyone in, and anyone write")
    writes = {
        action
        for privilege in info.get("authenticatedUserPrivileges", [])
        if _covers(privilege.get("resource", {}), database)
        for action in privilege.get("actions", [])
    } & _WRITES
    if writes:
        return Diagnosis(
            "MongoDB privileges",
            "warning",
            f"the user could write to {database} ({', '.join(sorted(writes))}); the role read is enough",
        )
    return Diagnosis("MongoDB privileges", "ok", f"the user cannot write to {database}")


def _covers(resource: dict[str, object], database: str) -> bool:
    return bool(resource.get("anyResource")) or resource.get("db") in ("", database)


def _collections(client: Client, settings: Settings) -> list[Diagnosis]:
    database = client[settings.mongodb_database]
    present = set(database.list_collection_names(authorizedCollections=True))
    names: dict[str, str] = settings.collections.model_dump()
    missing = [name for name in names.values() if name not in present]
    if len(missing) == len(names):
        return [
            Diagnosis(
                "MongoDB database",
                "failed",
                f"{database.name} has none of the collections; check mongodb_database and [collections]",
            )
        ]
    detail = f"{database.name} has {len(names) - len(missing)} of {len(names)} collections"
    if missing:
        detail += f"; missing: {', '.join(missing)}"
    diagnoses = [Diagnosis("MongoDB database", "warning" if missing else "ok", detail)]
    night = NightWeeks(datetime.now(UTC), settings.weeks_back, settings.settling_hours)
    readable = [
        contract
        for domain_name, contract in contracts(names, tuple(settings.plans), night.as_of).items()
        if names[domain_name] in present
    ]
    try:
        with reader_at(client, settings, snapshot_instant(client, settings, readable[0].name)) as reader:
            diagnoses.append(_snapshot(reader))
            diagnoses += [_queries(reader, contract, night) for contract in readable]
    except OperationFailure as error:
        diagnoses.append(Diagnosis("MongoDB snapshot", "failed", f"a snapshot read was refused (code {error.code})"))
    diagnoses += [_index(client, settings, contract) for contract in readable if contract.domain_name in _SORTED]
    return diagnoses


def _snapshot(reader: Reader) -> Diagnosis:
    if reader.one_snapshot:
        return Diagnosis("MongoDB snapshot", "ok", "a night reads all collections at one instant")
    return Diagnosis("MongoDB snapshot", "warning", f"nights read plainly: {reader.plainly_because}")


def _queries(reader: Reader, contract: CollectionContract, night: NightWeeks) -> Diagnosis:
    """Send the queries of a collection, for nothing that there is."""
    part = f"MongoDB query of {contract.name}"
    try:
        queries = [documents_of(contract, night.matching_keys)]
        if contract.domain_name == "billingusages":
            queries.append(odd_weeks(contract, night.matching_keys))
            reader.count(contract)
        for query in queries:
            list(reader.batches(contract, query.for_nothing()))
    except OperationFailure as error:
        if error.code == _UNAUTHORIZED:
            return Diagnosis(part, "failed", f"the user may not read it (code {error.code}); grant it the role read")
        message = str(error).split(", full error:")[0][:200]
        advice = "; it may pass, try again" if is_transient(error) else ""
        return Diagnosis(part, "failed", f"the server refuses what a night asks (code {error.code}): {message}{advice}")
    return Diagnosis(part, "ok", "the server takes what a night asks")


def _index(client: Client, settings: Settings, contract: CollectionContract) -> Diagnosis:
    part, key = f"MongoDB index of {contract.name}", KEYS[contract.domain_name]
    fields = ", ".join(key)
    try:
        indexes = client[settings.mongodb_database][contract.name].index_information().values()
    except OperationFailure as error:
        return Diagnosis(
            part, "warning", f"the user may not list indexes (code {error.code}): ({fields}) is not checked"
        )
    flaws: list[str] = []
    for index in indexes:
        if [field for field, _ in index["key"]][: len(key)] == list(key):
            flaw = unfit_for_order(index, len(key))
            if not flaw:
                return Diagnosis(part, "ok", f"({fields}) is there")
            flaws.append(flaw)
    order = ", ".join(f"{field}: 1" for field in key)
    similar = f"; there is one that is {flaws[0]}" if flaws else ""
    return Diagnosis(
        part, "warning", f"({fields}) is missing{similar}; nights sort the whole collection; createIndex({{{order}}})"
    )


def unfit_for_order(index: Mapping[str, object], fields: int) -> str:
    """What keeps an index from giving all documents in the order of its first fields; empty where nothing does.

    An index that descends in all of them is walked backwards.
    """
    key: list[tuple[str, object]] = index["key"]  # pyright: ignore[reportAssignmentType]
    directions = [direction for _, direction in key[:fields]]
    for direction in directions:
        if not isinstance(direction, int | float):
            return str(direction)
    if len({direction > 0 for direction in directions}) > 1:  # pyright: ignore[reportOperatorIssue]
        return "ascending in one field and descending in another"
    collation = index.get("collation")
    if isinstance(collation, Mapping) and collation.get("locale") != "simple":
        return f"of the collation {collation.get('locale')}"
    for option, flaw in (("sparse", "sparse"), ("partialFilterExpression", "partial"), ("hidden", "hidden")):
        if index.get(option):
            return flaw
    return ""
