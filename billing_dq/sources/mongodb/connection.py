"""The connection to MongoDB: its time-outs, and its errors as one clear line without a secret."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from bson.codec_options import DatetimeConversion
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings

Client = MongoClient[dict[str, object]]

_AUTHENTICATION_FAILED = {18, 8000}
_UNAUTHORIZED = 13
_BUSY_SERVER_MS = 120_000
_SNAPSHOT_GONE = {239, 246}
_SECRET_PART = re.compile(r"(mongodb(?:\+srv)?://)[^\s/@]*@", re.IGNORECASE)


def connect(uri: SecretStr, settings: Settings, variable: str = "BILLING_DQ_MONGODB_URI") -> Client:
    """A client with our time-outs and retryable reads. It connects on first use; close it, or use it as a context.

    ``variable`` is where the address came from, for the message.

    Raises:
        SourceError: the address is no MongoDB address.
    """
    patience = round(settings.mongodb_connect_seconds * 1000)
    try:
        return MongoClient(
            uri.get_secret_value(),
            appname="billing_dq",
            serverSelectionTimeoutMS=patience,
            # also the patience of the driver's heartbeat, which cancels running queries when a busy server answers it
            # late; how long a first contact may take is the line above
            connectTimeoutMS=max(patience, _BUSY_SERVER_MS),
            # the server ends a slow operation itself (maxTimeMS); the socket only has to notice a dead server
            socketTimeoutMS=round(settings.mongodb_timeout_seconds * 1000) + patience,
            retryReads=True,
            tz_aware=True,
            datetime_conversion=DatetimeConversion.DATETIME_AUTO,
        )
    except (InvalidURI, ConfigurationError, ValueError, TypeError):
        # the driver's message may quote the address, and with it the password
        raise SourceError(
            f"{variable} is no address of a MongoDB; it looks like mongodb://user:password@host:27017/, "
            "with special characters in the password percent-encoded"
        ) from None


@contextmanager
def clear_errors(uri: SecretStr, settings: Settings, variable: str = "BILLING_DQ_MONGODB_URI") -> Iterator[None]:
    """Turn the driver's errors into one line that says what to do next.

    Raises:
        TransientSourceError: unreachable, connection lost, too slow; another attempt may work.
        SourceError: not authorized, or refused for another reason.
    """
    where = hosts_of(uri)
    try:
        yield
    except ServerSelectionTimeoutError as error:
        raise TransientSourceError(
            f"MongoDB at {where} cannot be reached within {settings.mongodb_connect_seconds:g} s"
            f" ({_short(error)}); check {variable} and that the server runs"
        ) from None
    except ExecutionTimeout:
        raise TransientSourceError(
            f"MongoDB at {where} needed longer than mongodb_timeout_seconds ({settings.mongodb_timeout_seconds:g} s) "
            "for one query; see `billing-dq doctor` for missing indexes, or raise the setting"
        ) from None
    except OperationFailure as error:
        if error.code in _SNAPSHOT_GONE:
            raise TransientSourceError(
                f"MongoDB at {where} no longer keeps the snapshot that the night reads; it keeps one for "
                "minSnapshotHistoryWindowInSeconds (300 s unless set), which the night must not exceed"
            ) from None
        raise SourceError(_refused(error, where, settings, variable)) from None
    except AutoReconnect as error:
        raise TransientSourceError(
            f"the connection to MongoDB at {where} was lost ({_short(error)}); try again"
        ) from None
    except PyMongoError as error:
        raise SourceError(f"MongoDB at {where}: {_short(error)}; see `billing-dq doctor`") from None


def hosts_of(uri: SecretStr) -> str:
    """The host part of an address, without user and password."""
    match = re.match(r"mongodb(?:\+srv)?://(?:.*@)?([^/?@]+)", uri.get_secret_value())
    return match[1] if match else "the given address"


def _refused(error: OperationFailure, where: str, settings: Settings, variable: str) -> str:
    if error.code in _AUTHENTICATION_FAILED:
        return f"MongoDB at {where} refuses the user or password (authentication failed); check {variable}"
    if error.code == _UNAUTHORIZED:
        return (
            f"the user of {variable} may not read database {settings.mongodb_database} at {where}; "
            f'grant it the role "read" on {settings.mongodb_database}'
        )
    return f"MongoDB at {where} refused a query: {_short(error)}; see `billing-dq doctor`"


def _short(error: Exception) -> str:
    first = str(error).split(", full error:")[0].split(", Timeout:")[0].split(" (configured timeouts")[0]
    return _SECRET_PART.sub(r"\1", " ".join(first.split()))[:200]
