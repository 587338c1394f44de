"""The tables of the alerts. They are worked with and kept in the outbox, not among the nights' tables."""

from billing_dq.tables.contract import Column, Table

_ABOUT = (
    Column("alert_id", "str", "the finding's id, or what else is wrong: stable as long as it is"),
    Column("kind", "str", "a kind of finding, or one of the operations"),
    Column("organization_id", "str", "organization, null where none is concerned", nullable=True),
    Column("subject", "str", "week, dispute, night, run, check, part"),
    Column("severity", "str", "info, warning, error or critical"),
    Column("units", "float64", "units at stake, signed; of missing nights how many"),
    Column("usd_cents", "int64", "the same in US cents: positive is owed to us, negative to the customer"),
)

ALERTS = Table(
    "alerts",
    "something that is wrong now and that a route may be notified of",
    (
        *_ABOUT,
        Column("sentence", "str", "what is wrong, in one sentence"),
        Column("since", "str", "night of its first sight, null where that is tonight", nullable=True),
        Column("silenced", "str", "why nobody is notified: accepted, undecided or not_examined", nullable=True),
        Column("is_reopened", "bool", "it was resolved before, and is there again"),
    ),
    key=("alert_id",),
)

NOTIFIED_ALERTS = Table(
    "notified_alerts",
    "what a route knows of an alert: as it was at the last notification",
    (*_ABOUT, Column("is_open", "bool", "the route was not notified that it is over")),
    key=("alert_id",),
)

ALERT_CHANGES = Table(
    "alert_changes",
    "what changed in an alert since the last notification of one route",
    (
        *_ABOUT,
        Column("event", "str", "new, worse, reopened or resolved; accepted where it is only remembered"),
        Column("is_sent", "bool", "it belongs into the message; otherwise it is only remembered"),
        Column("urgency", "str", "the severity that it is sent with"),
        Column("sentence", "str", "what is wrong, in one sentence; empty of what is over"),
        Column("since", "str", "night of its first sight, null where that is tonight", nullable=True),
    ),
    key=("alert_id",),
)
