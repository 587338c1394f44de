"""How the loops over bytes are compiled: once for each machine, without the interpreter's lock.

Every place is checked by the code itself before it is read. ``NUMBA_BOUNDSCHECK=1`` has numba check each index, too;
the long run of the tests with hostile bytes uses it.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from billing_dq.errors import SourceError

try:
    from numba import njit
except ImportError as error:
    raise SourceError(f"MongoDB is read by code that numba compiles, and numba cannot be used here: {error}") from None

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def kept_in() -> str | None:
    """The directory in which compiled code is kept; None where none can be written."""
    try:
        return str(njit(cache=True)(_example).stats.cache_path)
    except RuntimeError:
        return None


def _example(number: int) -> int:
    return number


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function compiled by numba, kept on disk where a directory can be written.

    That is beside the code, else in the user's own cache, else where ``NUMBA_CACHE_DIR`` says. A read-only installation
    without any of them compiles in each process.
    """
    return _compiled(function, counting=True)


def compiled_part(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Likewise, for what compiled code calls for each value, and which makes no array.

    numba counts references to the arrays that a function is given, atomically, twice a call: three quarters of the
    time of a walk. Who makes no array need not count.
    """
    return _compiled(function, counting=False)


def _compiled(function: Callable[Arguments, Result], counting: bool) -> Callable[Arguments, Result]:
    options: dict[str, Any] = {"_nrt": counting}  # numba's stubs do not know it; its own leaf functions use it
    try:
        return njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:  # numba finds no directory for its cache
        return njit(nogil=True, **options)(function)
