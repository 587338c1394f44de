"""A level of a contract (the fields of a document, or of a ledger entry) as arrays that compiled code can read."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from billing_dq.loops.raw_bytes import Bytes
from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.contract import Field, Type

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: The BSON types that a type of the contract accepts; all of them are smaller than 32.
ACCEPTED: dict[Type, tuple[int, ...]] = {
    "objectId": (bson.OBJECT_ID,),
    "string": bson.TEXTS,
    "number": bson.NUMBERS,
    "date": (bson.DATE,),
    "bool": (bson.BOOL,),
    "object": (bson.OBJECT,),
    "array": (bson.ARRAY,),
}


class FieldTable(NamedTuple):
    """Fields, one row each.

    Attributes:
        names: the names one after the other, a zero after each; ``name_ends`` are where they end, the zero included.
        heads: the first eight bytes of each name and its zero as one number; ``masks`` are which of the eight are its.
        accepted: a bit for each BSON type that the field may have.
        required: whether a missing or null value breaks the contract.
        smallest, largest: bounds of a number, both included.
        latest: of a date, in milliseconds since 1970, included.
    """

    names: Bytes
    name_ends: np.ndarray
    lengths: np.ndarray
    heads: np.ndarray
    masks: np.ndarray
    accepted: np.ndarray
    required: np.ndarray
    smallest: np.ndarray
    largest: np.ndarray
    latest: np.ndarray


def field_table(fields: tuple[Field, ...]) -> FieldTable:
    """The fields of one level; their items and their own fields are levels of their own."""
    names = [field.name.encode() + b"\0" for field in fields]
    last = [field.not_after for field in fields]
    return FieldTable(
        names=np.frombuffer(b"".join(names), dtype=np.uint8),
        name_ends=np.cumsum([len(name) for name in names], dtype=np.int64),
        lengths=np.array([len(name) for name in names], dtype=np.int64),
        heads=np.array([int.from_bytes(name[:8], "little") for name in names], dtype=np.uint64),
        masks=np.array([256 ** min(len(name), 8) - 1 for name in names], dtype=np.uint64),
        accepted=np.array([sum(1 << kind for kind in ACCEPTED[field.type]) for field in fields], dtype=np.int64),
        required=np.array([field.required for field in fields], dtype=np.bool_),
        smallest=np.array([-np.inf if field.minimum is None else field.minimum for field in fields], dtype=np.float64),
        largest=np.array([np.inf if instant is None else instant.timestamp() for instant in last], dtype=np.float64),
        latest=np.array([2**63 - 1 if instant is None else milliseconds(instant) for instant in last], dtype=np.int64),
    )


def milliseconds(instant: datetime) -> int:
    """An instant in whole milliseconds since 1970, rounded down, as BSON counts."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)
