"""The documents of the application, the objects of Stripe and the results of the night that name a finding's names."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from billing_dq.report.evidence.frames import NightFrames, Row
from billing_dq.report.evidence.names import OF_PLANS
from billing_dq.report.evidence.record import Document, Link
from billing_dq.report.figures import plain
from billing_dq.tables import (
    DEAD_LETTERED_EVENTS,
    LEDGER_VIOLATIONS,
    ORGANIZATIONS,
    QUARANTINED_DOCUMENTS,
    STRIPE_CHARGES,
    STRIPE_DISPUTES,
    STRIPE_INVOICES,
    STRIPE_REFUNDS,
    STRIPE_SUBSCRIPTION_EVENTS,
    STRIPE_SUBSCRIPTIONS,
    SUBSCRIPTION_DRIFT,
    SUBSCRIPTIONS,
    Table,
)

#: Documents that are shown of one kind.
MOST = 5
_DASHBOARD = "https://dashboard.stripe.com"
#: Where Stripe's dashboard shows an object, by the beginning of its id.
_PAGES = {
    "ch": "payments",
    "py": "payments",
    "pi": "payments",
    "du": "disputes",
    "dp": "disputes",
    "sub": "subscriptions",
    "cus": "customers",
    "in": "invoices",
    "evt": "events",
}
_ID = re.compile(r"([a-z]+)_[A-Za-z0-9_]+")


@dataclass(frozen=True)
class _Source:
    """A table whose rows are documents: on which side, what one is, and the columns that may hold a finding's names."""

    side: str
    what: str
    table: Table
    named_by: tuple[str, ...]
    #: newest first by this column, as only some are shown
    newest: str = ""
    #: the results whose findings it belongs to; None: all
    results: frozenset[str] | None = None


_SUBSCRIPTION_IDS = ("stripe_subscription_id", "stripe_customer_id")
_SOURCES = (
    _Source("application", "organization", ORGANIZATIONS, ("organization_id",), results=OF_PLANS),
    _Source("application", "subscription", SUBSCRIPTIONS, ("organization_id", *_SUBSCRIPTION_IDS), results=OF_PLANS),
    _Source("application", "webhook event", DEAD_LETTERED_EVENTS, ("event_id",)),
    _Source("application", "unreadable document", QUARANTINED_DOCUMENTS, ("document_id",)),
    _Source("Stripe", "charge", STRIPE_CHARGES, ("charge_id", "stripe_session_id"), "created"),
    _Source("Stripe", "refund", STRIPE_REFUNDS, ("refund_id", "charge_id"), "created"),
    _Source("Stripe", "dispute", STRIPE_DISPUTES, ("dispute_id", "charge_id"), "created"),
    _Source("Stripe", "subscription", STRIPE_SUBSCRIPTIONS, ("stripe_subscription_id", "customer_id"), "created"),
    _Source("Stripe", "paid invoice", STRIPE_INVOICES, ("stripe_subscription_id",), "paid_at"),
    _Source("Stripe", "subscription event", STRIPE_SUBSCRIPTION_EVENTS, ("stripe_subscription_id",), "created"),
    _Source(
        "billing_dq",
        "difference",
        SUBSCRIPTION_DRIFT,
        ("organization_id", "stripe_subscription_id"),
        results=frozenset({"subscription_drift"}),
    ),
    _Source("billing_dq", "broken rule", LEDGER_VIOLATIONS, ("entry_id", "ref_id"), results=frozenset({"violations"})),
)
#: What says nothing to a person who reads one document.
_NOT_SHOWN = frozenset({"movements", "price_ids"})


def documents_of(
    frames: NightFrames, names: Collection[str], organization: str | None, result: str
) -> Iterator[Document]:
    """The documents that name something.

    Args:
        frames: what the night holds.
        names: what the finding is about.
        organization: whose finding it is.
        result: the result that holds findings of its kind; see `FindingKind`.
    """
    about = sorted({*names, *([organization] if organization else [])})
    for source in _SOURCES:
        if source.results is not None and result not in source.results:
            continue
        pairs = [(column, name) for name in about for column in source.named_by]
        named = [row for column, name in pairs for row in frames.named(source.table, column, name)]
        rows = [row for place, row in enumerate(named) if row not in named[:place]]
        for row in sorted(rows, key=lambda row, column=source.newest: str(row.get(column)), reverse=True)[:MOST]:
            yield _document(source, row, organization, frames.livemode)


def _document(source: _Source, row: Row, organization: str | None, livemode: bool) -> Document:
    cells = {name: plain(value) for name, value in row.items() if name not in _NOT_SHOWN}
    fields = {name: value for name, value in cells.items() if value is not None}
    name = str(fields.get(source.named_by[0], organization))
    link = None
    if source.side == "Stripe":
        of_mode = bool(fields.get("livemode", livemode))
        link = dashboard(name, of_mode) or dashboard(str(fields.get("charge_id")), of_mode)
    return Document(source.side, source.what, name, fields, link)


def dashboard(name: str, livemode: bool) -> str | None:
    """Where Stripe's dashboard shows an object; None where its id does not tell."""
    match = _ID.fullmatch(name)
    page = _PAGES.get(match[1]) if match else None
    return None if page is None else f"{_DASHBOARD}{'' if livemode else '/test'}/{page}/{name}"


def links_of(documents: Collection[Document], organization: str | None, template: str | None) -> Iterator[Link]:
    """The application's own page of the organization, and Stripe's of each document, once each."""
    if organization and template:
        yield Link("the organization in the application", template.format(organization_id=quote(organization, safe="")))
    addresses = {document.link: f"{document.what} {document.name}" for document in reversed([*documents])}
    for address, label in reversed(addresses.items()):
        if address:
            yield Link(f"{label} at Stripe", address)
