"""What the pure rules are told of the settings."""

from billing_dq.reconcile.night import NightRules
from billing_dq.settings import Settings
from billing_dq.weeks import NightWeeks


def rules_of(settings: Settings, weeks: NightWeeks) -> NightRules:
    """The rules of a night with these weeks."""
    return NightRules(
        weeks=weeks,
        tolerance=settings.meter_tolerance,
        quota_of_plan=settings.quota_of_plan,
        quota_multiple=settings.runaway.quota_multiple,
        floor_units=settings.runaway.floor_units,
        packs=settings.packs,
        dollars_to_units=settings.dollars_to_units,
        pending_minutes=settings.stripe_pending_minutes,
        runbook_url=settings.runbook_url,
    )
