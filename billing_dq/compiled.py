"""How the loops over bytes are compiled: once for each machine, without the interpreter's lock.

Every place is checked by the code itself before it is read. ``NUMBA_BOUNDSCHECK=1`` has numba check each index, too;
the long run of the tests with hostile bytes uses it.
"""

import os
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar, get_args, get_type_hints

import numpy as np

from billing_dq.machine_code import Parameter, checked, loaded

Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
Sizes = np.ndarray[tuple[int], np.dtype[np.int32]]
Small = np.ndarray[tuple[int], np.dtype[np.int8]]
Words = np.ndarray[tuple[int], np.dtype[np.uint64]]
Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_PARTS: dict[str, Callable[..., object]] = {}


def compiled(function: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """The function compiled, at its first call or from what an earlier process kept.

    It takes one-dimensional arrays, of the dtypes of its annotations, and integers. What it finds it writes into arrays
    that it is given: it makes none.

    Raises:
        TypeError: an argument is of another kind.
        SourceError: numba is needed and cannot be used here.
    """
    parameters = [_parameter(hint) for name, hint in get_type_hints(function).items() if name != "return"]

    @cache
    def code() -> Callable[..., int]:
        return checked(function, _PARTS) if _every_index() else loaded(function, _PARTS, parameters)

    @wraps(function)
    def call(*arguments: Arguments.args, **named: Arguments.kwargs) -> int:
        run = code()
        if _every_index():
            return run(*arguments)
        passed: list[int] = []
        for parameter, argument in zip(parameters, arguments, strict=True):
            passed += _passed(parameter, argument)
        return run(*passed)

    return call


def compiled_part(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """What compiled code may call; called from elsewhere it is Python. No two have one name."""
    if function.__name__ in _PARTS:
        raise AssertionError(f"there are two parts with the name {function.__name__}")
    _PARTS[function.__name__] = function
    return function


def _parameter(hint: Any) -> Parameter:
    return None if hint is int else np.dtype(get_args(get_args(hint)[1])[0])


def _passed(parameter: Parameter, argument: object) -> tuple[int, ...]:
    if parameter is None and isinstance(argument, int | np.integer):
        return (int(argument),)
    if isinstance(argument, np.ndarray) and argument.dtype == parameter and argument.flags.c_contiguous:
        return argument.ctypes.data, argument.size
    raise TypeError(f"compiled code is given {type(argument).__name__} where it takes {parameter or 'an integer'}")


def _every_index() -> bool:
    return "NUMBA_BOUNDSCHECK" in os.environ
