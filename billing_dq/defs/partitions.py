"""The nights. A night is the UTC date on which its snapshot is taken; today's is there from 00:00 on."""

import dagster as dg

from billing_dq.settings import Settings


def nights_of(settings: Settings) -> dg.DailyPartitionsDefinition:
    """One partition a night, from the setting ``first_night`` on, so that the UI shows none missing that never were."""
    return dg.DailyPartitionsDefinition(settings.first_night.isoformat(), timezone="UTC", end_offset=1)
