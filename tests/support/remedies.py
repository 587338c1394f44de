"""One small sound company, the entries that people write into its ledger, and two nights of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from bson import ObjectId

from billing_dq.policy import policy_of
from billing_dq.reconcile.inputs import Earlier
from billing_dq.reconcile.night import NightResult, reconcile_night
from tests.support import stripe_company as at_stripe
from tests.support.pure_night import application_tables, sample_settings, stripe_tables

Document = dict[str, Any]

#: A Saturday: 2026-W47 is open, W44 to W46 are closed.
AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
ORGANIZATION = ObjectId("6a0000000000000000000001")
TOPUP = ObjectId("6a0000000000000000000002")
DISPUTE = "du_1"


def day(number: int, hour: int = 10) -> datetime:
    """A day of November 2026."""
    return datetime(2026, 11, number, hour, tzinfo=UTC)


def entry(kind: str, amount: float, ref_id: str | None, at: datetime, **fields: object) -> Document:
    """A ledger entry in the application's form; its id is new."""
    named = {} if ref_id is None else {"refId": ref_id}
    return {"_id": ObjectId(), "kind": kind, "amount": amount, **named, "at": at, **fields}


@dataclass
class Company:
    """The documents and Stripe objects of one organization on the plan pro, which bought a pack and uses it."""

    documents: dict[str, list[Document]]
    stripe: dict[str, list[Document]]
    prices: Sequence[str] = ("price_pro_monthly_v2",)

    @property
    def balance(self) -> Document:
        return self.documents["billingextrabalances"][0]

    @property
    def ledger(self) -> list[Document]:
        return self.balance["ledger"]

    @property
    def subscription(self) -> Document:
        return self.documents["subscriptions"][0]

    @property
    def theirs(self) -> Document:
        return self.stripe["subscriptions"][0]

    def usage(self, week: str) -> Document:
        return next(one for one in self.documents["billingusages"] if one["weekKey"] == week)

    def entry(self, ref_id: str) -> Document:
        return next(one for one in self.ledger if one.get("refId") == ref_id)

    def push(self, added: Document) -> None:
        """What one atomic update does: the entry and the balance."""
        self.ledger.append(added)
        self.balance["cachedBalance"] += added["amount"]

    def correct(self, units: float, about: object) -> None:
        """A correction written by hand."""
        kind = "adjustment" if units > 0 else "refund"
        self.push(entry(kind, units, f"correction-{about}", AS_OF + timedelta(hours=6)))

    def credit(self, cents: int) -> None:
        """The application's credit tool: whole cents at the general ratio."""
        self.push(entry("adjustment", cents * 10, f"dispute-credit-{ObjectId()}", AS_OF + timedelta(hours=6)))

    def remove(self, ref_id: str) -> None:
        """What a crash before the second write leaves: no entry."""
        lost = self.entry(ref_id)
        self.ledger.remove(lost)
        self.balance["cachedBalance"] -= lost["amount"]


def company() -> Company:
    """A sound company: three closed weeks, each 5 000 of quota and 400 of the pack, and an open one."""
    bought = day(1) - timedelta(days=40)
    ledger = [entry("topup", 25_000, None, bought, stripeSessionId="cs_1") | {"_id": TOPUP}]
    usages: list[Document] = []
    for week, monday in (("2026-W44", -5), ("2026-W45", 2), ("2026-W46", 9)):
        at = day(1) + timedelta(days=monday)
        keys = [f"{week}-{step}:initial" for step in ("a", "b", "c")]
        used = {keys[0]: 5000, keys[1]: 300, keys[2]: 100}
        ledger += [entry("debit", -used[key], key, at) for key in keys[1:]]
        usages.append(
            {
                "_id": ObjectId(),
                "organizationId": ORGANIZATION,
                "weekKey": week,
                "meterUsed": 5400,
                "meterQuota": 5000,
                "planVersion": "v1",
                "meterBreakdown": {"run": 5400},
                "consumedAttributionKeys": keys,
                "updatedAt": at,
            }
        )
    subscription = {
        "_id": ObjectId(),
        "organization": ORGANIZATION,
        "plan": "pro",
        "status": "active",
        "stripeCustomerId": "cus_sub_1",
        "stripeSubscriptionId": "sub_1",
        "pastDueSince": None,
        "lastInvoiceEventCreatedAt": int(day(11).timestamp()),
        "lastSubscriptionEventCreatedAt": int(day(11).timestamp()),
        "updatedAt": day(11),
    }
    balance = {
        "_id": ObjectId(),
        "organization": ORGANIZATION,
        "ledger": ledger,
        "cachedBalance": sum(float(str(one["amount"])) for one in ledger),
        "updatedAt": day(11),
    }
    documents = {
        "organizations": [{"_id": ORGANIZATION, "plan": "pro"}],
        "subscriptions": [subscription],
        "billingusages": usages,
        "billingextrabalances": [balance],
        "processedstripeevents": [],
    }
    return Company(documents, {"subscriptions": [at_stripe.subscription("sub_1")]})


@dataclass(frozen=True)
class Remedy:
    """A fault, what a person does about it, and how the finding ends.

    Attributes:
        fault: changes a sound company.
        finding: kind and cause of the finding that it makes.
        remedy: changes the company as the runbook says.
        ends: `resolved`, or `info` where the break stays and an entry makes it good.
        days: how many days later the next night is.
        stripe: whether the nights read Stripe.
        beside: kinds and causes of the other findings that the fault makes; they end too.
    """

    fault: Callable[[Company], object]
    finding: tuple[str, str | None]
    remedy: Callable[[Company], object]
    ends: str = "resolved"
    days: int = 1
    stripe: bool = False
    beside: frozenset[tuple[str, str | None]] = field(default_factory=frozenset)


def nights(tried: Remedy) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The findings of the night with the fault, and of a night after the remedy."""
    broken = company()
    tried.fault(broken)
    first = night(broken, AS_OF, tried.stripe, Earlier())
    tried.remedy(broken)
    second = night(broken, AS_OF + timedelta(days=tried.days), tried.stripe, Earlier(findings=first.findings))
    return first.findings, second.findings


def night(world: Company, as_of: datetime, stripe: bool, earlier: Earlier) -> NightResult:
    """One night of a company."""
    plans = {"pro": {"meter_quota": 5000, "prices": list(world.prices)}, "free": {"meter_quota": 0, "prices": []}}
    theirs = stripe_tables(world.stripe, as_of, plans=plans) if stripe else None
    policy = policy_of(sample_settings(plans=plans))
    return reconcile_night(application_tables(world.documents, as_of), theirs, policy, earlier)
