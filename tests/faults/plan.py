"""When something fails: the process of a night, and its edges, each of which counts what crosses it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


class Killed(BaseException):
    """The process is gone. Nothing that its `finally` blocks still do may have an effect."""


@dataclass
class Process:
    """The process that takes a night; ``dead`` once it was killed."""

    dead: bool = False

    def kill(self) -> None:
        """SIGKILL, power, the out-of-memory killer."""
        self.dead = True
        raise Killed


@dataclass
class Edge:
    """One edge of a process: the wire to MongoDB, the wire to Stripe, or the disk.

    Attributes:
        process: whose edge it is; where that is dead, nothing crosses.
        at: the crossing, from 0, at which it fails first; None: never.
        times: so many crossings fail; a fault that passes by itself passes after these.
        fails: what happens then; it raises.
        fired: how many failed.
    """

    process: Process
    at: int | None = None
    times: int = 1
    fails: Callable[[], None] | None = None
    fired: int = 0
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def crossed(self, half: Callable[[], object] | None = None) -> None:
        """Count a crossing, and fail where it is the one; ``half`` is what is done of it even so."""
        if self.process.dead:
            raise Killed
        with self._lock:
            now, self._count = self._count, self._count + 1
            due = self.at is not None and self.at <= now < self.at + self.times
            self.fired += due
        if due and self.fails is not None:
            if half is not None:
                half()
            self.fails()
