"""What the server is asked, as plain pipelines: each sends only what the tables of frames.py need.

SecantusDB gives nothing for `{$sum: "$ledger.amount"}` and its like, hence `$map` and `$unwind` throughout. Field names
are shortened on the way, which keeps an entry small on the wire.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from billing_dq.weeks import NightWeeks

Pipeline = list[dict[str, object]]

#: A top-up this long past its expiry must have been swept (DOMAIN.md, What must hold).
SWEEP_GRACE = timedelta(hours=48)

_ENTRY: dict[str, object] = {
    "_id": 0,
    "organization": 1,
    "position": 1,
    "entry": "$ledger._id",
    "kind": "$ledger.kind",
    "amount": "$ledger.amount",
    "ref": "$ledger.refId",
    "session": "$ledger.stripeSessionId",
    "source": "$ledger.source",
    "at": "$ledger.at",
    "expires": "$ledger.expiresAt",
}
_UNWIND: dict[str, object] = {"$unwind": {"path": "$ledger", "includeArrayIndex": "position"}}


def organizations(sound: dict[str, object]) -> Pipeline:
    """Organizations, in their order."""
    return [{"$match": sound}, {"$sort": {"_id": 1}}, {"$project": {"organization": "$_id", "_id": 0, "plan": 1}}]


def subscriptions(sound: dict[str, object]) -> Pipeline:
    """Subscriptions, in organization order."""
    fields = (
        "organization",
        "stripeCustomerId",
        "stripeSubscriptionId",
        "plan",
        "status",
        "currentPeriodStart",
        "pastDueSince",
        "lastInvoiceEventCreatedAt",
        "lastSubscriptionEventCreatedAt",
        "adminUpdatedAt",
        "updatedAt",
    )
    return [
        {"$match": sound},
        {"$sort": {"organization": 1}},
        {"$project": {"_id": 0, **dict.fromkeys(fields, 1)}},
    ]


def usage(sound: dict[str, object]) -> Pipeline:
    """Usage documents in organization and week order.

    ``keys`` are the attribution keys, those of older documents (`consumedHistoryIds`) first. ``breakdown`` is the sum
    of `meterBreakdown`, where the document holds the settlement key of its week.
    """
    keys = {"$ifNull": ["$consumedAttributionKeys", []]}
    initial = {"$map": {"input": "$consumedHistoryIds", "in": {"$concat": [{"$toString": "$$this"}, ":initial"]}}}
    older = {"$filter": {"input": initial, "cond": {"$not": [{"$in": ["$$this", keys]}]}}}
    settled = {"$in": [{"$concat": ["settle:", "$weekKey"]}, keys]}
    values = {"$map": {"input": {"$objectToArray": "$meterBreakdown"}, "in": "$$this.v"}}
    present = {"$eq": [{"$type": "$meterBreakdown"}, "object"]}
    return [
        {"$match": sound},
        {"$sort": {"organizationId": 1, "weekKey": 1}},
        {
            "$project": {
                "_id": 0,
                "organization": "$organizationId",
                "weekKey": 1,
                "meterUsed": 1,
                "meterQuota": 1,
                "planVersion": 1,
                "updatedAt": 1,
                "settled": settled,
                "breakdown": {"$cond": [{"$and": [present, settled]}, {"$sum": values}, None]},
                "keys": {
                    "$cond": [
                        {"$isArray": "$consumedHistoryIds"},
                        {"$concatArrays": [older, keys]},
                        keys,
                    ]
                },
            }
        },
    ]


def balances(sound: dict[str, object]) -> Pipeline:
    """Balance documents in organization order, with the sums over their whole ledgers.

    ``distinct`` is the number of different references, an entry without one counting as one of its own: below
    ``count`` where a reference repeats.
    """
    references = {"$map": {"input": "$ledger", "in": {"$ifNull": ["$$this.refId", "$$this._id"]}}}
    amounts = {"$map": {"input": "$ledger", "in": "$$this.amount"}}
    return [
        {"$match": sound},
        {"$sort": {"organization": 1}},
        {
            "$project": {
                "_id": 0,
                "organization": 1,
                "cachedBalance": 1,
                "cachedBalanceAt": 1,
                "sum": {"$sum": amounts},
                "count": {"$size": "$ledger"},
                "distinct": {"$size": {"$setUnion": [references]}},
                "bytes": {"$bsonSize": "$$ROOT"},
            }
        },
    ]


def repeated_references(organizations: Sequence[object], sound: dict[str, object]) -> Pipeline:
    """References that stand more than once in a ledger of these organizations: organization, reference."""
    return [
        {"$match": {"$and": [{"organization": {"$in": list(organizations)}}, sound]}},
        {"$unwind": "$ledger"},
        {"$match": {"ledger.refId": {"$gt": ""}}},
        {"$group": {"_id": {"organization": "$organization", "ref": "$ledger.refId"}, "entries": {"$sum": 1}}},
        {"$match": {"entries": {"$gt": 1}}},
        {"$project": {"_id": 0, "organization": "$_id.organization", "ref": "$_id.ref"}},
    ]


def entries_with(organizations: Sequence[object], references: Sequence[str], sound: dict[str, object]) -> Pipeline:
    """Entries of these organizations' ledgers whose refId is one of these, in organization and commit order."""
    return [
        {"$match": {"$and": [{"organization": {"$in": list(organizations)}}, sound]}},
        {"$sort": {"organization": 1}},
        _UNWIND,
        {"$match": {"ledger.refId": {"$in": list(references)}}},
        {"$project": _ENTRY},
    ]


def entries(sound: dict[str, object], night: NightWeeks) -> Pipeline:
    """Entries of the night's weeks, and of whole ledgers those that a rule of single entries, a dispute, a purchase or
    an expiry needs, in organization and commit order.
    """
    return [
        {"$match": sound},
        {"$sort": {"organization": 1}},
        {"$project": {"organization": 1, "ledger": 1}},
        _UNWIND,
        {
            "$match": {
                "$or": [
                    {"ledger.at": {"$gte": night.entries_from}},
                    {"ledger.kind": {"$ne": "debit"}, "$or": _needed_whole(night.as_of)},
                    {"ledger.kind": "debit", "$or": [{"ledger.amount": {"$gte": 0}}, {"ledger.refId": _NO_REFERENCE}]},
                ]
            }
        },
        {"$project": _ENTRY},
    ]


def whole_ledgers(organizations: Sequence[object], sound: dict[str, object]) -> Pipeline:
    """Every entry of these organizations' ledgers, in organization and commit order."""
    return [
        {"$match": {"$and": [{"organization": {"$in": list(organizations)}}, sound]}},
        {"$sort": {"organization": 1}},
        {"$project": {"organization": 1, "ledger": 1}},
        _UNWIND,
        {"$project": _ENTRY},
    ]


_NO_REFERENCE: dict[str, object] = {"$in": [None, ""]}


def _needed_whole(as_of: datetime) -> list[dict[str, object]]:
    kind, amount, ref = "ledger.kind", "ledger.amount", "ledger.refId"
    return [
        {kind: "topup", amount: {"$lte": 0}},
        {kind: "topup", "ledger.stripeSessionId": {"$gt": ""}},
        {kind: "topup", "ledger.expiresAt": {"$lt": as_of - SWEEP_GRACE}},
        {kind: "refund", amount: {"$gte": 0}},
        {kind: "refund", ref: {"$regex": "^(refund-)?dispute_"}},
        {kind: "expiration"},
        {kind: "adjustment", amount: {"$lte": 0}},
        {kind: "adjustment", ref: _NO_REFERENCE},
        {kind: "adjustment", ref: {"$regex": "^dispute(-credit-|_reinstate_)"}},
        {kind: {"$nin": list(KINDS)}},
    ]


KINDS = ("topup", "debit", "refund", "expiration", "adjustment")


def dead_letters(sound: dict[str, object]) -> Pipeline:
    """Events that the application gave up on."""
    wanted = {"_id": 0, "eventId": 1, "type": 1, "lastError": 1, "attempts": 1, "processedAt": 1}
    return [{"$match": {"$and": [{"deadLetter": True}, sound]}}, {"$sort": {"eventId": 1}}, {"$project": wanted}]
