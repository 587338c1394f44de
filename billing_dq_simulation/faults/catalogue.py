"""The faults by name, and how they befall a company: at a rate for each organization that can have them, one each."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random

from billing_dq_simulation.company.story import Story
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.faults import disputes as dispute_faults
from billing_dq_simulation.faults import ledger as ledger_faults
from billing_dq_simulation.faults import meter as meter_faults
from billing_dq_simulation.faults import packs as pack_faults
from billing_dq_simulation.faults import payers as payer_faults
from billing_dq_simulation.faults import purchases as purchase_faults
from billing_dq_simulation.faults import subscriptions as subscription_faults
from billing_dq_simulation.faults.cases import Case, left_by_recovery, remedied
from billing_dq_simulation.faults.malformed import MALFORMED
from billing_dq_simulation.labels import BY_DESIGN, Label, SimulatedOrganization

Fault = Callable[[Case], SimulatedOrganization | None]

_SINGLE: tuple[Fault, ...] = (
    meter_faults.dropped_debit,
    meter_faults.dropped_debit_gap,
    meter_faults.dropped_debit_edge,
    meter_faults.dropped_debit_run,
    meter_faults.dropped_debit_in_band,
    meter_faults.duplicate_debit,
    meter_faults.debit_without_usage,
    meter_faults.cancelling_debits,
    meter_faults.replayed_across_weeks,
    meter_faults.altered_debit,
    meter_faults.settlement_without_credit,
    meter_faults.settlement_without_usage,
    meter_faults.settlement_amounts_differ,
    meter_faults.settlement_counted_too_high,
    meter_faults.usage_reset,
    meter_faults.usage_document_lost,
    meter_faults.balance_document_lost,
    meter_faults.runaway_balance,
    meter_faults.steady_drift,
    meter_faults.incident,
    ledger_faults.cached_balance_drift,
    ledger_faults.orphan_balance,
    ledger_faults.duplicate_ref,
    ledger_faults.grant_in_two_ledgers,
    ledger_faults.duplicate_session,
    ledger_faults.wrong_sign,
    ledger_faults.zero_amount,
    ledger_faults.missing_ref,
    ledger_faults.unknown_kind,
    ledger_faults.future_entry,
    ledger_faults.expiry_not_swept,
    ledger_faults.expiry_twice,
    ledger_faults.expiry_too_much,
    ledger_faults.large_document,
    subscription_faults.status_drift,
    subscription_faults.plan_drift,
    subscription_faults.unresolved_plan,
    subscription_faults.ambiguous_plan,
    subscription_faults.missing_in_stripe,
    subscription_faults.unknown_here,
    subscription_faults.several_live,
    subscription_faults.livemode_mix,
    subscription_faults.invoice_marker_lag,
    subscription_faults.invoice_marker_lag_old_shape,
    subscription_faults.stale_past_due,
    subscription_faults.dead_lettered_event,
    payer_faults.plan_without_subscription,
    payer_faults.collection_paused,
    payer_faults.ended_and_served,
    payer_faults.other_customer,
    payer_faults.subscription_of_two,
    payer_faults.customer_of_two,
    payer_faults.organization_plan,
    dispute_faults.clawback_missing,
    dispute_faults.clawed_back_twice,
    dispute_faults.clawback_all_for_a_part,
    dispute_faults.clawback_cents_for_units,
    dispute_faults.reinstated_without_clawback,
    dispute_faults.credit_due,
    dispute_faults.credited_twice_by_hand,
    dispute_faults.credited_twice_by_system_and_hand,
    dispute_faults.credit_in_cents,
    dispute_faults.credit_in_dollars,
    dispute_faults.credit_at_general_ratio_short,
    dispute_faults.credit_at_general_ratio_long,
    dispute_faults.credit_without_reinstatement,
    dispute_faults.second_withdrawal,
    dispute_faults.partial_reinstatement,
    dispute_faults.cross_currency_without_rates,
    pack_faults.pack_without_topup,
    pack_faults.refund_failed,
    *purchase_faults.FAULTS,
)

#: Every fault by its name.
FAULTS: dict[str, Fault] = {fault.__name__: fault for fault in _SINGLE} | MALFORMED
_FRIENDS: tuple[Fault, ...] = (
    payer_faults.plan_given_by_an_administrator,
    payer_faults.another_product,
    *purchase_faults.FALSE_FRIENDS,
)
#: Sound situations that look like a fault, by name: what a night says of them is false, but for an `info`.
FALSE_FRIENDS: dict[str, Fault] = {friend.__name__: friend for friend in _FRIENDS}
#: Everything that can befall an organization, by name.
EVENTS: dict[str, Fault] = FAULTS | FALSE_FRIENDS
#: Only where it is named: it makes documents of many megabytes.
_ONLY_BY_NAME = frozenset({"large_document"})
_DEFAULT_RATE = 0.004
#: What was written so recently is not compared with Stripe yet.
_PENDING = timedelta(hours=1)


def by_design(story: Story) -> list[Label]:
    """What a night may say without a fault: drift by design (a plan changed by hand, dunning), remedied copies, and
    what recovery from dunning leaves.
    """
    beside = [*remedied(story), *left_by_recovery(story)]
    if story.design is None:
        return beside
    subscription, organization = str(story.account.live["id"]), str(story.organization_id)
    kinds = ("subscription_status", "subscription_plan") if story.design == "dunning" else ("subscription_plan",)
    written = story.application.paid_subscription["updatedAt"]
    fresh = story.config.as_of - written < _PENDING  # type: ignore[operator]
    why_not = "the subscription was written within the hour: a webhook may be under way" if fresh else None
    fault = BY_DESIGN + story.design
    drift = [Label(fault, organization, subscription, 0.0, not fresh, kind, None, why_not) for kind in kinds]
    return [*drift, *beside]


def inject(config: WorldConfig, index: int, story: Story) -> SimulatedOrganization | None:
    """The organization with at most one fault; None where none befalls it.

    In a world of natural trouble, faults befall those whom it befell. The kinds are tried in an order of the
    organization's own, so that no kind takes organizations away from another.
    """
    if story.design is not None or (config.trouble and not story.troubled):
        return None
    random = Random(f"{config.seed}:{index}:faults")
    kinds = sorted(config.faults)
    random.shuffle(kinds)
    drawn = [kind for kind in kinds if random.random() < config.faults[kind]]
    for kind in drawn:
        broken = EVENTS[kind](Case(config, index, story, random, kind))
        if broken is not None:
            return broken
    return None


def parse_faults(text: str) -> Mapping[str, float]:
    """Rates by fault: ``none``, ``all``, ``all=RATE``, or ``KIND=RATE,...`` (without a rate: the default one).

    Raises:
        ValueError: an unknown kind or a rate that is none; the message says which.
    """
    rates: dict[str, float] = {}
    for part in text.split(","):
        name, _, rate = part.strip().partition("=")
        if name == "none":
            continue
        if name not in EVENTS and name != "all":
            raise ValueError(f"unknown fault {name!r}; known are: none, all, {', '.join(EVENTS)}")
        try:
            value = float(rate) if rate else _DEFAULT_RATE
        except ValueError:
            raise ValueError(f"the rate of {name} is no number: {rate!r}") from None
        names = [kind for kind in EVENTS if kind not in _ONLY_BY_NAME] if name == "all" else [name]
        rates |= dict.fromkeys(names, value)
    return rates
