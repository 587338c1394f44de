"""A policy for tests: what each test is not about has the value of the settings' defaults."""

from dataclasses import replace

from billing_dq.policy import policy_of
from billing_dq.reconcile.inputs import Policy
from billing_dq.settings import Settings


def policy(**changes: object) -> Policy:
    """The policy of the default settings, with these fields changed."""
    return replace(policy_of(Settings()), **changes)  # pyright: ignore[reportArgumentType]
