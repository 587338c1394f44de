"""What customers paid for packs and what of it was refunded: charges of the last 30 days, refunds of half a year.

Both are lists; only what has an open finding is read by its id, so that a remedy is seen however old the payment is.
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


def read_charges(
    connection: StripeConnection, as_of: datetime, open_ids: Sequence[str], quarantine: Quarantine
) -> list[dict[str, object]]:
    """Rows of `stripe_charges`: what was paid for packs.

    Args:
        connection: where to read.
        as_of: the night's instant; what was paid after it is the next night's.
        open_ids: charges with an open finding, read whatever their age.
        quarantine: takes the charges that cannot be read.

    Raises:
        SourceError: the list may not be read, or fails; `TransientSourceError` where trying again may help.
    """
    rows: list[dict[str, object]] = []
    for raw in _listed(connection, "charges", (as_of - CHARGES_OF, as_of), open_ids, ("payment_intent",), quarantine):
        try:
            charge, intent = Charge.model_validate(raw), raw.get("payment_intent")
            behind = Purchase.model_validate(intent) if isinstance(intent, dict) else Purchase()
        except ValidationError as error:
            quarantine.add_invalid("charges", raw, error)
            continue
        row = charge_row(charge, purchase_of(charge, lambda behind=behind: behind))
        if charge.paid and charge.captured and row["pack_id"] is not None:
            rows.append(row)
    return rows


def read_refunds(
    connection: StripeConnection, as_of: datetime, days: int, open_ids: Sequence[str], quarantine: Quarantine
) -> list[dict[str, object]]:
    """Rows of `stripe_refunds`, of so many ``days`` back; the rest is as in `read_charges`."""
    rows: list[dict[str, object]] = []
    window = (as_of - timedelta(days=days), as_of)
    for raw in _listed(connection, "refunds", window, open_ids, (), quarantine):
        try:
            rows.append(refund_row(Refund.model_validate(raw)))
        except ValidationError as error:
            quarantine.add_invalid("refunds", raw, error)
    return rows


def _listed(
    connection: StripeConnection,
    resource: str,
    window: tuple[datetime, datetime],
    open_ids: Sequence[str],
    expand: tuple[str, ...],
    quarantine: Quarantine,
) -> Iterator[JsonObject]:
    """The objects of a window of time, then those asked for by id that are not among them."""
    since, until = (int(instant.timestamp()) for instant in window)
    under_data = [f"data.{field}" for field in expand]
    asked = {"created": {"gte": since, "lte": until}, **({"expand": under_data} if under_data else {})}
    listed: set[object] = set()
    for page in connection.pages(resource, asked):
        listed.update(raw.get("id") for raw in page)
        yield from page
    for object_id in sorted(set(open_ids) - listed):
        try:
            yield connection.retrieve(resource, object_id, expand)
        except ResourceMissing:
            reason = "has an open finding and Stripe does not know it (resource_missing)"
            quarantine.add(resource, object_id, "id", reason)
