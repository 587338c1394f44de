"""Ending on SIGINT and SIGTERM, whenever they come.

A signal is lost where a library has put its own handler in the way: Dagster does so while it executes a run, and
forgets a signal that comes between two steps. The interpreter writes the number of every signal into a pipe,
whichever handler is there; that is what is read here.
"""

import contextlib
import os
import select
import signal
from types import FrameType, TracebackType
from typing import Self

_STOPS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """A block that ends with `KeyboardInterrupt` once SIGINT or SIGTERM has come; for the main thread.

    Most signals end it at once. One that a library took is raised by `raise_if_asked`, and at the block's end at the
    latest, also where the block ends with another error: what fails after a signal fails because of it.
    """

    def __enter__(self) -> Self:
        self._asked, self._raises = False, True
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        # a signal that is ignored (a shell does so for what it starts in the background) stays ignored
        self._before = {number: signal.getsignal(number) for number in _STOPS}
        self._listen()
        self._wakeup_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        asked = self._was_asked()
        os.close(self._reading)
        os.close(self._writing)
        if asked and (kind is None or issubclass(kind, Exception)):
            raise KeyboardInterrupt from error

    def raise_if_asked(self) -> None:
        """Raise `KeyboardInterrupt` where a signal has come since the block began; listen on where none has.

        After a run Dagster treats SIGTERM as it found SIGINT, ignored perhaps.

        Raises:
            KeyboardInterrupt: one has.
        """
        self._listen()
        if self._was_asked():
            raise KeyboardInterrupt

    def wait(self) -> None:
        """Wait for a signal where it is the end that was asked for; it stops nothing else."""
        with contextlib.suppress(KeyboardInterrupt):
            select.select([self._reading], [], [])
        self._was_asked()
        self._asked = False

    def shield(self) -> None:
        """From now on interrupt nothing, so that what was started is put away whole; the block's end raises."""
        self._raises = False

    def _listen(self) -> None:
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._raises:
            raise KeyboardInterrupt

    def _was_asked(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            numbers = os.read(self._reading, 4096)
            self._asked = self._asked or any(number in numbers for number in _STOPS)
        return self._asked
