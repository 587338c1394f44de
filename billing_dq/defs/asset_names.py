"""The names of the assets of a night, and the only place where a name becomes Dagster's key.

Definitions may be made under a prefix, so that they stand beside those of another project. The prefix counts while they
are declared and not when they run: a step has its keys from Dagster.

Not here: what a table holds (`tables/`), what a page says of it (`pages/texts`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

import dagster as dg

from billing_dq.tables.sources import OF_MONGODB

#: The groups of the asset graph, from left to right.
Group = Literal["outside", "mongodb", "stripe", "reconciliation", "conclusions", "quality", "credits"]

#: The tables of the snapshot of MongoDB.
MONGODB_TABLES = (
    *OF_MONGODB,
    "ledger_seals",
    "followed_weeks",
    "followed_usage",
    "followed_entries",
    "quarantined_documents",
    "unreadable_keys",
    "document_shapes",
)
#: What every reading of Stripe has, and what one may lack: `stripe_reading` then says what, and why.
STRIPE_TABLES = ("stripe_subscriptions", "stripe_invoices", "stripe_disputes", "quarantined_stripe_objects")
OPTIONAL_STRIPE_TABLES = ("stripe_subscription_events", "stripe_charges", "stripe_refunds")

#: The asset that ends the writing of a night.
MANIFEST = "night_manifest"
REPORT, DATA_PAGE = "report", "data_page"
ALERTS = "alerts"
DISPUTE_CREDITS = "dispute_credits"


#: The resource that stores the tables and records of a night; each asset names it.
IO_MANAGER = "billing_dq_io_manager"


_PREFIX: ContextVar[str] = ContextVar("prefix", default="")


@contextmanager
def declared_under(prefix: str) -> Iterator[None]:
    """Declare everything in the block under a prefix; empty: under none, whatever the caller declares."""
    token = _PREFIX.set(prefix)
    try:
        yield
    finally:
        _PREFIX.reset(token)


def location_name(name: str) -> str:
    """The name of a job, a schedule, a sensor or a group: each stands in a code location once."""
    prefix = _PREFIX.get()
    return f"{prefix}_{name}" if prefix else name


def op_name(name: str) -> str:
    """The name of an op or of a graph. A code location may hold each only once, and other projects have a `report`."""
    return f"billing_dq_{name}"


def asset_key(*path: str) -> dg.AssetKey:
    """The key of an asset: its name or, of what lies outside, the service and the name there."""
    prefix = _PREFIX.get()
    return dg.AssetKey([*([prefix] if prefix else []), *path])


def asset_keys(*names: str) -> set[dg.AssetKey]:
    """The keys of several assets."""
    return {asset_key(name) for name in names}
