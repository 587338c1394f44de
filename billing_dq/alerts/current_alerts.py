"""What a route may be notified of: the open findings of a night, and what is wrong with the nights themselves.

Pure: tables and instants in, `ALERTS` out.
"""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pandas as pd

from billing_dq.reconcile.findings.standing import is_open
from billing_dq.tables import ALERTS
from billing_dq.vocabulary.severities import Severity


def of_findings(findings: pd.DataFrame, verdict: "pd.Series[str]", night: str) -> pd.DataFrame:
    """The open findings of a night. Accepted and undecided ones, and those that it did not examine, are silenced.

    Args:
        findings: `FINDINGS` of the night.
        verdict: of each finding, one of `VERDICTS`.
        night: YYYY-MM-DD.
    """
    still_open = is_open(findings)
    open_findings, verdict = findings[still_open], verdict[still_open]
    silenced = np.select(
        [verdict == "accepted", verdict == "undecided", open_findings["last_seen"] != night],
        ["accepted", "undecided", "not_examined"],
        "",
    )
    columns = ["kind", "organization_id", "subject", "severity", "units", "usd_cents"]
    alerts = open_findings[columns].assign(
        alert_id=open_findings["finding_id"],
        sentence=_sentences(open_findings),
        since=open_findings["first_seen"].where(open_findings["first_seen"] != night),
        silenced=pd.Series(silenced, index=open_findings.index, dtype="str").replace("", None),
        is_reopened=open_findings["state"] == "reopened",
    )
    return ALERTS.conform(alerts)


def _sentences(findings: pd.DataFrame) -> "pd.Series[str]":
    """What is wrong with each, and when it broke, where that is known."""
    broken = " (broken since " + findings["broken_since"].dt.strftime("%Y-%m-%d").astype("str") + ")"
    return findings["explanation"] + broken.fillna("")


def operation(
    kind: str, subject: str, sentence: str, severity: Severity = "error", units: float = 0.0
) -> dict[str, object]:
    """A row of `ALERTS` about the nights themselves; its id is its kind and subject."""
    return {
        "alert_id": f"{kind}:{subject}",
        "kind": kind,
        "organization_id": None,
        "subject": subject,
        "severity": severity,
        "units": units,
        "usd_cents": 0,
        "sentence": sentence,
        "since": None,
        "silenced": None,
        "is_reopened": False,
    }


def of_nights(
    instant: datetime, due: time, newest: str | None, as_of: datetime | None, first_night: date
) -> pd.DataFrame:
    """Nights that should have been concluded and are not, and a newest night that was read after it was due.

    Each further night that is missing makes the alert worse by one unit.

    Args:
        instant: when it is asked, UTC.
        due: the time of the day, UTC, at which the night of that day has to be concluded.
        newest: the newest concluded night, YYYY-MM-DD; None: there is none.
        as_of: the instant of its snapshot, UTC; None where that is not known.
        first_night: no earlier night was ever due.
    """
    last_due = instant.date() - timedelta(days=int(instant.time() < due))
    rows: list[dict[str, object]] = []
    if newest is None and last_due >= first_night:
        sentence = f"No night has been concluded yet; the one of {last_due} was due by {due:%H:%M} UTC."
        rows.append(operation("missing_nights", "never", sentence, units=1.0))
    if newest is not None:
        missing = (last_due - date.fromisoformat(newest)).days
        if missing > 0:
            sentence = f"No night has been concluded since {newest}; that of {last_due} was due by {due:%H:%M} UTC."
            rows.append(operation("missing_nights", newest, sentence, units=float(missing)))
        due_at = datetime.combine(date.fromisoformat(newest), due, UTC)
        if as_of is not None and as_of > due_at:
            sentence = f"The night of {newest} was read at {as_of:%H:%M} UTC; it was due by {due:%H:%M}."
            rows.append(operation("late_night", newest, sentence, severity="warning"))
    return ALERTS.from_rows(rows)
