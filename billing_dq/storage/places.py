"""Where the results and Dagster's history are kept, and whether these places can be written."""

import os
import traceback
import uuid
from pathlib import Path

from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.storage.placing import is_local, put_text


def place_of(home: str) -> UPath:
    """The output location as a path of its file system.

    A file system of objects keeps the listings that it has seen; ours must see what other processes have put since.
    """
    place = UPath(home)
    return place if is_local(place) else UPath(home, use_listings_cache=False)


def dagster_directory(state: str) -> Path:
    """Where Dagster keeps its history: `DAGSTER_HOME`, else `<state>/dagster`. It may not exist yet.

    Raises:
        SourceError: neither is a directory of this machine.
    """
    variable = os.environ.get("DAGSTER_HOME")
    return (Path(variable) if variable else state_directory(state, "Dagster's history") / "dagster").absolute()


def state_directory(state: str, content: str) -> Path:
    """The directory of this machine for what is appended to and locked, which no object store can.

    ``state`` is the setting, or the home where it is not set; ``content`` says in the message what is kept there.

    Raises:
        SourceError: it is no directory of this machine.
    """
    place = UPath(state)
    if not is_local(place):
        raise SourceError(
            f"{content} cannot be kept at {state}: it needs a local directory; set state (BILLING_DQ_STATE) to one"
        )
    return Path(place.path)


def why_not_writable(place: str, *within: str) -> str | None:
    """Why a directory, of any fsspec file system, cannot be written, or the last one ``within``; None where it can.

    A directory is made where it does not exist; a bucket is not.
    """
    try:
        probe = place_of(place).joinpath(*within, f".writable-{uuid.uuid4().hex}")
        put_text("", probe)
        probe.unlink()
    except Exception as error:  # a store has its own errors, and an address may be of no file system
        return getattr(error, "strerror", None) or str(error)
    return None


def why_not_usable(error: Exception) -> str | None:
    """What a disk or a store did not do, as one line; None where ``error`` is of something else.

    The libraries of stores have errors of their own. What tells these is the way they came: through fsspec.
    """
    reason = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
    modules = (str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__))
    if any(module.partition(".")[0] == "fsspec" for module in modules):
        return (
            f"the store of the results cannot be used: {reason}; see that BILLING_DQ_HOME is right, that the store can "
            "be reached, and that its credentials are valid"
        )
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be used: {reason}"
    return None
