"""Faults of documents: dates, references, numbers; and documents that the reading puts aside."""

from billing_dq_simulation.clock import DAY, HOUR, to_datetime, to_millis
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.faults.tables.organization import (
    Plant,
    document_of,
    first,
    new_id,
    newest_usage,
    seconds_for_milliseconds,
    time_of,
)
from billing_dq_simulation.labels import Document, SimulatedOrganization


def dated_1970(collection: str, field: str) -> Plant:
    """A date of a document was written so."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        document = document_of(organization, collection, config)
        if document is None or document.get(field) is None:
            return False
        seconds_for_milliseconds(document, field)
        return True

    return plant


def of_nobody(collection: str, field: str) -> Plant:
    """A copy of a document under an organization that was never made: what a test of a release left behind."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        document = document_of(organization, collection, config)
        if document is None:
            return False
        ids = {"_id": new_id(document["_id"], 1), field: new_id(document[field], 1)}
        nowhere: Document = {"stripeCustomerId": None, "stripeSubscriptionId": None, "status": "canceled"}
        copied = {**document, **ids, **(nowhere if collection == "subscriptions" else {})}
        organization.documents[collection].append(copied)
        return True

    return plant


def deleted_organization(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """Of one that pays nothing at Stripe."""
    documents, paid = organization.documents, organization.stripe["charges"]
    if paid or not documents["subscriptions"] or newest_usage(organization, config) is None:
        return False
    documents["organizations"].clear()
    return True


def half_a_unit_of_quota(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """A quota that was divided."""
    usage = newest_usage(organization, config)
    if usage is not None:
        usage["meterQuota"] = 500.5
    return usage is not None


def dead_letter(**fields: object) -> Plant:
    """An event that the application gave up on, with these fields; None takes one away."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        events, whose = organization.documents["processedstripeevents"], organization.documents["organizations"][0]
        event: Document = {
            "_id": new_id(whose["_id"], len(events)),
            "eventId": f"evt_{whose['_id']}",
            "type": "invoice.paid",
            "processedAt": to_datetime(to_millis(config.as_of) - DAY),
            "attempts": 5,
            "lastError": "no such customer",
            "deadLetter": True,
        }
        event = {key: value for key, value in (event | fields).items() if value is not None}
        events.append(event)
        return True

    return plant


def dead_letter_twice(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """The collection lost its unique index."""
    dead_letter()(organization, config)
    return dead_letter()(organization, config)


def changed(collection: str, **fields: object) -> Plant:
    """A document with other values; `str` stands for the text of the value, None for no such field."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        document = first(organization, collection)
        if document is None:
            return False
        for name, value in fields.items():
            if value is None:
                del document[name]
            else:
                document[name] = str(document[name]) if value is str else value
        return True

    return plant


def second_document(collection: str) -> Plant:
    """A second document for one organization: the collection lost its unique index."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        document = first(organization, collection)
        if document is None:
            return False
        earlier = to_datetime(to_millis(time_of(document, "updatedAt")) - HOUR)
        second = {**document, "_id": new_id(document["_id"], 2), "updatedAt": earlier}
        organization.documents[collection].append(second)
        return True

    return plant
