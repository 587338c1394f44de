"""Which documents break the contract, and why: the server names them, each field of the few is explained here.

The server may name too many (an odd corner of its `$jsonSchema`): what `faults` finds nothing wrong with is sound.
A reason quotes numbers, dates and what looks like a week key, and no other value: it could be personal.
"""

import math
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime

from bson import Code, DBRef, Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS

from billing_dq.sources.mongodb.contract import (
    WEEK_LENGTH,
    WEEK_PATTERN,
    CollectionContract,
    Field,
    Type,
    is_week_key,
)

_BSON_TYPES: dict[Type, list[str]] = {
    "objectId": ["objectId"],
    "string": ["string"],
    "number": ["int", "long", "double"],
    "date": ["date"],
    "bool": ["bool"],
    "object": ["object"],
    "array": ["array"],
}
#: NaN and infinity are outside these bounds, for every server: NaN is not at least anything.
_FINITE: dict[str, object] = {"minimum": -sys.float_info.max, "maximum": sys.float_info.max}
_LIKE_A_WEEK = re.compile(r"[0-9W-]{1,10}")
_SAID: dict[Type, str] = {
    "objectId": "an ObjectId",
    "string": "text",
    "number": "a number",
    "date": "a date",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}


def json_schema(fields: tuple[Field, ...]) -> dict[str, object]:
    """The `$jsonSchema` of documents with these fields; null counts as missing."""
    schema: dict[str, object] = {"bsonType": "object", "properties": {field.name: _property(field) for field in fields}}
    required = [field.name for field in fields if field.required]
    return {**schema, "required": required} if required else schema


def unsound(contract: CollectionContract) -> dict[str, object]:
    """The query for the documents of a collection that may break its contract.

    A `$jsonSchema` has no dates to compare with: what may not lie in the future is asked for beside it. So are NaN and
    infinity by equality, for SecantusDB, which lets NaN pass its bounds.
    """
    odd: list[dict[str, object]] = [{"$nor": [{"$jsonSchema": json_schema(contract.fields)}]}]
    for field in contract.fields:
        if field.type == "date" and field.not_after is not None:
            odd.append({field.name: {"$gt": field.not_after}})
        names = [field.name] if field.type == "number" else []
        names += [f"{field.name}.{item.name}" for item in field.fields if item.type == "number"]
        for name in names:
            odd.append({name: {"$in": [math.nan, math.inf, -math.inf]}})
        if field.type == "object" and field.items == "number":
            odd.append({"$expr": {"$in": [math.nan, _values(field.name)]}})
    return {"$or": odd}


def _values(name: str) -> dict[str, object]:
    """The expression for the values of an object field; none where it is no object."""
    is_object = {"$eq": [{"$type": f"${name}"}, "object"]}
    pairs = {"$objectToArray": {"$cond": [is_object, f"${name}", {}]}}
    return {"$map": {"input": pairs, "in": "$$this.v"}}


def week_key_schema() -> dict[str, object]:
    """The `$jsonSchema` of documents whose week key is possible, null or missing."""
    week = Field("weekKey", "string", week=True)
    return {"bsonType": "object", "properties": {"weekKey": _property(week)}}


def faults(contract: CollectionContract, document: Mapping[str, object]) -> dict[str, str]:
    """Every field of a document that breaks the contract, with the reason in words; empty where it is sound."""
    found: dict[str, str] = {}
    for path, reason in _field_faults(contract.fields, document, ""):
        found.setdefault(path, reason)
    return found


def _property(field: Field) -> dict[str, object]:
    wanted = {**_of_type(field.type), **_checked(field)}
    if field.required:
        return wanted
    # bounds and patterns say nothing of null; a list of values does
    values = {"enum": [*field.one_of, None]} if field.one_of else {}
    return {**wanted, **values, "bsonType": [*_BSON_TYPES[field.type], "null"]}


def _of_type(kind: Type) -> dict[str, object]:
    return {"bsonType": _BSON_TYPES[kind], **(_FINITE if kind == "number" else {})}


def _checked(field: Field) -> dict[str, object]:
    wanted: dict[str, object] = {}
    if field.minimum is not None:
        wanted["minimum"] = field.minimum
    if field.not_after is not None and field.type == "number":
        wanted["maximum"] = field.not_after.timestamp()
    if field.one_of is not None:
        wanted["enum"] = list(field.one_of)
    if field.week:
        wanted |= {"pattern": WEEK_PATTERN, "maxLength": WEEK_LENGTH}
    if field.type == "array" and field.items is not None:
        wanted["items"] = json_schema(field.fields) if field.fields else _of_type(field.items)
    if field.type == "object" and field.items is not None:
        wanted["additionalProperties"] = _of_type(field.items)
    return wanted


def _field_faults(fields: tuple[Field, ...], value: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for field in fields:
        found = value.get(field.name)
        path = f"{prefix}{field.name}"
        if found is None:
            if field.required:
                yield path, "is null" if field.name in value else "is missing"
        elif not _is(field.type, found):
            yield path, _wrong_type(field.type, found)
        else:
            yield from _value_faults(field, found, path)


def _value_faults(field: Field, value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from _item_faults(field, item, f"{path}[{place}]")
    elif isinstance(value, Mapping) and field.items is not None:
        # the names inside such an object are data, and are not repeated
        for item in value.values():
            yield from _item_faults(field, item, f"{path}.*")
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, f"is not finite ({value})"
    elif field.minimum is not None and isinstance(value, int | float) and value < field.minimum:
        yield path, f"is negative ({value:g})"
    elif field.not_after is not None and _after(value, field.not_after):
        yield path, f"lies in the future ({_shown(value)})"
    elif field.week and not is_week_key(value):
        yield path, "is an impossible week key" + (f" ({value})" if _LIKE_A_WEEK.fullmatch(str(value)) else "")
    elif field.one_of is not None and value not in field.one_of:
        yield path, f"is none of {', '.join(field.one_of)}"


def _item_faults(field: Field, item: object, path: str) -> Iterator[tuple[str, str]]:
    kind = field.items
    if kind is None:
        return
    if not _is(kind, item):
        yield path, _wrong_type(kind, item)
    elif isinstance(item, float) and not math.isfinite(item):
        yield path, f"is not finite ({item})"
    elif isinstance(item, Mapping):
        yield from _field_faults(field.fields, item, f"{path}.")


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
            return isinstance(value, Mapping)
        case "array":
            return isinstance(value, list)


def _wrong_type(wanted: Type, value: object) -> str:
    return f"is {_type_name(value)} where {_SAID[wanted]} belongs"


def _type_name(value: object) -> str:
    for kind, name in (
        (type(None), "null"),
        (bool, "a bool"),
        (Int64, "an int64"),
        (int, "an int32"),
        (float, "a double"),
        (Decimal128, "a Decimal128"),
        (Code, "JavaScript"),
        (str, "text"),
        (ObjectId, "an ObjectId"),
        (datetime | DatetimeMS, "a date"),
        (list, "a list"),
        (Mapping, "an object"),
        (bytes, "binary data"),
        (DBRef, "a DBRef"),
    ):
        if isinstance(value, kind):
            return name
    return f"a BSON {type(value).__name__}"


def _after(value: object, limit: datetime) -> bool:
    if isinstance(value, datetime):
        return value > limit
    if isinstance(value, DatetimeMS):  # beyond what Python's datetime can hold
        return int(value) > limit.timestamp() * 1000
    return isinstance(value, int | float) and value > limit.timestamp()


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{value:.15g}" if isinstance(value, int | float) else "a date past the year 9999"
