"""Files and directories that their owner alone reads: what a company charged is nobody else's business.

Only what is made is made so; a directory that is there keeps its mode.
"""

import os
from pathlib import Path


def private_directory(directory: Path) -> Path:
    """Make a directory with those above it that are not there, each 0700."""
    for path in reversed([directory, *directory.parents]):
        if not path.exists():
            path.mkdir(mode=0o700, exist_ok=True)
    return directory


def private_opener(path: str, flags: int) -> int:
    """The ``opener`` of `open` for a file that is made with the mode 0600."""
    return os.open(path, flags, 0o600)
