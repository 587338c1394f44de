"""A simulated company, one organization at a time: nothing of the others is held, and none depends on another."""

from collections.abc import Iterator
from random import Random

from billing_dq_simulation.company.documents import documents_of
from billing_dq_simulation.company.story import Story
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.faults.catalogue import EVENTS, by_design, inject
from billing_dq_simulation.labels import Document, SimulatedOrganization
from billing_dq_simulation.stripe import objects as stripe_objects


def simulate(config: WorldConfig) -> Iterator[SimulatedOrganization]:
    """The organizations of a world, in the order of their index.

    Raises:
        ValueError: the configuration names a fault that does not exist.
    """
    unknown = sorted(set(config.faults) - set(EVENTS))
    if unknown:
        raise ValueError(f"unknown fault {unknown[0]!r}; known are: {', '.join(EVENTS)}")
    for index in range(config.organizations):
        yield simulate_one(config, index)


def simulate_one(config: WorldConfig, index: int) -> SimulatedOrganization:
    """One organization of a world; the same whatever the others are."""
    story = Story(config, index)
    broken = inject(config, index, story) if config.faults else None
    if broken is not None:
        return broken
    numbers = Random(f"{config.seed}:{index}:numbers")
    return SimulatedOrganization(documents_of(story, numbers), story.account.objects, by_design(story))


def account_objects() -> dict[str, list[Document]]:
    """The Stripe objects that belong to no organization: the account's prices."""
    return {"prices": stripe_objects.prices()}
