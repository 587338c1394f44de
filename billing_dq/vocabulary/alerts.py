"""The words of the alerts: what can happen to a matter, and the kinds of matter that are no finding."""

from typing import Literal, get_args

#: What happened to a matter, as a route is told of it.
Event = Literal["new", "worse", "reopened", "resolved"]
EVENTS: tuple[Event, ...] = get_args(Event)

#: What can go wrong with the nights themselves; a route may name these beside the kinds of finding.
OPERATIONS = ("missing_nights", "late_night", "source_unreadable", "failed_run", "failed_check", "failed_part")

#: The route whose messages only stand in `<home>/alerts.jsonl`; the only one where no other is set up.
FILE_ROUTE = "file"
