"""The SQLite file of a home, `<home>/billing_dq.sqlite`: what changes between the nights, in transactions.

Acceptances of findings and the outbox of the alerts are kept here. Tables of nights do not belong here (`lake.py`), nor
does the audit of the credits, which is a chain of hashes that a person can read without a program.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from billing_dq.errors import SourceError
from billing_dq.storage.private import private_directory

FILE_NAME = "billing_dq.sqlite"
#: Raised with each change of `_SCHEMA`; a file of a newer version is refused.
SCHEMA_VERSION = 1
_SECONDS_TO_WAIT_FOR_OTHERS = 60.0
_SCHEMA = """
CREATE TABLE acceptances (
    id INTEGER PRIMARY KEY,
    record TEXT NOT NULL  -- one row of the table `acceptances` as JSON
) STRICT;
CREATE TABLE notifications (
    id INTEGER PRIMARY KEY,
    created_at TEXT NOT NULL,
    route TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    severity TEXT NOT NULL,
    delivered_at TEXT  -- null: it waits in the outbox
) STRICT;
CREATE INDEX outbox ON notifications (route, id) WHERE delivered_at IS NULL;
CREATE TABLE notified_alerts (
    route TEXT NOT NULL,
    origin TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    record TEXT NOT NULL,  -- one row of the table `notified_alerts` as JSON
    PRIMARY KEY (route, origin, alert_id)
) STRICT;
CREATE TABLE failed_deliveries (
    route TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
"""


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that writes nothing; None where there is no file yet, or an empty one that another process fills.

    Raises:
        SourceError: the file cannot be read, is none of ours or is of a newer version; also inside the block.
    """
    if not path.exists():
        yield None
        return
    with _one_line(path, "read"), closing(_connected(f"{path.absolute().as_uri()}?mode=ro")) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
            yield None
            return
        _require_version(connection, path)
        yield connection


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """A transaction that no other process shares: all of the block is stored when it ends, or nothing where it fails.

    Makes the file and its directory.

    Raises:
        SourceError: the file cannot be written, is none of ours or is of a newer version; also inside the block.
    """
    with _one_line(path, "written"):
        private_directory(path.parent)
        path.touch(mode=0o600)  # SQLite gives its journals the mode of the file
        with closing(_connected(path.absolute().as_uri())) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                    _create(connection)
                _require_version(connection, path)
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def _connected(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=_SECONDS_TO_WAIT_FOR_OTHERS, isolation_level=None)
    connection.row_factory = sqlite3.Row
    # a crash of the machine loses nothing that was committed
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _create(connection: sqlite3.Connection) -> None:
    # not `executescript`, which commits the transaction first
    for statement in _SCHEMA.split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _require_version(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise SourceError(
            f"{path} has schema version {version}, and this billing_dq knows {SCHEMA_VERSION}; "
            "run the version that wrote it, or a newer one"
        )


@contextmanager
def _one_line(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise SourceError(f"{path} cannot be {done}: {reason or error}") from None
