"""The disk as a night writes to it: full, or left with half a file by a process that is gone."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

import pytest

from billing_dq.alerts import outbox
from billing_dq.storage import placing, stored_table
from tests.faults.plan import Edge


def full() -> None:
    """What the operating system says of a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def disk(home: Path, edge: Edge) -> Iterator[None]:
    """Have everything that a night writes cross the edge.

    A row group, a copied table and a text (half of either is there when it fails), a move, a transaction of the outbox.
    What a dead process still tries to take away from ``home`` stays.
    """
    write_text, unlink, replace = Path.write_text, Path.unlink, Path.replace
    write, begin = stored_table.pq.ParquetWriter.write_table, outbox.writing

    def copied(source: IO[bytes], target: IO[bytes], length: int = 0) -> None:
        content = source.read()
        edge.crossed(lambda: target.write(content[: len(content) // 2]))
        target.write(content)

    def text(self: Path, data: str, *args: object, **more: object) -> int:
        if home in self.parents:
            edge.crossed(lambda: write_text(self, data[: len(data) // 2], *args, **more))
        return write_text(self, data, *args, **more)

    def removed(self: Path, missing_ok: bool = False) -> None:
        if home not in self.parents or not edge.process.dead:
            unlink(self, missing_ok)

    def moved(self: Path, target: Path) -> Path:
        if home in self.parents:
            edge.crossed()
        return replace(self, target)

    def written(self: object, data: object, **more: object) -> None:
        edge.crossed()
        write(self, data, **more)

    def begun(path: Path) -> AbstractContextManager[sqlite3.Connection]:
        edge.crossed()
        return begin(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_text", text)
        patch.setattr(Path, "unlink", removed)
        patch.setattr(Path, "replace", moved)
        patch.setattr(stored_table.pq.ParquetWriter, "write_table", written)
        patch.setattr(outbox, "writing", begun)
        patch.setattr(placing, "shutil", _Shutil(copied))
        yield


class _Shutil:
    """The module of that name, with another `copyfileobj`."""

    def __init__(self, copied: object) -> None:
        self.copyfileobj = copied

    def __getattr__(self, name: str) -> object:
        return getattr(shutil, name)
