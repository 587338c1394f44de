"""The server of a night: a connection to it, and what it holds."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.connection import Client, clear_errors, connect
from billing_dq.sources.mongodb.facts import Server

#: Collections that an application may not have made yet; that is told, not refused.
_MAY_BE_MISSING = {"billingextrabalances", "processedstripeevents"}


@contextmanager
def connected(settings: Settings) -> Iterator[Client]:
    """A client; errors of the driver become one clear line.

    Raises:
        TransientSourceError: the server cannot be reached or is too slow.
        SourceError: no address is set, or the server refuses.
    """
    uri = address(settings)
    with clear_errors(uri, settings), connect(uri, settings) as client:
        yield client


def address(settings: Settings) -> SecretStr:
    """The address to read from.

    Raises:
        SourceError: none is set.
    """
    if settings.mongodb_uri is None:
        raise SourceError("no MongoDB to read from: set BILLING_DQ_MONGODB_URI (a read-only user is enough)")
    return settings.mongodb_uri


def look(client: Client, settings: Settings) -> Server:
    """What server there is, and what it holds.

    Raises:
        SourceError: the wrong database, or a missing collection.
    """
    names = settings.collections.model_dump()
    # a user may have been granted single collections
    present = set(client[settings.mongodb_database].list_collection_names(authorizedCollections=True))
    missing = _missing(present, names, settings)
    version = str(client.server_info()["version"])
    probe = next(name for name in names.values() if name in present)
    return Server(version, client.topology_description.topology_type_name, tuple(missing), probe)


def _missing(present: set[str], names: dict[str, str], settings: Settings) -> list[str]:
    missing = [collection for collection, name in names.items() if name not in present]
    database = settings.mongodb_database
    if len(missing) == len(names):
        contents = f"it holds {', '.join(sorted(present)[:5])}" if present else "it is empty or does not exist"
        raise SourceError(
            f"database {database} has none of the collections of the application ({contents}); "
            "check mongodb_database and [collections]"
        )
    needed = [collection for collection in missing if collection not in _MAY_BE_MISSING]
    if needed:
        raise SourceError(
            f"database {database} has no collection {', '.join(names[collection] for collection in needed)}; "
            "check mongodb_database and [collections]"
        )
    return missing
