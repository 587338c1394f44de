"""The subscription of an organization, on both sides: bought, renewed, overdue, changed, canceled, synchronized."""

from billing_dq_simulation.clock import DAY, HOUR, MINUTE, SECOND, WEEK, next_daily, to_datetime, to_millis
from billing_dq_simulation.company.account import period_length
from billing_dq_simulation.company.timeline import WEBHOOK, Timeline
from billing_dq_simulation.company.traits import Traits
from billing_dq_simulation.config import PRICES, QUOTAS
from billing_dq_simulation.stripe import objects as stripe_objects

#: A plan is not lowered where the debt would be more than so many of its quotas: half of what a runaway is.
_DEBT_FOR_LOWER_PLAN = 5
#: And not where the usual use of a week is more than so many of them: the debt would become a runaway.
_USE_FOR_LOWER_PLAN = 1.6
#: What happens by design is over for so long that no night takes it for a webhook under way.
_SETTLED = 2 * HOUR
_NEIGHBOURS = {"starter": ("pro",), "pro": ("starter", "enterprise"), "enterprise": ("pro",)}
#: Trouble, a subscription, at full trouble.
_RECOVERS, _CARD, _CHANGES, _CANCELED, _SYNCHRONIZED, _HAND_AND_SYNC = 0.25, 0.5, 0.1, 0.06, 0.08, 0.05


class Subscriber:
    """What happens to a subscription.

    Attributes:
        intensity: units that the organization usually uses in a week.
    """

    def __init__(self, timeline: Timeline, traits: Traits) -> None:
        self._line = timeline
        self._traits = traits
        self.intensity = 0.0
        self._dunned_since = 0

    # What happens

    def plan(self, at: int, plan: str) -> None:
        """Draw the life of a subscription that begins at an instant."""
        random, line = self._line.random, self._line
        annual = random.random() < 0.22
        price_id, metadata = PRICES[plan][int(annual)], dict[str, str]()
        draw = random.random()
        if plan == "pro" and draw < 0.05:
            price_id = stripe_objects.LEGACY_PRO_PRICE
        elif plan == "enterprise" and draw < 0.1:
            price_id, metadata = stripe_objects.MANUAL_PRICE, {"planId": "enterprise"}
        trial = random.random() < 0.03
        line.push(at, self._subscribe, plan, price_id, metadata, trial)
        reset = line.begin if random.random() < 0.85 else line.begin + random.randint(1, 6) * DAY
        line.push(next_daily(max(reset, at + WEEK if at > line.begin else reset), 1), self._reset)
        late = random.randint(50, 75) * MINUTE
        draw = random.random()
        fate = "dunned" if draw < 0.02 else "unpaid" if draw < 0.03 else "late" if draw < 0.06 else "paid"
        if self._traits.happens(_RECOVERS):
            fate = "recovers"
        if not trial:
            self._plan_renewals(at, price_id, late, fate)
        self._plan_changes(at, plan)
        self._plan_trouble(at, plan)

    def _plan_renewals(self, at: int, price_id: str, late: int, fate: str) -> None:
        line = self._line
        renewal = at + period_length(price_id)
        while renewal < line.begin:
            renewal += period_length(price_id)
        while renewal <= line.end:
            line.push(renewal, self._renew, renewal, late, fate)
            renewal += period_length(price_id)
            fate = "paid"

    def _plan_changes(self, at: int, plan: str) -> None:
        random, line = self._line.random, self._line
        draw = random.random()
        moment = max(line.moment(random), at + HOUR)
        if draw < 0.08:
            line.push(moment, self.change_plan, random.choice(_NEIGHBOURS[plan]))
        elif draw < 0.12:
            line.push(moment, self._cancel, random.random() < 0.3)
        elif draw < 0.14:
            line.push(moment, self._change_by_hand, _raised(plan))
        elif draw < 0.15:
            line.push(moment, self._dispute_subscription)

    def _plan_trouble(self, at: int, plan: str) -> None:
        random, line, happens = self._traits.random, self._line, self._traits.happens
        for _ in range(random.randint(1, 3) if happens(_CARD) else 0):
            line.push(max(line.moment(random), at + HOUR), self._touch, random.random() < 0.5, random.randint(1, 90))
        neighbour, later, back = random.choice(_NEIGHBOURS[plan]), random.randint(1, 150) * HOUR, random.random() < 0.6
        for rate, action, arguments in (
            (_CHANGES, self._change_and_back, (neighbour, later, back)),
            (_CANCELED, self._cancel_by_administrator, ()),
            (_SYNCHRONIZED, self._lose_webhook, (_NEIGHBOURS[plan][-1], later)),
            (_HAND_AND_SYNC, self._change_by_hand_for_a_while, (_raised(plan), later)),
        ):
            moment = max(line.moment(random), at + HOUR)
            if happens(rate):
                line.push(moment, action, *arguments)

    # How it happens

    def _subscribe(self, plan: str, price_id: str, metadata: dict[str, str], trial: bool) -> None:
        line, at = self._line, self._line.now
        seconds = (at - WEBHOOK) // SECOND
        subscription = line.account.subscribe(at - WEBHOOK, price_id, metadata, 30 if trial else 0)
        line.application.subscribe(
            at, plan, str(subscription["customer"]), str(subscription["id"]), (seconds + 1, seconds + 1)
        )
        if trial:
            line.application.paid_subscription["status"] = "trialing"
        if at < line.begin:  # history before the first week is not told
            line.application.paid_subscription["lastResetAt"] = to_datetime(line.begin - WEEK)
        line.hear("customer.subscription.updated")
        line.hear("invoice.payment_succeeded")

    def _may_reset(self) -> bool:
        application = self._line.application
        subscription = application.subscription
        return (
            subscription is not None
            and subscription["status"] in ("active", "trialing", "past_due")
            and application.quota > 0
        )

    def _reset(self) -> None:
        if not self._may_reset():
            return
        line = self._line
        last = line.application.paid_subscription["lastResetAt"]
        due = to_millis(last) + WEEK  # type: ignore[arg-type]
        if line.now > due:
            self._settle()
            due = line.now + WEEK
        line.push(next_daily(due, 1), self._reset)

    def _settle(self) -> None:
        """The reset, with its settlement."""
        self._line.application.reset(self._line.now)
        if self._traits.versions.settles_within_quota:
            self._line.mark("settlement_within_quota")

    def _renew(self, period_start: int, late: int, fate: str) -> None:
        if not self._may_reset():
            return
        line = self._line
        line.account.renew(period_start, fate == "paid")
        if fate == "paid":
            line.push(line.now + late, self._pay, "customer.subscription.updated")
            return
        line.application.fall_behind(line.now, line.heard)
        line.hear("invoice.payment_failed")
        if fate == "late":
            line.push(line.now + 3 * DAY, self._pay, "customer.subscription.updated")
        elif fate == "unpaid":
            line.push(line.now + 4 * DAY, self._give_up)
        elif fate == "recovers":
            dunned = line.now + self._traits.random.randint(20, 150) * HOUR
            back = dunned + self._traits.random.randint(10, 250) * HOUR
            if back < line.end - _SETTLED:
                line.push(dunned, self._dun)
                line.push(back, self._recover)
            else:
                line.push(line.now + 3 * DAY, self._pay, "customer.subscription.updated")
        else:
            line.push(line.now + 4 * DAY, self._dun)

    def _pay(self, event: str) -> None:
        if not self._may_reset():
            return
        line = self._line
        line.account.pay_open_invoice(line.now - WEBHOOK)
        line.application.renew(line.now, line.heard)
        line.hear("invoice.payment_succeeded")
        line.hear(event)

    def _give_up(self) -> None:
        line = self._line
        if self._may_reset():
            line.account.give_up(line.now - WEBHOOK)
            line.application.subscription_event(line.now, line.heard)
            line.application.paid_subscription["status"] = "unpaid"
            line.hear("customer.subscription.updated")

    def _dun(self) -> None:
        if self._line.now > self._line.end - _SETTLED or not self._may_reset():
            return
        self._line.mark("dunning")
        self._dunned_since = self._line.now
        self._line.application.dun(self._line.now)

    def _recover(self) -> None:
        line = self._line
        if line.application.paid_subscription["status"] != "unpaid":
            return
        line.mark("dunning", self._dunned_since)
        line.account.pay_open_invoice(line.now - WEBHOOK)
        line.application.recover(line.now, line.account.plan, line.heard)
        line.hear("invoice.payment_succeeded")
        line.push(next_daily(line.now + WEEK, 1), self._reset)

    def may_change_to(self, plan: str) -> bool:
        """Whether a plan would not make a runaway of what is owed and usually used."""
        quota = QUOTAS[plan]
        too_much = self.intensity > _USE_FOR_LOWER_PLAN * quota
        return (
            self._may_reset() and not too_much and self._line.application.balance_units >= -_DEBT_FOR_LOWER_PLAN * quota
        )

    def change_plan(self, plan: str) -> None:
        """Another plan at Stripe, and then here."""
        line = self._line
        if not self.may_change_to(plan) or plan == line.account.plan:
            return
        line.account.change_price(line.now - WEBHOOK, PRICES[plan][0], {})
        self._take_plan_of_stripe()

    def _take_plan_of_stripe(self) -> None:
        line = self._line
        line.mark("plan_change")
        line.application.change_plan(line.now, line.account.plan, line.heard)
        line.hear("customer.subscription.updated")

    def _change_by_hand(self, plan: str) -> None:
        line = self._line
        if self._may_reset() and line.application.plan != plan and line.now < line.end - _SETTLED:
            line.mark("change_by_hand")
            line.application.change_plan_by_hand(line.now, plan)

    def _cancel(self, customer_deleted: bool) -> None:
        line = self._line
        if not self._may_reset() or line.application.plan == "free":
            return
        line.mark("cancellation")
        line.account.cancel(line.now - WEBHOOK)
        if customer_deleted:
            line.account.delete_customer()
        line.application.cancel(line.now, line.heard, customer_deleted)
        line.hear("customer.subscription.deleted")

    def _dispute_subscription(self) -> None:
        account, line = self._line.account, self._line
        if account.subscription is None or not account.objects["invoices"]:
            return
        charge = account.charge_subscription(line.now - HOUR)
        dispute = account.dispute(line.now, charge, "won")
        cents = int(charge["amount"])  # type: ignore[call-overload]
        account.move(line.now, dispute, -cents)
        if line.now + DAY <= line.end:
            account.move(line.now + DAY, dispute, cents)
        else:
            dispute["status"] = "under_review"

    # Trouble

    def _touch(self, card: bool, hours: int) -> None:
        """An event that changes no plan: a new card, or a cancellation switched on and off again."""
        self._announce("default_payment_method" if card else "cancel_at_period_end")
        if not card and self._line.now + hours * HOUR < self._line.end - _SETTLED:
            self._line.push(self._line.now + hours * HOUR, self._announce, "cancel_at_period_end")

    def _announce(self, attribute: str) -> None:
        line = self._line
        if not self._may_reset() or not (self._agrees() or self.may_change_to(line.account.plan)):
            return
        line.account.touch(line.now - WEBHOOK, attribute)
        if self._agrees():
            line.mark("event")
            line.application.subscription_event(line.now, line.heard)
            line.hear("customer.subscription.updated")
        else:  # every event of a subscription brings its plan along
            self._take_plan_of_stripe()

    def _change_and_back(self, plan: str, later: int, back: bool) -> None:
        """A plan that comes and may go again some time later: both at Stripe."""
        before = self._line.application.plan
        if plan == before or not self._agrees() or not self.may_change_to(plan):
            return
        self.change_plan(plan)
        if back:
            self._line.push(self._line.now + later, self._change_back, before)

    def _change_back(self, plan: str) -> None:
        if self._agrees() and self.may_change_to(plan):
            self.change_plan(plan)

    def _cancel_by_administrator(self) -> None:
        line = self._line
        if not self._may_reset() or line.application.plan == "free" or line.now > line.end - _SETTLED:
            return
        line.mark("cancellation_by_administrator")
        line.account.cancel(line.now)
        line.application.cancel_by_administrator(line.now + SECOND)
        line.hear("customer.subscription.deleted")

    def _lose_webhook(self, plan: str, later: int) -> None:
        """A change of plan of which the application never hears, until an administrator synchronizes."""
        line = self._line
        if plan == line.application.plan or not self._agrees() or not self.may_change_to(plan):
            return
        if line.now + later > line.end - _SETTLED:
            return
        line.account.change_price(line.now, PRICES[plan][0], {})
        line.push(line.now + later, self._synchronize)

    def _change_by_hand_for_a_while(self, plan: str, later: int) -> None:
        """A plan changed by hand, until an administrator synchronizes."""
        line = self._line
        if line.now + later > line.end - _SETTLED or not self._agrees():
            return
        self._change_by_hand(plan)
        line.push(line.now + later, self._synchronize)

    def _synchronize(self) -> None:
        line = self._line
        if line.application.plan == "free":
            return
        line.mark("synchronization")
        line.application.synchronize(line.now, line.account.plan, str(line.account.live["status"]))

    def _agrees(self) -> bool:
        """Whether the plan here is Stripe's."""
        return self._may_reset() and self._line.account.plan == self._line.application.plan


def _raised(plan: str) -> str:
    return "pro" if plan == "starter" else "enterprise"
