"""Faults about who pays for an organization's plan, and the sound situations that look like them.

docs/domain.md, "Who pays".
"""

from datetime import timedelta

from billing_dq_simulation.clock import DAY
from billing_dq_simulation.faults.cases import Case, Documents
from billing_dq_simulation.labels import BY_DESIGN, Document, Label, SimulatedOrganization
from billing_dq_simulation.stripe import objects as stripe_objects

#: What was written within two hours may be on its way and is no finding.
_PENDING = timedelta(hours=2)

Outcome = SimulatedOrganization | None


def _paying(case: Case) -> Document | None:
    """The subscription document of an organization that pays for its plan, settled for some hours, on both sides."""
    document = case.story.application.subscription
    if document is None or document.get("stripeSubscriptionId") is None or document["status"] != "active":
        return None
    settled = case.config.as_of - document["updatedAt"] >= _PENDING  # type: ignore[operator]
    by_hand = document["adminUpdatedAt"] is not None
    return document if settled and not by_hand and case.story.account.live["status"] == "active" else None


def _end_at_stripe(case: Case) -> None:
    """The subscription is gone at Stripe, with its invoices."""
    account = case.story.account
    account.objects["subscriptions"].remove(account.live)
    account.objects["invoices"].clear()


def plan_without_subscription(case: Case) -> Outcome:
    """A paid plan that no subscription pays for."""
    document = _paying(case)
    if document is None:
        return None
    _end_at_stripe(case)
    document["stripeSubscriptionId"] = None
    return case.end(case.story, [case.label("plan_without_subscription", case.organization, 0.0)])


def plan_given_by_an_administrator(case: Case) -> Outcome:
    """A person gave the plan by hand: nobody pays, and somebody decided so."""
    document = _paying(case)
    if document is None:
        return None
    _end_at_stripe(case)
    document["stripeSubscriptionId"] = None
    document["adminUpdatedAt"] = document["updatedAt"]
    document["adminUpdatedBy"] = case.story.ids.object_id(case.story.end)
    return case.end(case.story, [])


def collection_paused(case: Case) -> Outcome:
    """Stripe collects no invoice of a subscription that stays active."""
    if _paying(case) is None:
        return None
    behavior = case.random.choice(("void", "keep_as_draft", "mark_uncollectible"))
    case.story.account.live["pause_collection"] = {"behavior": behavior, "resumes_at": None}
    subject = str(case.story.account.live["id"])
    return case.end(case.story, [case.label("subscription_not_collecting", subject, 0.0, cause="collection_paused")])


def ended_and_served(case: Case) -> Outcome:
    """Both sides know that the subscription is over, and the plan stays."""
    document = _paying(case)
    if document is None:
        return None
    document["status"] = case.story.account.live["status"] = case.random.choice(("paused", "canceled"))
    return case.end(case.story, [case.label("subscription_not_collecting", str(case.story.account.live["id"]), 0.0)])


def other_customer(case: Case) -> Outcome:
    """The document points to the subscription of another customer."""
    document = _paying(case)
    if document is None:
        return None
    document["stripeCustomerId"] = case.story.ids.customer()
    return case.end(case.story, [case.label("subscription_other_customer", str(case.story.account.live["id"]), 0.0)])


def subscription_of_two(case: Case) -> Outcome:
    """An organization was copied with its subscription's id: one payment serves two."""
    document = _paying(case)
    if document is None:
        return None
    return _copied(case, dict(document), "subscription_shared", str(document["stripeSubscriptionId"]))


def customer_of_two(case: Case) -> Outcome:
    """An organization was copied with its customer's id only."""
    document = _paying(case)
    if document is None:
        return None
    copy = dict(document, stripeSubscriptionId=None, plan="free")
    return _copied(case, copy, "customer_shared", str(document["stripeCustomerId"]))


def _copied(case: Case, document: Document, kind: str, subject: str) -> SimulatedOrganization:
    """A second organization with this subscription document; the finding is told of the smaller id of the two."""
    copy = case.story.ids.object_id(case.story.born)
    document.update(_id=case.story.ids.object_id(case.story.born), organization=copy)

    def add(documents: Documents) -> None:
        (organization,) = documents["organizations"]
        documents["organizations"].append(dict(organization, _id=copy, plan=document["plan"]))
        documents["subscriptions"].append(document)

    first = min(case.organization, str(copy))
    return case.end(case.story, [Label(case.fault, first, subject, 0.0, True, kind)], add)


def organization_plan(case: Case) -> Outcome:
    """The organization's own document never took the plan that its subscription pays for."""
    if _paying(case) is None or case.story.application.organization["plan"] == "free":
        return None
    case.story.application.organization["plan"] = "free"
    return case.end(case.story, [case.label("organization_plan", str(case.story.account.live["id"]), 0.0)])


def another_product(case: Case) -> Outcome:
    """Subscriptions of another product in the same account at Stripe, of customers of its own."""
    account, ids = case.story.account, case.story.ids
    for _ in range(case.random.randint(1, 3)):
        created = (case.story.end - case.random.randint(40, 90) * DAY) // 1000
        subscription_id = ids.stripe("sub")
        period = (created, created + 30 * DAY // 1000)
        item = stripe_objects.subscription_item(
            ids.short("si"), subscription_id, stripe_objects.MANUAL_PRICE, created, period, {}
        )
        other = stripe_objects.subscription(subscription_id, ids.customer(), "", [item], created)
        account.objects["subscriptions"].append(other | {"metadata": {"product": "another"}})
    label = Label(BY_DESIGN + case.fault, "", "stripe", 0.0, True, "subscriptions_not_ours")
    return case.end(case.story, [label])
