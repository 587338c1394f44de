"""Dagster's history in SQLite, written through connections that stay open while a night is taken.

Dagster opens a connection for every event, compiles its statement anew and waits for the disk, up to three times an
event: with hundreds of events a night that was half of what Dagster cost. Here each database has one connection for the
whole night, and the disk is waited for when SQLite moves its log into the database. What a killed process had committed
stays; a machine that loses its power may lose the newest events of the history, never a table of the lake.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

_SECONDS_FOR_A_LOCK = 30  # as Dagster waits


@contextmanager
def kept_open(instance: dg.DagsterInstance) -> Iterator[None]:
    """Keep the connections of the event log open, as long as the block lasts; any other database than SQLite pools."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        yield
        return
    engines: dict[str, Engine] = {}
    plain, lock, has_table = storage._connect, storage._db_lock, storage.has_table

    @contextmanager
    def connect(shard: str) -> Iterator[Connection]:
        if shard not in engines:
            with plain(shard):  # makes the database where there is none
                pass
            engines[shard] = stack.enter_context(_opened(storage.conn_string_for_shard(shard)))
        with lock, engines[shard].begin() as connection:
            yield connection

    with ExitStack() as stack:
        storage._connect = connect
        storage.has_table = cache(has_table)  # which tables there are is asked anew for every event of a check
        try:
            yield
        finally:
            storage._connect, storage.has_table = plain, has_table


@contextmanager
def _opened(address: str) -> Iterator[Engine]:
    """One connection, for whichever thread holds the storage's lock."""
    arguments = {"timeout": _SECONDS_FOR_A_LOCK, "check_same_thread": False}
    engine = create_engine(address, poolclass=StaticPool, connect_args=arguments)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
        yield engine
    finally:
        engine.dispose()
