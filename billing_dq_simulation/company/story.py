"""The life of one organization: what happens to it, when, and the replay of that in time order.

Everything random about the life is drawn before the replay, so that a fault (`Changes`) changes its consequences and
nothing else: the same organization is replayed with and without it.
"""

from billing_dq_simulation.clock import DAY, HOUR, MINUTE, to_datetime, to_millis
from billing_dq_simulation.company.application import Entry
from billing_dq_simulation.company.purchases import Dispute, Purchase, Shop
from billing_dq_simulation.company.remedies import Remedies
from billing_dq_simulation.company.subscriber import Subscriber
from billing_dq_simulation.company.timeline import Changes, Step, Timeline
from billing_dq_simulation.company.traits import Traits
from billing_dq_simulation.company.usage import Usage
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.labels import Document

_PAID_PLANS = ("starter", "pro", "enterprise")
_SIGNUP_UNITS = 500
_REFERRAL_UNITS = 250

__all__ = ["Changes", "Dispute", "Purchase", "Step", "Story"]


class Story(Timeline):
    """The replayed life of the organization with an index."""

    def __init__(self, config: WorldConfig, index: int, changes: Changes | None = None) -> None:
        traits = Traits(config, index, to_millis(config.first_week))
        super().__init__(config, index, changes or Changes(), traits.versions)
        self._traits = traits
        self.monthly: Document | None = None
        self.usage = Usage(self, traits)
        self.subscriber = Subscriber(self, traits)
        self.shop = Shop(self, traits)
        self.remedies = Remedies(self, traits, self.shop)
        self._plan_life()
        for step in self.changes.steps:
            self.push(step.at, self.usage.finish, step)
        for at, happening in self.changes.happenings:
            self.push(at, happening, self)
        self.run()

    def _plan_life(self) -> None:
        random = self.random
        draw = random.random()
        first_plan = "free" if draw < 0.42 else _PAID_PLANS[0 if draw < 0.73 else 1 if draw < 0.90 else 2]
        late_subscriber = first_plan == "free" and random.random() < 0.08
        has_document = first_plan == "free" and not late_subscriber and random.random() < 0.86
        self._plan_grants(has_document)
        if late_subscriber:
            self.subscriber.plan(self.moment(random), random.choice(_PAID_PLANS[:2]))
        elif first_plan != "free":
            self.subscriber.plan(self.born + random.randint(MINUTE, 2 * HOUR), first_plan)
        self.usage.plan(first_plan)
        self.subscriber.intensity = self.usage.intensity
        self.shop.plan(first_plan)
        self.remedies.plan(pays=late_subscriber or first_plan != "free")

    def _plan_grants(self, has_document: bool) -> None:
        random, born = self.random, self.born
        if random.random() < 0.75:
            self._plan_signup_grant()
        if has_document:
            self.push(born + 1, self.application.subscribe_free, born)
        if random.random() < 0.06:
            expires = born + random.choice((21, 60)) * DAY if random.random() < 0.6 else None
            ref_id = f"referral:{self.ids.hexadecimal()}:referee"
            self.push(born, self._grant, _REFERRAL_UNITS, ref_id, "referral", expires)
        if random.random() < 0.01:
            at, units = self.moment(random), random.randint(1, 40) * 50
            self.push(at, self._grant, units, f"adjustment-{self.ids.uuid()}", "adjustment", None)
        if not self.young and random.random() < 0.03:
            self.push(born, self._count_by_month)

    def _plan_signup_grant(self) -> None:
        at = self.born
        if self._traits.grant == "never":
            return
        if self._traits.grant == "backfilled" and self.born < self._traits.backfill:
            at = self._traits.backfill
        ref_id = f"signup_grant-{self.organization_id}"
        self.push(at, self._grant, _SIGNUP_UNITS, ref_id, "signup_grant", None)

    def _grant(self, units: int, ref_id: str, source: str, expires: int | None) -> None:
        topup = self.application.grant(self.now, units, ref_id, source, expires)
        if ref_id in self.changes.crashes.doubled:
            self.application.grant(self.now, units, ref_id, source, expires)
        if expires is not None:
            self.shop.plan_sweep(topup, expires)

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

    # What faults and tests read

    @property
    def design(self) -> str | None:
        """The drift by design that the subscription is left in: ``dunning``, ``plan_changed_by_hand`` or none."""
        subscription = self.application.subscription
        if subscription is None or self.account.subscription is None or subscription["status"] == "canceled":
            return None
        if subscription["status"] == "unpaid" and subscription["plan"] == "free":
            return "dunning"
        by_hand = subscription["adminUpdatedAt"] is not None
        return "plan_changed_by_hand" if by_hand and subscription["plan"] != self.account.plan else None

    @property
    def steps(self) -> list[Step]:
        """The steps that finished."""
        return self.usage.steps

    @property
    def old_week(self) -> int | None:
        """The week (its start) whose document has the older list of histories."""
        return self.usage.old_week

    @property
    def purchases(self) -> list[Purchase]:
        """The packs that were bought."""
        return self.shop.purchases

    @property
    def disputes(self) -> list[Dispute]:
        """The disputes of packs."""
        return self.shop.disputes

    def plan_sweep(self, topup: Entry, expires: int) -> None:
        """See `Shop.plan_sweep`."""
        self.shop.plan_sweep(topup, expires)

    def withdraw(self, dispute: Dispute, rate: float | None = None, currency: str = "usd") -> None:
        """See `Shop.withdraw`."""
        self.shop.withdraw(dispute, rate, currency)

    def change_plan(self, plan: str) -> None:
        """See `Subscriber.change_plan`."""
        self.subscriber.change_plan(plan)
