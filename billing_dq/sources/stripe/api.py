"""What a night reads from Stripe, as frames. Lists rather than retrieves; billing_dq never writes to Stripe.

Raised is `SourceError`, or `TransientSourceError` where trying again may help: an error of Stripe is an error of what
needs Stripe and never a finding. One object that cannot be read is a row of `quarantined_stripe_objects` instead.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.progress import Progress
from billing_dq.sources.stripe.client import API_VERSION, JsonObject, ResourceMissing, StripeConnection, mode_of_key
from billing_dq.sources.stripe.events import read_subscription_events
from billing_dq.sources.stripe.invoices import NewestInvoices, read_invoices
from billing_dq.sources.stripe.listing import read_objects
from billing_dq.sources.stripe.objects import Dispute, DisputedPurchase, Item, Items, Quarantine, Subscription
from billing_dq.sources.stripe.pace import Clock
from billing_dq.sources.stripe.payments import (
    CHARGE_IDS,
    REFUND_IDS,
    SESSION_IDS,
    SESSIONS,
    PackCharges,
    read_charges,
    read_refunds,
    read_sessions,
)
from billing_dq.sources.stripe.rows import Plans, Row, dispute_row, purchase_of, subscription_row, with_events
from billing_dq.tables import (
    QUARANTINED_STRIPE_OBJECTS,
    STRIPE_CHARGES,
    STRIPE_DISPUTES,
    STRIPE_INVOICES,
    STRIPE_REFUNDS,
    STRIPE_SUBSCRIPTION_EVENTS,
    STRIPE_SUBSCRIPTIONS,
    Table,
)

#: Resources that a night reads, or that come with what it reads.
PROBED = ("subscriptions", "prices", "invoices", "disputes", "charges", "payment_intents", "balance_transactions")
#: Resources without which a night knows less, and nothing is wrong.
OPTIONAL = ("refunds", "events", SESSIONS)
#: What comes along with a dispute.
_PURCHASE = ("charge", "payment_intent")
_SHORTEST = {"limit": 1}


@dataclass(frozen=True)
class StripeReading:
    """A night's Stripe.

    Attributes:
        frames: `stripe_subscriptions`, `stripe_invoices`, `stripe_disputes`, `quarantined_stripe_objects`; and those
            of `stripe_charges`, `stripe_refunds` and `stripe_subscription_events` that could be read.
        requests: requests sent, by resource.
        livemode: the mode that every object should have: the key's, else that of most objects.
        invoices_not_read: subscriptions whose newest paid invoice was out of reach of the night's seconds.
        absent: tables that could not be read although the rest could, each with the reason.
        events_since: the instant from which on no event of a subscription is missing; None where none was read.
        since: by optional table, the instant from which on its list is complete.
        not_read: by resource the number of objects that are read one by one and that the budget did not reach, or that
            the key may not read; what rests on them is not judged.
    """

    frames: dict[str, pd.DataFrame]
    requests: dict[str, int]
    livemode: bool
    invoices_not_read: tuple[str, ...]
    absent: dict[str, str]
    events_since: datetime | None
    since: dict[str, datetime]
    not_read: dict[str, int]


def read_stripe(
    settings: Settings,
    as_of: datetime,
    open_last_night: Sequence[str],
    progress: Progress,
    clock: Clock | None = None,
) -> StripeReading:
    """Read subscriptions, disputes and the newest paid invoices, and what the night can do without.

    Refunds, events of subscriptions and charges of packs are read as far as the key and the budget let us.

    Args:
        settings: key, address, plans, budget.
        as_of: the night's instant, aware; disputes opened up to ``stripe_dispute_days`` before it are read.
        open_last_night: ids of the disputes, charges and refunds to read whatever their age, and of the checkout
            sessions of top-ups, read where no charge names them.
        progress: shows a stage for each resource.
        clock: for tests, which need not wait.

    Raises:
        SourceError: the key, the permissions, the version or the answers do not do.
        TransientSourceError: Stripe cannot be reached, fails, or takes longer than its budget.
    """
    quarantine = Quarantine()
    invoices = NewestInvoices(as_of, quarantine)
    charges = PackCharges()
    plans = Plans(settings.plan_of_price, frozenset(settings.plans))
    window = (as_of - timedelta(days=settings.stripe_dispute_days), as_of)
    open_charges = [object_id for object_id in open_last_night if object_id.startswith(CHARGE_IDS)]
    open_refunds = [object_id for object_id in open_last_night if object_id.startswith(REFUND_IDS)]
    open_sessions = [object_id for object_id in open_last_night if object_id.startswith(SESSION_IDS)]
    open_disputes = sorted({*open_last_night} - {*open_charges, *open_refunds, *open_sessions})
    absent: dict[str, str] = {}
    since: dict[str, datetime] = {}
    with StripeConnection(settings, clock) as connection:
        with progress.stage("Stripe: subscriptions", None) as advance:
            subscriptions: list[Row] = []
            until = as_of + timedelta(minutes=settings.stripe_pending_minutes)
            for page in connection.pages("subscriptions", {"status": "all", "expand": ["data.latest_invoice"]}):
                for raw in page:
                    with quarantine.instead_of_error("subscriptions", raw):
                        subscription = Subscription.model_validate(raw)
                        items = _all_items(connection, subscription)
                        subscriptions.append(subscription_row(subscription, items, plans, until))
                        invoices.add_latest(subscription, raw.get("latest_invoice", ""))
                advance(len(page))
        with progress.stage("Stripe: disputes", None) as advance:
            disputes: list[Row] = []
            created = {"gte": int(window[0].timestamp())}
            for raw in read_objects(connection, "disputes", created, _PURCHASE, open_disputes, quarantine):
                with quarantine.instead_of_error("disputes", raw):
                    disputes.append(_dispute(connection, raw))
                    charges.add_referenced(raw.get("charge"), raw.get("payment_intent"))
                advance(1)
        with progress.stage("Stripe: invoices", None) as advance:
            invoices_not_read = read_invoices(connection, invoices)
            advance(len(invoices.newest))
        livemode = _livemode(settings, [*subscriptions, *disputes])

        def optional(table: Table, title: str, read: Callable[[], tuple[list[Row], datetime]]) -> list[Row] | None:
            """The rows of a table that a night can do without; None, and the reason in ``absent``, where it must."""
            with progress.stage(f"Stripe: {title}", None) as advance:
                try:
                    rows, since[table.name] = read()
                except SourceError as error:
                    absent[table.name] = str(error)
                    return None
                advance(len(rows))
            return rows

        refunds = optional(
            STRIPE_REFUNDS,
            "refunds",
            lambda: read_refunds(connection, window, open_refunds, charges, quarantine),
        )
        events = optional(
            STRIPE_SUBSCRIPTION_EVENTS,
            "events of subscriptions",
            lambda: read_subscription_events(connection, as_of, livemode, plans, quarantine, len(subscriptions)),
        )
        # after the refunds, which name charges to read
        charge_rows = optional(
            STRIPE_CHARGES,
            "charges of packs",
            lambda: read_charges(connection, as_of, open_charges, charges, quarantine),
        )
        sessions_not_read: list[str] = []
        if charge_rows is not None and open_sessions:
            with progress.stage("Stripe: checkout sessions", None) as advance:
                sessions_not_read = read_sessions(connection, open_sessions, charges, quarantine)
                advance(connection.requests[SESSIONS])
            charge_rows = charges.sorted_rows()
        requests = dict(connection.requests)
    tables: list[tuple[Table, list[Row] | None]] = [
        (STRIPE_SUBSCRIPTIONS, with_events(subscriptions, events or [])),
        (STRIPE_INVOICES, invoices.rows()),
        (STRIPE_DISPUTES, disputes),
        (STRIPE_CHARGES, charge_rows),
        (STRIPE_REFUNDS, refunds),
        (STRIPE_SUBSCRIPTION_EVENTS, events),
    ]
    frames = {table.name: table.from_rows(rows) for table, rows in tables if rows is not None}
    frames[QUARANTINED_STRIPE_OBJECTS.name] = quarantine.frame()
    unread = {"invoices": invoices_not_read, "charges": charges.unread_ids, SESSIONS: sessions_not_read}
    not_read = {resource: len(object_ids) for resource, object_ids in unread.items() if object_ids}
    events_since = since.pop(STRIPE_SUBSCRIPTION_EVENTS.name, None)
    return StripeReading(frames, requests, livemode, invoices_not_read, absent, events_since, since, not_read)


def read_dispute(settings: Settings, dispute_id: str, clock: Clock | None = None) -> pd.DataFrame:
    """One dispute as it stands now: a `stripe_disputes` frame of one row.

    Raises:
        SourceError: Stripe does not know it, or its answer cannot be read; and as in `read_stripe`.
    """
    quarantine = Quarantine()
    rows: list[Row] = []
    with StripeConnection(settings, clock) as connection:
        raw = connection.retrieve("disputes", dispute_id, _PURCHASE)
        with quarantine.instead_of_error("disputes", raw):
            rows.append(_dispute(connection, raw))
    if not rows:
        fields = ", ".join(f"{field} ({reason})" for (_, _, field), reason in quarantine.reasons.items())
        raise SourceError(f"Stripe's dispute {dispute_id} cannot be read: {fields}")
    if rows[0]["dispute_id"] != dispute_id:
        raise SourceError(f"Stripe was asked for the dispute {dispute_id} and answered with another one")
    return STRIPE_DISPUTES.from_rows(rows)


def probe(settings: Settings) -> str:
    """Reach Stripe and try every permission, at one request each; for `doctor`.

    Returns:
        Host, mode, API version and what the key may read, in one line.

    Raises:
        SourceError: as in `read_stripe`.
    """
    with StripeConnection(settings) as connection:
        for resource in PROBED:
            next(connection.pages(resource, _SHORTEST))
        refused = [resource for resource in OPTIONAL if not _may_list(connection, resource)]
    mode = {True: "live mode", False: "test mode", None: "a mode that the key does not show"}[mode_of_key(settings)]
    readable = ", ".join([*PROBED, *(resource for resource in OPTIONAL if resource not in refused)])
    missing = f"; it may not read {', '.join(refused)}, without which a night knows less" if refused else ""
    return f"{connection.host} in {mode}, API version {API_VERSION}; the key may read {readable}{missing}"


def _may_list(connection: StripeConnection, resource: str) -> bool:
    try:
        next(connection.pages(resource, _SHORTEST))
    except TransientSourceError:
        raise
    except SourceError:
        return False
    return True


def _all_items(connection: StripeConnection, subscription: Subscription) -> list[Item]:
    """The items of a subscription: those that came with it, or the list of their own where that is longer.

    Raises:
        ValidationError: one of them cannot be read; a part of the items does not show the plan.
    """
    if not subscription.items.has_more:
        return subscription.items.data
    pages = connection.pages("subscription_items", {"subscription": subscription.id})
    return Items.model_validate({"data": [raw for page in pages for raw in page]}).data


def _dispute(connection: StripeConnection, raw: JsonObject) -> Row:
    """The row of a dispute.

    Raises:
        ValidationError: the dispute, its charge or its payment intent cannot be read.
    """
    dispute = Dispute.model_validate(raw)
    charge = _purchase(connection, "charges", raw.get("charge"))
    purchase = purchase_of(
        charge, lambda: _purchase(connection, "payment_intents", raw.get("payment_intent") or charge.payment_intent)
    )
    return dispute_row(dispute, charge, purchase)


def _purchase(connection: StripeConnection, resource: str, reference: object) -> DisputedPurchase:
    """What is noted on a charge or payment intent: expanded as asked, else (an id alone) at a request of its own."""
    if isinstance(reference, str) and reference:
        try:
            reference = connection.retrieve(resource, reference)
        except ResourceMissing:
            reference = None
    return DisputedPurchase() if reference is None else DisputedPurchase.model_validate(reference)


def _livemode(settings: Settings, rows: Sequence[Row]) -> bool:
    """The mode of the key; a key that does not show it is in the mode of most objects."""
    mode = mode_of_key(settings)
    if mode is not None:
        return mode
    modes = Counter(bool(row["livemode"]) for row in rows)
    return modes[True] >= modes[False]
