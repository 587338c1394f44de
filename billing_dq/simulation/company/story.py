"""The life of one organization: what happens to it, when, and the replay of that in time order.

Everything random about the life is drawn before the replay, so that a fault (`Changes`) changes its consequences and
nothing else: the same organization is replayed with and without it.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from bson import ObjectId

from billing_dq.simulation.company.account import Account, period_length
from billing_dq.simulation.company.application import Application, Crashes, Entry
from billing_dq.simulation.company.clock import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    WEEK,
    next_daily,
    to_datetime,
    to_millis,
    week_start,
)
from billing_dq.simulation.company.ids import Ids
from billing_dq.simulation.config import PACKS, PRICES, QUOTAS, Pack, WorldConfig
from billing_dq.simulation.labels import Document
from billing_dq.simulation.stripe import objects as stripe_objects
from billing_dq.units import round_half_up

_STEPS = ("initial", "verify", "wizard", "autofix-1", "autofix-2")
_FEATURES = ("autofix", "wizard", "scrap")
_PAID_PLANS = ("starter", "pro", "enterprise")
_SIGNUP_UNITS = 500
_REFERRAL_UNITS = 250
#: The application forgets a webhook event after 30 days.
_EVENT_LIFE = 30 * DAY
#: A plan is not lowered where the debt would be more than so many of its quotas: half of what a runaway is.
_DEBT_FOR_LOWER_PLAN = 5
#: And not where the usual use of a week is more than so many of them: the debt would become a runaway.
_USE_FOR_LOWER_PLAN = 1.6
#: Nobody goes on with a debt of more than so many quotas, or weeks of overuse would become a runaway by themselves.
_DEBT_THAT_STOPS = 5
#: Nothing begins in the last seconds, so that nothing is cut between two writes.
_MARGIN = 10 * SECOND
#: What happens by design is over for so long that no night takes it for a webhook under way.
_SETTLED = 2 * HOUR
#: How long the application takes to hear of what happened at Stripe.
_WEBHOOK = 2 * SECOND


@dataclass(frozen=True)
class Step:
    """A finished step: when, its key, units and feature, and how long after it the debit is written."""

    at: int
    key: str
    units: float
    feature: str
    delay: int


@dataclass
class Changes:
    """What a fault does to a life: writes that go wrong, steps that are added, things that happen besides."""

    crashes: Crashes = field(default_factory=Crashes)
    steps: list[Step] = field(default_factory=list)
    happenings: list[tuple[int, Callable[["Story"], None]]] = field(default_factory=list)


@dataclass
class Purchase:
    """A bought pack."""

    pack: Pack
    at: int
    charge: Document
    topup: Entry
    refunded: bool = False


@dataclass
class Dispute:
    """A dispute of a purchase, with what the ledger has of it."""

    purchase: Purchase
    stripe: Document
    clawback: Entry | None = None
    credit: Entry | None = None
    reinstated_at: int | None = None

    @property
    def id(self) -> str:
        """The dispute's id."""
        return str(self.stripe["id"])


class Story:
    """The replayed life of the organization with an index."""

    def __init__(self, config: WorldConfig, index: int, changes: Changes | None = None) -> None:
        self.config = config
        self.end = to_millis(config.as_of)
        self.begin = to_millis(config.first_week)
        self.random = Random(f"{config.seed}:{index}:story")
        self.ids = Ids(Random(f"{config.seed}:{index}:ids"))
        self.changes = changes or Changes()
        self.steps: list[Step] = []
        self.purchases: list[Purchase] = []
        self.disputes: list[Dispute] = []
        self.events: list[Document] = []
        self.monthly: Document | None = None
        self.old_week: int | None = None
        self.design: str | None = None
        self._heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._pushed = 0
        self._plan_life()
        for step in self.changes.steps:
            self._push(step.at, self._finish, step)
        for at, happening in self.changes.happenings:
            self._push(at, happening, self)
        while self._heap:
            at, _, action, arguments = heapq.heappop(self._heap)
            self.now = at
            action(*arguments)

    def _push(self, at: int, action: Callable[..., None], *arguments: object) -> None:
        if at <= self.end - _MARGIN:
            heapq.heappush(self._heap, (at, self._pushed, action, arguments))
            self._pushed += 1

    # What happens

    def _plan_life(self) -> None:
        random = self.random
        weeks = self.config.weeks
        young = random.random() < 0.12
        born = (
            self.begin + int(random.random() * 0.6 * weeks * WEEK)
            if young
            else self.begin - random.randint(2, 40) * DAY
        )
        born -= random.randrange(DAY)
        born = min(born, self.end - 2 * HOUR)
        born -= born % SECOND
        self.born = born
        organization_id = Ids(Random(f"{self.config.seed}:{random.getrandbits(64)}:organization")).object_id(born)
        self.application = Application(self.ids, organization_id, born, self.changes.crashes)
        self.account = Account(self.ids, self.application.id_text)

        draw = random.random()
        self.first_plan = "free" if draw < 0.42 else _PAID_PLANS[0 if draw < 0.73 else 1 if draw < 0.90 else 2]
        late_subscriber = self.first_plan == "free" and random.random() < 0.08
        self.has_document = self.first_plan == "free" and not late_subscriber and random.random() < 0.86
        if random.random() < 0.75:
            self._push(born, self._grant, _SIGNUP_UNITS, f"signup_grant-{organization_id}", "signup_grant", None)
        if self.has_document:
            self._push(born + 1, self.application.subscribe_free, born)
        if random.random() < 0.06:
            expires = born + random.choice((21, 60)) * DAY if random.random() < 0.6 else None
            self._push(
                born, self._grant, _REFERRAL_UNITS, f"referral:{self.ids.hexadecimal()}:referee", "referral", expires
            )
        if random.random() < 0.01:
            self._push(
                self._moment(),
                self._grant,
                random.randint(1, 40) * 50,
                f"adjustment-{self.ids.uuid()}",
                "adjustment",
                None,
            )
        if not young and random.random() < 0.03:
            self._push(born, self._count_by_month)

        if late_subscriber:
            self._plan_subscription(self._moment(), random.choice(_PAID_PLANS[:2]))
        elif self.first_plan != "free":
            self._plan_subscription(born + random.randint(MINUTE, 2 * HOUR), self.first_plan)
        self._plan_usage()
        self._plan_purchases()

    def _moment(self) -> int:
        """Some instant of the weeks with usage in which the organization exists."""
        first = max(self.begin, self.born + HOUR)
        return first + int(self.random.random() * max(0, self.end - first))

    def _plan_usage(self) -> None:
        random = self.random
        quota = QUOTAS[self.first_plan]
        mean = self.config.entries_per_week
        intensity = random.choice((0.15, 0.35, 0.6, 0.8, 1.05, 1.3)) * quota if quota else random.uniform(50, 300)
        self.intensity = intensity
        quarters = random.random() < 0.06
        if random.random() < 0.03 and self.born < self.begin:
            self.old_week = self.begin
        for start in range(self.begin, self.end, WEEK):
            count = int(random.random() * 2 * mean + 0.5)
            for _ in range(count):
                at = start + random.randrange(WEEK)
                units: float = max(1, int(intensity / max(1.0, mean) * (0.3 + 1.4 * random.random())))
                if quarters and random.random() < 0.4:
                    units += random.choice((0.25, 0.5, 0.75))
                delay = random.randint(15, 60)
                step = "initial" if start == self.old_week else random.choice(_STEPS)
                feature = random.choice(_FEATURES)
                self._plan_step(at, units, feature, delay, step)
            if random.random() < 0.01:
                at = start + WEEK - random.randint(5, 400)
                step = "initial" if start == self.old_week else random.choice(_STEPS)
                units = max(1, int(intensity / max(1.0, mean)))
                self._plan_step(at, units, random.choice(_FEATURES), random.randint(500, 1500), step)

    def _plan_step(self, at: int, units: float, feature: str, delay: int, name: str) -> None:
        started = at - self.random.randint(30, 900) * SECOND
        key = f"{started // SECOND:08x}{self.random.getrandbits(64):016x}:{name}"
        if at > self.born + MINUTE:
            self._push(at, self._finish, Step(at, key, units, feature, delay))

    def _plan_purchases(self) -> None:
        random = self.random
        likely = 0.3 if self.first_plan == "free" else 0.22
        while random.random() < likely:
            pack = PACKS[random.choice(("pack_s", "pack_s", "pack_m", "pack_m", "pack_x", "pack_l"))]
            at = self._moment()
            named_on = random.choices(("intent", "both", "intent_only", "neither"), (50, 35, 8, 7))[0]
            self._push(at, self._buy, pack, named_on, random.random(), random.random(), random.randint(1, 11) * DAY)

    def _plan_subscription(self, at: int, plan: str) -> None:
        random = self.random
        annual = random.random() < 0.22
        price_id, metadata = PRICES[plan][int(annual)], dict[str, str]()
        draw = random.random()
        if plan == "pro" and draw < 0.05:
            price_id = stripe_objects.LEGACY_PRO_PRICE
        elif plan == "enterprise" and draw < 0.1:
            price_id, metadata = stripe_objects.MANUAL_PRICE, {"planId": "enterprise"}
        trial = random.random() < 0.03
        self._push(at, self._subscribe, plan, price_id, metadata, trial)
        reset = self.begin if random.random() < 0.85 else self.begin + random.randint(1, 6) * DAY
        self._push(next_daily(max(reset, at + WEEK if at > self.begin else reset), 1), self._reset)
        renewal = at + period_length(price_id)
        while renewal < self.begin:
            renewal += period_length(price_id)
        late = random.randint(50, 75) * MINUTE
        draw = random.random()
        fate = "dunned" if draw < 0.02 else "unpaid" if draw < 0.03 else "late" if draw < 0.06 else "paid"
        while renewal <= self.end and not trial:
            if at < renewal:
                self._push(renewal, self._renew, renewal, late, fate)
            renewal += period_length(price_id)
            fate = "paid"
        draw = random.random()
        moment = max(self._moment(), at + HOUR)
        if draw < 0.08:
            neighbours = {"starter": ("pro",), "pro": ("starter", "enterprise"), "enterprise": ("pro",)}[plan]
            self._push(moment, self.change_plan, random.choice(neighbours))
        elif draw < 0.12:
            self._push(moment, self._cancel, random.random() < 0.3)
        elif draw < 0.14:
            self._push(moment, self._change_by_hand, "pro" if plan == "starter" else "enterprise")
        elif draw < 0.15:
            self._push(moment, self._dispute_subscription)

    # How it happens

    def _grant(self, units: int, ref_id: str, source: str, expires: int | None) -> None:
        topup = self.application.grant(self.now, units, ref_id, source, expires)
        if ref_id in self.changes.crashes.doubled:
            self.application.grant(self.now, units, ref_id, source, expires)
        if expires is not None:
            self.plan_sweep(topup, expires)

    def plan_sweep(self, topup: Entry, expires: int) -> None:
        """Have what is left of a top-up removed after its expiry."""
        # A sweep comes late now and then, but within 48 hours.
        sweep = next_daily(max(expires, self.begin), 2)
        if str(topup["_id"])[-1] in "01":
            sweep = next_daily(sweep, 2)
        if sweep - expires >= 2 * DAY and expires > self.begin:
            sweep = next_daily(expires, 2)
        self._push(sweep, self._sweep, topup)

    def _sweep(self, topup: Entry) -> None:
        self.application.sweep(self.now, topup)

    def _count_by_month(self) -> None:
        now = to_datetime(self.now)
        self.monthly = {
            "_id": self.ids.object_id(self.now),
            "month": now.strftime("%Y-%m"),
            "organizationId": self.application.organization_id,
            "__v": 0,
            "alertedAt100": None,
            "alertedAt80": None,
            "archivedAt": None,
            "consumedAttributionKeys": [],
            "counters": {"executions": 3},
            "createdAt": now,
            "legacyPeriod": True,
            "meterBreakdown": {},
            "meterQuota": 0,
            "meterUsed": 0,
            "updatedAt": now,
        }

    def _finish(self, step: Step) -> None:
        quota = self.application.quota
        if quota and self.application.balance_units < -_DEBT_THAT_STOPS * quota:
            return
        self.steps.append(step)
        over = self.application.finish_step(step.at, step.key, step.units, step.feature)
        if over:
            self._push(step.at + step.delay, self._debit, step.key, over)

    def _debit(self, key: str, units: float) -> None:
        self.application.debit(self.now, key, units)

    def _subscribe(self, plan: str, price_id: str, metadata: dict[str, str], trial: bool) -> None:
        at = self.now
        seconds = (at - _WEBHOOK) // SECOND
        subscription = self.account.subscribe(at - _WEBHOOK, price_id, metadata, 30 if trial else 0)
        self.application.subscribe(
            at, plan, str(subscription["customer"]), str(subscription["id"]), (seconds + 1, seconds + 1)
        )
        if trial:
            self.application.paid_subscription["status"] = "trialing"
        if at < self.begin:  # history before the first week is not told
            self.application.paid_subscription["lastResetAt"] = to_datetime(self.begin - WEEK)
        self._event("customer.subscription.updated")
        self._event("invoice.payment_succeeded")

    def _may_reset(self) -> bool:
        subscription = self.application.subscription
        return (
            subscription is not None
            and subscription["status"] in ("active", "trialing", "past_due")
            and self.application.quota > 0
        )

    def _reset(self) -> None:
        if not self._may_reset():
            return
        last = self.application.paid_subscription["lastResetAt"]
        assert isinstance(last, datetime)
        due = to_millis(last) + WEEK
        if self.now > due:
            self.application.reset(self.now)
            due = self.now + WEEK
        self._push(next_daily(due, 1), self._reset)

    def _renew(self, period_start: int, late: int, fate: str) -> None:
        if not self._may_reset():
            return
        if fate == "paid":
            self.account.renew(period_start, None)
            self._push(self.now + late, self._pay, "customer.subscription.updated")
            self.account.live["status"] = "active"
            return
        self.account.renew(period_start, None)
        self.application.fall_behind(self.now, self._heard)
        self._event("invoice.payment_failed")
        if fate == "late":
            self._push(self.now + 3 * DAY, self._pay, "customer.subscription.updated")
        elif fate == "unpaid":
            self._push(self.now + 4 * DAY, self._give_up)
        else:
            self._push(self.now + 4 * DAY, self._dun)

    def _pay(self, event: str) -> None:
        if not self._may_reset():
            return
        self.account.pay_open_invoice(self.now - _WEBHOOK)
        self.application.renew(self.now, self._heard)
        self._event("invoice.payment_succeeded")
        self._event(event)

    def _give_up(self) -> None:
        if self._may_reset():
            self.account.live["status"] = "unpaid"
            self.application.subscription_event(self.now, self._heard)
            self.application.paid_subscription["status"] = "unpaid"
            self._event("customer.subscription.updated")

    def _dun(self) -> None:
        if self.now > self.end - _SETTLED or not self._may_reset():
            return
        self.application.dun(self.now)
        self.design = "dunning"

    def change_plan(self, plan: str) -> None:
        """Another plan at Stripe, and then here."""
        quota = QUOTAS[plan]
        too_much = self.intensity > _USE_FOR_LOWER_PLAN * quota
        if not self._may_reset() or too_much or self.application.balance_units < -_DEBT_FOR_LOWER_PLAN * quota:
            return
        self.account.change_price(PRICES[plan][0], {})
        self.application.change_plan(self.now, plan, self._heard)
        self._event("customer.subscription.updated")

    def _change_by_hand(self, plan: str) -> None:
        if self._may_reset() and self.application.plan != plan and self.now < self.end - _SETTLED:
            self.application.change_plan_by_hand(self.now, plan)
            self.design = "plan_changed_by_hand"

    def _cancel(self, customer_deleted: bool) -> None:
        if not self._may_reset() or self.application.plan == "free":
            return
        self.account.cancel(self.now - _WEBHOOK)
        if customer_deleted:
            self.account.delete_customer()
        self.application.cancel(self.now, self._heard, customer_deleted)
        self._event("customer.subscription.deleted")

    def _buy(self, pack: Pack, named_on: str, draw: float, choice: float, wait: int) -> None:
        session_id = self.ids.session()
        charge = self.account.buy(self.now - _WEBHOOK, pack, session_id, named_on)
        subscription = self.application.subscription
        if subscription is not None and subscription["plan"] == "free" and "stripeCustomerId" not in subscription:
            subscription["stripeCustomerId"] = charge["customer"]
        expires = None if pack.expiry_days is None else self.now + pack.expiry_days * DAY
        topup = self.application.top_up_pack(self.now, pack.units, session_id, expires)
        purchase = Purchase(pack, self.now, charge, topup)
        self.purchases.append(purchase)
        self._event("checkout.session.completed")
        if expires is not None:
            self.plan_sweep(topup, expires)
        if self.application.quota and pack.units > 4 * self.application.quota:
            return  # a clawback of it could be more than a runaway balance may be
        if draw < 0.06:
            self._push(self.now + wait, self._refund, purchase, choice < 0.3)
        elif draw < 0.16:
            self._push(self.now + wait, self._dispute, purchase, choice, wait)

    def _refund(self, purchase: Purchase, half: bool) -> None:
        cents = purchase.pack.price_cents // 2 if half else purchase.pack.price_cents
        refund_id = self.account.refund(self.now - _WEBHOOK, purchase.charge, cents)
        purchase.refunded = True
        units = round_half_up(cents / purchase.pack.price_cents * purchase.pack.units)
        ref_id = f"refund-{refund_id}-{purchase.topup['_id']}"
        self.application.refund(self.now, purchase.topup, units, ref_id)
        self._event("charge.refunded")

    def _dispute(self, purchase: Purchase, choice: float, wait: int) -> None:
        inquiry = choice < 0.12
        dispute = Dispute(
            purchase,
            self.account.dispute(
                self.now - _WEBHOOK, purchase.charge, "warning_under_review" if inquiry else "under_review"
            ),
        )
        self.disputes.append(dispute)
        if inquiry:
            if choice < 0.06:
                self._push(self.now + wait, self._decide, dispute, "warning_closed")
            return
        euros = choice > 0.85
        self.withdraw(dispute, *((0.92, "eur") if euros else (None, "usd")))
        decided = self.now + wait
        if choice < 0.35:
            self._push(decided, self._decide, dispute, "lost")
        elif choice > 0.45:
            by_hand = choice < 0.6 and purchase.pack.name == "pack_s"
            credited = decided + (26 if by_hand else 6) * HOUR
            if credited <= self.end:
                self._push(decided, self._win, dispute, euros)
                self._push(credited, self._credit, dispute, by_hand)

    def withdraw(self, dispute: Dispute, rate: float | None = None, currency: str = "usd") -> None:
        """Stripe takes the disputed money, and the ledger is clawed back in the pack's units."""
        cents = int(dispute.purchase.charge["amount"])  # type: ignore[call-overload]
        self.account.move(self.now - _WEBHOOK, dispute.stripe, -int(round_half_up(cents * (rate or 1))), currency, rate)
        self._event("charge.dispute.funds_withdrawn")
        if dispute.id in self.changes.crashes.lost or "dispute" in self.changes.crashes.lost:
            return
        pack, topup = dispute.purchase.pack, dispute.purchase.topup
        units = round_half_up(cents / 100 / (pack.price_cents / 100) * pack.units)
        old = self.now // SECOND % 7 == 0
        ref_id = f"dispute_{dispute.id}" if old else f"refund-dispute_{dispute.id}-{topup['_id']}"
        entry = self.application.refund(self.now, topup, units, ref_id)
        dispute.clawback = dispute.clawback or entry

    def _decide(self, dispute: Dispute, status: str) -> None:
        dispute.stripe["status"] = status

    def _win(self, dispute: Dispute, euros: bool) -> None:
        dispute.stripe["status"] = "won"
        dispute.reinstated_at = self.now
        cents = int(dispute.purchase.charge["amount"])  # type: ignore[call-overload]
        rate = 0.95 if euros else None
        reinstated = int(round_half_up(cents * (rate or 1)))
        self.account.move(self.now, dispute.stripe, reinstated, "eur" if euros else "usd", rate)
        self._event("charge.dispute.funds_reinstated")

    def _credit(self, dispute: Dispute, by_hand: bool) -> None:
        if dispute.clawback is None:
            return
        units = -float(dispute.clawback["amount"])  # type: ignore[arg-type]
        ref_id = f"dispute-credit-{self.ids.uuid()}" if by_hand else f"dispute_reinstate_{dispute.id}"
        dispute.credit = self.application.adjust(self.now, ref_id, units)

    def _dispute_subscription(self) -> None:
        if self.account.subscription is None or not self.account.objects["invoices"]:
            return
        charge = self.account.charge_subscription(self.now - HOUR)
        dispute = self.account.dispute(self.now, charge, "won")
        cents = int(charge["amount"])  # type: ignore[call-overload]
        self.account.move(self.now, dispute, -cents)
        if self.now + DAY <= self.end:
            self.account.move(self.now + DAY, dispute, cents)
        else:
            dispute["status"] = "under_review"

    def _event(self, kind: str) -> None:
        if self.now < self.end - _EVENT_LIFE:
            return
        event_id = self.ids.stripe("evt")
        retried = event_id[-1] in "z" and event_id[-2] > "a"
        self.events.append(
            {
                "_id": self.ids.object_id(self.now),
                "eventId": event_id,
                "type": kind,
                "processedAt": to_datetime(self.now),
                "attempts": 3 if retried else 0,
                "lastError": "Cannot read properties of null (reading 'id')" if retried else None,
                "deadLetter": False,
                "__v": 0,
            }
        )

    @property
    def _heard(self) -> int:
        """Seconds of the creation of the event that the application hears of now."""
        return (self.now - _WEBHOOK) // SECOND + 1

    @property
    def organization_id(self) -> ObjectId:
        """The organization's id."""
        return self.application.organization_id

    def closed_weeks(self) -> list[int]:
        """The weeks (their starts) that have been over for at least a day."""
        return list(range(self.begin, week_start(self.end - DAY), WEEK))
