"""The tables of the alerts. They are worked with and kept in a file of records, not among the nights' tables."""

from billing_dq.tables.contract import Column, Table

_ABOUT = (
    Column("matter_id", "str", "the finding's id, or what else is wrong: stable as long as it is"),
    Column("kind", "str", "a kind of finding, or one of the operations"),
    Column("organization_id", "str", "organization, null where none is concerned", nullable=True),
    Column("subject", "str", "week, dispute, night, run, check, part"),
    Column("severity", "str", "info, warning, error or critical"),
    Column("units", "float64", "units at stake, signed; of missing nights how many"),
    Column("usd_cents", "int64", "the same in US cents: positive is owed to us, negative to the customer"),
)

MATTERS = Table(
    "matters",
    "something that is wrong now and that a route may be told of",
    (
        *_ABOUT,
        Column("sentence", "str", "what is wrong, in one sentence"),
        Column("since", "str", "night of its first sight, null where that is tonight", nullable=True),
        Column("quiet", "str", "why nobody is told: accepted, undecided or not_examined", nullable=True),
        Column("is_reopened", "bool", "it was resolved before, and is there again"),
    ),
    key=("matter_id",),
)

TOLD = Table(
    "told",
    "what a route knows of a matter: as it was when the route was told last",
    (*_ABOUT, Column("is_open", "bool", "the route was not told that it is over")),
    key=("matter_id",),
)

TELLINGS = Table(
    "tellings",
    "something that happened to a matter, for one route",
    (
        *_ABOUT,
        Column("event", "str", "new, worse, reopened or resolved; accepted where it is only noted"),
        Column("is_said", "bool", "it belongs into the message; otherwise it is only noted"),
        Column("loudness", "str", "the severity that it is told with"),
        Column("sentence", "str", "what is wrong, in one sentence; empty of what is over"),
        Column("since", "str", "night of its first sight, null where that is tonight", nullable=True),
    ),
    key=("matter_id",),
)
