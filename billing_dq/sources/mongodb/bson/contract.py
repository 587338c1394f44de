"""What a sound document holds, collection by collection (docs/domain.md, "Collections" and "Malformed documents"): one
list of fields from which both the walk over bytes and the field-by-field explanation are made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from billing_dq import weeks
from billing_dq.vocabulary.statuses import SUBSCRIPTION_STATUSES
from billing_dq.weeks import Week

Type = Literal["objectId", "string", "number", "date", "bool", "object", "array"]

#: Markers and entries may be this far ahead of the snapshot: clocks differ.
CLOCK_TOLERANCE = timedelta(minutes=5)

#: The dates that Python and pandas can show. One beyond, such as JavaScript's last for "never", is stored as the
#: nearest of them.
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)

#: The years that a week key may have.
YEARS = range(1900, 2200)
_LONG_YEARS = [year for year in YEARS if Week.parse(f"{year}-W52").shifted(1).key.endswith("53")]
#: How many weeks each year has, from year 0 on; 0 where a week key may not have it.
WEEKS_BY_YEAR = tuple(0 if year not in YEARS else 52 + (year in _LONG_YEARS) for year in range(YEARS.stop))


@dataclass(frozen=True)
class Field:
    """One field: where it is, its BSON type, and what else must hold of its value.

    Attributes:
        minimum: smallest number.
        not_after: latest date, or the largest number where ``type`` is number (Unix seconds).
        one_of: the values it may have, and what the list is called in a reason.
        week: it is a week key.
        items: of an array, its items; of an object, every value. ``fields`` are an item's own fields.
    """

    name: str
    type: Type
    required: bool = False
    minimum: float | None = None
    not_after: datetime | None = None
    one_of: tuple[str, ...] | None = None
    week: bool = False
    items: Type | None = None
    fields: tuple["Field", ...] = ()


@dataclass(frozen=True)
class CollectionContract:
    """A collection: its names in docs/domain.md and in the database, its fields, and which one is the organization."""

    domain_name: str
    name: str
    fields: tuple[Field, ...]
    organization: str | None


def is_week_key(value: object) -> bool:
    """Whether a value is a possible week key."""
    return isinstance(value, str) and weeks.is_week_key(value) and int(value[:4]) in YEARS


def contracts(names: Mapping[str, str], plans: tuple[str, ...], as_of: datetime) -> dict[str, CollectionContract]:
    """The contract of every collection, by its name in docs/domain.md.

    Args:
        names: the collections' names in this database, by their names in docs/domain.md.
        plans: the plans there are.
        as_of: the instant of the snapshot, for what may not lie in the future.
    """
    latest = as_of + CLOCK_TOLERANCE
    plan = Field("plan", "string", one_of=plans)
    written = (Field("createdAt", "date"), Field("updatedAt", "date"))
    organization = Field("organization", "objectId", required=True)
    fields: dict[str, tuple[str | None, tuple[Field, ...]]] = {
        "organizations": ("_id", (Field("_id", "objectId", required=True), plan)),
        "subscriptions": (
            "organization",
            (
                organization,
                plan,
                Field("status", "string", one_of=SUBSCRIPTION_STATUSES),
                Field("stripeCustomerId", "string"),
                Field("stripeSubscriptionId", "string"),
                Field("planVersion", "string"),
                Field("currentPeriodStart", "date"),
                Field("pastDueSince", "date", not_after=latest),
                Field("lastResetAt", "date"),
                Field("lastSubscriptionEventCreatedAt", "number", minimum=0, not_after=latest),
                Field("lastInvoiceEventCreatedAt", "number", minimum=0, not_after=latest),
                Field("lastSubscriptionEventId", "string"),
                Field("lastInvoiceEventId", "string"),
                Field("adminUpdatedAt", "date"),
                *written,
            ),
        ),
        "billingusages": (
            "organizationId",
            (
                Field("organizationId", "objectId", required=True),
                Field("weekKey", "string", required=True, week=True),
                Field("month", "string"),
                Field("meterUsed", "number", required=True, minimum=0),
                Field("meterQuota", "number", required=True, minimum=0),
                Field("planVersion", "string"),
                Field("meterBreakdown", "object", items="number"),
                Field("resetAt", "date"),
                Field("archivedAt", "date"),
                Field("alertedAt80", "date"),
                Field("alertedAt100", "date"),
                Field("consumedAttributionKeys", "array", items="string"),
                Field("consumedHistoryIds", "array", items="objectId"),
                *written,
            ),
        ),
        "billingextrabalances": (
            "organization",
            (
                organization,
                Field("cachedBalance", "number", required=True),
                Field("cachedBalanceAt", "date"),
                Field("ledger", "array", required=True, items="object", fields=_ENTRY),
                *written,
            ),
        ),
        "processedstripeevents": (
            None,
            (
                Field("eventId", "string", required=True),
                Field("type", "string"),
                Field("processedAt", "date"),
                Field("deadLetter", "bool"),
                Field("lastError", "string"),
                Field("attempts", "number"),
            ),
        ),
    }
    return {
        domain_name: CollectionContract(domain_name, names[domain_name], top_fields, organization_field)
        for domain_name, (organization_field, top_fields) in fields.items()
    }


_ENTRY = (
    Field("_id", "objectId", required=True),
    Field("kind", "string", required=True),
    Field("amount", "number", required=True),
    Field("at", "date", required=True),
    Field("refId", "string"),
    Field("stripeSessionId", "string"),
    Field("source", "string"),
    Field("expiresAt", "date"),
)
