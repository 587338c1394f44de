"""The application's collections, by their names in docs/domain.md, whatever they are called in the settings."""

from typing import Literal

Collection = Literal["organizations", "subscriptions", "billingusages", "billingextrabalances", "processedstripeevents"]
