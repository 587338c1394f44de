"""The sample world in a database, with settings to reconcile it."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

from pymongo.database import Database

from billing_dq.settings import Settings
from tests.support import pure_night

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
SAMPLE_AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)


def sample_settings(home: Path, uri: str, database: str, stripe_url: str | None = None) -> Settings:
    """The settings to read the sample from a database, and its Stripe where there is an address."""
    return pure_night.sample_settings(
        home=str(home),
        mongodb_uri=uri,
        mongodb_database=database,
        stripe_base_url=stripe_url,
        stripe_api_key="rk_live_local" if stripe_url else None,
        batch_organizations=20,
    )


def load_documents(database: Database[dict[str, object]], documents: dict[str, list[dict[str, object]]]) -> None:
    """Insert documents by collection, with the indexes that the application has."""
    for name, rows in documents.items():
        if rows:
            database[name].insert_many(rows)


def sample_stripe() -> dict[str, list[dict[str, object]]]:
    """The sample's Stripe objects."""
    with gzip.open(SAMPLE / "stripe.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)
