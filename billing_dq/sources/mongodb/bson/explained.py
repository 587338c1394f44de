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
from billing_dq.sources.mongodb.bson.contract_table import ACCEPTED, milliseconds
from billing_dq.sources.mongodb.bson.raw_document import Element, Malformed, elements

_WORDS: dict[Type, str] = {
    "objectId": "an ObjectId",
    "string": "text",
    "number": "a number",
    "date": "a date",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}
_NUMBERS = {bson.DOUBLE: "<d", bson.INT32: "<i", bson.INT64: "<q"}
_LIKE_A_WEEK = re.compile(r"[0-9W-]{1,10}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Where bytes are no BSON there is no field to name.
DOCUMENT = "(document)"


def faults(contract: CollectionContract, raw: bytes) -> dict[str, str]:
    """Every field of a raw document that breaks the contract, with the reason; empty where it is sound."""
    reasons: dict[str, str] = {}
    for path, reason in _object_faults(contract.fields, raw, ""):
        reasons.setdefault(path or DOCUMENT, reason)
    return reasons


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
        elif element.kind in bson.NOTHING:
            if field.required:
                yield path, "is null"
        else:
            yield from _value_faults(field, element, path)
    if malformed is not None:
        yield prefix.removesuffix("."), malformed


def _value_faults(field: Field, element: Element, path: str) -> Iterator[tuple[str, str]]:
    if element.kind not in ACCEPTED[field.type]:
        yield path, f"is {bson.NAMES[element.kind][1]} where {_WORDS[field.type]} belongs"
    elif field.items is not None:
        item_field = Field(field.name, field.items, fields=field.fields)
        for place, item in enumerate(_items(element)):
            # the names inside of an object are data, and are not repeated
            item_path = f"{path}[{place}]" if field.type == "array" else f"{path}.*"
            if item is None:
                yield item_path, "is no BSON"
            else:
                yield from _value_faults(item_field, item, item_path)
    elif field.type == "object":
        yield from _object_faults(field.fields, element.value, f"{path}.")
    elif reason := _reason(field, element):
        yield path, reason


def _items(element: Element) -> Iterator[Element | None]:
    """The items of a list or the values of an object; None at last where its bytes are malformed."""
    try:
        yield from elements(element.value)
    except Malformed:
        yield None


def _reason(field: Field, element: Element) -> str | None:
    """What is wrong with a number, a date or text of the right type; None where nothing is."""
    match field.type:
        case "number":
            (value,) = struct.unpack(_NUMBERS[element.kind], element.value)
            if not math.isfinite(value):
                return f"is not finite ({value})"
            if field.minimum is not None and value < field.minimum:
                return f"is negative ({value:g})"
            if field.not_after is not None and value > field.not_after.timestamp():
                return f"lies in the future ({value:.15g})"
        case "date":
            value = int.from_bytes(element.value, "little", signed=True)
            if field.not_after is not None and value > milliseconds(field.not_after):
                date = _EPOCH + timedelta(milliseconds=value) if value <= milliseconds(LATEST) else None
                return f"lies in the future ({date.isoformat() if date else 'a date past the year 9999'})"
        case "string":
            return _text_reason(field, element)
        case _:
            pass
    return None


def _text_reason(field: Field, element: Element) -> str | None:
    try:
        text = element.value[4:-1].decode()
    except UnicodeDecodeError:
        text = None
    if field.week and not is_week_key(text):
        return "is an impossible week key" + (f" ({text})" if text and _LIKE_A_WEEK.fullmatch(text) else "")
    if field.one_of is not None and text not in field.one_of:
        return f"is none of {', '.join(field.one_of)}"
    return "is not UTF-8 text" if text is None else None
