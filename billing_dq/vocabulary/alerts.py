"""The words of the alerts: what can change in an alert, and the kinds of alert that are no finding."""

from typing import Literal, get_args

#: What changed in an alert, as a route is notified of it.
Event = Literal["new", "worse", "reopened", "resolved"]
EVENTS: tuple[Event, ...] = get_args(Event)

#: What can go wrong with the nights themselves; a route may name these beside the kinds of finding.
OPERATIONS = (
    "missing_nights",
    "late_night",
    "source_unreadable",
    "too_little_examined",
    "failed_run",
    "failed_check",
    "failed_part",
)
#: What every route is notified of, whatever it filters: silence would be taken for a night in order.
ON_EVERY_ROUTE = ("too_little_examined",)

#: The route whose notifications stay in the outbox; the only one where no other is set up.
FILE_ROUTE = "file"
