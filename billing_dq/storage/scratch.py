"""Temporary directories of a run. A killed run leaves its own behind: the next run on the machine removes them.

The process holds a lock on each of its directories (`flock`), which ends with it, however it ends.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Of no other temporary directory: what else is named after this package is not locked, and may be in use.
_PREFIX = "billing_dq_scratch_"
#: A directory is made before it is locked; a younger one than this may be about to be.
_SECONDS_TO_LOCK = 60.0


@contextmanager
def scratch_directory(what: str) -> Iterator[Path]:
    """A directory for what a step makes; that it cannot be removed is no failure of the step."""
    _remove_abandoned(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{what}_", ignore_cleanup_errors=True) as name:
        descriptor = os.open(name, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(descriptor)


def _remove_abandoned(directory: Path) -> None:
    """Remove the directories of this user that no process holds."""
    for path in directory.glob(f"{_PREFIX}*"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # another one's, a file, or removed meanwhile
            continue
        try:
            status = os.fstat(descriptor)
            if status.st_uid == os.getuid() and time.time() - status.st_mtime > _SECONDS_TO_LOCK:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            pass  # its process works
        finally:
            os.close(descriptor)
