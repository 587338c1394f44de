"""Small result tables of a night, for findings and their ageing."""

import pandas as pd

from billing_dq.tables import (
    DEAD_LETTERED_EVENTS,
    DISPUTE_POSITIONS,
    LEDGER_VIOLATIONS,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    QUARANTINED_DOCUMENTS,
    SUBSCRIPTION_DRIFT,
    SUBSCRIPTIONS,
)
from tests.support.ledger_rows import ORG

DISPUTE_COLUMNS = ["kind", "organization_id", "subject", "units", "cause", "explanation", "broken_since"]


def week(grade: str, **more: object) -> dict[str, object]:
    """A delta of a week; `diverged` unless told, in a closed week, and by design in what a grade of it says."""
    row: dict[str, object] = {
        "organization_id": ORG,
        "week_key": "2026-W45",
        "week_state": "closed",
        "meter_used": 0.0,
        "meter_quota": 0.0,
        "expected_units": 0.0,
        "actual_units": 0.0,
        "delta_units": 100.0,
        "tolerance_units": 50.0,
        "diverged": None if grade == "unreadable" else grade in ("explained", "unexplained"),
        "grade": grade,
        "cause": None,
        "explanation": "because",
        **more,
    }
    delta = float(str(row["delta_units"]))
    explained = float(str(row.get("explained_units", delta if grade == "explained" else 0.0)))
    return row | {"explained_units": explained, "unexplained_units": delta - explained}


def deltas(*rows: dict[str, object]) -> pd.DataFrame:
    return METER_EXTRAS_DELTAS.from_rows(rows)


def evidence(*pieces: tuple[str, str, float]) -> pd.DataFrame:
    """Cause, rule and units of pieces of the same organization's week."""
    return METER_EXTRAS_EVIDENCE.from_rows(
        {
            "organization_id": ORG,
            "week_key": "2026-W45",
            "cause": cause,
            "rule": rule,
            "confidence": "proved",
            "ref_id": None,
            "entry_id": None,
            "units": units,
        }
        for cause, rule, units in pieces
    )


def violation(rule: str, entry_id: str | None = "e1", units: float = -5.0, **more: object) -> dict[str, object]:
    return {
        "organization_id": ORG,
        "rule": rule,
        "entry_id": entry_id,
        "ref_id": None,
        "units": units,
        "detail": "in detail",
        "compensated_by": None,
        **more,
    }


def violations(*rows: dict[str, object]) -> pd.DataFrame:
    return LEDGER_VIOLATIONS.from_rows(rows)


def drift(*rows: tuple[str, str | None, str | None], organization: str | None = ORG) -> pd.DataFrame:
    """Kind and the two sides, of one subscription."""
    return SUBSCRIPTION_DRIFT.from_rows(
        {
            "organization_id": organization,
            "stripe_subscription_id": "sub_1",
            "kind": kind,
            "in_database": here,
            "in_stripe": there,
        }
        for kind, here, there in rows
    )


def subscription(**more: object) -> pd.DataFrame:
    return SUBSCRIPTIONS.from_rows([dict.fromkeys(SUBSCRIPTIONS.column_names) | {"organization_id": ORG} | more])


def disputes(*rows: dict[str, object]) -> pd.DataFrame:
    defaults: dict[str, object] = {
        "kind": "dispute_credit_due",
        "organization_id": ORG,
        "subject": "du_1",
        "units": -5.0,
        "cause": None,
        "explanation": "because",
        "broken_since": None,
    }
    frame = pd.DataFrame([defaults | row for row in rows], columns=DISPUTE_COLUMNS)
    dtypes = {"units": "float64", "broken_since": "datetime64[ms, UTC]"}
    return frame.astype({name: dtypes.get(name, "str") for name in DISPUTE_COLUMNS})


def positions(*ids: str) -> pd.DataFrame:
    return DISPUTE_POSITIONS.from_rows(
        {
            "dispute_id": dispute,
            "organization_id": ORG,
            "charge_id": "ch_1",
            "status": "won",
            "currency": "usd",
            "withdrawn_minor": 0,
            "reinstated_minor": 0,
            "fraction": None,
            "clawed_back_units": 0.0,
            "credited_units": 0.0,
            "due_units": 0.0,
            "decision": "nothing_due",
            "reason": "credited",
        }
        for dispute in ids
    )


def events(*ids: str, **more: object) -> pd.DataFrame:
    defaults: dict[str, object] = {"type": None, "last_error": None, "attempts": None, "at": None}
    return DEAD_LETTERED_EVENTS.from_rows({"event_id": one} | defaults | more for one in ids)


def quarantined(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Collection, document id and field."""
    return QUARANTINED_DOCUMENTS.from_rows(
        {"collection": collection, "document_id": document, "field": field, "reason": "is a text"}
        for collection, document, field in rows
    )
