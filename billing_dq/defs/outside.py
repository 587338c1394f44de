"""MongoDB's collections and Stripe's resources: the root of the asset graph.

Not here: how they are read (`snapshot`, `stripe`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from billing_dq.defs.asset_names import asset_key, location_name
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import CollectionContract, contracts

_USAGE, _BALANCES = ("billingusages",), ("billingextrabalances",)
#: The collections that each table of the snapshot is made of.
COLLECTIONS: dict[str, tuple[str, ...]] = {
    "organizations": ("organizations",),
    "subscriptions": ("subscriptions",),
    "dead_lettered_events": ("processedstripeevents",),
    **dict.fromkeys(("weekly_usage", "followed_usage"), _USAGE),
    "followed_weeks": (*_USAGE, *_BALANCES),
    **dict.fromkeys(("extras_balances", "ledger_entries", "followed_entries", "expiring_ledgers"), _BALANCES),
    **dict.fromkeys(("ledger_suspects", "ledger_seals"), _BALANCES),
    **dict.fromkeys(("dispute_entries", "pack_purchases", "refund_entries"), _BALANCES),
}
#: The resource of Stripe that each table is made of.
RESOURCES = {
    "stripe_subscriptions": "subscriptions",
    "stripe_subscription_events": "events",
    "stripe_invoices": "invoices",
    "stripe_disputes": "disputes",
    "stripe_charges": "charges",
    "stripe_refunds": "refunds",
}


def collections_of(table: str) -> set[dg.AssetKey]:
    """What a table of the snapshot is made of; the tables about unreadable documents are of every collection."""
    names = COLLECTIONS.get(table) or {name for names in COLLECTIONS.values() for name in names}
    return {asset_key("mongodb", name) for name in names}


def resources_of(table: str) -> set[dg.AssetKey]:
    """What one of Stripe's tables is made of; the table about unreadable objects is of every resource."""
    names = [RESOURCES[table]] if table in RESOURCES else RESOURCES.values()
    return {asset_key("stripe", name) for name in names}


def outside_assets(settings: Settings) -> list[dg.AssetSpec]:
    """Every collection and resource that a night reads; nothing here materializes them."""
    by_name = contracts(settings.collections.model_dump(), tuple(settings.plans), datetime(2026, 1, 1, tzinfo=UTC))
    collections = [
        _spec(
            asset_key("mongodb", contract.domain_name),
            f"The application's collection `{contract.name}` in the database `{settings.mongodb_database}`. "
            "It is read once a night; the columns are the fields that the night looks at.",
            {"dagster/column_schema": dg.TableSchema(list(_fields(contract)))},
        )
        for contract in by_name.values()
    ]
    resources = [
        _spec(
            asset_key("stripe", name),
            f"Stripe's {name}, listed through its API with a key that may read them. Nothing is written.",
        )
        for name in sorted(RESOURCES.values())
    ]
    return [*collections, *resources]


def _spec(key: dg.AssetKey, description: str, metadata: dict[str, dg.TableSchema] | None = None) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        description=description,
        group_name=location_name("outside"),
        kinds={key.path[-2]},
        owners=["team:application"],
        tags={"billing_dq/layer": "outside"},
        metadata=metadata,
    )


def _fields(contract: CollectionContract) -> Iterator[dg.TableColumn]:
    for field in contract.fields:
        constraints = dg.TableColumnConstraints(nullable=not field.required)
        yield dg.TableColumn(field.name, field.type, constraints=constraints)
        for part in field.fields:
            yield dg.TableColumn(f"{field.name}.{part.name}", part.type)
