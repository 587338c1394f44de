"""What the plants of `faults.tables` ask of an organization, and how they spoil a date."""

from collections.abc import Callable
from datetime import datetime

from bson import ObjectId

from billing_dq_simulation.clock import to_datetime, to_millis, week_start
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.labels import Document, SimulatedOrganization

#: Edits an organization in its place; whether it could.
Plant = Callable[[SimulatedOrganization, WorldConfig], bool]
Ledger = list[Document]


def first(organization: SimulatedOrganization, collection: str) -> Document | None:
    """The first document of a collection; of most there is one."""
    return next(iter(organization.documents[collection]), None)


def newest_usage(organization: SimulatedOrganization, config: WorldConfig) -> Document | None:
    """The usage document of the open week."""
    weekly = [one for one in organization.documents["billingusages"] if "weekKey" in one]
    newest = week_start(to_millis(config.as_of))
    return next((one for one in reversed(weekly) if to_millis(time_of(one, "resetAt")) >= newest), None)


def document_of(organization: SimulatedOrganization, collection: str, config: WorldConfig) -> Document | None:
    """The document of a collection; of usage that of the open week."""
    return newest_usage(organization, config) if collection == "billingusages" else first(organization, collection)


def ledger_of(organization: SimulatedOrganization) -> Ledger:
    """The entries, to be changed in their place; none where there is no balance document."""
    balance = first(organization, "billingextrabalances")
    return balance["ledger"] if balance else []  # type: ignore[return-value]


def time_of(document: Document, name: str) -> datetime:
    """The date of a field.

    Raises:
        TypeError: it holds none.
    """
    value = document[name]
    if not isinstance(value, datetime):
        raise TypeError(f"{name} holds no date: {value!r}")
    return value


def instant(entry: Document) -> int:
    """When an entry was written, in milliseconds."""
    return to_millis(time_of(entry, "at"))


def new_id(of: object, number: int) -> ObjectId:
    """An id like another one, which nothing else has."""
    return ObjectId(f"{str(of)[:20]}{number:04x}")


def seconds_for_milliseconds(document: Document, name: str) -> None:
    """A Unix time in seconds that was taken for one in milliseconds: a day in January 1970."""
    document[name] = to_datetime(to_millis(time_of(document, name)) // 1000)
