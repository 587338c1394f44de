"""Approvals of single plans: records of the audit log, made under a login of the operating system.

A name can be typed by anybody; a login of this machine is given by whoever runs it. So an approval holds the login of
the process that made it, which no option, setting or variable changes, and whoever asks at the command line under that
login, or under that name, cannot be the one who approved (SECURITY.md, "What an approval guarantees").
"""

import os
import pwd
from collections.abc import Iterable

from billing_dq.credits.audit import AuditLog, Record, Subject
from billing_dq.credits.plan import CreditPlan
from billing_dq.vocabulary.likeness import looks_like


class CreditError(ValueError):
    """A request about credits that cannot be granted; the message is one line, and nothing was changed."""


def login() -> str:
    """Who this process runs as, by the kernel and the user database; the environment has no say."""
    user = os.getuid()
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container may run as a number that has no name
        return f"uid {user}"


def approve(audit: AuditLog, plan: CreditPlan, plan_hash: str, by: str, why: str) -> Record:
    """Record a person's approval of the very plan that stands now, with the login of this process.

    It lets a large credit through, and in the mode `propose` any credit that is due.

    Raises:
        CreditError: the plan is another one by now, or nothing is due by it.
        AuditError: the audit log is not whole.
    """
    if plan.decision not in ("needs_approval", "due"):
        raise CreditError(f"{plan.dispute_id} needs no approval: {plan.decision} ({plan.reason})")
    if plan.plan_hash != plan_hash:
        raise CreditError(
            f"{plan.dispute_id} has another plan now, {plan.plan_hash}: look at it again before approving"
        )
    subject = Subject(plan.dispute_id, plan.organization_id, plan_hash)
    return audit.append("approved", subject, by, why, {"units": plan.units, "login": login()})


def approvals_of(records: Iterable[Record], plan: CreditPlan) -> list[Record]:
    """The approvals of this very plan, oldest first; one without a login (of an earlier release) is none."""
    key = ("approved", plan.dispute_id, plan.plan_hash)
    of_plan = (record for record in records if (record.kind, record.dispute_id, record.plan_hash) == key)
    return [record for record in of_plan if record.facts.get("login")]


def approved_by_another(approvals: Iterable[Record], asking: Iterable[str]) -> Record | None:
    """The newest approval whose name and login are none of those under which the credit is asked for."""
    asking = list(asking)
    of_others = [
        approval
        for approval in approvals
        if not any(looks_like(name, who) for name in asking for who in (approval.actor, str(approval.facts["login"])))
    ]
    return of_others[-1] if of_others else None
