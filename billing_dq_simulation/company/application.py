"""The application's writes to the documents of one organization, as in docs/domain.md, "How the application writes".

The documents are the state. Every method is one thing the application does at one instant; what happens when is decided
elsewhere. `Crashes` names the writes that go wrong.
"""

from dataclasses import dataclass, field

from bson import ObjectId

from billing_dq_simulation.clock import SECOND, WEEK, to_datetime, week_key, week_start
from billing_dq_simulation.company.ids import Ids
from billing_dq_simulation.company.lots import Lots
from billing_dq_simulation.config import PLAN_VERSIONS, QUOTAS
from billing_dq_simulation.labels import Document

Entry = dict[str, object]


@dataclass
class Crashes:
    """Writes that go wrong, by the reference they carry: an attribution key, or a settle key.

    Attributes:
        lost: entries that are never written.
        doubled: entries that are written twice, as if the guard were not there.
        uncounted: settle keys whose usage side is never written.
        miscounted: settle key -> units that the usage side counts more than the credit.
        overswept: refId of an expiration -> units that it takes beyond what is left.
    """

    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    uncounted: set[str] = field(default_factory=set)
    miscounted: dict[str, float] = field(default_factory=dict)
    overswept: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Versions:
    """How an organization's application is built and configured.

    Attributes:
        settles_within_quota: a settlement is `min(quota - used, debt)`, as in newer versions, not `min(quota, debt)`.
        resets_on_change: a change of plan at Stripe sets the week's usage to 0.
    """

    settles_within_quota: bool = False
    resets_on_change: bool = False


@dataclass
class WeekUsage:
    """A usage document in the making, with what only the simulation knows of it."""

    start: int
    document: Document
    keys: list[str]
    breakdown: dict[str, float]
    settled: float = 0.0
    disturbed: bool = False


class Application:
    """One organization in the application: its documents, and the writes to them."""

    def __init__(
        self, ids: Ids, organization_id: ObjectId, created: int, crashes: Crashes, versions: Versions | None = None
    ) -> None:
        self.ids = ids
        self.organization_id = organization_id
        self.id_text = str(organization_id)
        self.plan = "free"
        self.organization: Document = {
            "_id": organization_id,
            "name": f"company-{self.id_text[-6:]}",
            "slug": f"company-{self.id_text[-6:]}",
            "plan": "free",
            "createdAt": to_datetime(created),
            "updatedAt": to_datetime(created),
            "__v": 0,
        }
        self.subscription: Document | None = None
        self.usage: dict[int, WeekUsage] = {}
        self.balance: Document | None = None
        self.balance_units = 0.0
        self.ledger: list[Entry] = []
        self.lots = Lots()
        self.units_of: dict[str, float] = {}
        self.debits: dict[str, Entry] = {}
        self.credits: dict[str, Entry] = {}
        self.sweeps: dict[str, Entry] = {}
        self.due: dict[str, float] = {}
        self.plan_changes: list[int] = []
        self._crashes = crashes
        self._versions = versions or Versions()

    # Usage and debits (1)

    def finish_step(self, at: int, key: str, units: float, feature: str, outside: float = 0.0) -> float:
        """Count a step in the current week; the value is the part above the live quota, to be debited.

        ``outside`` of its units are in no part of the breakdown.
        """
        week = self.week(at)
        document = week.document
        used = document["meterUsed"] + units  # type: ignore[operator]
        document["meterUsed"] = used
        if not units or units > outside:
            week.breakdown[feature] = week.breakdown.get(feature, 0) + _whole(units - outside)
        week.keys.append(key)
        self._alert(document, at)
        document["updatedAt"] = to_datetime(at)
        self.units_of[key] = units
        quota = QUOTAS[self.plan]
        over = units if not quota else min(units, max(0, used - quota))
        if over:
            self.due[key] = over
        return over

    def debit(self, at: int, key: str, units: float) -> None:
        """Take a step's overflow from the extras, once per key."""
        if key in self.debits:
            return
        if key in self._crashes.lost:
            return
        self.lots.debit(units, at)
        self.debits[key] = self.write(at, "debit", -units, {"refId": key})
        if key in self._crashes.doubled:
            self.lots.debit(units, at)
            self.write(at, "debit", -units, {"refId": key})

    def week(self, at: int) -> WeekUsage:
        """The usage document of the week of an instant, made where there is none."""
        start = week_start(at)
        if start not in self.usage:
            self.usage[start] = self._new_week(start, at, resets=start + WEEK)
        return self.usage[start]

    def _new_week(self, start: int, at: int, resets: int) -> WeekUsage:
        now = to_datetime(at)
        keys: list[str] = []
        breakdown: dict[str, float] = {}
        document: Document = {
            "_id": self.ids.object_id(at),
            "organizationId": self.organization_id,
            "weekKey": week_key(start),
            "__v": 0,
            "alertedAt100": None,
            "alertedAt80": None,
            "archivedAt": None,
            "consumedAttributionKeys": keys,
            "counters": {},
            "createdAt": now,
            "meterBreakdown": breakdown,
            "meterQuota": QUOTAS[self.plan],
            "meterUsed": 0,
            "month": now.strftime("%Y-%m"),
            "planVersion": PLAN_VERSIONS[self.plan],
            "resetAt": to_datetime(resets),
            "updatedAt": now,
        }
        return WeekUsage(start, document, keys, breakdown)

    @staticmethod
    def _alert(document: Document, at: int) -> None:
        used, quota = document["meterUsed"], document["meterQuota"]
        if quota and used >= 0.8 * quota:  # type: ignore[operator]
            document["alertedAt80"] = document["alertedAt80"] or to_datetime(at)
            if used >= quota:  # type: ignore[operator]
                document["alertedAt100"] = document["alertedAt100"] or to_datetime(at)

    # Plans (2)

    def subscribe(self, at: int, plan: str, customer_id: str, subscription_id: str, seconds: tuple[int, int]) -> None:
        """A checkout of a plan; ``seconds`` are the creation of the subscription's and of the invoice's event."""
        self.subscription = {
            "_id": self.ids.object_id(at),
            "organization": self.organization_id,
            "stripeCustomerId": customer_id,
            "stripeSubscriptionId": subscription_id,
            "plan": plan,
            "status": "active",
            "currentPeriodStart": to_datetime(at - at % 1000 - 2000),
            "pastDueSince": None,
            "lastResetAt": to_datetime(at),
            "lastSubscriptionEventCreatedAt": seconds[0],
            "lastSubscriptionEventId": self.ids.stripe("evt"),
            "lastInvoiceEventCreatedAt": seconds[1],
            "lastInvoiceEventId": self.ids.stripe("evt"),
            "adminUpdatedAt": None,
            "adminUpdatedBy": None,
            "createdAt": to_datetime(at),
            "updatedAt": to_datetime(at),
            "__v": 0,
        }
        self._take_plan(at, plan)
        self._rewrite_quota(at)

    def subscribe_free(self, at: int) -> None:
        """The subscription document of an organization that never paid for a plan."""
        self.subscription = {
            "_id": self.ids.object_id(at),
            "organization": self.organization_id,
            "plan": "free",
            "status": "active",
            "currentPeriodStart": None,
            "pastDueSince": None,
            "lastResetAt": None,
            "lastSubscriptionEventCreatedAt": None,
            "lastSubscriptionEventId": None,
            "lastInvoiceEventCreatedAt": None,
            "lastInvoiceEventId": None,
            "adminUpdatedAt": None,
            "adminUpdatedBy": None,
            "createdAt": to_datetime(at),
            "updatedAt": to_datetime(at),
            "__v": 0,
        }

    def change_plan(self, at: int, plan: str, event_seconds: int) -> None:
        """A change that Stripe announced: the current week's quota is rewritten, its usage stays."""
        self.subscription_event(at, event_seconds)
        self._take_plan(at, plan)
        if self._versions.resets_on_change and week_start(at) in self.usage:
            self.reset_meter(at)
        self._rewrite_quota(at)

    def change_plan_by_hand(self, at: int, plan: str) -> None:
        """A person's change: neither the week's document nor Stripe is rewritten."""
        subscription = self.paid_subscription
        subscription["adminUpdatedAt"] = to_datetime(at)
        subscription["adminUpdatedBy"] = self.ids.object_id(at)
        self._take_plan(at, plan)
        self._disturb(at)

    def fall_behind(self, at: int, event_seconds: int) -> None:
        """A failed payment: past due, on both sides."""
        self.subscription_event(at, event_seconds)
        self.paid_subscription["status"] = "past_due"
        self.paid_subscription["pastDueSince"] = to_datetime(at)

    def dun(self, at: int) -> None:
        """The application gives up on an overdue payment: unpaid and free here, and nothing else is rewritten."""
        self.paid_subscription["status"] = "unpaid"
        self._take_plan(at, "free")
        self._disturb(at)

    def recover(self, at: int, plan: str, event_seconds: int) -> None:
        """A paid invoice ends dunning: plan and status are back, the organization keeps ``free``."""
        subscription = self.paid_subscription
        subscription["status"] = "active"
        self._take_plan(at, plan)
        self.organization["plan"] = "free"
        self._disturb(at)
        self.renew(at, event_seconds)

    def cancel_by_administrator(self, at: int) -> None:
        """Free and canceled, and the markers move; no week's document is rewritten, and no change by hand is noted."""
        self.subscription_event(at, at // SECOND)
        self.paid_subscription["status"] = "canceled"
        self._take_plan(at, "free")
        self._disturb(at)

    def synchronize(self, at: int, plan: str, status: str) -> None:
        """Plan and status as Stripe has them, by an administrator's request; no week's document is rewritten."""
        self.subscription_event(at, at // SECOND)
        self.paid_subscription["status"] = status
        self._take_plan(at, plan)
        self._disturb(at)

    def cancel(self, at: int, event_seconds: int, customer_deleted: bool) -> None:
        """Cancellation, or deletion of the customer: meter and quota of the week to 0, keys and debits stay."""
        subscription = self.paid_subscription
        self.subscription_event(at, event_seconds)
        subscription["status"] = "canceled"
        subscription["pastDueSince"] = None
        if customer_deleted:
            subscription["stripeCustomerId"] = None
            subscription["stripeSubscriptionId"] = None
        self._take_plan(at, "free")
        if week_start(at) in self.usage:
            self.reset_meter(at)
            self.week(at).document["meterQuota"] = 0
            self.week(at).document["planVersion"] = PLAN_VERSIONS["free"]

    def reset_meter(self, at: int) -> None:
        """The current week's usage to 0."""
        week = self.week(at)
        week.breakdown.clear()
        week.settled = 0.0
        week.disturbed = True
        week.document.update(meterUsed=0, alertedAt80=None, alertedAt100=None, updatedAt=to_datetime(at))

    @property
    def paid_subscription(self) -> Document:
        """The subscription document.

        Raises:
            RuntimeError: the organization has none.
        """
        if self.subscription is None:
            raise RuntimeError("the organization has no subscription")
        return self.subscription

    @property
    def quota(self) -> int:
        """The live quota, in units a week."""
        return QUOTAS[self.plan]

    def subscription_event(self, at: int, seconds: int) -> None:
        """A subscription event was applied: the marker advances."""
        subscription = self.paid_subscription
        subscription["lastSubscriptionEventCreatedAt"] = seconds
        subscription["lastSubscriptionEventId"] = self.ids.stripe("evt")
        subscription["updatedAt"] = to_datetime(at)

    def _take_plan(self, at: int, plan: str) -> None:
        self.plan = plan
        self.plan_changes.append(at)
        subscription = self.paid_subscription
        subscription["plan"] = plan
        subscription["updatedAt"] = to_datetime(at)
        self.organization["plan"] = plan
        self.organization["updatedAt"] = to_datetime(at)

    def _rewrite_quota(self, at: int) -> None:
        week = self.usage.get(week_start(at))
        if week is None:
            return
        week.disturbed = True
        week.document.update(meterQuota=self.quota, planVersion=PLAN_VERSIONS[self.plan], updatedAt=to_datetime(at))
        self._alert(week.document, at)

    def _disturb(self, at: int) -> None:
        if week_start(at) in self.usage:
            self.usage[week_start(at)].disturbed = True

    # Reset and settlement (3)

    def renew(self, at: int, paid_event_seconds: int) -> None:
        """A paid renewal: the period starts anew, the invoice marker advances, an overdue flag is cleared."""
        subscription = self.paid_subscription
        subscription["currentPeriodStart"] = to_datetime(at)
        subscription["status"] = "active"
        subscription["pastDueSince"] = None
        subscription["lastInvoiceEventCreatedAt"] = paid_event_seconds
        subscription["lastInvoiceEventId"] = self.ids.stripe("evt")
        self.reset(at)

    def reset(self, at: int) -> None:
        """Archive the weeks before, make sure of the current one, and repay debt from its quota."""
        now, start = to_datetime(at), week_start(at)
        for week in self.usage.values():
            if week.start < start and week.document["archivedAt"] is None:
                week.document.update(archivedAt=now, updatedAt=now)
        if start not in self.usage:
            self.usage[start] = self._new_week(start, at, resets=at + WEEK)
        self.paid_subscription.update(lastResetAt=now, updatedAt=now)
        self._settle(at)

    def _settle(self, at: int) -> None:
        week = self.week(at)
        key = f"settle:{week_key(week.start)}"
        room: float = self.quota
        if self._versions.settles_within_quota:
            room -= week.document["meterUsed"]  # type: ignore[operator]
        units = min(room, self.lots.usage_debt, max(0.0, -self.balance_units))
        if units <= 0 or key in week.keys or key in self.credits:
            return
        if key not in self._crashes.lost:
            self.adjust(at, key, units)
        if key in self._crashes.uncounted:
            return
        counted = units + self._crashes.miscounted.get(key, 0)
        week.keys.append(key)
        week.settled += counted
        week.disturbed = True
        week.document["meterUsed"] += counted  # type: ignore[operator]
        self._alert(week.document, at)
        week.document["updatedAt"] = to_datetime(at)

    # Top-ups, expiry, refunds, disputes (4, 5)

    def top_up_pack(self, at: int, units: float, session_id: str, expires: int | None) -> Entry:
        """A bought pack."""
        return self._top_up(at, units, {"stripeSessionId": session_id}, expires)

    def grant(self, at: int, units: float, ref_id: str, source: str, expires: int | None = None) -> Entry:
        """Units given: at signup, for a referral, as an adjustment."""
        return self._top_up(at, units, {"refId": ref_id, "source": source}, expires)

    def _top_up(self, at: int, units: float, fields: Entry, expires: int | None) -> Entry:
        entry = self.write(at, "topup", units, fields, expires)
        self.lots.credit(_id_of(entry), units, expires)
        return entry

    def sweep(self, at: int, topup: Entry) -> None:
        """Remove what is left of an expired top-up; zero where nothing is."""
        ref_id = f"expire-{topup['_id']}"
        if ref_id in self._crashes.lost:
            return
        identity = _id_of(topup)
        taken = self.lots.expire(identity)
        excess = self._crashes.overswept.get(ref_id, 0.0)
        if excess:
            self.lots.refund(identity, excess, at)
            taken += excess
        self.sweeps[ref_id] = self.write(at, "expiration", -taken or 0, {"refId": ref_id})

    def refund(self, at: int, topup: Entry, units: float, ref_id: str) -> Entry:
        """Claw back units of a pack, for a refund or a dispute's withdrawal."""
        self.lots.refund(_id_of(topup), units, at)
        return self.write(at, "refund", -units, {"stripeSessionId": topup["stripeSessionId"], "refId": ref_id})

    def adjust(self, at: int, ref_id: str, units: float) -> Entry:
        """A credit: a settlement, or of a dispute."""
        entry = self.write(at, "adjustment", units, {"refId": ref_id})
        self.lots.credit(_id_of(entry), units, None)
        self.credits[ref_id] = entry
        return entry

    def write(self, at: int, kind: str, units: float, fields: Entry, expires: int | None = None) -> Entry:
        """Push an entry and move the balance by its amount: one update, which makes the document where none is."""
        now = to_datetime(at)
        if self.balance is None:
            self.balance = {
                "_id": self.ids.object_id(at),
                "organization": self.organization_id,
                "__v": 0,
                "cachedBalance": 0,
                "cachedBalanceAt": now,
                "createdAt": now,
                "ledger": self.ledger,
                "updatedAt": now,
            }
        amount = _whole(units)
        entry: Entry = {"kind": kind, "amount": amount, **fields, "at": now}
        if expires is not None:
            entry["expiresAt"] = to_datetime(expires)
        entry["_id"] = self.ids.object_id(at)
        self.ledger.append(entry)
        self.balance_units += units
        self.balance["cachedBalance"] = _whole(self.balance_units)
        self.balance["cachedBalanceAt"] = now
        self.balance["updatedAt"] = now
        return entry


def _id_of(entry: Entry) -> ObjectId:
    identity = entry["_id"]
    assert isinstance(identity, ObjectId)
    return identity


def _whole(units: float) -> float:
    """A number as JavaScript hands it to BSON: an integer where it is one."""
    return int(units) if units == int(units) else units
