"""The SQLite file of a home: a block is stored whole or not at all, and a file of a newer version is refused."""

import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from billing_dq.errors import SourceError
from billing_dq.storage.home_database import FILE_NAME, SCHEMA_VERSION, reading, writing


def count(path: Path) -> int:
    with reading(path) as database:
        return 0 if database is None else database.execute("SELECT count(*) FROM acceptances").fetchone()[0]


def test_a_block_that_fails_leaves_nothing_not_even_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "home" / FILE_NAME
    with contextlib.suppress(KeyboardInterrupt), writing(path) as database:
        database.execute("INSERT INTO acceptances (record) VALUES ('{}')")
        raise KeyboardInterrupt
    with writing(path) as database:
        database.execute("INSERT INTO acceptances (record) VALUES ('{}')")
    assert count(path) == 1


def test_a_home_without_the_file_reads_as_none_and_is_not_made(tmp_path: Path) -> None:
    with reading(tmp_path / FILE_NAME) as database:
        assert database is None
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_that_another_process_is_about_to_fill_reads_as_none(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    with reading(tmp_path / FILE_NAME) as database:
        assert database is None


def test_what_is_only_read_needs_no_permission_to_write(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    with writing(path):
        pass
    with reading(path) as database:
        assert database is not None
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            database.execute("DELETE FROM acceptances")


@pytest.mark.parametrize("open_file", [reading, writing])
def test_a_file_of_a_newer_version_is_refused_in_one_line(
    tmp_path: Path, open_file: Callable[[Path], AbstractContextManager[object]]
) -> None:
    path = tmp_path / FILE_NAME
    with writing(path) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(SourceError, match=f"schema version {SCHEMA_VERSION + 1}"), open_file(path):
        pass
