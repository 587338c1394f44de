"""What the server is asked, as plain pipelines: each sends only the fields that the tables of frames.py need.

SecantusDB gives nothing for `{$sum: "$meterBreakdown.x"}` and its like over arrays, hence `$map`.
"""

import math

from billing_dq.sources.mongodb import ledgers

Pipeline = list[dict[str, object]]


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

    ``keys`` are the attribution keys, those of older documents (`consumedHistoryIds`) first. ``breakdown`` is null but
    where the document holds the settlement key of its week: the sum of `meterBreakdown`, infinity where there is none.
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
                "breakdown": {"$cond": [settled, {"$cond": [present, {"$sum": values}, math.inf]}, None]},
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
    """Balance documents with their whole ledgers, in organization order.

    ``count`` is the server's own word on the ledger's length; ``bytes`` is the size of the document.
    """
    return [
        {"$match": sound},
        {"$sort": {"organization": 1}},
        {
            "$project": {
                "_id": 0,
                "organization": 1,
                "cachedBalance": 1,
                "cachedBalanceAt": 1,
                "count": {"$size": "$ledger"},
                "bytes": {"$bsonSize": "$$ROOT"},
                **{f"ledger.{field}": 1 for field in ledgers.ENTRY},
            }
        },
    ]


def dead_letters(sound: dict[str, object]) -> Pipeline:
    """Events that the application gave up on."""
    wanted = {"_id": 0, "eventId": 1, "type": 1, "lastError": 1, "attempts": 1, "processedAt": 1}
    return [{"$match": {"$and": [{"deadLetter": True}, sound]}}, {"$sort": {"eventId": 1}}, {"$project": wanted}]
