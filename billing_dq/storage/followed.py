"""The weeks of organizations that a night looks at again although they have left its window.

A finding about such a week is open, and only a night that examines the week can tell that the finding ended. Of such an
organization the night reads everything from its oldest followed week on, as it would in a window that reaches so far.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import pandas as pd

from billing_dq.tables import FOLLOWED_WEEKS, LEDGER_SEALS
from billing_dq.weeks import NightWeeks, Week

SEAL_COLUMNS = ["organization_id", "entry_count", "ledger_sum", "digest"]


@dataclass(frozen=True)
class Followed:
    """`FOLLOWED_WEEKS` of a night, and what has to be read for them.

    Attributes:
        seals: `SEAL_COLUMNS` of the ledgers, as earlier nights left them: the seals that they must continue.
    """

    weeks: pd.DataFrame = field(default_factory=FOLLOWED_WEEKS.empty)
    seals: pd.DataFrame = field(default_factory=lambda: LEDGER_SEALS.empty()[SEAL_COLUMNS])

    @cached_property
    def oldest(self) -> Mapping[str, Week]:
        """By organization the oldest of its followed weeks."""
        oldest = self.weeks.groupby("organization_id")["week_key"].min()
        return {str(organization): Week.parse(week) for organization, week in oldest.items()}

    def window(self, night: NightWeeks) -> NightWeeks:
        """The weeks of a night, back to the oldest followed one of all."""
        return night.back_to(min(self.oldest.values())) if self.oldest else night

    def usage_to_read(self, night: NightWeeks, at_once: int) -> Iterator[tuple[list[str], list[str]]]:
        """Organizations, so many at once, and the weeks of their usage documents that the night does not read anyway.

        They begin a week before the oldest followed one, for matching.
        """
        for week in sorted(set(self.oldest.values())):
            organizations = sorted(name for name, oldest in self.oldest.items() if oldest == week)
            keys = [key for key in night.back_to(week).matching_keys if key not in night.matching_keys]
            for start in range(0, len(organizations), at_once):
                yield organizations[start : start + at_once], keys

    def entries_from(self) -> dict[str, datetime]:
        """By organization the first instant of its ledger entries that are read: a day before its oldest week."""
        return {organization: week.start - timedelta(days=1) for organization, week in self.oldest.items()}
