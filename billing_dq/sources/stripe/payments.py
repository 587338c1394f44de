"""What customers paid for packs and what of it was refunded: charges of the last 30 days, refunds of half a year.

The charge of every refund and every dispute that was read is a row as well, however old: it comes expanded with them,
else it is read by its id, as is what has an open finding, so that a remedy is seen whatever the age of the payment.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from billing_dq.sources.stripe.client import JsonObject, ResourceMissing, StripeConnection
from billing_dq.sources.stripe.objects import Charge, Purchase, Quarantine, Refund
from billing_dq.sources.stripe.rows import charge_row, purchase_of, refund_row

#: A pack that was paid and not delivered is noticed within days; the night's weeks reach no further.
CHARGES_OF: Final = timedelta(days=30)
#: How Stripe names the objects: of a card first, of other methods of payment then.
CHARGE_IDS: Final = ("ch_", "py_")
REFUND_IDS: Final = ("re_", "pyr_")
_INTENT: Final = ("payment_intent",)


class PackCharges:
    """The charges of packs, from every object that tells of one: rows of `stripe_charges` by id."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, object]] = {}
        #: those of refunds and disputes that came as an id alone
        self.unseen: set[str] = set()

    def add(self, raw: JsonObject, intent: object = None) -> None:
        """Keep a charge that is one of a pack: it names its pack or its session, or its payment intent does.

        Raises:
            ValidationError: it cannot be read.
        """
        charge, told = Charge.model_validate(raw), intent or raw.get("payment_intent")
        behind = Purchase.model_validate(told) if isinstance(told, dict) else Purchase()
        row = charge_row(charge, purchase_of(charge, lambda: behind))
        if row["pack_id"] is not None or row["stripe_session_id"] is not None:
            self.rows[charge.id] = row

    def add_behind(self, told: object, intent: object = None) -> None:
        """The charge that came with a refund or dispute; one that cannot be read is that object's own concern."""
        if isinstance(told, str) and told:
            self.unseen.add(told)
        elif isinstance(told, dict):
            try:
                self.add(told, intent)
            except ValidationError:
                return


def read_charges(
    connection: StripeConnection, as_of: datetime, open_ids: Sequence[str], known: PackCharges, quarantine: Quarantine
) -> list[dict[str, object]]:
    """Rows of `stripe_charges`: what was paid for packs, and what should have been.

    Args:
        connection: where to read.
        as_of: the night's instant; what was paid after it is the next night's.
        open_ids: charges with an open finding, read whatever their age.
        known: the charges of refunds and disputes.
        quarantine: takes the charges that cannot be read.

    Raises:
        SourceError: the list may not be read, or fails; `TransientSourceError` where trying again may help.
    """
    window = (as_of - CHARGES_OF, as_of)
    behind = known.unseen - set(known.rows) - set(open_ids)
    for raw in _listed(connection, "charges", window, [*open_ids, *behind], _INTENT, quarantine, behind):
        try:
            known.add(raw)
        except ValidationError as error:
            quarantine.add_invalid("charges", raw, error)
    return [known.rows[name] for name in sorted(known.rows)]


def read_refunds(
    connection: StripeConnection,
    as_of: datetime,
    days: int,
    open_ids: Sequence[str],
    charges: PackCharges,
    quarantine: Quarantine,
) -> list[dict[str, object]]:
    """Rows of `stripe_refunds`, of so many ``days`` back; their charges go to ``charges``.

    The rest is as in `read_charges`.
    """
    rows: list[dict[str, object]] = []
    window = (as_of - timedelta(days=days), as_of)
    for raw in _listed(connection, "refunds", window, open_ids, ("charge.payment_intent",), quarantine):
        charges.add_behind(raw.get("charge"))
        try:
            rows.append(refund_row(Refund.model_validate(raw)))
        except ValidationError as error:
            quarantine.add_invalid("refunds", raw, error)
    return rows


def _listed(
    connection: StripeConnection,
    resource: str,
    window: tuple[datetime, datetime],
    by_id: Sequence[str],
    expand: tuple[str, ...],
    quarantine: Quarantine,
    may_be_gone: "set[str] | frozenset[str]" = frozenset(),
) -> Iterator[JsonObject]:
    """The objects of a window of time, then those asked for by id that are not among them.

    That one of ``may_be_gone`` is not known at Stripe says nothing.
    """
    since, until = (int(instant.timestamp()) for instant in window)
    asked = {"created": {"gte": since, "lte": until}, "expand": [f"data.{field}" for field in expand]}
    listed: set[object] = set()
    for page in connection.pages(resource, asked):
        listed.update(raw.get("id") for raw in page)
        yield from page
    for object_id in sorted(set(by_id) - listed):
        try:
            yield connection.retrieve(resource, object_id, expand)
        except ResourceMissing:
            if object_id not in may_be_gone:
                reason = "has an open finding and Stripe does not know it (resource_missing)"
                quarantine.add(resource, object_id, "id", reason)
