"""What the server is asked: for each collection one plain `find` in the order of its key.

Documents come whole where their size is judged (balances), else with the fields of the contract only: what else the
application stores, names and addresses among it, stays where it is. Of those fields the server is asked for the names
and types, in the newest documents.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bson import MinKey

from billing_dq.sources.mongodb.bson.contract import WEEK_PATTERN, CollectionContract

Filter = dict[str, object]

#: What makes two documents of a collection one, and the order in which it is read. A duplicate is reported under the
#: last field.
KEYS: dict[str, tuple[str, ...]] = {
    "organizations": ("_id",),
    "subscriptions": ("organization",),
    "billingusages": ("organizationId", "weekKey"),
    "billingextrabalances": ("organization",),
    "processedstripeevents": ("eventId",),
}

#: The documents whose other fields are asked for: a new release shows in those that it made.
NEWEST_DOCUMENTS = 1_000

#: Documents in one reply: enough that the round trips do not count, few enough that reading overlaps with work.
_REPLY_DOCUMENTS = 1_000
_REPLY_LEDGERS = 200


@dataclass(frozen=True)
class Query:
    """A `find`: which documents, with which top fields (None: all), in which order, and how many in one reply."""

    filter: Filter
    fields: tuple[str, ...] | None
    order: tuple[str, ...]
    reply_documents: int = _REPLY_DOCUMENTS

    @property
    def projection(self) -> dict[str, int] | None:
        """The fields as the driver takes them; `_id` always comes."""
        return None if self.fields is None else dict.fromkeys(self.fields, 1)

    def for_nothing(self) -> "Query":
        """The same question about no document that there is."""
        return replace(self, filter={"$and": [self.filter, {"_id": {"$in": []}}]})


def documents_of(contract: CollectionContract, weeks: Sequence[str]) -> Query:
    """The query for the documents of a collection; of usage those of these weeks.

    The order of usage would have the server fetch the documents of all years. With a predicate on the field that leads
    the index, however wide, it seeks the weeks in the index.
    """
    order = KEYS[contract.domain_name]
    if contract.domain_name == "billingextrabalances":
        return Query({}, None, order, _REPLY_LEDGERS)
    fields = tuple(field.name for field in contract.fields)
    if contract.domain_name == "billingusages":
        return Query({order[0]: {"$gte": MinKey()}, "weekKey": {"$in": list(weeks)}}, fields, order)
    return Query({}, fields, order)


def odd_weeks(contract: CollectionContract, weeks: Sequence[str]) -> Query:
    """The query for usage documents whose week key is no week: of another type, or impossible.

    A comparison with a list holds where it holds for one of its items, hence the list by itself; `$` also matches
    before a final newline.
    """
    odd: list[Filter] = [
        {"weekKey": {"$ne": None, "$not": {"$regex": WEEK_PATTERN}}},
        {"weekKey": {"$regex": "\n"}},
        {"weekKey": {"$type": "array"}},
    ]
    fields = tuple(field.name for field in contract.fields)
    return Query({"weekKey": {"$nin": list(weeks)}, "$or": odd}, fields, ())


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
