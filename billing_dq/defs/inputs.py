"""What the assets after the sources are given: small tables by name, and Stripe's tables where they exist."""

import dagster as dg
import pandas as pd

from billing_dq.defs.stripe import TABLES as STRIPE_TABLES
from billing_dq.reconcile.inputs import StripeTables
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import StripeReadingRecord
from billing_dq.tables import (
    QUARANTINED_STRIPE_OBJECTS,
    STRIPE_DISPUTES,
    STRIPE_INVOICES,
    STRIPE_SUBSCRIPTIONS,
    TABLES,
)

#: Tables of every reading of Stripe. Others may be absent, where the key may not read them.
ALWAYS_READ = (STRIPE_SUBSCRIPTIONS, STRIPE_INVOICES, STRIPE_DISPUTES, QUARANTINED_STRIPE_OBJECTS)

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
    stored = {name: lake.stored(TABLES[name], night) for name in STRIPE_TABLES}
    for table in ALWAYS_READ:
        if stored[table.name] is None:
            raise dg.Failure(
                f"{table.name} of {night} is gone from {lake.root}, though stripe_reading says that it was read"
            )
    frames = {name: table.frame() for name, table in stored.items() if table is not None}
    return StripeTables(frames, bool(reading.livemode), frozenset(reading.invoices_not_read))
