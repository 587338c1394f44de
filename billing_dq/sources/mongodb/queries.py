"""What the server is asked: for each collection one plain `find` in the order of its key.

Balance and usage documents come whole: the size of a balance document is judged, nothing in either is about a person,
and to choose fields of so many documents costs a server more than to send them. Of the other collections only the
fields of the contract come: what else the application stores, names and addresses among it, stays where it is.
`sampled_fields` asks for their names only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bson import MinKey, ObjectId

from billing_dq.sources.mongodb.bson.contract import CollectionContract
from billing_dq.storage.organization_ranges import EVERYTHING, OrganizationRange
from billing_dq.weeks import Week

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

#: No year begins with a smaller text.
_FIRST_CENTURY = "19"

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


def documents_of(contract: CollectionContract, weeks: Sequence[str], part: OrganizationRange = EVERYTHING) -> Query:
    """The query for the documents of a collection, of a range of organizations; of usage those of these weeks.

    The order of usage would have the server fetch the documents of all years. With a predicate on the field that leads
    the index, however wide, it seeks the weeks in the index.
    """
    order = KEYS[contract.domain_name]
    chosen = _in_range(order[0], part)
    if contract.domain_name == "billingextrabalances":
        return Query(chosen, None, order, _REPLY_LEDGERS)
    if contract.domain_name == "billingusages":
        return Query({order[0]: {"$gte": MinKey()}} | chosen | {"weekKey": {"$in": list(weeks)}}, None, order)
    return Query(chosen, tuple(field.name for field in contract.fields), order)


def _in_range(field: str, part: OrganizationRange) -> Filter:
    """The documents of a range. Each is in one: a boundary tells those at or after it from all others, and of two
    boundaries what is at or after the later one is so of the earlier one, too, whatever the type of the field. So a
    document without a valid organization is of the first range, and a list of organizations of that of its last.
    """
    bounds: Filter = {}
    if part.first is not None:
        bounds["$gte"] = ObjectId(part.first)
    if part.until is not None:
        bounds["$not"] = {"$gte": ObjectId(part.until)}
    return {field: bounds} if bounds else {}


def usage_of(contract: CollectionContract, organizations: Sequence[str], weeks: Sequence[str]) -> Query:
    """The query for the usage documents of some organizations (hex) in some weeks."""
    order = KEYS[contract.domain_name]
    chosen = {"$in": [ObjectId(organization) for organization in organizations]}
    return Query({order[0]: chosen, "weekKey": {"$in": list(weeks)}}, None, order)


def odd_weeks(contract: CollectionContract, weeks: Sequence[str], part: OrganizationRange = EVERYTHING) -> Query:
    """The query for usage documents of a range whose week key is no week: of another type, or impossible.

    A pattern would have the server fetch the documents of all years. So they are asked for by bounds, which a server
    seeks in the index: whatever is no text, and text where none of the weeks before the night's has its place. Of a
    night from 2026-W43 on that is before "19", between 2025-W52 and 2026-W01 (such as "2026-11-16"), and from 2026-W43
    on. Other text is of an older week, and so out of scope, and a list is where its items are.
    """
    order = KEYS[contract.domain_name]
    new_year = Week.parse(f"{weeks[0][:4]}-W01")
    odd: list[Filter] = [
        {"weekKey": {"$lt": _FIRST_CENTURY}},
        {"weekKey": {"$lt": new_year.key, "$gt": new_year.shifted(-1).key}},
        {"weekKey": {"$nin": [*weeks, None], "$not": {"$lt": weeks[0]}}},
    ]
    anyone: Filter = {order[0]: {"$gte": MinKey()}}
    return Query(_in_range(order[0], part) | {"$or": [bounds | anyone for bounds in odd]}, None, order)
