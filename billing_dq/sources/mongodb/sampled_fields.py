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
    """A field that the server told of: its name and type, in how many of the documents looked at, and one of them."""

    name: str
    type: str
    occurrences: int
    population: int
    example_id: str


def field_names() -> list[dict[str, object]]:
    """The aggregation that tells names and types of the fields of the newest documents, how often, and an `_id`."""
    told = {
        "$map": {
            "input": {"$objectToArray": "$$ROOT"},
            "as": "field",
            "in": {"name": "$$field.k", "type": {"$type": "$$field.v"}},
        }
    }
    return [
        {"$sort": {"_id": -1}},
        {"$limit": NEWEST_DOCUMENTS},
        {"$project": {"_id": 1, "fields": told}},
        {"$unwind": "$fields"},
        {"$group": {"_id": "$fields", "occurrences": {"$sum": 1}, "example": {"$max": "$_id"}}},
    ]


def shown_name(name: str) -> str:
    """The name of a field, where it can be one."""
    return name if _NAME.fullmatch(name) else OTHER_NAME


def sampled(rows: list[dict[str, object]]) -> list[SampledField]:
    """What the aggregation told; every document has an `_id`, so that these are how many were looked at."""
    told = [(row["_id"], int(str(row["occurrences"])), str(row["example"])) for row in rows]
    found = [
        (str(one["name"]), str(one["type"]), count, example) for one, count, example in told if isinstance(one, dict)
    ]
    population = sum(count for name, _, count, _ in found if name == "_id")
    return [SampledField(shown_name(name), kind, count, population, example) for name, kind, count, example in found]
