"""A simulated company night by night: its documents as they were at each, while it has weekdays, launches and holidays.

Each organization lives once, from the first week to the last night, and its documents are copied on the way.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random

import bson
from bson import CodecOptions

from billing_dq_simulation.clock import DAY, HOUR, MINUTE, SECOND, to_datetime, to_millis
from billing_dq_simulation.company.documents import COLLECTIONS
from billing_dq_simulation.company.story import Changes, Step, Story
from billing_dq_simulation.company.timeline import EVENT_LIFE
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.labels import Document

_STEPS = ("initial", "verify", "wizard")
_AWARE = CodecOptions[Document](tz_aware=True, tzinfo=UTC)


class NightlyDocuments:
    """What a night would find.

    Args:
        config: the company; ``as_of`` and ``entries_per_week`` do not count.
        nights: the instants of the nights, oldest first.
        steps: how many steps an organization finishes on a day, on average.
    """

    def __init__(self, config: WorldConfig, nights: Sequence[datetime], steps: Callable[[date], float]) -> None:
        self._held: dict[datetime, dict[str, list[bytes]]] = {night: defaultdict(list) for night in nights}
        ends = replace(config, as_of=nights[-1] + timedelta(minutes=1), entries_per_week=0)
        for index in range(config.organizations):
            self._live(ends, index, steps)

    def documents(self, night: datetime) -> dict[str, list[Document]]:
        """The documents at a night, by collection; a copy of their own."""
        held = self._held[night]
        return {name: [bson.decode(raw, _AWARE) for raw in held[name]] for name in COLLECTIONS}

    def _live(self, config: WorldConfig, index: int, steps: Callable[[date], float]) -> None:
        usage = _steps(config, index, Story(config, index), steps)
        copies = [(to_millis(night), self._copy(night)) for night in self._held]
        _Life(config, index, Changes(steps=usage, happenings=copies))

    def _copy(self, night: datetime) -> Callable[[Story], None]:
        def copy(story: Story) -> None:
            application = story.application
            weeks = [week.document for week in sorted(application.usage.values(), key=lambda week: week.start)]
            since = to_datetime(story.now - EVENT_LIFE)
            found: dict[str, list[Document | None]] = {
                "organizations": [application.organization if story.born <= story.now else None],
                "subscriptions": [application.subscription],
                "billingusages": [story.monthly, *weeks],
                "billingextrabalances": [application.balance],
                "processedstripeevents": [one for one in story.events if one["processedAt"] >= since],  # type: ignore[operator]
            }
            for name, documents in found.items():
                self._held[night][name] += [bson.encode(one) for one in documents if one is not None]

        return copy


class _Life(Story):
    """A life all of whose events are kept, since each night sees others."""

    def keeps_event(self) -> bool:
        return True


def _steps(config: WorldConfig, index: int, story: Story, steps: Callable[[date], float]) -> list[Step]:
    """The steps of all days, of units such that a week of one step a day comes to what the organization uses in it."""
    random = Random(f"{config.seed}:{index}:nights")
    found: list[Step] = []
    for start in range(story.begin, story.end, DAY):
        for _ in range(int(steps(to_datetime(start).date()) + random.random())):
            at = start + 6 * HOUR + random.randrange(18 * HOUR)
            if story.born + MINUTE < at < story.end:
                units = max(1, int(story.usage.intensity / 7 * (0.3 + 1.4 * random.random())))
                key = f"{at // SECOND - 90:08x}{random.getrandbits(64):016x}:{random.choice(_STEPS)}"
                found.append(Step(at, key, units, random.choice(("autofix", "wizard", "scrap")), 40))
    return found
