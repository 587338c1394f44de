"""Who may take a night: one process at a time for each night of an output location."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.storage.file_locks import exclusive
from billing_dq.storage.object_locks import ObjectLock
from billing_dq.storage.places import place_of
from billing_dq.storage.placing import is_local


class NightLocks:
    """The locks of one output location, as one owner takes them.

    The operating system keeps a lock (`flock`) and gives it up with the process that holds it, however that ends: a
    killed night blocks nobody. The files stay, with the process id of the last holder: that one is there says nothing.

    A home on S3 is shared among machines: there the lock is an object (`object_locks`), and a killed night blocks the
    next for the length of a lease.
    """

    def __init__(self, home: str) -> None:
        self._home = place_of(home)
        self.directory = locks_directory(home)
        self._nights: set[str] = set()

    @contextmanager
    def hold(self, night: str) -> Iterator[None]:
        """Hold a night (YYYY-MM-DD) for the block. What this owner holds already it may hold again.

        Raises:
            SourceError: another owner holds it, or the lock's file cannot be written.
        """
        if night in self._nights:
            yield
            return
        with self._hold_object(night) if self._home.protocol in ("s3", "s3a") else self._hold_file(night):
            self._nights.add(night)
            try:
                yield
            finally:
                self._nights.discard(night)

    @contextmanager
    def _hold_file(self, night: str) -> Iterator[None]:
        path = self.directory / f"{night}.lock"
        with exclusive(path, wait=False) as is_held:
            if not is_held:
                holder = path.read_text(encoding="utf-8", errors="replace").strip()
                by = f"process {holder}" if holder else "another process"
                raise SourceError(f"the night of {night} is being taken by {by}; wait until it has ended")
            path.write_text(str(os.getpid()), encoding="utf-8")
            yield

    @contextmanager
    def _hold_object(self, night: str) -> Iterator[None]:
        lock = ObjectLock(self._home / "locks" / f"{night}.lock")
        lock.take(f"the night of {night}")
        try:
            yield
        finally:
            lock.give_up()
        if lock.lost:
            raise SourceError(
                f"the night of {night} was taken over by another process, because this one did not renew its lock in "
                "time; take it again (--again)"
            )


def locks_directory(home: str) -> Path:
    """Where the locks of an output location are: `<home>/locks`.

    Of another object store than S3 they are in the machine's directory for temporary files, so that they keep apart the
    processes of this machine and user, and no others.
    """
    path = UPath(home)
    if is_local(path):
        return Path(path.path) / "locks"
    name = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"billing_dq-locks-{os.getuid()}" / name
