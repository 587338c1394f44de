"""The connection to MongoDB: its time-outs, and its errors as one clear line without a secret."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import InvalidBSON
from pydantic import SecretStr
from pymongo import MongoClient, read_preferences
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import ReadPreference, Settings

Client = MongoClient[dict[str, object]]

_AUTHENTICATION_FAILED = 18
_ATLAS_ERROR = 8000
_UNAUTHORIZED = 13
_BUSY_SERVER_MS = 120_000
#: A snapshot that the server no longer keeps, does not keep yet, or cannot keep.
SNAPSHOT_GONE = frozenset({239, 246, 148})
#: What passes by itself (an election, a restart, a lost cursor, a busy or slow server): the errors that the driver
#: retries, and those that it cannot retry in the middle of a cursor.
_TRANSIENT = frozenset(
    {
        *(6, 7, 89, 91, 134, 189, 262, 9001, 10058, 10107, 11600, 11602, 13435, 13436),
        *(43, 112, 133, 175, 237, 365, 391, 462, 11601, 13388),
    }
)
_MODES = {name: number for number, name in enumerate(get_args(ReadPreference))}
_SECRET_PART = re.compile(r"(mongodb(?:\+srv)?://)[^\s/@]*@", re.IGNORECASE)


#: Dates past the year 9999 and text that is not UTF-8 are read, and then judged: one document must not end the work.
DECODED = CodecOptions[dict[str, object]](
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="surrogateescape",
)


def connect(uri: SecretStr, settings: Settings, variable: str = "BILLING_DQ_MONGODB_URI") -> Client:
    """A client with our time-outs and retryable reads. It connects on first use; close it, or use it as a context.

    ``variable`` is where the address came from, for the message.

    Raises:
        TransientSourceError: the name of the server cannot be looked up.
        SourceError: the address is no MongoDB address, or names a file that cannot be read.
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
    except (OSError, PyMongoError, ValueError, TypeError) as error:
        raise unusable(error, uri, variable) from None


def database_of(client: Client, settings: Settings) -> Database[dict[str, object]]:
    """The database to read from: by the setting ``mongodb_read_preference``, or as the address says."""
    mode = settings.mongodb_read_preference
    preference = None if mode is None else read_preferences.make_read_preference(_MODES[mode], None)
    return client.get_database(settings.mongodb_database, read_preference=preference)


def unusable(error: Exception, uri: SecretStr, variable: str) -> SourceError:
    """Why there can be no client; the driver's own message may quote the address, and with it the password."""
    if isinstance(error, OSError):
        reason = error.strerror or "it cannot be used"
        return SourceError(f"{variable} names a file for TLS that cannot be read: {error.filename or reason}; {reason}")
    if isinstance(error, ConfigurationError) and "DNS" in str(error):
        return TransientSourceError(
            f"MongoDB at {hosts_of(uri)} cannot be reached: DNS does not know its name; check {variable}"
        )
    return SourceError(
        f"{variable} is no address of a MongoDB; it looks like mongodb://user:password@host:27017/, "
        "with special characters in the password percent-encoded"
    )


@contextmanager
def clear_errors(uri: SecretStr, settings: Settings, variable: str = "BILLING_DQ_MONGODB_URI") -> Iterator[None]:
    """Turn the driver's errors into one line that says what to do next.

    Raises:
        TransientSourceError: unreachable, connection lost, too slow, an election; another attempt may work.
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
        if error.code in SNAPSHOT_GONE:
            raise TransientSourceError(
                f"MongoDB at {where} no longer keeps the snapshot that the night reads; it keeps one for "
                'minSnapshotHistoryWindowInSeconds (300 s unless set); `mongodb_snapshot = "off"` reads without one'
            ) from None
        if is_transient(error):
            raise TransientSourceError(
                f"MongoDB at {where} could not finish a query (code {error.code}: {_short(error)}); try again"
            ) from None
        raise SourceError(_refused(error, uri, settings, variable)) from None
    except AutoReconnect as error:
        raise TransientSourceError(
            f"the connection to MongoDB at {where} was lost ({_short(error)}); try again"
        ) from None
    except PyMongoError as error:
        raise SourceError(f"MongoDB at {where}: {_short(error)}; see `billing-dq doctor`") from None
    except InvalidBSON as error:
        raise SourceError(f"MongoDB at {where} sent bytes that are no BSON: {_short(error)}") from None


def is_transient(error: PyMongoError) -> bool:
    """Whether another attempt may work."""
    if isinstance(error, OperationFailure):
        return isinstance(error, ExecutionTimeout) or error.code in _TRANSIENT | SNAPSHOT_GONE
    return isinstance(error, AutoReconnect)


def hosts_of(uri: SecretStr) -> str:
    """The host part of an address, without user and password."""
    match = re.match(r"mongodb(?:\+srv)?://(?:.*@)?([^/?@]+)", uri.get_secret_value())
    return match[1] if match else "the given address"


def _refused(error: OperationFailure, uri: SecretStr, settings: Settings, variable: str) -> str:
    where, message = hosts_of(uri), _short(error)
    if error.code == _AUTHENTICATION_FAILED or (error.code == _ATLAS_ERROR and "auth" in message.lower()):
        return f"MongoDB at {where} refuses the user or password (authentication failed); check {variable}"
    if error.code == _UNAUTHORIZED and "@" not in uri.get_secret_value():
        return (
            f"MongoDB at {where} asks for a user, and {variable} names none; it looks like mongodb://user:password@..."
        )
    if error.code == _UNAUTHORIZED:
        return (
            f"the user of {variable} may not read database {settings.mongodb_database} at {where}; "
            f'grant it the role "read" on {settings.mongodb_database}'
        )
    return f"MongoDB at {where} refused a query: {message}; see `billing-dq doctor`"


def _short(error: Exception) -> str:
    first = str(error).split(", full error:")[0].split(", Timeout:")[0].split(" (configured timeouts")[0]
    return _SECRET_PART.sub(r"\1", " ".join(first.split()))[:200]
