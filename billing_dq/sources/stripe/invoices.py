"""The newest paid invoice of each subscription, in few requests.

Stripe cannot list by ``paid_at``, and all paid invoices of a large company are thousands of pages. Three readings, the
cheap ones first, until every subscription is decided or the allowance of requests is used up:

1. The latest invoice comes along with each subscription (``expand``): for almost all of them it is paid, and is it.
2. The paid invoices of the last `WINDOW`, newest first: they show an older invoice that was paid after a newer one,
   and decide subscriptions by the page. Where requests are short, only as long as they do the latter.
3. A list of its own for each subscription whose latest invoice is not paid, the live and the young first.

A subscription that stays undecided has no row: what was not read is neither lagging nor in step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from billing_dq.sources.stripe.client import JsonObject, StripeConnection
from billing_dq.sources.stripe.objects import Invoice, Quarantine
from billing_dq.sources.stripe.rows import moment

#: An annual subscription's invoice of a year ago, and the weeks in which Stripe retries a payment.
WINDOW: Final = timedelta(days=400)
#: A night's requests in all, for a company of up to so many subscriptions; more for a larger one in proportion.
NIGHT_REQUESTS: Final = 127
OF_SUBSCRIPTIONS: Final = 10_000

_LIVE: Final = frozenset({"active", "past_due", "trialing", "unpaid"})


@dataclass
class NewestInvoices:
    """Keeps the newest paid invoice of each subscription; what was paid after ``as_of`` is the next night's."""

    as_of: datetime
    quarantine: Quarantine
    newest: dict[str, Invoice] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    def add(self, raw: JsonObject, subscription: str | None = None) -> None:
        """Look at one invoice, of the subscription it came with or of the one it names itself."""
        try:
            invoice = Invoice.model_validate(raw)
        except ValidationError as error:
            self.quarantine.add_invalid("invoices", raw, error)
            if subscription is not None:
                self.unreadable.add(subscription)
            return
        subscription = subscription or invoice.subscription_id
        if subscription is not None and self._is_paid(invoice):
            known = self.newest.get(subscription)
            if known is None or _paid_at(known) < _paid_at(invoice):
                self.newest[subscription] = invoice

    def rows(self) -> list[dict[str, object]]:
        """Rows of `stripe_invoices`; a subscription with an unreadable invoice has none: that may be its newest."""
        return [
            {
                "stripe_subscription_id": subscription,
                "invoice_id": invoice.id,
                "paid_at": moment(_paid_at(invoice)),
                "out_of_band": invoice.is_out_of_band,
            }
            for subscription, invoice in sorted(self.newest.items())
            if subscription not in self.unreadable
        ]

    def _is_paid(self, invoice: Invoice) -> bool:
        # A paid invoice may have no time of payment: one of nothing, paid out of the customer's balance, has it too.
        paid_at = invoice.status_transitions.paid_at
        return invoice.status == "paid" and paid_at is not None and paid_at <= self.as_of.timestamp()


@dataclass(frozen=True)
class Subscriber:
    """What is known of a subscription's invoices when only its latest has been seen."""

    subscription_id: str
    status: str
    created: int
    has_invoice: bool


def read_invoices(
    connection: StripeConnection, invoices: NewestInvoices, subscribers: Mapping[str, Subscriber]
) -> tuple[str, ...]:
    """Readings 2 and 3; the result names the subscriptions that have no row although they may have one."""
    sent = connection.requests.total()
    allowance = NIGHT_REQUESTS * max(len(subscribers), OF_SUBSCRIPTIONS) // OF_SUBSCRIPTIONS - sent
    if not any(subscriber.has_invoice for subscriber in subscribers.values()):
        return ()

    undecided = _undecided(subscribers.values(), invoices)
    since = int((invoices.as_of - WINDOW).timestamp())
    for page in connection.pages("invoices", {"status": "paid", "created": {"gte": since}}):
        for raw in page:
            invoices.add(raw)
        before, undecided = len(undecided), _undecided(undecided, invoices)
        left = allowance - (connection.requests.total() - sent)
        # A list of its own decides one subscription a request; a page that decides fewer must not take their requests.
        if left <= 0 or (left <= len(undecided) and before - len(undecided) < 2):
            break

    undecided.sort(key=lambda s: (s.status not in _LIVE, -s.created, s.subscription_id))
    left = max(0, allowance - (connection.requests.total() - sent))
    for subscriber in undecided[:left]:
        parameters = {"subscription": subscriber.subscription_id, "status": "paid"}
        for raw in next(connection.pages("invoices", parameters)):
            invoices.add(raw, subscriber.subscription_id)
    return tuple(sorted({s.subscription_id for s in undecided[left:]} | invoices.unreadable))


def _undecided(subscribers: Iterable[Subscriber], invoices: NewestInvoices) -> list[Subscriber]:
    """Those that have invoices, none of them known to be paid."""
    return [s for s in subscribers if s.has_invoice and s.subscription_id not in invoices.newest]


def _paid_at(invoice: Invoice) -> int:
    return invoice.status_transitions.paid_at or 0
