"""How severe a finding is: the one table, and the few rules that depend on more than its kind.

A check is green where no finding of its kind is `error` or above (DESIGN.md, "Outputs"): a broken invariant is an
`error`, what is lost while one sleeps is `critical`, what may be by design or needs no hurry a `warning`, what is
explained or immaterial `info`. Nothing about the meter of an open or settling week is above `warning`.
"""

from typing import Literal, get_args

Severity = Literal["info", "warning", "error", "critical"]

#: All of them, mildest first.
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

#: The severity of a kind, unless a function below says otherwise.
OF_KIND: dict[str, Severity] = {
    "meter_extras_divergence": "error",
    "meter_extras_drift": "warning",
    "runaway_balance": "critical",
    "orphan_balance": "error",
    "ledger_violation": "error",
    "subscription_status": "error",
    "subscription_plan": "error",
    "subscription_unresolved_plan": "warning",
    "subscription_ambiguous_plan": "warning",
    "subscription_missing_in_stripe": "error",
    "subscription_unknown_here": "error",
    "subscription_several_live": "error",
    "livemode_mix": "error",
    "invoice_marker_lag": "error",
    "stale_past_due": "error",
    "dead_lettered_event": "error",
    "dispute_clawback_missing": "error",
    "dispute_clawed_back_twice": "error",
    "dispute_reinstated_without_clawback": "error",
    "dispute_credit_due": "error",
    "dispute_credited_twice": "error",
    "dispute_credit_wrong_units": "error",
    "dispute_credit_without_reinstatement": "error",
    "dispute_second_withdrawal": "error",
    "dispute_parked": "warning",
    "quarantined_documents": "warning",
}


def of_week(grade: str, diverged: bool, week_state: str) -> Severity:
    """Of an organization's week: `unexplained` is an error once the week is closed.

    An explained divergence and a defect within the tolerance are info.
    """
    if grade != "unexplained":
        return "info"
    if week_state != "closed":
        return "warning"
    return OF_KIND["meter_extras_divergence"] if diverged else "warning"


def of_violation(rule: str, week_state: str | None, is_full: bool) -> Severity:
    """Of a ledger violation.

    Args:
        rule: the ledger's rule.
        week_state: state of the week that it is about, None where it is about none.
        is_full: of rule `document_size`: the document is past the share of its limit that pages.
    """
    if rule == "document_size":
        return "critical" if is_full else "warning"
    if rule == "zero_amount" or week_state in ("open", "settling"):
        return "warning"
    return OF_KIND["ledger_violation"]


def of_drift(kind: str, by_design: bool) -> Severity:
    """Of a difference between a subscription here and at Stripe; drift by design is no more than a warning."""
    return "warning" if by_design else OF_KIND[kind]
