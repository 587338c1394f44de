"""What lies outside and is read: MongoDB's collections and Stripe's resources, at the root of the graph.

How they are read does not belong here: `snapshot` and `stripe` ask the sources.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import CollectionContract, contracts

GROUP = "outside"
#: The collections that each table of the snapshot is made of.
COLLECTIONS: dict[str, tuple[str, ...]] = {
    "organizations": ("organizations",),
    "subscriptions": ("subscriptions",),
    "weekly_usage": ("billingusages",),
    "extras_balances": ("billingextrabalances",),
    "ledger_entries": ("billingextrabalances",),
    "followed_weeks": ("billingusages", "billingextrabalances"),
    "followed_usage": ("billingusages",),
    "followed_entries": ("billingextrabalances",),
    "expiring_ledgers": ("billingextrabalances",),
    "ledger_suspects": ("billingextrabalances",),
    "dispute_entries": ("billingextrabalances",),
    "pack_purchases": ("billingextrabalances",),
    "refund_entries": ("billingextrabalances",),
    "ledger_seals": ("billingextrabalances",),
    "dead_lettered_events": ("processedstripeevents",),
}
#: The resources of Stripe that each table is made of.
RESOURCES: dict[str, tuple[str, ...]] = {
    "stripe_subscriptions": ("subscriptions",),
    "stripe_subscription_events": ("events",),
    "stripe_invoices": ("invoices",),
    "stripe_disputes": ("disputes",),
    "stripe_charges": ("charges",),
    "stripe_refunds": ("refunds",),
}


def collection(name: str) -> dg.AssetKey:
    """The asset of a collection, by its name in docs/domain.md."""
    return dg.AssetKey(["mongodb", name])


def resource(name: str) -> dg.AssetKey:
    """The asset of one of Stripe's resources."""
    return dg.AssetKey(["stripe", name])


def collections_of(table: str) -> set[dg.AssetKey]:
    """What a table of the snapshot is made of; the tables about unreadable documents are of every collection."""
    every = {name for names in COLLECTIONS.values() for name in names}
    return {collection(name) for name in COLLECTIONS.get(table, every)}


def resources_of(table: str) -> set[dg.AssetKey]:
    """What one of Stripe's tables is made of; the table about unreadable objects is of every resource."""
    every = {name for names in RESOURCES.values() for name in names}
    return {resource(name) for name in RESOURCES.get(table, every)}


def outside_assets(settings: Settings) -> list[dg.AssetSpec]:
    """Every collection and resource that a night reads; nothing here materializes them."""
    of = contracts(settings.collections.model_dump(), tuple(settings.plans), datetime(2026, 1, 1, tzinfo=UTC))
    every = sorted({name for names in RESOURCES.values() for name in names})
    return [*(_collection(contract, settings) for contract in of.values()), *(_resource(name) for name in every)]


def _collection(contract: CollectionContract, settings: Settings) -> dg.AssetSpec:
    return dg.AssetSpec(
        collection(contract.domain_name),
        description=f"The application's collection `{contract.name}` in the database `{settings.mongodb_database}`. "
        "It is read once a night; the columns are the fields that the night looks at.",
        group_name=GROUP,
        kinds={"mongodb"},
        owners=["team:application"],
        tags={"billing_dq/layer": "outside"},
        metadata={"dagster/column_schema": dg.TableSchema(list(_fields(contract)))},
    )


def _fields(contract: CollectionContract) -> Iterable[dg.TableColumn]:
    for field in contract.fields:
        constraints = dg.TableColumnConstraints(nullable=not field.required)
        yield dg.TableColumn(field.name, field.type, constraints=constraints)
        for part in field.fields:
            yield dg.TableColumn(f"{field.name}.{part.name}", part.type)


def _resource(name: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        resource(name),
        description=f"Stripe's {name}, listed through its API with a key that may read them. Nothing is written.",
        group_name=GROUP,
        kinds={"stripe"},
        owners=["team:application"],
        tags={"billing_dq/layer": "outside"},
    )
