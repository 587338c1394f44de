"""Loads a simulated company into a MongoDB, organization by organization; only the truth about it is kept."""

# Documents are plain mappings; pymongo's generic types say no more about them:
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from dataclasses import asdict, dataclass, fields

import pandas as pd
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from billing_dq.errors import SourceError
from billing_dq.sources.progress import Progress, SilentProgress
from billing_dq_simulation.company.account import RESOURCES
from billing_dq_simulation.company.documents import COLLECTIONS
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.labels import Document, Label
from billing_dq_simulation.world import account_objects, simulate

#: How long a server is looked for.
CONNECT_MS = 10_000

#: The indexes of the application (docs/domain.md, "Collections"): the fields of each, and whether they are unique.
_INDEXES: dict[str, tuple[tuple[tuple[str, ...], bool], ...]] = {
    "subscriptions": ((("organization",), True),),
    "billingusages": ((("organizationId", "weekKey"), False),),
    "billingextrabalances": ((("organization",), True),),
    "processedstripeevents": ((("eventId",), True),),
}


@dataclass
class LoadedWorld:
    """What is known of a loaded world: its labels (columns of `Label`), its Stripe objects, how many documents."""

    labels: pd.DataFrame
    stripe: dict[str, list[Document]]
    counts: dict[str, int]


def labels_frame(labels: list[Label]) -> pd.DataFrame:
    """Labels as a table with the columns of `Label`."""
    names = [field.name for field in fields(Label)]
    frame = pd.DataFrame.from_records([asdict(label) for label in labels], columns=names)
    types = dict.fromkeys(names, "str") | {"units": "float64", "tellable": "bool", "undecided": "bool"}
    return frame.astype(types)


def load(
    config: WorldConfig,
    uri: str,
    database: str,
    batch: int = 500,
    progress: Progress | None = None,
    replace: bool = False,
    stripe: bool = True,
) -> LoadedWorld:
    """Load a world into a database; one batch of organizations is held at a time.

    Args:
        config: the world.
        uri: of the MongoDB, with the right to write.
        database: to load into.
        batch: organizations per insert.
        progress: where to tell how far it is; silent by default.
        replace: drop the application's collections first. Without it a database that holds one is refused.
        stripe: keep the Stripe objects, which grow with the company, for the result.

    Raises:
        SourceError: the server cannot be written to, or the database already holds a company.
    """
    try:
        client: MongoClient[Document] = MongoClient(uri, serverSelectionTimeoutMS=CONNECT_MS)
    except (PyMongoError, ValueError):  # the message may repeat parts of the address, and with them a password
        raise SourceError("the address is no MongoDB URI such as mongodb://user:password@host:27017/") from None
    try:
        target = client[database]
        present = sorted(set(target.list_collection_names()) & set(COLLECTIONS))
        if present and not replace:
            raise SourceError(f"database {database} already holds {', '.join(present)}; use --replace to drop them")
        for name in present:
            target.drop_collection(name)
        collections = {name: target.create_collection(name) for name in COLLECTIONS}
        for name, indexes in _INDEXES.items():
            for keys, unique in indexes:
                collections[name].create_index([(key, 1) for key in keys], unique=unique)
        return _insert(config, collections, batch, progress or SilentProgress(), stripe)
    except PyMongoError as error:
        raise SourceError(f"cannot load into database {database}: {type(error).__name__}: {_reason(error)}") from None
    finally:
        client.close()


def _insert(
    config: WorldConfig,
    collections: dict[str, Collection[Document]],
    batch: int,
    progress: Progress,
    keep_stripe: bool,
) -> LoadedWorld:
    labels: list[Label] = []
    stripe: dict[str, list[Document]] = {resource: [] for resource in RESOURCES} | account_objects()
    counts: dict[str, int] = dict.fromkeys(COLLECTIONS, 0)
    held: dict[str, list[Document]] = {name: [] for name in COLLECTIONS}
    with progress.stage("organizations", config.organizations) as advance:
        waiting = 0
        for organization in simulate(config):
            labels += organization.labels
            for name, documents in organization.documents.items():
                held[name] += documents
                counts[name] += len(documents)
            if keep_stripe:
                for resource, objects in organization.stripe.items():
                    stripe.setdefault(resource, []).extend(objects)
            waiting += 1
            if waiting == batch:
                _flush(collections, held)
                advance(waiting)
                waiting = 0
        _flush(collections, held)
        advance(waiting)
    return LoadedWorld(labels_frame(labels), stripe, counts)


def _flush(collections: dict[str, Collection[Document]], held: dict[str, list[Document]]) -> None:
    for name, documents in held.items():
        if documents:
            collections[name].insert_many(documents, ordered=False)
            documents.clear()


def _reason(error: PyMongoError) -> str:
    """The first line of an error without what a driver appends to it (addresses, topology)."""
    return str(error).partition(",")[0].partition(" (configured")[0].partition("\n")[0]
