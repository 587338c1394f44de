"""The sample company on one night on which one of its reinstated disputes has not been credited yet."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from bson import ObjectId
from pymongo.database import Database

from billing_dq.settings import Settings, load_settings
from billing_dq_simulation import local_stripe
from tests.support.night_without_dagster import take_night

DATA = Path(__file__).parents[1] / "data" / "sample"
NIGHT = "2026-11-21"
AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
ORGANIZATION = "6aba68021f1483412b0fa60e"
DISPUTE = "du_1TILWEKGU1Y4hKjv9j5G2C5M"
REF = f"dispute_reinstate_{DISPUTE}"
Document = dict[str, object]


def load_without_the_credit(database: Database[Document], documents: dict[str, list[Document]]) -> None:
    """The sample's documents, less the credit of one dispute."""
    for name, rows in documents.items():
        database[name].insert_many([dict(row) for row in rows])
    database.billingextrabalances.update_one(
        {"organization": ObjectId(ORGANIZATION)},
        {"$pull": {"ledger": {"refId": REF}}, "$inc": {"cachedBalance": -6000}},
    )


@contextmanager
def company(
    uri: str, database: Database[Document], home: Path, monkeypatch: pytest.MonkeyPatch, credits: str
) -> Iterator[Settings]:
    """Settings as a process reads them, with a local Stripe; ``credits`` is the section of that name."""
    config = json.loads((DATA / "config.json").read_text(encoding="utf-8"))
    packs = "".join(
        f"[packs.{pack['pack_id']}]\nprice_cents = {pack['price_usd'] * 100}\nunits = {pack['units']}\n"
        for pack in config["packs"]
    )
    objects = local_stripe.load(DATA / "stripe.json.gz")
    with local_stripe.serve(objects) as stripe:
        file = home / "billing_dq.toml"
        file.write_text(
            f'home = "{home}"\nstripe_base_url = "{stripe.url}"\nmongodb_database = "{database.name}"\n'
            f"[credits]\n{credits}\n{packs}",
            encoding="utf-8",
        )
        monkeypatch.setenv("BILLING_DQ_CONFIG", str(file))
        monkeypatch.setenv("BILLING_DQ_MONGODB_URI", uri)
        monkeypatch.setenv("BILLING_DQ_MONGODB_WRITE_URI", uri)
        monkeypatch.setenv("BILLING_DQ_STRIPE_API_KEY", "rk_live_local")
        yield load_settings()


def rewrite(settings: Settings, old: str, new: str) -> None:
    """Change the settings' file."""
    file = Path(settings.home) / "billing_dq.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def store_night(settings: Settings, days: int = 0) -> pd.DataFrame:
    """Take the night so many days later; the value is its dispute_positions."""
    disputes = take_night(settings, AS_OF + timedelta(days=days)).disputes
    assert disputes is not None
    return disputes.positions
