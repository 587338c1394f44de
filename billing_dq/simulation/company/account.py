"""What one organization has at Stripe, changed in step with the application."""

from billing_dq.simulation.company.clock import DAY, SECOND
from billing_dq.simulation.company.ids import Ids
from billing_dq.simulation.config import Pack
from billing_dq.simulation.labels import Document
from billing_dq.simulation.stripe import objects as stripe

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
)
PENDING = "__pending__"
_DISPUTE_FEE = 1500


class Account:
    """The Stripe objects of one organization. Instants are milliseconds; Stripe keeps seconds."""

    def __init__(self, ids: Ids, organization_id: str) -> None:
        self._ids = ids
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
        return subscription

    def renew(self, at: int, paid_at: int | None) -> None:
        """A period ends and an invoice is made; paid later, or not at all (then past due)."""
        item = self.item
        period = self._period(at, self.price_id)
        item.update(current_period_start=period[0], current_period_end=period[1])
        self._invoice(self.price_id, period, None if paid_at is None else paid_at // SECOND)
        self.live.update(status="past_due" if paid_at is None else "active")

    def pay_open_invoice(self, at: int) -> None:
        """The overdue invoice is paid after all."""
        invoice = self.objects["invoices"][-1]
        transitions = invoice["status_transitions"]
        assert isinstance(transitions, dict)
        transitions["paid_at"] = at // SECOND
        invoice.update(status="paid", amount_paid=invoice["amount_due"], amount_remaining=0)
        self.live.update(status="active")

    def change_price(self, price_id: str, plan_metadata: dict[str, str]) -> None:
        """Another price for the item, in the same period."""
        item = self.item
        start, end, created = item["current_period_start"], item["current_period_end"], item["created"]
        assert isinstance(start, int) and isinstance(end, int) and isinstance(created, int)
        identity, subscription_id = str(item["id"]), str(self.live["id"])
        item.update(stripe.subscription_item(identity, subscription_id, price_id, created, (start, end), plan_metadata))

    def cancel(self, at: int) -> None:
        """The subscription ends at once."""
        self.live.update(status="canceled", canceled_at=at // SECOND, ended_at=at // SECOND)

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

    def dispute(self, at: int, charge: Document, status: str) -> Document:
        """A dispute of a whole charge, without movement yet."""
        cents = charge["amount"]
        assert isinstance(cents, int)
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
