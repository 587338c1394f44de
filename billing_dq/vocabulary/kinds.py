"""The kinds of findings. A new kind is one entry here, the rule that finds it, and a section of RUNBOOKS.md.

The severity is the kind's own unless a function of `findings.severity` says otherwise. What is `error` or above turns
the kind's check red.
"""

from dataclasses import dataclass
from typing import Literal

from billing_dq.vocabulary.collections import Collection
from billing_dq.vocabulary.severities import Severity

#: The result of a night without which a kind was not examined; the fields of `FindingInputs`.
Result = Literal[
    "deltas",
    "drift",
    "runaway",
    "orphans",
    "violations",
    "subscription_drift",
    "stale_past_due",
    "payers",
    "disputes",
    "dead_lettered",
    "quarantined",
    "charges",
    "refunds",
]


@dataclass(frozen=True)
class FindingKind:
    """A kind of finding.

    Attributes:
        name: as it stands in `FINDINGS`.
        severity: of a finding of this kind, unless a rule says otherwise.
        result: the result that holds what is found; a night without it leaves earlier findings as they were.
        rests_on: collections whose unreadable document about an organization keeps its findings open. Of findings
            about one week, an unreadable usage document keeps that week's open, whatever stands here.
        check: the check that judges it.
    """

    name: str
    severity: Severity
    result: Result
    rests_on: frozenset[Collection]
    check: str

    @property
    def runbook(self) -> str:
        """The anchor of its section in RUNBOOKS.md."""
        return self.name.replace("_", "-")


_SUBSCRIPTION = frozenset[Collection]({"subscriptions"})
_DISPUTE = frozenset[Collection]({"billingextrabalances", "organizations", "subscriptions"})
_LEDGER = frozenset[Collection]({"billingextrabalances"})
_USAGE_AND_LEDGER = frozenset[Collection]({"billingextrabalances", "billingusages"})
_LEDGER_AND_PLAN = frozenset[Collection]({"billingextrabalances", "subscriptions"})

_SUBSCRIPTION_AND_PLAN = frozenset[Collection]({"organizations", "subscriptions"})

_AGREE = "subscriptions_agree_with_stripe"
_PAID = "every_paid_plan_has_its_own_subscription"
_TOPUP_PAID = "every_topup_was_paid"
_SETTLED = "every_dispute_is_settled_in_the_ledger"


def _of_subscription(name: str, severity: Severity = "error", check: str = _AGREE) -> FindingKind:
    return FindingKind(name, severity, "subscription_drift", _SUBSCRIPTION, check)


def _of_payer(name: str, severity: Severity = "error") -> FindingKind:
    return FindingKind(name, severity, "payers", _SUBSCRIPTION_AND_PLAN, _PAID)


def _of_dispute(name: str, severity: Severity = "error", check: str = _SETTLED) -> FindingKind:
    return FindingKind(name, severity, "disputes", _DISPUTE, check)


def _of_purchase(name: str, check: str = "every_paid_pack_is_delivered") -> FindingKind:
    return FindingKind(name, "error", "charges", _LEDGER, check)


def _of_refund(name: str) -> FindingKind:
    return FindingKind(name, "error", "refunds", _LEDGER, "every_refund_is_settled_in_the_ledger")


KINDS: dict[str, FindingKind] = {
    kind.name: kind
    for kind in (
        FindingKind("meter_extras_divergence", "error", "deltas", _LEDGER, "no_week_diverges"),
        FindingKind("meter_extras_drift", "warning", "drift", _USAGE_AND_LEDGER, "no_small_difference_adds_up"),
        FindingKind("runaway_balance", "critical", "runaway", _LEDGER_AND_PLAN, "no_balance_is_running_away"),
        FindingKind("orphan_balance", "error", "orphans", _DISPUTE, "every_balance_belongs_to_an_organization"),
        FindingKind("ledger_violation", "error", "violations", _LEDGER, "every_ledger_is_sound"),
        _of_subscription("subscription_status"),
        _of_subscription("subscription_plan"),
        _of_subscription("subscription_unresolved_plan", "warning"),
        _of_subscription("subscription_ambiguous_plan", "warning"),
        _of_subscription("subscription_missing_in_stripe"),
        _of_subscription("subscription_unknown_here"),
        _of_subscription("subscription_several_live"),
        _of_subscription("subscription_other_customer"),
        _of_subscription("subscription_not_collecting"),
        _of_subscription("subscriptions_not_ours", "info"),
        _of_subscription("livemode_mix"),
        _of_subscription("invoice_marker_lag", check="every_invoice_marker_is_current"),
        FindingKind(
            "stale_past_due", "error", "stale_past_due", _SUBSCRIPTION, "no_subscription_is_past_due_and_active"
        ),
        _of_payer("plan_without_subscription"),
        _of_payer("subscription_shared"),
        # each of the organizations may have a subscription of its own
        _of_payer("customer_shared", "warning"),
        # recovery from dunning leaves it, by design
        _of_payer("organization_plan", "warning"),
        FindingKind(
            "dead_lettered_event",
            "error",
            "dead_lettered",
            frozenset({"processedstripeevents"}),
            "no_event_is_dead_lettered",
        ),
        _of_dispute("dispute_clawback_missing"),
        _of_dispute("dispute_clawed_back_twice"),
        _of_dispute("dispute_clawback_wrong_units"),
        # by design: the application claws back whatever has expired, and no rule says who bears that
        _of_dispute("dispute_clawback_of_expired_pack", "info"),
        _of_dispute("dispute_reinstated_without_clawback"),
        _of_dispute("dispute_credit_due", check="every_reinstated_dispute_is_credited"),
        _of_dispute("dispute_credited_twice"),
        _of_dispute("dispute_credit_wrong_units"),
        _of_dispute("dispute_credit_without_reinstatement"),
        _of_dispute("dispute_second_withdrawal"),
        _of_dispute("dispute_parked", "warning"),
        _of_purchase("pack_without_topup"),
        _of_purchase("topup_in_another_ledger"),
        _of_purchase("topup_wrong_units"),
        _of_purchase("session_in_two_ledgers", check=_TOPUP_PAID),
        _of_purchase("topup_without_payment", check=_TOPUP_PAID),
        FindingKind("topup_payment_unknown", "warning", "charges", _LEDGER, _TOPUP_PAID),
        FindingKind("refund_failed", "error", "refunds", _LEDGER, "every_paid_pack_is_delivered"),
        _of_refund("refund_clawback_missing"),
        _of_refund("refund_clawback_wrong_units"),
        _of_refund("refund_clawed_back_twice"),
        _of_refund("refund_unknown_at_stripe"),
        _of_refund("refund_and_dispute_overlap"),
        FindingKind(
            "quarantined_documents", "warning", "quarantined", frozenset(), "every_document_was_read_or_quarantined"
        ),
    )
}


def kinds_of_check(check: str) -> tuple[str, ...]:
    """The kinds that a check judges, in the order of `KINDS`."""
    return tuple(kind.name for kind in KINDS.values() if kind.check == check)


def kinds_of_result(result: Result) -> frozenset[str]:
    """The kinds that a result holds."""
    return frozenset(kind.name for kind in KINDS.values() if kind.result == result)
