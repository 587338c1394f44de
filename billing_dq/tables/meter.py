"""The meter against the extras: the difference of every week, and the evidence of why."""

from billing_dq.tables.columns import ORGANIZATION_ID, WEEK_KEY
from billing_dq.tables.contract import Column, Table

METER_EXTRAS_DELTAS = Table(
    "meter_extras_deltas",
    "an organization's week that has a usage document or a debit",
    (
        ORGANIZATION_ID,
        WEEK_KEY,
        Column("week_state", "str", "open, settling or closed"),
        Column("meter_used", "float64", "units; 0 without a usage document", unit="units"),
        Column("meter_quota", "float64", "units; 0 without a usage document", unit="units"),
        Column("expected_units", "float64", "units that should have been debited", unit="units"),
        Column("actual_units", "float64", "units debited, by the debits' `at`", unit="units"),
        Column("delta_units", "float64", "expected - actual: positive is undercharged", unit="units"),
        Column("tolerance_units", "float64", "the largest tolerated |delta|", unit="units"),
        Column("diverged", "boolean", "|delta| above the tolerance; null where unreadable", nullable=True),
        Column("grade", "str", "exact, within_tolerance, explained, undecided, unexplained or unreadable"),
        Column("cause", "str", "the largest cause; null where there is none", nullable=True),
        Column("explained_units", "float64", "signed units that causes by design account for", unit="units"),
        Column("unexplained_units", "float64", "delta less explained_units", unit="units"),
        Column("explanation", "str", "one sentence with the arithmetic"),
    ),
    key=("organization_id", "week_key"),
)

METER_EXTRAS_EVIDENCE = Table(
    "meter_extras_evidence",
    "a piece of evidence of an organization's week that is not exact; the units of a week add up to its delta",
    (
        ORGANIZATION_ID,
        WEEK_KEY,
        Column("cause", "str", "the cause, such as missing_debit"),
        Column("rule", "str", "the proof, in a word"),
        Column("confidence", "str", "proved, consistent or guess"),
        Column("ref_id", "str", "attribution key or refId it rests on", nullable=True),
        Column("entry_id", "str", "ledger entry it rests on", nullable=True),
        Column("units", "float64", "signed share of the delta", unit="units"),
    ),
    key=(),
)
