"""The newest paid invoice of each subscription, in few requests.

Stripe cannot list by ``paid_at``, and all paid invoices of a large company are thousands of pages. Three readings, the
cheap ones first, until every subscription is decided or the share of the night's seconds is used up:

1. The latest invoice comes along with each subscription (``expand``): for almost all of them it is paid, and is it.
2. The paid invoices of the last `WINDOW`, newest first: they show an older invoice that was paid after a newer one,
   and decide subscriptions by the page. After `PAGES_SECONDS` only as long as they do the latter.
3. A list of its own for each subscription whose latest invoice is not paid, the live and the young first.

A subscription that stays undecided has no row: what was not read is neither lagging nor in step.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from billing_dq.sources.stripe.client import JsonObject, StripeConnection
from billing_dq.sources.stripe.objects import Invoice, Quarantine, Subscription
from billing_dq.sources.stripe.pace import REQUESTS_PER_SECOND
from billing_dq.sources.stripe.rows import Row, moment
from billing_dq.vocabulary.statuses import LIVE_SUBSCRIPTION

#: An annual subscription's invoice of a year ago, and the weeks in which Stripe retries a payment.
WINDOW: Final = timedelta(days=400)
#: Of what is left of the budget invoices take no more than this share: refunds and charges come after them.
SHARE: Final = 0.5
#: In so many seconds all paid invoices of a thousand monthly subscriptions are read.
PAGES_SECONDS: Final = 10.0


@dataclass
class NewestInvoices:
    """The newest paid invoice of each subscription, of all that were added.

    Attributes:
        as_of: the night's instant; what was paid after it is the next night's.
        quarantine: takes the invoices that cannot be read.
        invoiced: the subscriptions that have an invoice, by id.
        newest: the instant of payment in seconds, and the invoice, by subscription.
        unreadable: subscriptions with an invoice that cannot be read, which may be the newest.
    """

    as_of: datetime
    quarantine: Quarantine
    invoiced: dict[str, Subscription] = field(default_factory=dict)
    newest: dict[str, tuple[int, Invoice]] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    def add_latest(self, subscription: Subscription, invoice: object) -> None:
        """Add the latest invoice of a subscription, expanded or an id; None where it has none."""
        if invoice is not None:
            self.invoiced[subscription.id] = subscription
        if isinstance(invoice, dict):
            self.add(invoice, subscription.id)

    def add(self, raw: JsonObject, subscription_id: str | None = None) -> None:
        """Add an invoice, of the subscription it came with or of the one it names itself."""
        invoice = None
        with self.quarantine.instead_of_error("invoices", raw):
            invoice = Invoice.model_validate(raw)
        if invoice is None:
            self.unreadable.update([subscription_id] if subscription_id else [])
            return
        subscription_id = subscription_id or invoice.subscription_id
        # A paid invoice may have no time of payment; one of nothing, paid out of the customer's balance, has one.
        paid_at = invoice.status_transitions.paid_at
        if subscription_id is None or invoice.status != "paid" or paid_at is None or paid_at > self.as_of.timestamp():
            return
        if subscription_id not in self.newest or self.newest[subscription_id][0] < paid_at:
            self.newest[subscription_id] = paid_at, invoice

    def undecided(self) -> list[Subscription]:
        """The subscriptions that have invoices, none of them known to be paid."""
        return [subscription for name, subscription in self.invoiced.items() if name not in self.newest]

    def rows(self) -> list[Row]:
        """Rows of `stripe_invoices`; a subscription with an unreadable invoice has none: that may be its newest."""
        return [
            {
                "stripe_subscription_id": subscription_id,
                "invoice_id": invoice.id,
                "paid_at": moment(paid_at),
                "out_of_band": invoice.is_out_of_band,
            }
            for subscription_id, (paid_at, invoice) in sorted(self.newest.items())
            if subscription_id not in self.unreadable
        ]


def read_invoices(connection: StripeConnection, invoices: NewestInvoices) -> tuple[str, ...]:
    """Readings 2 and 3.

    Args:
        connection: where to read.
        invoices: has the latest invoices of all subscriptions; those that are read are added.

    Returns:
        The subscriptions that have no row although they may have a paid invoice.

    Raises:
        SourceError: a list may not be read, or fails; `TransientSourceError` where trying again may help.
    """
    if not invoices.invoiced:
        return ()
    reserve = connection.seconds_left * (1 - SHARE)
    end_of_pages = connection.seconds_left - PAGES_SECONDS
    undecided = invoices.undecided()
    since = int((invoices.as_of - WINDOW).timestamp())
    for page in connection.pages("invoices", {"status": "paid", "created": {"gte": since}}):
        for raw in page:
            invoices.add(raw)
        before, undecided = len(undecided), invoices.undecided()
        seconds = connection.seconds_left - reserve
        is_short = connection.seconds_left <= end_of_pages or seconds * REQUESTS_PER_SECOND <= len(undecided)
        # A list of its own decides one subscription a request; a page that decides fewer must not take their requests.
        if seconds <= 0 or (is_short and before - len(undecided) < 2):
            break

    # the live and the young are read first, from the end
    undecided.sort(
        key=lambda subscription: (subscription.status in LIVE_SUBSCRIPTION, subscription.created, subscription.id)
    )
    while undecided and connection.seconds_left > reserve:
        subscription = undecided.pop()
        for raw in next(connection.pages("invoices", {"subscription": subscription.id, "status": "paid"})):
            invoices.add(raw, subscription.id)
    return tuple(sorted({subscription.id for subscription in undecided} | invoices.unreadable))
