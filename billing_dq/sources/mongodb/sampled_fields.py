"""The fields that documents have and no contract: the server is asked for their names and types, and for no value.

Where it looks are the newest documents of a collection: a new release of the application shows in those that it made.
"""

import re
from dataclasses import dataclass

NEWEST_DOCUMENTS = 1_000
#: What stands for a name that is none of a field: what a map has for keys may be personal.
OTHER_NAME = "(other name)"
_NAME = re.compile(r"[A-Za-z0-9_$-]{1,40}")


@dataclass(frozen=True)
class SampledField:
    """A field that the server named: its name and type, in how many of the newest documents, and the id of one."""

    name: str
    type: str
    occurrences: int
    population: int
    example_id: str


def field_names() -> list[dict[str, object]]:
    """The aggregation that tells names and types of the fields of the newest documents, how often, and an `_id`."""
    fields = {
        "$map": {
            "input": {"$objectToArray": "$$ROOT"},
            "as": "field",
            "in": {"name": "$$field.k", "type": {"$type": "$$field.v"}},
        }
    }
    return [
        {"$sort": {"_id": -1}},
        {"$limit": NEWEST_DOCUMENTS},
        {"$project": {"_id": 1, "fields": fields}},
        {"$unwind": "$fields"},
        {"$group": {"_id": "$fields", "occurrences": {"$sum": 1}, "example": {"$max": "$_id"}}},
    ]


def shown_name(name: str) -> str:
    """The name of a field, where it can be one."""
    return name if _NAME.fullmatch(name) else OTHER_NAME


def sampled(rows: list[dict[str, object]]) -> list[SampledField]:
    """The rows of the aggregation; every document has an `_id`, so that the number of these is the population."""
    fields = [
        (str(name_and_type["name"]), str(name_and_type["type"]), int(str(row["occurrences"])), str(row["example"]))
        for row in rows
        if isinstance(name_and_type := row["_id"], dict)
    ]
    population = sum(count for name, _, count, _ in fields if name == "_id")
    return [SampledField(shown_name(name), kind, count, population, example) for name, kind, count, example in fields]
