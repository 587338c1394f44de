"""The contract of documents by way of `bson.decode`, value by value: what the walk over bytes is compared with."""

import math
from collections.abc import Mapping
from datetime import datetime

import bson
from bson import Code, CodecOptions, DBRef, ObjectId
from bson.codec_options import DatetimeConversion
from bson.datetime_ms import DatetimeMS

from billing_dq.sources.mongodb.bson.contract import Field, Type, is_week_key

Document = dict[str, object]
OPTIONS = CodecOptions[Document](tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO)


def decoded(raw: bytes) -> Document:
    """A document as the driver decodes it."""
    return bson.decode(raw, OPTIONS)


def breaks(fields: tuple[Field, ...], value: Mapping[str, object]) -> bool:
    """Whether an object breaks the contract of its fields."""
    return any(_field_breaks(field, value.get(field.name)) for field in fields)


def _field_breaks(field: Field, value: object) -> bool:
    if value is None:
        return field.required
    if not _is(field.type, value):
        return True
    if isinstance(value, list):
        return any(_item_breaks(field, item) for item in value)
    if field.items is not None:
        return any(_item_breaks(field, item) for item in _mapping(value).values())
    if isinstance(value, float) and not math.isfinite(value):
        return True
    if field.minimum is not None and value < field.minimum:  # pyright: ignore[reportOperatorIssue]
        return True
    if field.week and not is_week_key(value):
        return True
    if field.one_of is not None and value not in field.one_of:
        return True
    return field.not_after is not None and _after(value, field.not_after)


def _item_breaks(field: Field, item: object) -> bool:
    assert field.items is not None
    if not _is(field.items, item) or (isinstance(item, float) and not math.isfinite(item)):
        return True
    return field.items == "object" and breaks(field.fields, _mapping(item))


def _is(kind: Type, value: object) -> bool:
    match kind:
        case "objectId":
            return isinstance(value, ObjectId)
        case "string":
            return isinstance(value, str) and not isinstance(value, Code)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "date":
            return isinstance(value, datetime | DatetimeMS)
        case "bool":
            return isinstance(value, bool)
        case "object":
            return isinstance(value, Mapping | DBRef)
        case "array":
            return isinstance(value, list)


def _mapping(value: object) -> Mapping[str, object]:
    """An object; one with `$ref` and `$id` is decoded as something of its own."""
    return value.as_doc() if isinstance(value, DBRef) else value  # pyright: ignore[reportReturnType]


def _after(value: object, limit: datetime) -> bool:
    if isinstance(value, datetime):
        return value > limit
    return (int(value) / 1000 if isinstance(value, DatetimeMS) else value) > limit.timestamp()  # pyright: ignore
