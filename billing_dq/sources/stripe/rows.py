"""Stripe's objects as rows of the tables: the plan of a subscription, the purchase behind a charge, what moved."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from billing_dq.sources.stripe.objects import Charge, Dispute, DisputedPurchase, Item, Purchase, Refund, Subscription

#: What stands for a plan where there is none, or more than one (docs/domain.md, "Against Stripe"); no plan may be
#: called so.
UNRESOLVED: Final = "unresolved"
AMBIGUOUS: Final = "ambiguous"
#: What the application writes where it does not know a value yet (docs/domain.md, "Disputes").
PENDING: Final = "__pending__"

PurchaseField = Literal["organizationId", "stripeSessionId", "packId"]


def moment(seconds: int) -> datetime:
    """A time of Stripe, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


@dataclass(frozen=True)
class Plans:
    """The application's plans, by price and by name."""

    of_price: Mapping[str, str]
    known: frozenset[str]

    def of_items(self, items: Sequence[Item]) -> str:
        """The plan of a subscription: of its items, those that name no known plan are passed over.

        None left is `UNRESOLVED`, two different ones are `AMBIGUOUS`; never a guess.
        """
        plans = {plan for item in items if (plan := self._of_item(item)) is not None}
        if len(plans) > 1:
            return AMBIGUOUS
        return plans.pop() if plans else UNRESOLVED

    def _of_item(self, item: Item) -> str | None:
        """The price map first, then the price's `metadata.planId`, and only where that is empty the plan's."""
        price_id = price_id_of(item)
        if price_id is not None and price_id in self.of_price:
            return self.of_price[price_id]
        named = (_plan_id(item.price.metadata) if item.price else "") or (
            _plan_id(item.plan.metadata) if item.plan else ""
        )
        return named if named in self.known else None


def price_id_of(item: Item) -> str | None:
    """The price of an item; a plan of the older shape has the same id."""
    priced = item.price or item.plan
    return priced.id if priced else None


def subscription_row(
    subscription: Subscription, items: Sequence[Item], plans: Plans, until: datetime
) -> dict[str, object]:
    """A row of `stripe_subscriptions`.

    Args:
        subscription: the object.
        items: all of its items, also those beyond the first ten.
        plans: the application's plans.
        until: a later instant is a plan for the future, such as the end of a trial that runs, and no change.
    """
    return {
        "stripe_subscription_id": subscription.id,
        "customer_id": subscription.customer_id,
        "status": subscription.status,
        "price_ids": [price_id for item in items if (price_id := price_id_of(item)) is not None],
        "plan": plans.of_items(items),
        "created": moment(subscription.created),
        "livemode": subscription.livemode,
        "changed_at": _changed_at(subscription, items, until),
        "organization_id": _organization(subscription.metadata),
        "collection_paused": subscription.pause_collection.behavior if subscription.pause_collection else None,
    }


def with_events(
    subscriptions: Sequence[dict[str, object]], events: Sequence[Mapping[str, object]]
) -> list[dict[str, object]]:
    """Rows of `stripe_subscriptions` whose `changed_at` is no older than what an event changed of status or plan.

    An object shows no instant of many changes: of a price that was exchanged, of a payment that failed.
    """
    newest: dict[object, datetime] = {}
    for event in events:
        created = event["created"]
        changed = any(event[f"{name}_before"] != event[f"{name}_after"] for name in ("plan", "status"))
        if changed and isinstance(created, datetime):
            subscription = event["stripe_subscription_id"]
            newest[subscription] = max(created, newest.get(subscription, created))
    return [row | {"changed_at": _latest(row, newest)} for row in subscriptions]


def _latest(row: Mapping[str, object], newest: Mapping[object, datetime]) -> object:
    known, told = row["changed_at"], newest.get(row["stripe_subscription_id"])
    return max(known, told) if told is not None and isinstance(known, datetime) else known


def _changed_at(subscription: Subscription, items: Sequence[Item], until: datetime) -> datetime:
    """The newest change that the object itself tells: it began, renewed, was canceled, ended, its trial ended."""
    told = [subscription.current_period_start, subscription.trial_end, subscription.canceled_at, subscription.ended_at]
    told += [instant for item in items for instant in (item.created, item.current_period_start)]
    past = [instant for instant in told if instant is not None and instant <= until.timestamp()]
    return moment(max([subscription.created, *past]))


def charge_row(charge: Charge, noted: Mapping[PurchaseField, str | None]) -> dict[str, object]:
    """A row of `stripe_charges`; ``noted`` is what `purchase_of` found."""
    return {
        "charge_id": charge.id,
        "organization_id": noted["organizationId"],
        "stripe_session_id": noted["stripeSessionId"],
        "pack_id": noted["packId"],
        "amount_minor": charge.amount,
        "captured_minor": charge.paid_amount,
        "refunded_minor": charge.amount_refunded,
        "currency": charge.currency,
        "status": charge.status,
        "disputed": charge.disputed,
        "created": moment(charge.created),
        "livemode": charge.livemode,
    }


def refund_row(refund: Refund) -> dict[str, object]:
    """A row of `stripe_refunds`."""
    return {
        "refund_id": refund.id,
        "charge_id": refund.charge,
        "status": refund.status,
        "amount_minor": refund.amount,
        "created": moment(refund.created),
    }


def dispute_row(
    dispute: Dispute, charge: DisputedPurchase, noted: Mapping[PurchaseField, str | None]
) -> dict[str, object]:
    """A row of `stripe_disputes`; ``noted`` is what `purchase_of` found behind ``charge``."""
    return {
        "dispute_id": dispute.id,
        "charge_id": dispute.charge,
        "status": dispute.status,
        "amount_minor": dispute.amount,
        "charge_amount_minor": charge.paid_amount,
        "currency": dispute.currency,
        "organization_id": noted["organizationId"],
        "stripe_session_id": noted["stripeSessionId"],
        "pack_id": noted["packId"],
        "created": moment(dispute.created),
        "movements": [
            {
                "amount_minor": movement.amount,
                "currency": movement.currency,
                "exchange_rate": movement.exchange_rate,
                "reporting_category": movement.reporting_category,
                "created": moment(movement.created),
            }
            for movement in dispute.balance_transactions
            if movement.moves_disputed_money
        ],
        "livemode": dispute.livemode,
    }


def purchase_of(charge: Purchase, intent: Callable[[], Purchase]) -> dict[PurchaseField, str | None]:
    """Organization, session and pack of a charge: field by field from the charge, else its payment intent.

    ``intent`` is asked only where the charge leaves a field open.
    """
    of_charge: dict[PurchaseField, str | None] = {
        "organizationId": _organization(charge.metadata),
        "stripeSessionId": _noted(charge, "stripeSessionId"),
        "packId": _noted(charge, "packId"),
    }
    if all(of_charge.values()):
        return of_charge
    behind = intent()
    return {
        "organizationId": of_charge["organizationId"] or _organization(behind.metadata),
        "stripeSessionId": of_charge["stripeSessionId"] or _noted(behind, "stripeSessionId"),
        "packId": of_charge["packId"] or _noted(behind, "packId"),
    }


def _organization(metadata: Mapping[str, object]) -> str | None:
    noted = _text(metadata, "organizationId").lower()
    return noted if re.fullmatch(r"[0-9a-f]{24}", noted) else None


def _noted(purchase: Purchase, field: PurchaseField) -> str | None:
    text = _text(purchase.metadata, field)
    return text if text and text != PENDING else None


def _plan_id(metadata: Mapping[str, object]) -> str:
    return _text(metadata, "planId")


def _text(metadata: Mapping[str, object], field: str) -> str:
    """What is noted, without the blanks around it; half a character (a lone surrogate) cannot be stored."""
    value = metadata.get(field)
    return value.encode("utf-8", "replace").decode().strip() if isinstance(value, str) else ""
