"""The facts of a week's quota from keywords, whichever part they belong to."""

from dataclasses import fields

from billing_dq.reconcile.meter.quota.facts import PlanFacts, QuotaRecord, StripeFacts
from billing_dq.weeks import Week

_OF_PLAN = {field.name: field.name for field in fields(PlanFacts)} | {"plan": "quota", "seen_live": "seen_quotas"}
_OF_STRIPE = {field.name for field in fields(StripeFacts)}


def quota_record(week: Week, document: float, **facts: object) -> QuotaRecord:
    """A record; ``plan`` is the quota of the subscription's plan, ``seen_live`` those that earlier nights saw."""
    plan = {_OF_PLAN[name]: facts.pop(name) for name in facts.keys() & _OF_PLAN.keys() - {"seen_quotas"}}
    stripe = {name: facts.pop(name) for name in facts.keys() & _OF_STRIPE}
    return QuotaRecord(week, document, plan=PlanFacts(**plan), stripe=StripeFacts(**stripe), **facts)  # type: ignore[arg-type]
