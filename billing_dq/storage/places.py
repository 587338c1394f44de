"""Where the results and Dagster's history are kept, and whether these places can be written."""

import os
import uuid
from pathlib import Path

from upath import UPath


def dagster_directory(home: str) -> Path:
    """Where Dagster keeps its history: `DAGSTER_HOME`, else `<home>/dagster`. It may not exist yet."""
    return Path(os.environ.get("DAGSTER_HOME") or Path(home) / "dagster").absolute()


def why_not_writable(place: str, *within: str) -> str | None:
    """Why a directory cannot be written; None where it can. It is made where it does not exist.

    Args:
        place: its path, or its address on any fsspec file system.
        within: names of directories inside it: the last of them is tried.
    """
    try:
        directory = UPath(place).joinpath(*within)
        probe = directory / f".writable-{uuid.uuid4().hex}"
        directory.mkdir(parents=True, exist_ok=True)
        probe.write_text("", encoding="utf-8")
        probe.unlink()
    except (OSError, ValueError, ImportError) as error:  # the last two: an address of no or an uninstalled file system
        return getattr(error, "strerror", None) or str(error)
    return None
