"""What the assets after the sources are given: small tables by name, and Stripe's tables where they exist."""

import dagster as dg
import pandas as pd

from billing_dq.defs.stripe import OPTIONAL_TABLES
from billing_dq.defs.stripe import TABLES as STRIPE_TABLES
from billing_dq.reconcile.inputs import StripeTables
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import StripeReadingRecord
from billing_dq.tables import TABLES

_FRAME = dg.PythonObjectDagsterType(pd.DataFrame)


def whole(*names: str) -> dict[str, dg.AssetIn]:
    """Tables that an asset holds whole: it takes them as ``**frames``, a frame by name."""
    return {name: dg.AssetIn(dagster_type=_FRAME) for name in names}


def stripe_tables(lake: Lake, night: str, reading: StripeReadingRecord) -> StripeTables | None:
    """Stripe's tables of a night; None where it was not read.

    They are no inputs of an asset: Dagster would skip the asset in a night without them.

    Raises:
        dg.Failure: the reading says that a table was read, and it is not stored.
    """
    if reading.state != "read":
        return None
    stored = {name: lake.stored(TABLES[name], night) for name in (*STRIPE_TABLES, *OPTIONAL_TABLES)}
    for name in STRIPE_TABLES:
        if stored[name] is None:
            raise dg.Failure(f"{name} of {night} is gone from {lake.root}, though stripe_reading says that it was read")
    frames = {name: table.frame() for name, table in stored.items() if table is not None}
    return StripeTables(frames, bool(reading.livemode), frozenset(reading.invoices_not_read), reading.events_since)
