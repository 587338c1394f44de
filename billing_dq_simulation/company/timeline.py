"""The clock of one organization: what is to happen is put in time order, and happens when its instant comes."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from bson import ObjectId

from billing_dq_simulation.clock import DAY, HOUR, SECOND, WEEK, to_datetime, to_millis, week_start
from billing_dq_simulation.company.account import Account
from billing_dq_simulation.company.application import Application, Crashes, Versions
from billing_dq_simulation.company.ids import Ids
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.labels import Document

#: How long the application takes to hear of what happened at Stripe.
WEBHOOK = 2 * SECOND
#: The application forgets a webhook event after 30 days.
EVENT_LIFE = 30 * DAY
#: The kinds of trouble that are about the quota or the meter itself.
OF_QUOTA = frozenset(
    {
        *("event", "plan_change", "cancellation", "cancellation_by_administrator", "synchronization"),
        *("change_by_hand", "dunning", "settlement_within_quota"),
    }
)
#: Nothing begins in the last seconds, so that nothing is cut between two writes.
_MARGIN = 10 * SECOND


@dataclass(frozen=True)
class Step:
    """A finished step: when, its key, units and feature, and how long after it the debit is written.

    ``outside`` are those of its units that are in no part of the breakdown (docs/domain.md, "What was learnt later").
    """

    at: int
    key: str
    units: float
    feature: str
    delay: int
    outside: float = 0.0


@dataclass
class Changes:
    """What a fault does to a life: writes that go wrong, steps that are added, things that happen besides."""

    crashes: Crashes = field(default_factory=Crashes)
    steps: list[Step] = field(default_factory=list)
    happenings: list[tuple[int, Callable[..., None]]] = field(default_factory=list)


class Timeline:
    """The instants of one organization, its documents and Stripe objects; times are milliseconds.

    Attributes:
        begin, end: the first Monday with usage, and the instant of the snapshot.
        born: when the organization was made.
        now: the instant of what is happening.
        events: the webhook events that the application keeps.
        troubled: by week (its start), the kinds of natural trouble that befell the organization in it.
    """

    def __init__(self, config: WorldConfig, index: int, changes: Changes, versions: Versions) -> None:
        self.config = config
        self.end = to_millis(config.as_of)
        self.begin = to_millis(config.first_week)
        self.random = Random(f"{config.seed}:{index}:story")
        self.ids = Ids(Random(f"{config.seed}:{index}:ids"))
        self.changes = changes
        self.events: list[Document] = []
        self.troubled: dict[int, set[str]] = {}
        self.now = self.begin
        self._heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._pushed = 0
        self.young = self.random.random() < 0.12
        self.born = self._birth()
        organization_id = Ids(Random(f"{config.seed}:{self.random.getrandbits(64)}:organization")).object_id(self.born)
        self.application = Application(self.ids, organization_id, self.born, changes.crashes, versions)
        event_ids = Ids(Random(f"{config.seed}:{index}:stripe events"))
        self.account = Account(self.ids, self.application.id_text, event_ids, self.end - EVENT_LIFE)

    def _birth(self) -> int:
        random, weeks = self.random, self.config.weeks
        born = (
            self.begin + int(random.random() * 0.6 * weeks * WEEK)
            if self.young
            else self.begin - random.randint(2, 40) * DAY
        )
        born -= random.randrange(DAY)
        born = min(born, self.end - 2 * HOUR)
        return born - born % SECOND

    def push(self, at: int, action: Callable[..., None], *arguments: object) -> None:
        """Have something happen at an instant; what lies after the snapshot never does."""
        if at <= self.end - _MARGIN:
            heapq.heappush(self._heap, (at, self._pushed, action, arguments))
            self._pushed += 1

    def run(self) -> None:
        """Let everything happen, in time order."""
        while self._heap:
            at, _, action, arguments = heapq.heappop(self._heap)
            self.now = at
            action(*arguments)

    def moment(self, random: Random) -> int:
        """Some instant of the weeks with usage in which the organization exists."""
        first = max(self.begin, self.born + HOUR)
        return first + int(random.random() * max(0, self.end - first))

    def mark(self, trouble: str, since: int | None = None) -> None:
        """Natural trouble of a kind befalls the organization in the week of now, and in those since an instant."""
        for start in range(week_start(self.now if since is None else since), self.now + 1, WEEK):
            self.troubled.setdefault(start, set()).add(trouble)

    def hear(self, kind: str) -> None:
        """A webhook event was processed."""
        if not self.keeps_event():
            return
        event_id = self.ids.stripe("evt")
        retried = event_id[-1] in "z" and event_id[-2] > "a"
        self.events.append(
            {
                "_id": self.ids.object_id(self.now),
                "eventId": event_id,
                "type": kind,
                "processedAt": to_datetime(self.now),
                "attempts": 3 if retried else 0,
                "lastError": "Cannot read properties of null (reading 'id')" if retried else None,
                "deadLetter": False,
                "__v": 0,
            }
        )

    def keeps_event(self) -> bool:
        """Whether the event of now is still there at the snapshot."""
        return self.now >= self.end - EVENT_LIFE

    @property
    def heard(self) -> int:
        """Seconds of the creation of the event that the application hears of now."""
        return (self.now - WEBHOOK) // SECOND + 1

    @property
    def organization_id(self) -> ObjectId:
        """The organization's id."""
        return self.application.organization_id

    def closed_weeks(self) -> list[int]:
        """The weeks (their starts) that have been over for at least a day."""
        return list(range(self.begin, week_start(self.end - DAY), WEEK))
