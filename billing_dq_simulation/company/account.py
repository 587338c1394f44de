"""What one organization has at Stripe, changed in step with the application."""

import copy

from billing_dq_simulation.clock import DAY, SECOND
from billing_dq_simulation.company.ids import Ids
from billing_dq_simulation.config import Pack
from billing_dq_simulation.labels import Document
from billing_dq_simulation.stripe import objects as stripe

RESOURCES = (
    "prices",
    "subscriptions",
    "customers",
    "invoices",
    "charges",
    "payment_intents",
    "disputes",
    "refunds",
    "balance_transactions",
    "events",
)
PENDING = "__pending__"
_DISPUTE_FEE = 1500
#: What an attribute becomes that changes without the plan; `cancel_at_period_end` is switched.
_CARD = "default_payment_method"


class Account:
    """The Stripe objects of one organization. Instants are milliseconds; Stripe keeps seconds."""

    def __init__(self, ids: Ids, organization_id: str, event_ids: Ids, events_from: int) -> None:
        self._ids = ids
        self._event_ids = event_ids
        self._events_from = events_from
        self._organization_id = organization_id
        self.objects: dict[str, list[Document]] = {name: [] for name in RESOURCES}
        self.subscription: Document | None = None
        self._customer_id: str | None = None
        self._invoices = 0

    def customer(self, at: int) -> str:
        """The customer's id; the customer is made at its first purchase."""
        if self._customer_id is None:
            self._customer_id = self._ids.customer()
            self.objects["customers"].append(stripe.customer(self._customer_id, at // SECOND))
        return self._customer_id

    def subscribe(self, at: int, price_id: str, plan_metadata: dict[str, str], trial_days: int = 0) -> Document:
        """A new subscription with its first, paid invoice."""
        created, customer_id, subscription_id = at // SECOND, self.customer(at), self._ids.stripe("sub")
        period = self._period(at, price_id)
        item = stripe.subscription_item(
            self._ids.short("si"), subscription_id, price_id, created, period, plan_metadata
        )
        subscription = stripe.subscription(subscription_id, customer_id, self._organization_id, [item], created)
        if trial_days:
            subscription.update(status="trialing", trial_start=created, trial_end=created + trial_days * 86400)
        self.objects["subscriptions"].append(subscription)
        self.subscription = subscription
        self._invoice(price_id, period, created)
        self._announce(at, "created")
        return subscription

    def renew(self, at: int, will_be_paid: bool) -> None:
        """A period ends and an invoice is made; where it will not be paid soon, the subscription is past due."""
        before = self._seen("items", "latest_invoice", "status")
        item = self.item
        period = self._period(at, self.price_id)
        item.update(current_period_start=period[0], current_period_end=period[1])
        self._invoice(self.price_id, period, None)
        self.live.update(status="active" if will_be_paid else "past_due")
        self._announce(at, "updated", before)

    def pay_open_invoice(self, at: int) -> None:
        """The overdue invoice is paid after all."""
        invoice = self.objects["invoices"][-1]
        transitions = invoice["status_transitions"]
        assert isinstance(transitions, dict)
        transitions["paid_at"] = at // SECOND
        invoice.update(status="paid", amount_paid=invoice["amount_due"], amount_remaining=0)
        before = self._seen("status")
        self.live.update(status="active")
        self._announce(at, "updated", before)

    def give_up(self, at: int) -> None:
        """The overdue invoice will never be paid."""
        before = self._seen("status")
        self.live.update(status="unpaid")
        self._announce(at, "updated", before)

    def touch(self, at: int, attribute: str) -> None:
        """A change that is none of the plan: another card, or the cancellation at the period's end switched."""
        before = self._seen(attribute, "cancel_at", "canceled_at")
        if attribute == _CARD:
            self.live.update(default_payment_method=self._event_ids.stripe("pm"))
        else:
            on = not self.live["cancel_at_period_end"]
            ends = self.item["current_period_end"] if on else None
            self.live.update(cancel_at_period_end=on, cancel_at=ends, canceled_at=at // SECOND if on else None)
        self._announce(at, "updated", before)

    def change_price(self, at: int, price_id: str, plan_metadata: dict[str, str]) -> None:
        """Another price for the item, in the same period."""
        before = self._seen("items")
        item = self.item
        start, end, created = item["current_period_start"], item["current_period_end"], item["created"]
        assert isinstance(start, int) and isinstance(end, int) and isinstance(created, int)
        identity, subscription_id = str(item["id"]), str(self.live["id"])
        item.update(stripe.subscription_item(identity, subscription_id, price_id, created, (start, end), plan_metadata))
        self._announce(at, "updated", before)

    def cancel(self, at: int) -> None:
        """The subscription ends at once."""
        self.live.update(status="canceled", canceled_at=at // SECOND, ended_at=at // SECOND)
        self._announce(at, "deleted")

    def delete_customer(self) -> None:
        """The customer is deleted, with the subscription."""
        self.objects["subscriptions"].remove(self.live)
        self.objects["customers"].clear()

    @property
    def live(self) -> Document:
        """The subscription.

        Raises:
            RuntimeError: there is none.
        """
        if self.subscription is None:
            raise RuntimeError("the organization has no subscription at Stripe")
        return self.subscription

    def _seen(self, *attributes: str) -> Document:
        """Attributes of the subscription as they are now, to be told as those before a change."""
        return {name: copy.deepcopy(self.live[name]) for name in attributes}

    def _announce(self, at: int, change: str, before: Document | None = None) -> None:
        """Stripe's own event of the subscription; it is kept for 30 days.

        ``before`` are attributes as they were; those that changed are told.
        """
        if at < self._events_from:
            return
        data: Document = {"object": copy.deepcopy(self.live)}
        if change == "updated":
            changed = {name: value for name, value in (before or {}).items() if value != self.live[name]}
            if isinstance(items := changed.get("items"), dict):
                changed["items"] = {"data": items["data"]}
            if not changed:
                return
            data["previous_attributes"] = changed
        self.objects["events"].append(
            stripe.event(self._event_ids.stripe("evt"), at // SECOND, f"customer.subscription.{change}", data)
        )

    @property
    def plan(self) -> str:
        """The plan that the price of the first item is for."""
        return stripe.PLAN_OF_PRICE[self.price_id]

    @property
    def items(self) -> list[Document]:
        """The subscription's items."""
        items = self.live["items"]
        assert isinstance(items, dict)
        return items["data"]

    @property
    def item(self) -> Document:
        """The subscription's first item."""
        return self.items[0]

    @property
    def price_id(self) -> str:
        """The price of the first item."""
        price = self.item["price"]
        assert isinstance(price, dict)
        return price["id"]

    def buy(self, at: int, pack: Pack, session_id: str, named_on: str) -> Document:
        """A pack's charge and payment intent.

        ``named_on`` says which carry the session: ``both``, ``intent`` (the charge says pending), ``intent_only`` (the
        charge has no metadata) or ``neither`` (pending on both).
        """
        metadata = stripe.pack_metadata(self._organization_id, pack, session_id)
        pending = metadata | {"stripeSessionId": PENDING}
        on_charge = {"both": metadata, "intent": pending, "intent_only": {}, "neither": pending}[named_on]
        on_intent = pending if named_on == "neither" else metadata
        return self._charge(at, pack.price_cents, f"Meter pack {pack.name}", dict(on_charge), dict(on_intent))

    def charge_subscription(self, at: int) -> Document:
        """The charge of a subscription's payment; it names no organization."""
        amount = self.objects["invoices"][0]["amount_due"]
        assert isinstance(amount, int)
        return self._charge(at, amount, "Subscription creation", {}, {})

    def _charge(
        self, at: int, cents: int, description: str, on_charge: dict[str, str], on_intent: dict[str, str]
    ) -> Document:
        charge_id, transaction_id, created = self._ids.stripe("ch"), self._ids.stripe("txn"), at // SECOND
        charge = stripe.charge(
            charge_id,
            self._ids.stripe("pi"),
            self._ids.stripe("pm"),
            transaction_id,
            self.customer(at),
            cents,
            created,
            description,
            on_charge,
        )
        self.objects["charges"].append(charge)
        self.objects["payment_intents"].append(stripe.payment_intent(charge, on_intent))
        fee = round(cents * 0.029) + 30
        self.objects["balance_transactions"].append(
            stripe.balance_transaction(transaction_id, cents, created, "charge", charge_id, description, fee)
        )
        return charge

    def refund(self, at: int, charge: Document, cents: int) -> str:
        """A refund of (part of) a charge; the value is its id."""
        refund_id, transaction_id, created = self._ids.stripe("re"), self._ids.stripe("txn"), at // SECOND
        self.objects["refunds"].append(stripe.refund(refund_id, charge, transaction_id, cents, created))
        self.objects["balance_transactions"].append(
            stripe.balance_transaction(transaction_id, -cents, created, "refund", refund_id, "REFUND FOR CHARGE")
        )
        charge.update(amount_refunded=cents, refunded=cents == charge["amount"])
        return refund_id

    def dispute(self, at: int, charge: Document, status: str, share: float = 1.0) -> Document:
        """A dispute of a charge or a share of it, without movement yet."""
        cents = int(charge["amount"] * share)  # type: ignore[operator]
        dispute = stripe.dispute(self._ids.stripe("du"), charge, cents, at // SECOND, status, [])
        charge["disputed"] = True
        self.objects["disputes"].append(dispute)
        return dispute

    def move(
        self, at: int, dispute: Document, cents: int, currency: str = "usd", exchange_rate: float | None = None
    ) -> None:
        """Money of a dispute withdrawn (negative) or reinstated, in minor units of the settlement currency."""
        withdrawn = cents < 0
        transaction = stripe.balance_transaction(
            self._ids.stripe("txn"),
            cents,
            at // SECOND,
            "dispute" if withdrawn else "dispute_reversal",
            str(dispute["id"]),
            f"Chargeback {'withdrawal' if withdrawn else 'reversal'} for {dispute['charge']}",
            _DISPUTE_FEE if withdrawn else 0,
            currency,
            exchange_rate,
        )
        movements = dispute["balance_transactions"]
        assert isinstance(movements, list)
        movements.append(transaction)
        self.objects["balance_transactions"].append(transaction)

    def convert(self, at: int, dispute: Document, cents: int) -> None:
        """A small movement of a dispute for the conversion of currencies: neither a withdrawal nor a reversal."""
        transaction = stripe.balance_transaction(
            self._event_ids.stripe("txn"), cents, at // SECOND, "dispute", str(dispute["id"]), "Currency conversion"
        )
        movements = dispute["balance_transactions"]
        assert isinstance(movements, list)
        movements.append(transaction)
        self.objects["balance_transactions"].append(transaction)

    def _period(self, at: int, price_id: str) -> tuple[int, int]:
        start = at // SECOND
        return start, start + period_length(price_id) // SECOND

    def _invoice(self, price_id: str, period: tuple[int, int], paid_at: int | None) -> None:
        self._invoices += 1
        cents = stripe.price(price_id)["unit_amount"]
        assert isinstance(cents, int)
        invoice = stripe.invoice(
            self._ids.stripe("in"),
            str(self.live["id"]),
            str(self.live["customer"]),
            self._organization_id,
            cents,
            period,
            paid_at,
            f"{self._organization_id[-8:].upper()}-{self._invoices:04d}",
        )
        self.objects["invoices"].append(invoice)
        self.live["latest_invoice"] = invoice["id"]


def period_length(price_id: str) -> int:
    """The length of a price's period, in milliseconds."""
    return (365 if stripe.is_annual(price_id) else 30) * DAY
