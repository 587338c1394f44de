"""When each break happened, which may be long before a night first saw it: the week, the payment, the entry.

See docs/tables.md, "Since when". Null where nothing tells it: a state that has no beginning in the tables.
"""

import pandas as pd

from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.tables import FINDINGS
from billing_dq.weeks import Week, is_week_key

_REFUND = r"^refund-((?:re|pyr)_[^-]+)-"
_DTYPE = FINDINGS.column("broken_since").pandas_dtype


def broken_since(findings: pd.DataFrame, inputs: FindingInputs) -> pd.Series:
    """The instant of each break, UTC; null where it is not known.

    Args:
        findings: kind, organization_id, subject and cause of plain findings.
        inputs: the night's result tables, and the entries, payments and disputes that they are about.
    """
    kind, subject = findings["kind"], findings["subject"]
    since = _starts(subject)
    if inputs.drift is not None:
        first = inputs.drift.set_index("organization_id")["first_week"]
        since = since.fillna(_starts(subject.where(kind == "meter_extras_drift", "").map(first.to_dict())))
    for table, key, at in (
        (inputs.charges, "charge_id", "created"),
        (inputs.refunds, "refund_id", "created"),
        (_refund_entries(inputs.suspects), "refund_id", "at"),
        (inputs.purchases, "stripe_session_id", "at"),
        (inputs.disputes, "subject", "broken_since"),
        (inputs.dead_lettered, "event_id", "at"),
    ):
        since = since.fillna(_looked_up(findings, ["subject"], table, [key], at))
    # what is left of a pack that no sweep removed is wrong since the pack's end, which no table tells
    entry = ["organization_id", "entry_id"]
    at_entry = _looked_up(findings, ["organization_id", "subject"], inputs.suspects, entry, "at")
    since = since.fillna(at_entry.where((kind == "ledger_violation") & (findings["cause"] != "expiry_not_swept")))
    organization = ["organization_id"]
    overdue = _looked_up(findings, organization, inputs.subscriptions, organization, "past_due_since")
    return since.fillna(overdue.where(kind == "stale_past_due"))


def _starts(week_keys: pd.Series) -> pd.Series:
    starts = [Week.parse(key).start if isinstance(key, str) and is_week_key(key) else None for key in week_keys]
    return pd.Series(starts, index=week_keys.index, dtype=_DTYPE)


def _looked_up(
    findings: pd.DataFrame, names: list[str], table: pd.DataFrame | None, key: list[str], at: str
) -> pd.Series:
    """For each finding the instant of the first row of a table with its key; null where there is none."""
    if table is None:
        return pd.Series(None, index=findings.index, dtype=_DTYPE)
    first = table.drop_duplicates(key)
    instants = pd.Series(first[at].astype(_DTYPE).array, pd.MultiIndex.from_frame(first[key]))
    return pd.Series(instants.reindex(pd.MultiIndex.from_frame(findings[names])).array, findings.index)


def _refund_entries(suspects: pd.DataFrame | None) -> pd.DataFrame | None:
    if suspects is None:
        return None
    return suspects.assign(refund_id=suspects["ref_id"].str.extract(_REFUND, expand=False)).dropna(subset="refund_id")
