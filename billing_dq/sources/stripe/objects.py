"""What an object of Stripe must look like to be read, and what becomes of one that does not.

Validated is only what is used. A status, a category or a price that nobody has heard of is text like any other: Stripe
adds values at any time, and what to make of them is not decided here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Self

import pandas as pd
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from billing_dq.sources.stripe.client import JsonObject
from billing_dq.tables import QUARANTINED_STRIPE_OBJECTS

_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that a datetime can hold
#: Stripe's amounts have twelve digits at most; no rate between two currencies is beyond these. Within them every sum of
#: a dispute's converted movements is an int64.
_LARGEST_MINOR = 10**12
_LARGEST_RATE = 1e6


def _id_of(value: object) -> object:
    """A reference is an id, or the object itself where it was expanded."""
    return value.get("id") if isinstance(value, dict) else value


def _empty_for_none(value: object) -> object:
    return {} if value is None else value


def _rate(value: float | None) -> float | None:
    if value is not None and not 1 / _LARGEST_RATE <= value <= _LARGEST_RATE:
        raise ValueError("an exchange rate must lie between a millionth and a million")
    return value


Text = Annotated[str, Field(min_length=1)]
Reference = Annotated[Text, BeforeValidator(_id_of)]
Seconds = Annotated[int, Field(strict=True, ge=0, le=_LAST_SECOND)]
Minor = Annotated[int, Field(strict=True, gt=-_LARGEST_MINOR, lt=_LARGEST_MINOR)]
Flag = Annotated[bool, Field(strict=True)]
#: Text by name; what an application stores beside its own fields (numbers, null) is no reason to lose the object.
Metadata = Annotated[dict[str, object], BeforeValidator(_empty_for_none)]
Rate = Annotated[float | None, AfterValidator(_rate)]


class _Object(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Price(_Object):
    """A price, or the legacy plan beside it; the id of both is the price's."""

    id: Text
    metadata: Metadata = Field(default_factory=dict)


class Item(_Object):
    """What a subscription is for. Before 2020 an item had a plan and no price."""

    id: Text
    price: Price | None = None
    plan: Price | None = None
    created: Seconds | None = None
    current_period_start: Seconds | None = None


class Items(_Object):
    """The items of a subscription; at most ten come along, the rest is a list of its own."""

    data: list[Item]
    has_more: Flag = False


class Invoice(_Object):
    """An invoice. The subscription is under ``parent`` since API 2025-03-31, at the top level before."""

    class Transitions(_Object):
        """When it changed its status; null where it did not."""

        paid_at: Seconds | None = None

    class Parent(_Object):
        """What made the invoice."""

        class Details(_Object):
            """The subscription that did."""

            subscription: Reference | None = None

        subscription_details: Details | None = None

    id: Text
    status: Text | None = None
    status_transitions: Transitions
    parent: Parent | None = None
    subscription: Reference | None = None
    amount_paid: Minor = 0
    amount_paid_off_stripe: Minor | None = None
    paid_out_of_band: Flag | None = None

    @property
    def is_out_of_band(self) -> bool:
        """Whether no payment at Stripe paid it; the flag is of the API before 2025-03-31, the amount of the one after.

        Stripe sends `invoice.paid` for it, and no `invoice.payment_succeeded`.
        """
        off_stripe = self.amount_paid_off_stripe or 0
        return bool(self.paid_out_of_band) or (off_stripe > 0 and off_stripe >= self.amount_paid)

    @property
    def subscription_id(self) -> str | None:
        """sub_..., None for an invoice of something else."""
        details = self.parent.subscription_details if self.parent else None
        return (details.subscription if details else None) or self.subscription


class PausedCollection(_Object):
    """Why no invoice of a subscription is collected while its status stays what it was."""

    behavior: Text


class Subscription(_Object):
    """A subscription."""

    id: Text
    customer: Reference | None = None
    customer_account: Text | None = None
    status: Text
    items: Items
    created: Seconds
    current_period_start: Seconds | None = None
    trial_end: Seconds | None = None
    canceled_at: Seconds | None = None
    ended_at: Seconds | None = None
    livemode: Flag
    metadata: Metadata = Field(default_factory=dict)
    pause_collection: PausedCollection | None = None

    @property
    def customer_id(self) -> str:
        """cus_..., or the account that takes a customer's place in Stripe's newer accounts."""
        return self.customer or self.customer_account or ""

    @model_validator(mode="after")
    def _is_somebodys(self) -> Self:
        if not self.customer_id:
            raise ValueError("neither customer nor customer_account")
        return self


def _unless_partial(value: object) -> object:
    """A list of items or a plan as it was before a change; of a plan Stripe may show only what changed in it."""
    if isinstance(value, dict) and not isinstance(value.get("id"), str) and "data" not in value:
        return None
    return value


class Priced(_Object):
    """What a subscription is for, as any API version renders it: its items, before 2015 one plan."""

    items: Annotated[Items | None, BeforeValidator(_unless_partial)] = None
    plan: Annotated[Price | None, BeforeValidator(_unless_partial)] = None

    @property
    def priced(self) -> list[Item] | None:
        """The items, none of them where more exist than came along; None where nothing is told."""
        if self.items is not None:
            return [] if self.items.has_more else self.items.data
        return None if self.plan is None else [Item(id=self.plan.id, plan=self.plan)]


class SubscriptionEvent(_Object):
    """An event of type ``customer.subscription.*``: the subscription after it, and what it changed, from what."""

    class Data(_Object):
        """The two sides of a change."""

        class After(Priced):
            """The subscription as it was then."""

            id: Text
            status: Text

        class Before(Priced):
            """The attributes that changed, with their values before."""

            status: Text | None = None

        object: After
        previous_attributes: Annotated[Before, BeforeValidator(_empty_for_none)] = Before()

    id: Text
    type: Text
    created: Seconds
    livemode: Flag
    data: Data


class Movement(_Object):
    """A balance transaction. ``amount`` is signed, in the minor unit of the settlement ``currency``."""

    amount: Minor
    currency: Text
    exchange_rate: Rate = None
    reporting_category: Text | None = None
    type: Text | None = None
    created: Seconds

    @property
    def moves_disputed_money(self) -> bool:
        """Withdrawn or given back; a shape without categories has only the kind `adjustment` to tell it by."""
        if self.reporting_category is None:
            return self.type in (None, "adjustment")
        return self.reporting_category in ("dispute", "dispute_reversal")


class Dispute(_Object):
    """A dispute. ``amount`` is in the minor unit of the charge's ``currency``."""

    id: Text
    charge: Reference
    status: Text
    amount: Minor
    currency: Text
    created: Seconds
    livemode: Flag
    balance_transactions: list[Movement]


class Purchase(_Object):
    """A charge or its payment intent: what the application noted on it."""

    metadata: Metadata = Field(default_factory=dict)
    payment_intent: Reference | None = None


class DisputedPurchase(Purchase):
    """What a dispute is about, as far as Stripe still tells; the amounts are with tax."""

    amount: Minor | None = None
    amount_captured: Minor | None = None

    @property
    def paid_amount(self) -> int | None:
        """What was captured of it: the whole that shares of it are shares of."""
        paid = self.amount if self.amount_captured is None else self.amount_captured
        return paid if paid and paid > 0 else None


class Charge(Purchase):
    """A charge. The amounts are in the minor unit of its ``currency``, tax included."""

    id: Text
    amount: Minor
    amount_captured: Minor | None = None
    amount_refunded: Minor = 0
    currency: Text
    status: Text | None = None
    paid: Flag
    captured: Flag = True
    disputed: Flag = False
    created: Seconds
    livemode: Flag

    @property
    def paid_amount(self) -> int:
        """What was captured of it; 0 where the payment failed, is under way or was only authorized."""
        if not (self.paid and self.captured):
            return 0
        return self.amount if self.amount_captured is None else self.amount_captured


class CheckoutSession(Purchase):
    """A checkout session. ``payment_status`` is paid, unpaid or no_payment_required; ``status`` open, complete or
    expired.
    """

    id: Text
    amount_total: Minor | None = None
    currency: Text | None = None
    payment_status: Text
    status: Text | None = None
    created: Seconds
    livemode: Flag


class Refund(_Object):
    """A refund. It may fail days after it succeeded: then the money is back, and Stripe has no later status for it."""

    id: Text
    charge: Reference | None = None
    status: Text | None = None
    amount: Minor
    created: Seconds


class Quarantine:
    """Collects the objects that could not be read."""

    def __init__(self) -> None:
        self.reasons: dict[tuple[str, str, str], str] = {}
        self._nameless = 0

    def add(self, resource: str, object_id: str, field: str, reason: str) -> None:
        """One field of one object; the first reason stays."""
        self.reasons.setdefault((f"stripe.{resource}", object_id, field), reason)

    @contextmanager
    def instead_of_error(self, resource: str, raw: JsonObject) -> Iterator[None]:
        """In this block an object that breaks its model is collected, every field of it, and no error is raised.

        The values stay out: they may hold what a person wrote.
        """
        try:
            yield
        except ValidationError as error:
            object_id = raw.get("id")
            if not isinstance(object_id, str) or not object_id:
                self._nameless += 1
                object_id = f"(no id) {self._nameless}"
            object_id = object_id.encode("utf-8", "replace").decode()
            for problem in error.errors(include_input=False, include_url=False, include_context=False):
                field = ".".join(str(part) for part in problem["loc"]) or "object"
                self.add(resource, object_id, field, problem["msg"].removeprefix("Value error, "))

    def frame(self) -> pd.DataFrame:
        """The table `quarantined_stripe_objects`, a row for each field."""
        names = ("collection", "document_id", "field", "reason")
        return QUARANTINED_STRIPE_OBJECTS.from_rows(
            dict(zip(names, (*place, reason), strict=True)) for place, reason in self.reasons.items()
        )
