"""Why a document breaks its contract: each of its fields with the reason in words, from its bytes.

A reason quotes numbers, dates and what looks like a week key, and no other value: it could be personal.
"""

import math
import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.contract import LATEST, CollectionContract, Field, Type, is_week_key
from billing_dq.sources.mongodb.bson.contract_table import milliseconds
from billing_dq.sources.mongodb.bson.raw_document import Element, Malformed, elements

_KINDS: dict[Type, tuple[int, ...]] = {
    "objectId": (bson.OBJECT_ID,),
    "string": (bson.TEXT, bson.SYMBOL),
    "number": (bson.DOUBLE, bson.INT32, bson.INT64),
    "date": (bson.DATE,),
    "bool": (bson.BOOL,),
    "object": (bson.OBJECT,),
    "array": (bson.ARRAY,),
}
_SAID: dict[Type, str] = {
    "objectId": "an ObjectId",
    "string": "text",
    "number": "a number",
    "date": "a date",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}
_FOUND = {
    bson.DOUBLE: "a double",
    bson.TEXT: "text",
    bson.OBJECT: "an object",
    bson.ARRAY: "a list",
    bson.BINARY: "binary data",
    bson.UNDEFINED: "null",
    bson.OBJECT_ID: "an ObjectId",
    bson.BOOL: "a bool",
    bson.DATE: "a date",
    bson.NULL: "null",
    bson.REGEX: "a BSON Regex",
    bson.DB_POINTER: "a DBRef",
    bson.JAVASCRIPT: "JavaScript",
    bson.SYMBOL: "text",
    bson.SCOPED_JAVASCRIPT: "JavaScript",
    bson.INT32: "an int32",
    bson.TIMESTAMP: "a BSON Timestamp",
    bson.INT64: "an int64",
    bson.DECIMAL128: "a Decimal128",
    bson.MAX_KEY: "a BSON MaxKey",
    bson.MIN_KEY: "a BSON MinKey",
}
_NUMBERS = {bson.DOUBLE: "<d", bson.INT32: "<i", bson.INT64: "<q"}
_LIKE_A_WEEK = re.compile(r"[0-9W-]{1,10}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Where bytes are no BSON there is no field to name.
DOCUMENT = "(document)"


def faults(contract: CollectionContract, raw: bytes) -> dict[str, str]:
    """Every field of a raw document that breaks the contract, with the reason; empty where it is sound."""
    found: dict[str, str] = {}
    for path, reason in _object_faults(contract.fields, raw, ""):
        found.setdefault(path or DOCUMENT, reason)
    return found


def _object_faults(fields: tuple[Field, ...], raw: bytes, prefix: str) -> Iterator[tuple[str, str]]:
    """The faults of an object; those of fields in the contract's order."""
    present: dict[str, Element] = {}
    twice: set[str] = set()
    malformed: str | None = None
    try:
        for element in elements(raw):
            if element.name in present:
                twice.add(element.name)
            present[element.name] = element
    except Malformed as error:
        malformed = f"is {error}"
    for field in fields:
        path, element = f"{prefix}{field.name}", present.get(field.name)
        if field.name in twice:
            yield path, "comes twice"
        elif element is None:
            if field.required and malformed is None:
                yield path, "is missing"
        elif element.kind in (bson.NULL, bson.UNDEFINED):
            if field.required:
                yield path, "is null"
        elif element.kind not in _KINDS[field.type]:
            yield path, _wrong_type(field.type, element)
        else:
            yield from _value_faults(field, element, path)
    if malformed is not None:
        yield prefix.removesuffix("."), malformed


def _value_faults(field: Field, element: Element, path: str) -> Iterator[tuple[str, str]]:
    match field.type:
        case "array":
            for place, item in enumerate(_items(element)):
                yield from _item_faults(field, item, f"{path}[{place}]")
        case "object" if field.items is not None:
            # the names inside such an object are data, and are not repeated
            for item in _items(element):
                yield from _item_faults(field, item, f"{path}.*")
        case "number":
            yield from _number_faults(field, element, path)
        case "date":
            yield from _date_faults(field, element, path)
        case "string":
            yield from _text_faults(field, element, path)
        case _:
            pass


def _items(element: Element) -> Iterator[Element | None]:
    """The items of a list or the values of an object; None at last where its bytes are malformed."""
    try:
        yield from elements(element.value)
    except Malformed:
        yield None


def _item_faults(field: Field, item: Element | None, path: str) -> Iterator[tuple[str, str]]:
    if field.items is None:
        return
    if item is None:
        yield path, "is no BSON"
    elif item.kind not in _KINDS[field.items]:
        yield path, _wrong_type(field.items, item)
    elif field.items == "object":
        yield from _object_faults(field.fields, item.value, f"{path}.")
    else:
        yield from _value_faults(Field(field.name, field.items), item, path)


def _number_faults(field: Field, element: Element, path: str) -> Iterator[tuple[str, str]]:
    (value,) = struct.unpack(_NUMBERS[element.kind], element.value)
    if not math.isfinite(value):
        yield path, f"is not finite ({value})"
    elif field.minimum is not None and value < field.minimum:
        yield path, f"is negative ({value:g})"
    elif field.not_after is not None and value > field.not_after.timestamp():
        yield path, f"lies in the future ({value:.15g})"


def _date_faults(field: Field, element: Element, path: str) -> Iterator[tuple[str, str]]:
    value = int.from_bytes(element.value, "little", signed=True)
    if field.not_after is not None and value > milliseconds(field.not_after):
        shown = _EPOCH + timedelta(milliseconds=value) if value <= milliseconds(LATEST) else None
        yield path, f"lies in the future ({shown.isoformat() if shown else 'a date past the year 9999'})"


def _text_faults(field: Field, element: Element, path: str) -> Iterator[tuple[str, str]]:
    try:
        text = element.value[4:-1].decode()
    except UnicodeDecodeError:
        text = None
    if field.week and not is_week_key(text):
        yield path, "is an impossible week key" + (f" ({text})" if text and _LIKE_A_WEEK.fullmatch(text) else "")
    elif field.one_of is not None and text not in field.one_of:
        yield path, f"is none of {', '.join(field.one_of)}"
    elif text is None:
        yield path, "is not UTF-8 text"


def _wrong_type(wanted: Type, element: Element) -> str:
    return f"is {_FOUND[element.kind]} where {_SAID[wanted]} belongs"
