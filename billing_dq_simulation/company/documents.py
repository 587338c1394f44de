"""What a life leaves in MongoDB: the documents as the application wrote them, with JavaScript's mix of number types."""

from random import Random

from bson import Int64, ObjectId

from billing_dq_simulation.company.story import Story
from billing_dq_simulation.labels import Document

COLLECTIONS = (
    "organizations",
    "subscriptions",
    "billingusages",
    "billingextrabalances",
    "processedstripeevents",
)
#: The share of whole numbers that arrive as a double, and as an int64 beyond that.
_DOUBLES, _LONGS = 0.035, 0.045


def documents_of(story: Story, random: Random) -> dict[str, list[Document]]:
    """The documents of a life by collection; ``random`` decides about the types of numbers."""
    application = story.application
    usages = [story.monthly] if story.monthly else []
    for week in sorted(application.usage.values(), key=lambda week: week.start):
        document = week.document
        _mix(document, ("meterQuota", "meterUsed"), random)
        _mix(week.breakdown, tuple(week.breakdown), random)
        if week.start == story.old_week and all(key.endswith(":initial") for key in week.keys):
            del document["consumedAttributionKeys"]
            document["consumedHistoryIds"] = [ObjectId(key.partition(":")[0]) for key in week.keys]
        usages.append(document)
    if application.balance:
        _mix(application.balance, ("cachedBalance",), random)
        for entry in application.ledger:
            _mix(entry, ("amount",), random)
    return {
        "organizations": [application.organization],
        "subscriptions": [application.subscription] if application.subscription else [],
        "billingusages": usages,
        "billingextrabalances": [application.balance] if application.balance else [],
        "processedstripeevents": story.events,
    }


def _mix(document: Document | dict[str, float], fields: tuple[str, ...], random: Random) -> None:
    for field in fields:
        value = document[field]
        draw = random.random()
        if draw >= _LONGS:
            continue
        if isinstance(value, int):
            document[field] = float(value) if draw < _DOUBLES else Int64(value)
