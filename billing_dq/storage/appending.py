"""Files that are only ever appended to, a record a line: safe among processes, and against a crash.

A line is on the disk before `append_line` returns, and one process writes at a time. A crash can leave the last line
torn. The next writer ends that line and adds its own: nothing is deleted.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def append_line(path: Path, line: bytes) -> None:
    """Append a line, given without its end, and wait until it is on the disk; makes the file and its directory.

    Raises:
        OSError: it cannot be written.
    """
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file, locked(file.fileno(), fcntl.LOCK_EX):
        descriptor = file.fileno()
        end = os.lseek(descriptor, 0, os.SEEK_END)
        is_torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
        content = (b"\n" if is_torn else b"") + line + b"\n"
        written = 0
        while written < len(content):
            written += os.write(descriptor, content[written:])
        os.fsync(descriptor)
    if is_new:
        sync_directory(path.parent)


def read_lines(path: Path) -> list[bytes]:
    """The lines without their ends, none where there is no file; no writer is half-way."""
    if not path.exists():
        return []
    with path.open("rb") as file, locked(file.fileno(), fcntl.LOCK_SH):
        return file.read().splitlines()


@contextmanager
def locked(descriptor: int, how: int) -> Iterator[None]:
    """Hold a lock of `fcntl.flock` on an open file."""
    fcntl.flock(descriptor, how)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def sync_directory(directory: Path) -> None:
    """Wait until the names in a directory are on the disk: a new file may else be gone after a crash."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
