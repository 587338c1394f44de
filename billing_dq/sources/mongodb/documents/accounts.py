"""Organizations, subscriptions and webhook events as the tables of a night."""

import re

import numpy as np
import pyarrow as pa

from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.arrow_columns import Columns
from billing_dq.sources.mongodb.bson.judged import Rows
from billing_dq.storage.arrow import arrow_table
from billing_dq.tables import DEAD_LETTERED_EVENTS, ORGANIZATIONS, SUBSCRIPTIONS

_ADDRESS = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+")
_ERROR_LENGTH = 200


def organizations(rows: Rows, chosen: np.ndarray) -> pa.Table:
    """The chosen documents as rows of `organizations`."""
    columns = Columns(rows, chosen)
    return arrow_table(ORGANIZATIONS, [columns.ids("_id"), columns.text("plan")])


def subscriptions(rows: Rows, chosen: np.ndarray) -> pa.Table:
    """The chosen documents as rows of `subscriptions`."""
    columns = Columns(rows, chosen)
    return arrow_table(
        SUBSCRIPTIONS,
        [
            columns.ids("organization"),
            columns.text("stripeCustomerId"),
            columns.text("stripeSubscriptionId"),
            columns.text("plan"),
            columns.text("status"),
            columns.times("currentPeriodStart"),
            columns.times("pastDueSince"),
            columns.seconds("lastInvoiceEventCreatedAt"),
            columns.seconds("lastSubscriptionEventCreatedAt"),
            columns.times("adminUpdatedAt"),
            columns.times("updatedAt"),
        ],
    )


def dead_lettered_events(rows: Rows, chosen: np.ndarray) -> pa.Table:
    """Of the chosen documents those that the application gave up on, as rows of `dead_lettered_events`."""
    dead = rows.cells("deadLetter")
    columns = Columns(rows, chosen[(dead.kinds[chosen] == bson.BOOL) & (dead.values[chosen] == 1)])
    errors = [None if error is None else _without_addresses(error) for error in columns.text("lastError").to_pylist()]
    return arrow_table(
        DEAD_LETTERED_EVENTS,
        [
            columns.text("eventId"),
            columns.text("type"),
            pa.array(errors, pa.string()),
            columns.numbers("attempts"),
            columns.times("processedAt"),
        ],
    )


def _without_addresses(error: str) -> str:
    return _ADDRESS.sub("<address>", error)[:_ERROR_LENGTH]
