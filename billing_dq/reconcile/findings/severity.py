"""How severe a finding is: its kind's severity, and the few rules that depend on more than its kind.

A check is green where no finding of its kind is `error` or above (docs/tables.md, "Severities"): a broken invariant is
an `error`, what is lost while one sleeps is `critical`, what may be by design or needs no hurry a `warning`, what is
explained or immaterial `info`. Nothing about the meter of an open or settling week is above `warning`.
"""

import pandas as pd

from billing_dq.vocabulary.kinds import KINDS
from billing_dq.vocabulary.severities import SEVERITIES, Severity

__all__ = ["OF_KIND", "SEVERITIES", "Severity", "of_drift", "of_violation", "of_week", "rank"]

#: The severity of a kind, unless a function below says otherwise.
OF_KIND: dict[str, Severity] = {kind.name: kind.severity for kind in KINDS.values()}


def rank(severities: "pd.Series[str]") -> "pd.Series[int]":
    """The place of each severity among `SEVERITIES` (int64), the mildest 0; also where there is none to rank.

    The dtype is asked for because pandas gives back the text's own where there is no row to map.
    """
    return severities.map({name: place for place, name in enumerate(SEVERITIES)}).astype("int64")


def of_week(grade: str, diverged: bool, week_state: str) -> Severity:
    """Of an organization's week: `unexplained` is an error once the week is closed, `undecided` always a warning.

    An explained divergence and a defect within the tolerance are info.
    """
    if grade == "undecided":
        return "warning"
    if grade != "unexplained":
        return "info"
    if week_state != "closed":
        return "warning"
    return OF_KIND["meter_extras_divergence"] if diverged else "warning"


def of_violation(rule: str, week_state: str | None, is_full: bool, is_compensated: bool) -> Severity:
    """Of a ledger violation.

    Args:
        rule: the ledger's rule.
        week_state: state of the week that it is about, None where it is about none.
        is_full: of rule `document_size`: the document is past the share of its limit that pages.
        is_compensated: a later entry makes it good.
    """
    if is_compensated or rule == "expiry_in_full":
        return "info"
    if rule == "document_size":
        return "critical" if is_full else "warning"
    if rule in ("zero_amount", "usage_document_size") or week_state in ("open", "settling"):
        return "warning"
    return OF_KIND["ledger_violation"]


def of_drift(kind: str, by_design: bool) -> Severity:
    """Of a difference between a subscription here and at Stripe; drift by design is no more than a warning."""
    return "warning" if by_design else OF_KIND[kind]
