"""Faults; the kinds follow."""

from collections.abc import Mapping

from billing_dq.simulation.labels import Label, SimulatedOrganization
from billing_dq.simulation.story import Story


def by_design(story: Story) -> list[Label]:
    """The drift that DOMAIN.md calls by design."""
    if story.design is None:
        return []
    fault = f"by_design_{story.design}"
    subscription = str(story.account.live["id"])
    kinds = ("subscription_status", "subscription_plan") if story.design == "dunning" else ("subscription_plan",)
    return [Label(fault, str(story.organization_id), subscription, 0.0, True, kind) for kind in kinds]


def inject(story: Story, index: int) -> SimulatedOrganization | None:
    """None: there is no fault yet."""
    return None


def parse_faults(text: str) -> Mapping[str, float]:
    """No fault exists yet."""
    if text != "none":
        raise ValueError(f"unknown fault {text!r}")
    return {}
