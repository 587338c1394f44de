"""Acceptances of findings: what people decided to live with. Kept in a file, not among the nights' tables."""

from billing_dq.tables.contract import Column, Table

ACCEPTANCES = Table(
    "acceptances",
    "a finding that a person accepted as it was on a night, or whose acceptance a person took back; oldest first",
    (
        Column("finding_id", "str", "the finding"),
        Column("night", "str", "the night whose finding it was, YYYY-MM-DD"),
        Column("accepted", "bool", "false where an acceptance is taken back"),
        Column("kind", "str", "kind of the finding"),
        Column("severity", "str", "its severity on that night"),
        Column("units", "float64", "its units on that night, signed", unit="units"),
        Column("usd_cents", "int64", "its US cents on that night, signed", unit="US cents"),
        Column("cause", "str", "its cause on that night", nullable=True),
        Column("by", "str", "who decided"),
        Column("why", "str", "the reason"),
        Column("until", "str", "the last night on which it holds, YYYY-MM-DD; null: no such night", nullable=True),
        Column("at", "time", "when it was recorded"),
    ),
    key=(),
)
