"""Approvals of single plans: records of the audit log, looked up when a plan needs one."""

from collections.abc import Iterable

from billing_dq.credits.audit import AuditLog, Record, Subject
from billing_dq.credits.plan import CreditPlan


class CreditError(ValueError):
    """A request about credits that cannot be granted; the message is one line, and nothing was changed."""


def approve(audit: AuditLog, plan: CreditPlan, plan_hash: str, by: str, why: str) -> Record:
    """Record a person's approval of the very plan that stands now.

    Raises:
        CreditError: the plan is another one by now, or needs no approval.
    """
    if plan.decision != "needs_approval":
        raise CreditError(f"{plan.dispute_id} needs no approval: {plan.decision} ({plan.reason})")
    if plan.plan_hash != plan_hash:
        raise CreditError(
            f"{plan.dispute_id} has another plan now, {plan.plan_hash}: look at it again before approving"
        )
    subject = Subject(plan.dispute_id, plan.organization_id, plan_hash)
    return audit.append("approved", subject, by, why, {"units": plan.units})


def approval_of(records: Iterable[Record], plan: CreditPlan) -> Record | None:
    """The newest approval of this very plan."""
    found = None
    for record in records:
        if (record.kind, record.dispute_id, record.plan_hash) == ("approved", plan.dispute_id, plan.plan_hash):
            found = record
    return found
