"""What `billing-dq doctor` tells about MongoDB: version, topology, privileges, collections, indexes."""

from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr
from pymongo.errors import OperationFailure

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.connection import Client, clear_errors, connect, hosts_of

#: Without these indexes the server sorts whole collections every night.
_WANTED_INDEXES = {
    "subscriptions": ("organization",),
    "billingusages": ("organizationId", "weekKey"),
    "billingextrabalances": ("organization",),
}
_WRITES = {"insert", "update", "remove", "dropCollection", "dropDatabase", "createCollection", "createIndex"}
_OLDEST = (5, 0)


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
        return [
            _server(client, uri),
            _privileges(client, settings),
            *_collections(client, settings),
        ]


def _server(client: Client, uri: SecretStr) -> Diagnosis:
    info = client.server_info()
    version = str(info["version"])
    topology = client.topology_description.topology_type_name
    detail = f"{hosts_of(uri)} runs MongoDB {version}, topology {topology}"
    if tuple(int(part) for part in info["versionArray"][:2]) < _OLDEST:
        return Diagnosis("MongoDB", "failed", f"{detail}; billing_dq needs 5.0 or later")
    if topology == "Single":
        return Diagnosis("MongoDB", "warning", f"{detail}: a standalone server offers no snapshot, nights read plainly")
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
    present = set(database.list_collection_names())
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
    found = f"{database.name} has {len(names) - len(missing)} of {len(names)} collections"
    state = "warning" if missing else "ok"
    told = [Diagnosis("MongoDB database", state, f"{found}; missing: {', '.join(missing)}" if missing else found)]
    for collection, wanted in _WANTED_INDEXES.items():
        if names[collection] in present:
            told.append(_index(client, settings, names[collection], wanted))
    return told


def _index(client: Client, settings: Settings, name: str, wanted: tuple[str, ...]) -> Diagnosis:
    part = f"MongoDB index of {name}"
    fields = ", ".join(wanted)
    collection = client[settings.mongodb_database][name]
    try:
        collection.find_one({}, {"_id": 1}, max_time_ms=round(settings.mongodb_timeout_seconds * 1000))
        indexes = collection.index_information().values()
    except OperationFailure as error:
        return Diagnosis(part, "failed", f"the user may not read it (code {error.code}); grant it the role read")
    for index in indexes:
        if [field for field, _ in index["key"]][: len(wanted)] == list(wanted):
            return Diagnosis(part, "ok", f"({fields}) is there")
    order = ", ".join(f"{field}: 1" for field in wanted)
    return Diagnosis(
        part, "warning", f"({fields}) is missing, nights sort the whole collection; createIndex({{{order}}})"
    )
