"""The shape of documents, counted one value at a time, to compare the source with."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from bson import Int64, ObjectId

from billing_dq.sources.mongodb.bson.contract import CollectionContract, Field
from billing_dq.weeks import NightWeeks

Document = dict[str, object]
Counts = Counter[tuple[str, str, str, str, int]]  # collection, field, part, observed, population
WORDS = {"plan", "status", "ledger.kind", "ledger.source"}


def plain_shape(contract: CollectionContract, documents: list[Document], night: NightWeeks) -> Counts:
    """How often each type and word of the contract's fields is there, in the documents that a night reads."""
    if contract.domain_name == "billingusages":
        documents = [one for one in documents if one.get("weekKey") in night.matching_keys]
    counts = Counts()
    if documents:
        _count(counts, contract.domain_name, "", contract.fields, documents)
    return counts


def type_of(value: object) -> str:
    """The BSON type of a decoded value, by the name that MongoDB has for it."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case Int64():
            return "long"
        case int():
            return "int" if -(2**31) <= value < 2**31 else "long"
        case float():
            return "double"
        case str():
            return "string"
        case ObjectId():
            return "objectId"
        case datetime():
            return "date"
        case list():
            return "array"
        case _:
            return "object"


def _count(counts: Counts, collection: str, prefix: str, fields: Iterable[Field], documents: list[Document]) -> None:
    for field in fields:
        path = prefix + field.name
        for document in documents:
            told = type_of(document[field.name]) if field.name in document else "missing"
            counts[collection, path, "type", told, len(documents)] += 1
            value = document.get(field.name)
            if path in WORDS and isinstance(value, str):
                counts[collection, path, "value", value, len(documents)] += 1
        if field.fields:
            entries = [entry for document in documents for entry in document[field.name]]  # pyright: ignore
            _count(counts, collection, f"{path}.", field.fields, entries)  # pyright: ignore[reportUnknownArgumentType]
