"""A clean company with natural trouble as the stored tables of a night, both sides; and edits of a stored table."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from billing_dq.rules.judging import NightTables
from billing_dq.storage.arrow import arrow_schema, to_arrow
from billing_dq.storage.lake import Lake
from billing_dq.tables import FINDINGS, TABLES
from billing_dq.weeks import NightWeeks
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.plain import plain_frames
from billing_dq_simulation.world import simulate

CONFIG = WorldConfig(seed=5, organizations=300, weeks=6, trouble=1.0)
NIGHT = CONFIG.as_of.date().isoformat()
PLANS = ("enterprise", "free", "pro", "starter")
Edit = Callable[[pd.DataFrame], pd.DataFrame]


@cache
def frames() -> Mapping[str, pd.DataFrame]:
    """Every source table of the night, and one open finding; each has a row at least."""
    documents: dict[str, list[dict[str, object]]] = defaultdict(list)
    for organization in simulate(CONFIG):
        for name, added in organization.documents.items():
            documents[name] += added
    ours = plain_frames(documents, NightWeeks(CONFIG.as_of, 3, 6.0), CONFIG.as_of)
    event = {"event_id": "evt_1", "type": "invoice.paid", "last_error": None, "attempts": 5.0, "at": CONFIG.as_of}
    dead = TABLES["dead_lettered_events"].from_rows([event])
    return {**ours, "dead_lettered_events": dead, **_of_stripe(str(ours["organizations"]["organization_id"].iloc[0]))}


def _of_stripe(organization: str) -> dict[str, pd.DataFrame]:
    """A subscription, its invoice and event, and a pack that was paid, disputed and refunded."""
    then = CONFIG.as_of - timedelta(days=5)
    paid = {
        "charge_id": "ch_1",
        "organization_id": organization,
        "stripe_session_id": "cs_1",
        "pack_id": "pack_s",
        "currency": "usd",
        "created": then,
        "livemode": True,
    }
    subscription = {"stripe_subscription_id": "sub_1", "customer_id": "cus_1", "status": "active", "plan": "pro"}
    rows: dict[str, dict[str, object]] = {
        "stripe_subscriptions": {
            **subscription,
            "price_ids": [],
            "livemode": True,
            "created": then,
            "changed_at": then,
        },
        "stripe_subscription_events": {
            **dict.fromkeys(TABLES["stripe_subscription_events"].column_names),
            "event_id": "evt_1",
            "stripe_subscription_id": "sub_1",
            "type": "customer.subscription.updated",
            "created": then,
        },
        "stripe_invoices": {
            "stripe_subscription_id": "sub_1",
            "invoice_id": "in_1",
            "paid_at": then,
            "out_of_band": False,
        },
        "stripe_disputes": {
            **paid,
            "dispute_id": "du_1",
            "status": "won",
            "amount_minor": 200,
            "charge_amount_minor": 200,
            "movements": [],
        },
        "stripe_charges": {
            **paid,
            "amount_minor": 200,
            "captured_minor": 200,
            "refunded_minor": 0,
            "status": "succeeded",
            "disputed": True,
        },
        "stripe_refunds": {
            "refund_id": "re_1",
            "charge_id": "ch_1",
            "status": "succeeded",
            "amount_minor": 50,
            "created": then,
        },
    }
    return {name: TABLES[name].from_rows([row]) for name, row in rows.items()} | {"findings": _finding(organization)}


def _finding(organization: str) -> pd.DataFrame:
    told = {name: "x" for name in FINDINGS.column_names if FINDINGS.column(name).dtype == "str"}
    numbers = {"units": 1.0, "usd_cents": 1, "nights_open": 3}
    states = {"severity": "error", "state": "persisting", "accepted_by": None, "organization_id": organization}
    return FINDINGS.from_rows([{**told, **numbers, **states}])


def store(home: Path, edited: Mapping[str, pd.DataFrame] | None = None) -> NightTables:
    """The tables as a night stores them, some of them edited: these may break their contract."""
    for name, frame in {**frames(), **(edited or {})}.items():
        path = home / "lake" / name / f"{NIGHT}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(as_it_is(name, frame), path)
    return NightTables(Lake(str(home)), NIGHT, CONFIG.as_of, PLANS)


def as_it_is(name: str, frame: pd.DataFrame) -> pa.Table:
    """A frame in the types of its table, whatever is in it: nulls where none may be, keys twice."""
    if frame is frames().get(name):
        return to_arrow(TABLES[name], frame)
    schema = pa.schema([field.with_nullable(True) for field in arrow_schema(TABLES[name])])
    return pa.table([_array(frame[field.name], field.type) for field in schema], schema=schema)


def _array(values: pd.Series, dtype: pa.DataType) -> pa.Array:
    plain = [None if not isinstance(value, list) and pd.isna(value) else value for value in values.astype("object")]
    return pa.array(plain, dtype)


def edit_stored(path: UPath, name: str, edit: Edit) -> None:
    """Edit a stored table in its place, as one row group."""
    with path.open("rb") as file:
        frame = pq.read_table(file).to_pandas()
    schema = pa.schema([field.with_nullable(True) for field in arrow_schema(TABLES[name])])
    edited = edit(frame)
    table = pa.table([_array(edited[field.name].map(_listed), field.type) for field in schema], schema=schema)
    with path.open("wb") as file:
        pq.write_table(table, file)


def _listed(value: object) -> object:
    return list(value) if isinstance(value, np.ndarray) else value
