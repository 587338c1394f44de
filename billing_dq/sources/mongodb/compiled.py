"""How the loops over bytes are compiled: once for each machine, without the interpreter's lock."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function compiled by numba, with every index checked; kept on disk where a directory can be written.

    The checks of numba stand behind the ones of the code: bytes come from outside, and reading past them would be
    silent. A read-only installation without a home compiles in each process.
    """
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba finds no directory for its cache
        return njit(nogil=True)(function)
