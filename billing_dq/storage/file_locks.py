"""Locks between processes of one machine, on files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from billing_dq.errors import SourceError
from billing_dq.storage.private import private_directory, private_opener


@contextmanager
def locked(descriptor: int, how: int) -> Iterator[None]:
    """Hold a lock of `fcntl.flock` on an open file."""
    fcntl.flock(descriptor, how)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def exclusive(path: Path, wait: bool) -> Iterator[bool]:
    """Hold a lock file for a block: whether it is held. False at once where another process has it and `wait` is False.

    Raises:
        SourceError: the lock file cannot be made.
    """
    try:
        private_directory(path.parent)
        descriptor = private_opener(str(path), os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise SourceError(f"the lock {path} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        is_held = True
    except BlockingIOError:
        is_held = False
    try:
        yield is_held
    finally:
        os.close(descriptor)  # gives the lock up
