"""Stripe's objects as rows of the tables: the plan of a subscription, what was bought with a charge, what moved."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from billing_dq.sources.stripe.objects import (
    Charge,
    CheckoutSession,
    Dispute,
    DisputedPurchase,
    Item,
    Purchase,
    Refund,
    Subscription,
)

#: What stands for a plan where there is none, or more than one (docs/domain.md, "Against Stripe"); no plan may be
#: called so.
UNRESOLVED: Final = "unresolved"
AMBIGUOUS: Final = "ambiguous"
#: What the application writes where it does not know a value yet (docs/domain.md, "Disputes").
PENDING: Final = "__pending__"

Row = dict[str, object]


def moment(seconds: int) -> datetime:
    """A time of Stripe, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


@dataclass(frozen=True)
class Plans:
    """The application's plans, by price and by name."""

    of_price: Mapping[str, str]
    names: frozenset[str]

    def of_items(self, items: Sequence[Item]) -> str:
        """The plan of a subscription; items that name no plan of the application are passed over.

        `UNRESOLVED` where none names one, `AMBIGUOUS` where two name different ones; never a guess.
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
        noted = (_text(priced.metadata, "planId") for priced in (item.price, item.plan) if priced)
        plan = next(filter(None, noted), None)
        return plan if plan in self.names else None


def price_id_of(item: Item) -> str | None:
    """The price of an item; a plan of the older shape has the same id."""
    priced = item.price or item.plan
    return priced.id if priced else None


def subscription_row(subscription: Subscription, items: Sequence[Item], plans: Plans, until: datetime) -> Row:
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


def with_events(subscriptions: Sequence[Row], events: Sequence[Row]) -> list[Row]:
    """Rows of `stripe_subscriptions` whose `changed_at` is no older than the last change of status or plan by an event.

    A subscription does not show when its price was exchanged or a payment failed.
    """
    newest: dict[object, datetime] = {}
    for event in events:
        created = event["created"]
        changed = any(event[f"{name}_before"] != event[f"{name}_after"] for name in ("plan", "status"))
        if changed and isinstance(created, datetime):
            subscription = event["stripe_subscription_id"]
            newest[subscription] = max(created, newest.get(subscription, created))
    rows: list[Row] = []
    for row in subscriptions:
        changed_at, by_event = row["changed_at"], newest.get(row["stripe_subscription_id"])
        if by_event is not None and isinstance(changed_at, datetime):
            changed_at = max(changed_at, by_event)
        rows.append(row | {"changed_at": changed_at})
    return rows


def _changed_at(subscription: Subscription, items: Sequence[Item], until: datetime) -> datetime:
    """The newest change that the object itself shows: it began, renewed, was canceled, ended, its trial ended."""
    changes = [
        subscription.current_period_start,
        subscription.trial_end,
        subscription.canceled_at,
        subscription.ended_at,
        *(instant for item in items for instant in (item.created, item.current_period_start)),
    ]
    past = [instant for instant in changes if instant is not None and instant <= until.timestamp()]
    return moment(max([subscription.created, *past]))


def charge_row(charge: Charge, purchase: Mapping[str, str | None]) -> Row:
    """A row of `stripe_charges`; ``purchase`` are the columns of `purchase_of`."""
    return {
        "charge_id": charge.id,
        **purchase,
        "amount_minor": charge.amount,
        "captured_minor": charge.paid_amount,
        "refunded_minor": charge.amount_refunded,
        "currency": charge.currency,
        "status": charge.status,
        "disputed": charge.disputed,
        "created": moment(charge.created),
        "livemode": charge.livemode,
    }


def session_row(session: CheckoutSession) -> Row:
    """A row of `stripe_charges` of a checkout session that has no charge: nothing was captured in it."""
    return {
        "charge_id": session.id,
        **_purchase_columns(session),
        "stripe_session_id": session.id,
        "amount_minor": session.amount_total or 0,
        "captured_minor": 0,
        "refunded_minor": 0,
        "currency": session.currency or "",
        "status": "expired" if session.status == "expired" else session.payment_status,
        "disputed": False,
        "created": moment(session.created),
        "livemode": session.livemode,
    }


def refund_row(refund: Refund) -> Row:
    """A row of `stripe_refunds`."""
    return {
        "refund_id": refund.id,
        "charge_id": refund.charge,
        "status": refund.status,
        "amount_minor": refund.amount,
        "created": moment(refund.created),
    }


def dispute_row(dispute: Dispute, charge: DisputedPurchase, purchase: Mapping[str, str | None]) -> Row:
    """A row of `stripe_disputes`; ``purchase`` are the columns of `purchase_of` for ``charge``."""
    return {
        "dispute_id": dispute.id,
        "charge_id": dispute.charge,
        "status": dispute.status,
        "amount_minor": dispute.amount,
        "charge_amount_minor": charge.paid_amount,
        "currency": dispute.currency,
        **purchase,
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


def purchase_of(charge: Purchase, intent: Callable[[], Purchase]) -> dict[str, str | None]:
    """Organization, session and pack of a charge: field by field from the charge, else from its payment intent.

    ``intent`` is called only where the charge leaves a field open.
    """
    columns = _purchase_columns(charge)
    if all(columns.values()):
        return columns
    of_intent = _purchase_columns(intent())
    return {name: value or of_intent[name] for name, value in columns.items()}


def _purchase_columns(purchase: Purchase) -> dict[str, str | None]:
    session, pack = (_text(purchase.metadata, field) for field in ("stripeSessionId", "packId"))
    return {
        "organization_id": _organization(purchase.metadata),
        "stripe_session_id": None if session in ("", PENDING) else session,
        "pack_id": None if pack in ("", PENDING) else pack,
    }


def _organization(metadata: Mapping[str, object]) -> str | None:
    organization_id = _text(metadata, "organizationId").lower()
    return organization_id if re.fullmatch(r"[0-9a-f]{24}", organization_id) else None


def _text(metadata: Mapping[str, object], field: str) -> str:
    """What is noted, without the blanks around it; half a character (a lone surrogate) cannot be stored."""
    value = metadata.get(field)
    return value.encode("utf-8", "replace").decode().strip() if isinstance(value, str) else ""
