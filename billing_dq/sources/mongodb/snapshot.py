"""The MongoDB source: one snapshot of the five collections as the tables of a night, and what could not be read.

What a night reads at once in this process; Dagster has the same parts read by steps of their own (`defs/snapshot.py`).
"""

from pathlib import Path

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.facts import Part, Snapshot
from billing_dq.sources.mongodb.merging import merged
from billing_dq.sources.mongodb.parts import Reading, plan_reading, read_part
from billing_dq.sources.progress import Progress
from billing_dq.storage.followed import Followed
from billing_dq.weeks import NightWeeks


def read_snapshot(
    settings: Settings, night: NightWeeks, directory: Path, progress: Progress, followed: Followed | None = None
) -> Snapshot:
    """Read everything that a night needs from MongoDB, and write it below ``directory``, a file for each table.

    ``followed`` are the weeks behind its window that it reads again; none without it.

    Raises:
        TransientSourceError: the server cannot be reached or is too slow.
        SourceError: not authorized, the wrong database, a missing collection, or documents that do not add up.
    """
    plan, parts = plan_reading(settings, night.as_of), list[Part]()
    for number, organizations in enumerate(plan.ranges):
        (part_directory := directory / f"part_{number:03}").mkdir(parents=True, exist_ok=True)
        reading = Reading(settings, night, followed or Followed(), part_directory, progress, organizations)
        parts.append(read_part(reading, plan))
    return merged(parts, plan.server, settings, night, followed or Followed(), directory)
