"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

Advance = Callable[[int], None]


class Progress(Protocol):
    """Where long work tells how far it is."""

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Advance]:
        """A named piece of work of ``total`` steps (None: unknown); the value advances it by a number of steps."""
        ...  # pragma: no cover
        yield lambda steps: None


class LineProgress:
    """Progress as plain lines: one when a stage starts, one when it ends."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Advance]:
        """See `Progress.stage`."""
        done = 0

        def advance(steps: int) -> None:
            nonlocal done
            done += steps

        self._write(f"{name} ..." if total is None else f"{name} ({total:,}) ...")
        yield advance
        self._write(f"{name}: {done:,} done")


class BarProgress:
    """Progress as bars on a terminal, on standard error."""

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Advance]:
        """See `Progress.stage`."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task(name, total=total)
            yield lambda steps: bars.advance(task, steps)


class SilentProgress:
    """No progress at all, for tests and for callers that show their own."""

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Advance]:
        """See `Progress.stage`."""
        yield lambda steps: None
