"""The stored nights as they are served: nothing outside of the lake, whatever links somebody put into it."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from billing_dq.errors import SourceError
from billing_dq.storage.lake import Lake
from billing_dq.tables import Table

#: How reading fails where a file of a night is not what a run stores: half-written, cut, of other columns, a directory.
DAMAGE: tuple[type[Exception], ...] = (SourceError, OSError, ValueError, KeyError, TypeError, pa.ArrowException)


@dataclass(frozen=True)
class ServedLake(Lake):
    """A lake without the nights that have a file behind a symbolic link out of it; made anew for each request."""

    def nights(self, table: Table) -> list[str]:
        """The whole nights that hold a table and are in the lake with all their files, oldest first."""
        return [night for night in super().nights(table) if night not in self._linked_out]

    @cached_property
    def _linked_out(self) -> frozenset[str]:
        root = Path(str(self.root))
        if not root.is_dir():  # an object store has no links
            return frozenset()
        inside = os.path.realpath(root) + os.sep
        return frozenset(
            Path(file.name).stem
            for folder in os.scandir(root)
            if folder.is_dir()
            for file in os.scandir(folder)
            if (file.is_symlink() or folder.is_symlink()) and not os.path.realpath(file.path).startswith(inside)
        )
