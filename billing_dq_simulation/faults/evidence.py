"""Stripe's events of a subscription, read as they are shown: the quota and the standing before and after each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from billing_dq_simulation.clock import SECOND
from billing_dq_simulation.config import QUOTAS
from billing_dq_simulation.labels import Document
from billing_dq_simulation.stripe.objects import PLAN_OF_PRICE


@dataclass(frozen=True)
class PlanEvent:
    """An event: its instant (milliseconds), the plan's quota before and after, and what became of the subscription."""

    at: int
    before: int
    after: int
    ended: bool
    fell_behind: bool
    recovered: bool


def plan_events(events: Sequence[Document]) -> list[PlanEvent]:
    """The events, oldest first."""
    return sorted((_read(event) for event in events), key=lambda event: event.at)


def _read(event: Document) -> PlanEvent:
    data = event["data"]
    assert isinstance(data, dict)
    now, changed = data["object"], data.get("previous_attributes", {})
    ended = event["type"] == "customer.subscription.deleted"
    plan = _quota(now["items"])
    before = _quota(changed["items"]) if "items" in changed else plan
    began = event["type"] == "customer.subscription.created"
    status, status_before = now["status"], changed.get("status", now["status"])
    return PlanEvent(
        int(event["created"]) * SECOND,  # type: ignore[call-overload]
        0 if began else before,
        0 if ended else plan,
        ended,
        status in ("past_due", "unpaid") and status_before == "active",
        status == "active" and status_before in ("past_due", "unpaid"),
    )


def _quota(items: Mapping[str, list[Document]]) -> int:
    price = items["data"][0]["price"]
    assert isinstance(price, dict)
    return QUOTAS[PLAN_OF_PRICE.get(str(price["id"]), "free")]
