"""What Great Expectations says of equal rows, asked once: the nights of a story judge the same rows many times."""

import hashlib
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import pytest

from billing_dq.rules import validation

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def once(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function, which is called once for equal arguments; they are compared as pickled."""
    known: dict[bytes, Result] = {}

    def remembered(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        key = hashlib.sha256(pickle.dumps((args, kwargs))).digest()
        if key not in known:
            known[key] = function(*args, **kwargs)
        return known[key]

    return remembered


_make_validator = validation._validator
_validators: list[object] = []


def _validator() -> object:
    if not _validators:
        _validators.append(once(_make_validator()))
    return _validators[0]


@contextmanager
def remembering() -> Iterator[None]:
    """Nights inside the block ask Great Expectations once for equal rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "_validator", _validator)
        yield
