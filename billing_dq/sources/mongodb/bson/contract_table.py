"""A level of a contract (the fields of a document, or of a ledger entry) as arrays that compiled code can read."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from billing_dq.loops.raw_bytes import Bytes
from billing_dq.sources.mongodb.bson.contract import Field, Type

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: The types a contract knows, by the number that compiled code compares.
TYPE_NUMBERS: dict[Type, int] = {
    "objectId": 0,
    "string": 1,
    "number": 2,
    "date": 3,
    "bool": 4,
    "object": 5,
    "array": 6,
}


class FieldTable(NamedTuple):
    """Fields, one row each.

    Attributes:
        names: the names one after the other, a zero after each; ``name_ends`` are where they end, the zero included.
        heads: the first eight bytes of each name and its zero as one number; ``masks`` are which of the eight are its.
        types: numbers of `TYPE_NUMBERS`.
        required: whether a missing or null value breaks the contract.
        smallest, largest: bounds of a number, both included.
        latest: of a date, in milliseconds since 1970, included.
    """

    names: Bytes
    name_ends: np.ndarray
    lengths: np.ndarray
    heads: np.ndarray
    masks: np.ndarray
    types: np.ndarray
    required: np.ndarray
    smallest: np.ndarray
    largest: np.ndarray
    latest: np.ndarray


def field_table(fields: tuple[Field, ...]) -> FieldTable:
    """The fields of one level; their items and their own fields are levels of their own."""
    names = [field.name.encode() + b"\0" for field in fields]
    return FieldTable(
        names=np.frombuffer(b"".join(names), dtype=np.uint8),
        name_ends=np.cumsum([len(name) for name in names], dtype=np.int64),
        lengths=np.array([len(name) for name in names], dtype=np.int64),
        heads=np.array([int.from_bytes(name[:8], "little") for name in names], dtype=np.uint64),
        masks=np.array([256 ** min(len(name), 8) - 1 for name in names], dtype=np.uint64),
        types=np.array([TYPE_NUMBERS[field.type] for field in fields], dtype=np.int64),
        required=np.array([field.required for field in fields], dtype=np.bool_),
        smallest=np.array([-np.inf if field.minimum is None else field.minimum for field in fields], dtype=np.float64),
        largest=np.array([_largest(field) for field in fields], dtype=np.float64),
        latest=np.array([_latest(field) for field in fields], dtype=np.int64),
    )


def _largest(field: Field) -> float:
    return np.inf if field.type != "number" or field.not_after is None else field.not_after.timestamp()


def _latest(field: Field) -> int:
    if field.type != "date" or field.not_after is None:
        return int(np.iinfo(np.int64).max)
    return milliseconds(field.not_after)


def milliseconds(instant: datetime) -> int:
    """An instant in whole milliseconds since 1970, rounded down, as BSON counts."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)
