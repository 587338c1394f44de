"""What a night reads from Stripe, as frames. Lists rather than retrieves; billing_dq never writes to Stripe.

Raised is `SourceError`, or `TransientSourceError` where trying again may help: an error of Stripe is an error of what
needs Stripe and never a finding. One object that cannot be read is a row of `quarantined_stripe_objects` instead.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import pandas as pd
from pydantic import ValidationError

from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.progress import Progress
from billing_dq.sources.stripe.client import (
    API_VERSION,
    JsonObject,
    Parameter,
    ResourceMissing,
    StripeConnection,
    mode_of_key,
)
from billing_dq.sources.stripe.events import read_subscription_events
from billing_dq.sources.stripe.invoices import NewestInvoices, Subscriber, read_invoices
from billing_dq.sources.stripe.objects import Dispute, DisputedPurchase, Item, Items, Quarantine, Subscription
from billing_dq.sources.stripe.pace import Clock
from billing_dq.sources.stripe.payments import (
    CHARGE_IDS,
    CHARGES_OF,
    REFUND_IDS,
    PackCharges,
    read_charges,
    read_refunds,
)
from billing_dq.sources.stripe.rows import (
    Plans,
    PurchaseField,
    dispute_row,
    purchase_of,
    subscription_row,
    with_events,
)
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

T = TypeVar("T")

#: Resources that a night reads, or that come with what it reads.
PROBED = ("subscriptions", "prices", "invoices", "disputes", "charges", "payment_intents", "balance_transactions")
#: Resources without which a night knows less, and nothing is wrong.
OPTIONAL = ("refunds", "events")


@dataclass(frozen=True)
class StripeReading:
    """A night's Stripe.

    Attributes:
        frames: `stripe_subscriptions`, `stripe_invoices`, `stripe_disputes`, `quarantined_stripe_objects`; and those
            of `stripe_charges`, `stripe_refunds` and `stripe_subscription_events` that could be read.
        requests: requests sent, by resource.
        livemode: the mode that every object should have: the key's, else that of most objects.
        invoices_not_read: subscriptions whose newest paid invoice was out of reach of the night's requests.
        absent: tables that could not be read although the rest could, each with the reason.
        events_since: the instant from which on no event of a subscription is missing; None where none was read.
        since: by optional table, the instant from which on its list is complete.
    """

    frames: dict[str, pd.DataFrame]
    requests: dict[str, int]
    livemode: bool
    invoices_not_read: tuple[str, ...]
    absent: dict[str, str]
    events_since: datetime | None
    since: dict[str, datetime]


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
        open_last_night: ids of the disputes, charges and refunds to read whatever their age.
        progress: told a stage for each resource.
        clock: what the pace goes by; the machine's by default.

    Raises:
        SourceError: the key, the permissions, the version or the answers do not do.
        TransientSourceError: Stripe cannot be reached, fails, or takes longer than its budget.
    """
    quarantine = Quarantine()
    invoices = NewestInvoices(as_of, quarantine)
    absent: dict[str, str] = {}
    open_charges = [name for name in open_last_night if name.startswith(CHARGE_IDS)]
    open_refunds = [name for name in open_last_night if name.startswith(REFUND_IDS)]
    open_disputes = sorted({*open_last_night} - {*open_charges, *open_refunds})
    until = as_of + timedelta(minutes=settings.stripe_pending_minutes)
    with StripeConnection(settings, clock) as connection:
        with progress.stage("Stripe: subscriptions", None) as advance:
            subscriptions: list[dict[str, object]] = []
            subscribers: dict[str, Subscriber] = {}
            plans = Plans(settings.plan_of_price, frozenset(settings.plans))
            for page in connection.pages("subscriptions", {"status": "all", "expand": ["data.latest_invoice"]}):
                for raw in page:
                    try:
                        subscription = Subscription.model_validate(raw)
                        items = _all_items(connection, subscription)
                    except ValidationError as error:
                        quarantine.add_invalid("subscriptions", raw, error)
                        continue
                    subscriptions.append(subscription_row(subscription, items, plans, until))
                    subscribers[subscription.id] = _subscriber(subscription, raw, invoices)
                advance(len(page))
        with progress.stage("Stripe: disputes", None) as advance:
            disputes: list[dict[str, object]] = []
            paid = PackCharges()
            for raw in _disputes(connection, settings, as_of, open_disputes, quarantine):
                row = _dispute(connection, raw, quarantine)
                if row is not None:
                    disputes.append(row)
                    paid.add_behind(raw.get("charge"), raw.get("payment_intent"))
                advance(1)
        with progress.stage("Stripe: invoices", None) as advance:
            not_read = read_invoices(connection, invoices, subscribers)
            advance(len(invoices.newest))
        livemode = _livemode(settings, [*subscriptions, *disputes])
        with progress.stage("Stripe: refunds", None) as advance:
            days = settings.stripe_dispute_days
            refunds = _unless_refused(
                STRIPE_REFUNDS, absent, lambda: read_refunds(connection, as_of, days, open_refunds, paid, quarantine)
            )
            advance(len(refunds or []))
        with progress.stage("Stripe: events of subscriptions", None) as advance:
            known = len(subscriptions)
            events = _unless_refused(
                STRIPE_SUBSCRIPTION_EVENTS,
                absent,
                lambda: read_subscription_events(connection, as_of, livemode, plans, quarantine, known),
            )
            advance(len(events.rows) if events else 0)
        with progress.stage("Stripe: charges of packs", None) as advance:
            charges = _unless_refused(
                STRIPE_CHARGES, absent, lambda: read_charges(connection, as_of, open_charges, paid, quarantine)
            )
            advance(len(charges or []))
        requests = dict(connection.requests)
    subscriptions = with_events(subscriptions, events.rows if events else [])
    optional = {
        STRIPE_CHARGES: charges,
        STRIPE_REFUNDS: refunds,
        STRIPE_SUBSCRIPTION_EVENTS: events.rows if events else None,
    }
    frames = {
        STRIPE_SUBSCRIPTIONS.name: STRIPE_SUBSCRIPTIONS.from_rows(subscriptions),
        STRIPE_INVOICES.name: STRIPE_INVOICES.from_rows(invoices.rows()),
        STRIPE_DISPUTES.name: STRIPE_DISPUTES.from_rows(disputes),
        QUARANTINED_STRIPE_OBJECTS.name: QUARANTINED_STRIPE_OBJECTS.from_rows(quarantine.rows.values()),
        **{table.name: table.from_rows(rows) for table, rows in optional.items() if rows is not None},
    }
    events_since = events.complete_since if events else None
    since = {STRIPE_CHARGES.name: as_of - CHARGES_OF, STRIPE_REFUNDS.name: as_of - timedelta(days=days)}
    since = {name: instant for name, instant in since.items() if name in frames}
    return StripeReading(frames, requests, livemode, not_read, absent, events_since, since)


def read_dispute(settings: Settings, dispute_id: str, clock: Clock | None = None) -> pd.DataFrame:
    """One dispute as it stands now: a `STRIPE_DISPUTES` frame of one row.

    Raises:
        SourceError: Stripe does not know it, or its answer cannot be read; and as in `read_stripe`.
    """
    quarantine = Quarantine()
    with StripeConnection(settings, clock) as connection:
        raw = connection.retrieve("disputes", dispute_id, ("charge", "payment_intent"))
        row = _dispute(connection, raw, quarantine)
    if row is None:
        fields = ", ".join(f"{bad['field']} ({bad['reason']})" for bad in quarantine.rows.values())
        raise SourceError(f"Stripe's dispute {dispute_id} cannot be read: {fields}")
    if row["dispute_id"] != dispute_id:
        raise SourceError(f"Stripe was asked for the dispute {dispute_id} and answered with another one")
    return STRIPE_DISPUTES.from_rows([row])


def probe(settings: Settings) -> str:
    """Reach Stripe and try every permission, at one request each; what was found, in one line, for `doctor`.

    Raises:
        SourceError: as in `read_stripe`.
    """
    with StripeConnection(settings) as connection:
        for resource in PROBED:
            connection.list_one(resource)
        refused = [resource for resource in OPTIONAL if not _may_list(connection, resource)]
    mode = {True: "live mode", False: "test mode", None: "a mode that the key does not tell"}[mode_of_key(settings)]
    readable = ", ".join([*PROBED, *(resource for resource in OPTIONAL if resource not in refused)])
    missing = f"; it may not read {', '.join(refused)}, without which a night knows less" if refused else ""
    return f"{connection.host} in {mode}, API version {API_VERSION}; the key may read {readable}{missing}"


def _may_list(connection: StripeConnection, resource: str) -> bool:
    try:
        connection.list_one(resource)
    except TransientSourceError:
        raise
    except SourceError:
        return False
    return True


def _unless_refused(table: Table, absent: dict[str, str], read: Callable[[], T]) -> T | None:
    """What was read for a table that a night can do without; None, and the reason in ``absent``, where it was not."""
    try:
        return read()
    except SourceError as error:
        absent[table.name] = str(error)
        return None


def _all_items(connection: StripeConnection, subscription: Subscription) -> list[Item]:
    """The items of a subscription: those that came with it, or the list of their own where that is longer.

    Raises:
        ValidationError: one of them cannot be read; the plan of a subscription is never told from a part of it.
    """
    if not subscription.items.has_more:
        return subscription.items.data
    pages = connection.pages("subscription_items", {"subscription": subscription.id})
    return Items.model_validate({"data": [raw for page in pages for raw in page]}).data


def _subscriber(subscription: Subscription, raw: JsonObject, invoices: NewestInvoices) -> Subscriber:
    latest = raw.get("latest_invoice", "")
    if isinstance(latest, dict):
        invoices.add(latest, subscription.id)
    return Subscriber(subscription.id, subscription.status, subscription.created, latest is not None)


def _disputes(
    connection: StripeConnection,
    settings: Settings,
    as_of: datetime,
    open_last_night: Sequence[str],
    quarantine: Quarantine,
) -> Iterator[JsonObject]:
    """Disputes opened in the window, then those that were open last night and are older than it."""
    since = int((as_of - timedelta(days=settings.stripe_dispute_days)).timestamp())
    expand = ["data.charge", "data.payment_intent"]
    parameters: Mapping[str, Parameter] = {"created": {"gte": since}, "expand": expand}
    listed: set[object] = set()
    for page in connection.pages("disputes", parameters):
        listed.update(raw.get("id") for raw in page)
        yield from page
    for dispute_id in sorted(set(open_last_night) - listed):
        try:
            yield connection.retrieve("disputes", dispute_id, ("charge", "payment_intent"))
        except ResourceMissing:
            reason = "was open last night and Stripe does not know it (resource_missing)"
            quarantine.add("disputes", dispute_id, "id", reason)


def _dispute(connection: StripeConnection, raw: JsonObject, quarantine: Quarantine) -> dict[str, object] | None:
    """The row of a dispute, None where it cannot be read."""
    try:
        dispute = Dispute.model_validate(raw)
        charge = _purchase(connection, "charges", raw.get("charge"))
        noted: dict[PurchaseField, str | None] = purchase_of(
            charge,
            lambda: _purchase(connection, "payment_intents", raw.get("payment_intent") or charge.payment_intent),
        )
    except ValidationError as error:
        quarantine.add_invalid("disputes", raw, error)
        return None
    return dispute_row(dispute, charge, noted)


def _purchase(connection: StripeConnection, resource: str, given: object) -> DisputedPurchase:
    """What is noted on a charge or payment intent: expanded as asked, else (an id alone) at a request of its own."""
    if isinstance(given, str) and given:
        try:
            given = connection.retrieve(resource, given)
        except ResourceMissing:
            given = None
    return DisputedPurchase() if given is None else DisputedPurchase.model_validate(given)


def _livemode(settings: Settings, rows: Sequence[Mapping[str, object]]) -> bool:
    """The mode of the key; a key that does not tell is in the mode of most objects."""
    told = mode_of_key(settings)
    if told is not None:
        return told
    modes = Counter(bool(row["livemode"]) for row in rows)
    return modes[True] >= modes[False]
