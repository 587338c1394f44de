"""The operator's decisions in the settings, in the form that the pure rules take."""

from billing_dq.reconcile.inputs import Policy
from billing_dq.settings import Settings


def policy_of(settings: Settings) -> Policy:
    """The policy in the settings."""
    return Policy(
        tolerance=settings.meter_tolerance,
        quota_of_plan=settings.quota_of_plan,
        quota_multiple=settings.runaway.quota_multiple,
        floor_units=settings.runaway.floor_units,
        packs=settings.packs,
        dollars_to_units=settings.dollars_to_units,
        pending_minutes=settings.stripe_pending_minutes,
        runbook_url=settings.runbook_url,
        follow_weeks=settings.follow_weeks,
        change_resets_usage=settings.plan_change_resets_usage,
    )
