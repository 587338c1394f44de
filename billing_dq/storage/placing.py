"""Files are put in their place whole: a reader sees the old content or the new one, and never a part.

On this machine's disk a file is written beside its place, synced and renamed. An object store shows an object when all
of it has arrived, so that a finished local file, or a text, is put there as it is.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from upath import UPath

from billing_dq.errors import PlaceError
from billing_dq.storage.private import private_directory, private_opener

_ELSEWHERE = "set BILLING_DQ_HOME to another place"


def is_local(place: UPath) -> bool:
    """Whether a place is on a file system of this machine."""
    return place.protocol in ("", "file", "local")


def put_file(source: UPath, place: UPath) -> None:
    """Copy a finished file, of this machine or of the same store, to its place; makes the directory.

    Raises:
        PlaceError: it cannot be written; what was there is there still.
    """
    with _telling(place):
        if not is_local(source):
            place.fs.cp_file(source.path, place.path)
            return
        if not is_local(place):
            place.fs.put_file(source.path, place.path)
            return
        with source.open("rb") as content, _beside(Path(place.path)) as target:
            shutil.copyfileobj(content, target, 1 << 20)


def put_text(text: str, place: UPath) -> None:
    """Write a text to its place; makes the directory.

    Raises:
        PlaceError: it cannot be written; what was there is there still.
    """
    with _telling(place):
        if not is_local(place):
            place.fs.pipe_file(place.path, text.encode("utf-8"))
            return
        with _beside(Path(place.path)) as target:
            target.write(text.encode("utf-8"))


@contextmanager
def _telling(place: UPath) -> Iterator[None]:
    """Say of what fails where it was to be put. A store has its own errors, which are not all of the system's kind."""
    try:
        yield
    except Exception as error:
        raise PlaceError(str(place.parent), error, _ELSEWHERE) from error


@contextmanager
def _beside(place: Path) -> Iterator[BinaryIO]:
    """A file beside its place, which takes the place when the block ends, and goes away where the block fails."""
    private_directory(place.parent)
    beside = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with open(beside, "wb", opener=private_opener) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
        sync_directory(place.parent)
    finally:
        beside.unlink(missing_ok=True)


def remove_halves(root: UPath, night: str) -> None:
    """Remove what a killed process has left beside the places of a night's files; a store keeps no halves."""
    if is_local(root):
        for half in Path(root.path).glob(f"*/.{night}.*.tmp"):
            half.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Wait until the names in a directory are on the disk: a new file may else be gone after a crash."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
